"""Commands for OpenOCD's Tcl port, and their answers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idoldbg.target.servers.openocd_tcl import (
    CHUNK_BYTES,
    Malformed,
    Outcome,
    ReadOutcome,
    Transfer,
    decode_outcome,
    decode_reads,
    decode_registers,
    encode_command,
    encode_reads,
    encode_write,
    plan_reads,
    plan_writes,
    register_name,
)

WORDS = (Transfer(0x20000000, 4, 2), Transfer(0x20000009, 1, 1))
RANGES = st.tuples(st.integers(0, 1 << 31), st.integers(1, 3 * CHUNK_BYTES))


def test_commands_on_the_wire() -> None:
    assert encode_command("poll").endswith(b'{if {[catch {poll} r]} {return "!$r"} '
                                           b'else {return "=$r"}}}\x1a')  # fmt: skip
    assert encode_reads(WORDS).endswith(b"{0x20000000 32 2 0x20000009 8 1}\x1a")
    write = encode_write(Transfer(0x10, 2, 2), b"\x01\x02\x03\x04")
    assert b"write_memory 0x10 16 {0x201 0x403}" in write


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"=halted", Outcome("halted", False)),
        (b"=", Outcome("", False)),
        (b'!invalid command name "x"\n', Outcome('invalid command name "x"', True)),
        (b"!\xff", Outcome("\ufffd", True)),
    ],
)
def test_outcomes(answer: bytes, expected: Outcome) -> None:
    assert decode_outcome(answer) == expected


def test_an_outcome_is_one_of_two() -> None:
    for answer in (b"", b"halted", b"$OK#9a"):
        with pytest.raises(Malformed):
            decode_outcome(answer)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"0x1 0xffffffff;0xab;", ReadOutcome((b"\1\0\0\0\xff\xff\xff\xff", b"\xab"), None)),
        (b"1 2;3;", ReadOutcome((b"\1\0\0\0\2\0\0\0", b"\3"), None)),  # before 0.12: decimal
        (b"0x1 0x2;!failed", ReadOutcome((b"\1\0\0\0\2\0\0\0",), "failed")),
        (b"!failed", ReadOutcome((), "failed")),
    ],
)
def test_reads(answer: bytes, expected: ReadOutcome) -> None:
    assert decode_reads(WORDS, answer) == expected


@pytest.mark.parametrize(
    "answer",
    [b"", b"0x1 0x2;", b"0x1;0x2;", b"0x1 0x2;0x100;", b"0x1 0x2;0x3;0x4;", b"0x1 0x2;x;",
     b"0x1 0x2 0x3;1;", b"0x100000000 0x2;1;", b"0x1 0x2;1;!", b"0x1 0x2;1;2", b"=0x1 0x2;1;"],
)  # fmt: skip
def test_answers_that_are_not_what_was_asked_for(answer: bytes) -> None:
    if answer.endswith(b"!"):  # all read, and a failure after that
        assert decode_reads(WORDS, answer).error == ""
        return
    with pytest.raises(Malformed):
        decode_reads(WORDS, answer)


@given(st.binary(max_size=60))
def test_any_answer_is_read_or_refused(answer: bytes) -> None:
    for decode in (lambda: decode_reads(WORDS, answer), lambda: decode_outcome(answer),
                   lambda: decode_registers(answer.decode(errors="replace"), "pc")):  # fmt: skip
        try:
            decode()
        except Malformed as error:
            assert str(error)


@given(RANGES)
def test_reads_cover_their_range_in_aligned_accesses(where: tuple[int, int]) -> None:
    address, size = where
    plan = plan_reads(address, size)
    assert plan[0].address <= address < plan[0].address + 4
    assert address + size <= plan[-1].address + plan[-1].size < address + size + 4
    for one, next_ in pairwise(plan):
        assert one.address + one.size == next_.address
    assert all(t.address % t.width == 0 and 0 < t.size <= CHUNK_BYTES for t in plan)


@given(RANGES)
def test_writes_touch_nothing_beside_their_range(where: tuple[int, int]) -> None:
    address, size = where
    plan = plan_writes(address, size)
    assert plan[0].address == address
    assert plan[-1].address + plan[-1].size == address + size
    for one, next_ in pairwise(plan):
        assert one.address + one.size == next_.address
    assert all(t.address % t.width == 0 and 0 < t.size <= CHUNK_BYTES for t in plan)


def test_registers() -> None:
    assert register_name("XPSR") == ("xPSR", 0)
    assert register_name("r15") == ("pc", 0)
    assert register_name("s31") == ("d15", 32)
    assert register_name("s32") is None
    assert register_name("cpsr") is None
    assert decode_registers("pc 0x0801c03e", "pc") == 0x0801C03E
    for text in ("", "pc", "sp 0x1", "pc 0x1 sp 0x2", "pc nonsense"):
        with pytest.raises(Malformed):
            decode_registers(text, "pc")
