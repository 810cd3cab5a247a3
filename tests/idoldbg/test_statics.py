"""Ring buffers and counters: on the emulated board, and in real core dumps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from idoldbg.calls import prepare_call
from idoldbg.errors import OperationError
from idoldbg.load import open_build
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
