"""Ring buffers and counters: on the emulated board, and in real core dumps."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from idoldbg.calls import prepare_call
from idoldbg.errors import OperationError
from idoldbg.load import open_build
from idoldbg.memory import MemoryImage, Segment
from idoldbg.program import Program
from idoldbg.session import TargetOptions, open_session
from idoldbg.views.statics import (
    count_changes,
    find_counters,
    find_ring_buffers,
    read_counters,
    read_ring_buffer,
)


def test_counters_tell_what_a_call_did() -> None:
    with open_session(TargetOptions(probe="emu")) as session:
        session.settle()
        sets = find_counters(session.program)
        before = read_counters(session.program, sets)
        operation = session.program.operation("UserLeds.led_on")
        session.call(prepare_call(operation, {"index": "0"}))
        with pytest.raises(OperationError):
            session.call(prepare_call(operation, {"index": "77"}))
        after = read_counters(session.program, sets)
    static = "user_leds.__USERLEDS_SERVER_COUNTERS"
    assert count_changes(before, after) == {
        f"{static}.led_on.Ok": 1,
        f"{static}.led_on.Err.NotPresent": 1,
    }


def test_counters_wrap_around_as_u32() -> None:
    assert count_changes({"a": 0xFFFFFFFF, "b": 3}, {"a": 1, "b": 3, "c": 2}) == {"a": 2, "c": 2}


@pytest.mark.parametrize("core", ["inheritance.0", "new-compiler", "new-sensors", "v6"])
def test_ring_buffers_of_real_dumps_are_those_that_humility_shows(
    real_hubris: Path, core: str
) -> None:
    build = open_build(real_hubris / "cores" / f"hubris.core.{core}")
    program = Program(build.archive, build.memory)
    text = (real_hubris / "ringbuf" / f"ringbuf.{core}.stdout").read_text()
    names = re.findall(r"ring buffer (\S+) in (\S+):", text)
    found = find_ring_buffers(program)
    assert sorted((v.full_name, task) for task, v in found) == sorted(names)
    for task, variable in found:
        entries = read_ring_buffer(program, task, variable).entries
        shown = text.partition(f"ring buffer {variable.full_name} in {task}:")[2].split(
            "humility:"
        )[0]
        rows = re.findall(r"^ *(\d+) +(\d+) +(\d+) +(\d+) ", shown, re.MULTILINE)
        assert [(e.index, e.line, e.generation, e.count) for e in entries] == [
            tuple(map(int, row)) for row in rows
        ]


def test_entries_of_a_ring_buffer_are_read_oldest_first(real_hubris: Path) -> None:
    """A real image's types over memory made by hand: in no dump at hand has jefe written any.

    The layout is this build's: `last` is an `Option<usize>`; then entries of `count: u32`,
    `line: u16`, `generation: u16`, and a `Trace` of a tag, a byte and a task's number.
    """
    build = open_build(real_hubris / "cores" / "hubris.core.inheritance.0")
    ((task, variable),) = find_ring_buffers(Program(build.archive, build.memory))
    assert variable.address is not None

    def entries_after(last: bytes, *entries: bytes) -> list[tuple[int, int, int, int, str]]:
        content = last + b"".join(entries)
        segments = [*build.memory.segments, Segment(variable.address or 0, content)]
        program = Program(build.archive, MemoryImage(segments))
        ring = read_ring_buffer(program, task, variable)
        return [(e.index, e.line, e.generation, e.count, e.payload) for e in ring.entries]

    def entry(count: int, line: int, generation: int, *trace: int) -> bytes:
        return struct.pack("<IHHBBH", count, line, generation, *trace)

    never = bytes(12)
    first = entry(1, 40, 1, 1, 3, 5)  # Request(Release, TaskIndex(5))
    second = entry(70000, 41, 1, 3, 1, 0)  # Error(BadTask)
    third = entry(1, 42, 2, 2, 2, 9)  # Disposition(TaskIndex(9), Hold)
    assert entries_after(struct.pack("<II", 0, 0), never, never, never, never) == []
    assert entries_after(struct.pack("<II", 1, 1), first, second, never, never) == [
        (0, 40, 1, 1, "Request(Release, TaskIndex(5))"),
        (1, 41, 1, 70000, "Error(BadTask)"),
    ]
    wrapped = entries_after(struct.pack("<II", 1, 0), third, second, first, second)
    assert wrapped == [
        (1, 41, 1, 70000, "Error(BadTask)"),
        (2, 40, 1, 1, "Request(Release, TaskIndex(5))"),
        (3, 41, 1, 70000, "Error(BadTask)"),
        (0, 42, 2, 1, "Disposition(TaskIndex(9), Hold)"),
    ]
    # What a torn write or a wild pointer leaves must not hide the rest.
    assert entries_after(struct.pack("<II", 1, 99), first, second, never, never) == []
    damaged = entries_after(struct.pack("<II", 1, 1), entry(1, 40, 1, 77, 0, 0), second)
    assert [e[:4] for e in damaged] == [(0, 40, 1, 1), (1, 41, 1, 70000)]
