"""Stacks of tasks: on the emulated boards, and against what humility says of real core dumps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from idoldbg.debuginfo.frames import FrameRules, find_stub_row
from idoldbg.load import open_build
from idoldbg.program import Program
from idoldbg.session import TargetOptions, demo_boards, open_session
from idoldbg.views.backtrace import Backtrace, read_backtrace
from idoldbg.views.tasks import read_tasks


def functions(trace: Backtrace) -> list[str | None]:
    return [frame.function for frame in trace.frames]


@pytest.mark.parametrize("board", demo_boards())
def test_tasks_that_wait_are_seen_down_to_their_start(board: str) -> None:
    with open_session(TargetOptions(board=board, probe="emu")) as session:
        session.settle()
        tasks = session.program.archive.tasks
        found = {t.name: read_backtrace(session.program, t.index) for t in tasks}
    for name in ("jefe", "spi", "sensor", "victim"):
        assert functions(found[name]) == ["userlib::syscall::syscall_stub", "main", "_start"]
        assert found[name].problem == ""
    if found["idle"].frames:  # else it is running, and was never put aside
        assert functions(found["idle"])[-1] == "_start"


def test_stack_that_is_gone_ends_the_walk_with_a_reason() -> None:
    build = open_build("fixtures/archives/stm32f4-discovery.zip")
    trace = read_backtrace(Program(build.archive, build.memory), 0)
    assert trace.frames == ()
    assert "cannot be read" in trace.problem


@pytest.mark.parametrize(
    ("code", "depth", "saved"),
    [
        # push.w {r3-r11, lr}; svc
        ("2de9f84f00df", 40, {3: -40, 4: -36, 11: -8, 14: -4}),
        # ARMv6-M: push {r4-r7, lr}; push {r4-r7}; svc
        ("f0b5f0b400df", 36, {4: -20, 7: -8, 14: -4, 8: -36, 11: -24}),
    ],
)
def test_pushes_of_a_stub_are_read_from_its_code(
    code: str, depth: int, saved: dict[int, int]
) -> None:
    row = find_stub_row(bytes.fromhex(code))
    assert row is not None
    assert (row.cfa_register, row.cfa_offset) == (13, depth)
    assert saved.items() <= dict(row.saved).items()


@pytest.mark.parametrize("code", ["", "00", "00bf", "2de9", "2de9f84f"])
def test_code_that_makes_no_system_call_has_no_stub_row(code: str) -> None:
    assert find_stub_row(bytes.fromhex(code)) is None


def test_damaged_call_frames_give_no_rows_and_no_traceback() -> None:
    build = open_build("fixtures/archives/stm32f4-discovery.zip")
    data = bytearray(build.archive.object_bytes("victim"))
    rules = FrameRules(bytes(data))
    assert rules.find_row(0x0801804E) is not None
    for at in range(0, len(data), 997):
        broken = data.copy()
        broken[at : at + 8] = b"\xff" * 8
        FrameRules(bytes(broken)).find_row(0x0801804E)
    for size in (0, 1, 51, 52, 4000):
        assert FrameRules(bytes(data[:size])).find_row(0x0801804E) is None


# A frame of humility's `tasks -slvr`: stack pointer, program counter, function.
_FRAME = re.compile(r"   (?:\||\+--->) *(?:\+--->)? *0x\w{8} 0x(\w{8}) (\S+)$")
_TASK = re.compile(r" ?\s?(\d+) (\w+) +\d+ +\d+ ")


def humility_frames(text: str) -> dict[str, list[tuple[int, str]]]:
    """Read frames, with inlined functions folded into the one that holds them."""
    found: dict[str, list[tuple[int, str]]] = {}
    task = ""
    for line in text.splitlines():
        if match := _TASK.match(line):
            task = match[2]
            found[task] = []
        elif (match := _FRAME.match(line)) and task:
            frame = (int(match[1], 16) & ~1, match[2])
            if found[task] and found[task][-1][0] == frame[0]:
                found[task][-1] = frame
            else:
                found[task].append(frame)
    return found


@pytest.mark.parametrize("core", ["inheritance.0", "new-compiler", "new-sensors", "v6"])
def test_stacks_of_real_dumps_are_those_that_humility_shows(real_hubris: Path, core: str) -> None:
    build = open_build(real_hubris / "cores" / f"hubris.core.{core}")
    program = Program(build.archive, build.memory)
    expected = humility_frames(
        (real_hubris / "tasks-slvr" / f"tasks-slvr.{core}.stdout").read_text()
    )
    assert expected
    for row in read_tasks(program).rows:
        live = build.registers if row.is_current else None
        trace = read_backtrace(program, row.index, live)
        ours = [(f.address, f.function) for f in trace.frames]
        if ours and ours[-1][1] == "_start":  # humility stops before
            ours.pop()
        assert ours == expected[row.name], row.name
