"""Raw records of instruments: there and back, and what no recorder writes."""

from __future__ import annotations

import random

import pytest

from idoldbg.errors import ArgumentError, DecodeError
from idoldbg.model.coverage_records import (
    BlockRecord,
    MessageRecord,
    encode_record,
    read_coverage_records,
)
from idoldbg.model.kernel_layout import KernelLayout
from idoldbg.model.sample_records import CHUNK, NEW, PIECE, USE, SampleReader
from idoldbg.model.trace_records import (
    ENTER,
    FAULT,
    HEADER,
    INDEX,
    LOST,
    SYSTEM_CALL,
    Record,
    RecordKind,
    read_records,
    whole_size,
)

BODIES: dict[RecordKind, bytes] = {
    RecordKind.CALL: SYSTEM_CALL.pack(1, *range(8), 3, 12) + b"abc" + bytes(12),
    RecordKind.RESULT: SYSTEM_CALL.pack(1, *range(8), 2, 0) + b"xy",
    RecordKind.SWITCH: INDEX.pack(3),
    RecordKind.ENTER: ENTER.pack(15, 2),
    RecordKind.LEAVE: INDEX.pack(2),
    RecordKind.TASK: INDEX.pack(4) + b"state",
    RecordKind.FAULT: FAULT.pack(4, 1, 0x8000, 2, 0),
    RecordKind.RESET: b"",
    RecordKind.RESTORED: b"",
    RecordKind.LOST: LOST.pack(9),
}
TRACE = b"".join(
    HEADER.pack(kind, 0, len(body), 1000 + kind) + body for kind, body in BODIES.items()
)


def test_each_kind_of_record_is_read() -> None:
    found = list(read_records(TRACE))
    assert [r.kind for r in found] == list(RecordKind) == list(BODIES)
    assert found[0] == Record(RecordKind.CALL, 1001, 1, 0, tuple(range(8)), b"abc", bytes(12))
    assert found[6].registers == (0x8000, 2, 0)
    assert [found[3].number, found[9].number] == [15, 9]
    assert found[5].data == b"state"


def test_a_stream_can_be_cut_anywhere() -> None:
    whole = list(read_records(TRACE))
    for at in range(len(TRACE)):
        size = whole_size(TRACE[:at])
        assert size <= at
        assert [*read_records(TRACE[:size]), *read_records(TRACE[size:])] == whole


def test_damaged_traces_are_errors() -> None:
    generator = random.Random(1)
    failed = 0
    for _ in range(500):
        data = bytearray(TRACE)
        for _ in range(generator.randrange(1, 4)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        try:
            list(read_records(bytes(data)))
        except DecodeError:
            failed += 1
    assert failed > 100
    for at in range(1, HEADER.size):
        with pytest.raises(DecodeError):
            list(read_records(TRACE[:at]))


RECORDS = (
    BlockRecord(0x08000000, 12),
    MessageRecord(3, 2, 0),
    MessageRecord(3, 2, 0xFFFFFF01, b"\1\2"),
)


def test_coverage_there_and_back() -> None:
    data = b"".join(map(encode_record, RECORDS))
    assert list(read_coverage_records(data)) == list(RECORDS)
    assert list(read_coverage_records(data[:-1])) == list(RECORDS[:-1])  # written just now


@pytest.mark.parametrize(
    "text",
    [
        b"b 1",
        b"b x y",
        b"b 1 0",
        b"b ffffffff 2",
        b"b -1 2",
        b"m 1 2 3",
        b"m 1 2 3 0",
        b"z",
        b"\xff",
    ],
)
def test_other_lines_are_refused(text: bytes) -> None:
    with pytest.raises(DecodeError, match="line 2"):
        list(read_coverage_records(b"b 1 2\n" + text + b"\n"))


def test_samples_are_kept_once() -> None:
    registers = tuple(range(16))
    pieces = CHUNK.pack(3, 2) + b"ab" + CHUNK.pack(3, 1) + b"c"
    sample_of = NEW.pack(1, 0, 15, 2, *registers, 3) + b"".join(map(PIECE.pack, (0, 1, 0)))
    data = pieces + sample_of + USE.pack(2, 0, 5, 77)
    reader = SampleReader()
    ((sample, count, time_ns),) = reader.feed(data)
    assert (sample.exception, sample.task, sample.registers, sample.stack) == (
        *(15, 2, registers),
        b"abcab",
    )
    assert (count, time_ns) == (5, 77)
    assert [s for s, _, _ in reader.feed(USE.pack(2, 0, 1, 78))] == [sample]


@pytest.mark.parametrize(
    "data",
    [
        b"\1",
        b"\2",
        USE.pack(2, 0, 1, 1),
        b"\4" * 40,
        b"\3" * 40,
        NEW.pack(1, 0, 0, 0, *range(16), 9),
    ],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        list(SampleReader().feed(data))


LAYOUT = KernelLayout(0x20000000, 0x20000010, None, 168, 8, ((100, 60),))


def test_a_layout_there_and_back() -> None:
    assert KernelLayout.from_json(LAYOUT.to_json()) == LAYOUT
    assert LAYOUT.watched_size == 60


@pytest.mark.parametrize(
    "wrong",
    [
        {"current": -1},
        {"current": 1 << 32},
        {"current": "0"},
        {"current": True},
        {"table": None},
        {"entry_size": 0},
        {"entry_size": 1 << 20},
        {"count": 1 << 20},
        {"watched": [[160, 9]]},
        {"watched": [[-1, 4]]},
        {"watched": [[0]]},
        {"watched": 5},
        {"saved": 137},
        {"saved": "0"},
        {"watched": [[0, 1]] * 17},
    ],
    ids=str,
)
def test_a_layout_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ArgumentError):
        KernelLayout.from_json({**LAYOUT.to_json(), **wrong})
    with pytest.raises(ArgumentError):
        KernelLayout.from_json({})
