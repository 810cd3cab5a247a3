"""Dump areas, as `humpty` itself fills them (`fixtures/vectors`), cut, damaged, and our own."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idoldbg.build.load.dump_file import name_registers
from idoldbg.build.load.humpty import (
    HEADER_SIZE,
    AreaHeader,
    decode_header,
    decode_ranges,
    decode_stream,
    decode_task,
    free_header,
    missing_size,
)
from idoldbg.errors import DecodeError
from idoldbg.model.memory import Segment
from tests.idoldbg.build.load.packing import Areas, header, register, task
from tests.idoldbg.build.load.test_lzss import VECTORS

CASES = json.loads(VECTORS.read_text())["areas"]


def split(ram: bytes, base: int) -> list[tuple[AreaHeader, bytes]]:
    """Return header and data of each area, by following the list."""
    areas, address = [], base
    while address:
        block = ram[address - base :]
        found = decode_header(block[:HEADER_SIZE], address)
        areas.append((found, block[HEADER_SIZE : found.written]))
        address = found.next
    return areas


def group(areas: list[tuple[AreaHeader, bytes]]) -> list[list[tuple[AreaHeader, bytes]]]:
    """Put the areas of one dump together: its first has ranges."""
    groups: list[list[tuple[AreaHeader, bytes]]] = []
    for found, data in areas:
        if found.dumper is not None:
            groups[len(groups) if found.range_count else -1 :] = [
                [*(groups[-1] if groups and not found.range_count else []), (found, data)]
            ]
    return groups


def stream(areas: list[tuple[AreaHeader, bytes]]) -> list[bytes]:
    return [data[8 * found.range_count :] for found, data in areas]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_areas_that_humpty_filled(case: dict[str, Any]) -> None:
    areas = split(bytes.fromhex(case["ram"]), case["base"])
    expected = [d for d, whole in zip(case["dumps"], case["complete"], strict=True) if whole]
    if not all(case["complete"]):
        return
    groups = group(areas)
    assert len(groups) == len(expected)
    for parts, dump in zip(groups, expected, strict=True):
        first, data = parts[0]
        segments = tuple(Segment(a, bytes.fromhex(h)) for a, h in dump["segments"])
        ranges = tuple((s.address, len(s.data)) for s in segments)
        assert decode_ranges(first, data) == ranges
        found, problem = decode_stream(stream(parts))
        assert problem == ""
        assert found.segments == segments
        assert missing_size(ranges, found.segments) == 0
        assert found.registers == name_registers(map(tuple, dump["registers"]))
        assert [found.task, found.ticks] == (dump["task"] or [None, None])
        assert decode_task(first, data) == (dump["task"] and tuple(dump["task"]))
        assert {int(each.contents) for each, _ in parts} == {dump["contents"]}
        assert {each.dumper for each, _ in parts} == {"jefe" if dump["task"] else "external"}


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_areas_are_freed_as_humpty_frees_them(case: dict[str, Any]) -> None:
    areas = split(bytes.fromhex(case["ram"]), case["base"])
    assert [free_header(found).hex() for found, _ in areas] == case["released"]


def test_a_dump_without_room_names_the_missing_memory() -> None:
    (case,) = (c for c in CASES if c["name"] == "no-room")
    (first, data), *others = split(bytes.fromhex(case["ram"]), case["base"])
    ranges = decode_ranges(first, data)
    found, problem = decode_stream(stream([(first, data), *others]))
    assert (found.task, problem) == (3, "")
    assert 0 < missing_size(ranges, found.segments) < sum(size for _, size in ranges)


@pytest.mark.parametrize("case", CASES[1:], ids=lambda c: c["name"])
def test_a_dump_that_is_cut_anywhere_gives_its_beginning(case: dict[str, Any]) -> None:
    parts = group(split(bytes.fromhex(case["ram"]), case["base"]))[0]
    data = b"".join(stream(parts))
    whole, _ = decode_stream([data])
    memory = {s.address + i: b for s in whole.segments for i, b in enumerate(s.data)}
    ends = 0
    for size in range(len(data)):
        found, problem = decode_stream([data[:size]])
        ends += problem == ""
        for segment in found.segments:
            for index, byte in enumerate(segment.data):
                assert memory[segment.address + index] == byte
        assert found.registers.items() <= whole.registers.items()
    # It may end between two segments alone; a register is two of eight bytes, a task of sixteen.
    assert 0 < ends <= len(data) // 8


def test_a_segment_may_be_cut_by_the_end_of_an_area() -> None:
    areas = Areas(0x1000, 0x400, 1)
    areas.add([Segment(0x2000, bytes(range(200)))], heads=[task(1, 2), register(15, 8)])
    ((_, data),) = split(areas.ram, 0x1000)
    content = data[8:]
    whole = decode_stream([content])
    assert whole[1] == ""
    for at in range(len(content)):
        assert decode_stream([content[:at], content[at:]]) == whole


@given(
    st.lists(st.tuples(st.integers(0, 63), st.binary(max_size=400)), max_size=4),
    st.sampled_from([0x100, 0x200, 0x1000]),
)
def test_round_trip(memory: list[tuple[int, bytes]], length: int) -> None:
    segments = [Segment(0x20000000 + 0x1000 * a, d[: len(d) // 4 * 4]) for a, d in memory]
    areas = Areas(0x30000000, length, 32)
    areas.add(segments, heads=[task(5, 1 << 40)])
    parts = [(h, d) for h, d in split(areas.ram, 0x30000000) if h.dumper]
    found, problem = decode_stream(stream(parts))
    assert (problem, found.task, found.ticks) == ("", 5, 1 << 40)
    assert b"".join(s.data for s in found.segments) == b"".join(s.data for s in segments)


@given(st.binary(max_size=200))
def test_any_stream_ends(data: bytes) -> None:
    found, _ = decode_stream([data])
    assert sum(len(s.data) for s in found.segments) <= 13 * len(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (bytes(24), "no dump area is there: it begins with 00 00 00 00"),
        (b"\xba\x0d\xca\xfe" + bytes(20), "the supervisor is making it"),
        (header(0x2000, 0x100), "its header is for 0x00002000"),
        (header(0x1000, 0x100, written=0x101), "257 of 256 bytes"),
        (header(0x1000, 0x100, written=23), "its header is damaged"),
        (header(0x1000, 0x100, written=32, count=2), "with 2 ranges"),
    ],
)
def test_damaged_headers(data: bytes, message: str) -> None:
    with pytest.raises(DecodeError, match=message) as caught:
        decode_header(data, 0x1000)
    assert "dump area at 0x00001000" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\x01", "unknown segment 01 at byte 0"),
        (task(1, 2) + b"\xda\xda", "ends within a segment, at byte 16"),
        (struct.pack("<IHH", 0x2000, 9, 4), "ends within the memory at 0x00002000"),
        (struct.pack("<IHH", 0x2000, 0, 4), "the memory at 0x00002000 is 4 bytes short"),
    ],
)
def test_damaged_streams(data: bytes, problem: str) -> None:
    assert problem in decode_stream([data])[1]
