"""Tasks as threads, against `registers --task`; the guess for a stack that overflowed; reset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from idoldbg.build.program import Program
from idoldbg.errors import FaultError
from idoldbg.gdb.threads import (
    FIRST_TASK,
    GUESSED,
    KERNEL_THREAD,
    exception_name,
    is_in_tasks,
    read_thread_registers,
    read_threads,
)
from idoldbg.session import Session, open_session
from idoldbg.startup import settle
from idoldbg.target.halting import with_registers
from idoldbg.target.open import TargetOptions
from idoldbg.views import saved as saved_module
from idoldbg.views.backtrace import read_backtrace
from idoldbg.views.saved import SavedTask, read_task_registers
from idoldbg.views.tasks import Fault, TaskRow, read_tasks

BOARDS = ("stm32f4-discovery", "lpcxpresso55s69", "nucleo-g031")


@pytest.fixture(scope="module", params=BOARDS)
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    with open_session(TargetOptions(board=request.param, probe="emu")) as opened:
        settle(opened)
        yield opened


def live_of(session: Session) -> Mapping[str, int]:
    return with_registers(session.target, lambda live: live, floats=True)


def test_there_is_a_thread_for_each_task_in_order(session: Session) -> None:
    live = live_of(session)
    threads = read_threads(session.program, live)
    tasks = session.program.archive.tasks
    assert [(t.number, t.name) for t in threads] == [
        (FIRST_TASK + task.index, task.name) for task in tasks
    ]
    (current,) = [t for t in threads if t.is_current]
    assert (current.name, current.description) == ("idle", "RUNNING, gen 0")
    assert next(t for t in threads if t.name == "spi").description == "recv, gen 0"


def test_registers_are_those_that_the_command_shows(session: Session) -> None:
    program = session.program
    for row in read_tasks(program).rows:
        if row.is_current:
            continue
        expected, _ = read_task_registers(program, row.index, {})
        found = read_thread_registers(program, row, row.index, {})
        assert {**expected, "psp": expected["sp"]} == found
        assert found["pc"] == read_backtrace(program, row.index).frames[0].address


def test_an_exception_is_a_thread_before_the_tasks(session: Session) -> None:
    threads = read_threads(session.program, {**live_of(session), "xpsr": 0x0100000B})
    assert (threads[0].number, threads[0].name) == (KERNEL_THREAD, "kernel (SVCall)")
    assert [t.number for t in threads if t.is_current] == [KERNEL_THREAD]
    assert exception_name(16 + 28) == "interrupt 28"


def test_memory_of_before_a_reset_shows_no_tasks(session: Session) -> None:
    live = dict(live_of(session))
    assert is_in_tasks(session.program, live)
    privileged = {**live, "control": 0, "xpsr": 0x01000000}
    assert not is_in_tasks(session.program, privileged), "the core is in the reset handler"
    assert is_in_tasks(session.program, {**privileged, "xpsr": 0x0100000F}), "an exception"


def test_before_the_kernel_starts_there_are_no_tasks() -> None:
    with open_session(TargetOptions(board="stm32f4-discovery", probe="emu")) as fresh:
        assert not is_in_tasks(fresh.program, {})


def test_a_stack_that_overflowed_is_guessed_by_frame_pointers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = cast(TaskRow, SimpleNamespace(fault=Fault("StackOverflow", 0)))
    memory = Words({0x100: 0x140, 0x104: 0x0800_0801})
    archive = SimpleNamespace(target="thumbv7em-none-eabihf")
    program = cast(Program, SimpleNamespace(memory=memory, archive=archive))
    _saved(monkeypatch, {"r7": 0x100, "r4": 4, "r0": 1, "pc": 0x66, "sp": 0x77}, psp=0x1000)
    assert read_thread_registers(program, row, 0, {}) == {
        "r4": 4, "r7": 0x140, "pc": 0x0800_0800, "lr": 0x0800_0801, "sp": 0x108, "psp": 0x108,
        "xpsr": 1 << 24,
    }  # fmt: skip


def test_a_guess_that_makes_no_sense_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    row = cast(TaskRow, SimpleNamespace(fault=Fault("StackOverflow", 0)))
    for frame, content in ((3, {}), (0x100, {}), (0x100, {0x100: 0x50, 0x104: 0x801}),
                         (0x100, {0x100: 0x200, 0x104: 0x800})):  # fmt: skip
        memory = Words(content)
        archive = SimpleNamespace(target="thumbv7em-none-eabihf")
        program = cast(Program, SimpleNamespace(memory=memory, archive=archive))
        _saved(monkeypatch, {"r7": frame, "r4": 4, "pc": 0x66, "sp": 0x77}, psp=0x1000)
        assert read_thread_registers(program, row, 0, {}) == {"r7": frame, "r4": 4}


class Words:
    """Memory of a few words."""

    def __init__(self, content: Mapping[int, int]) -> None:
        self.content = content

    def read(self, address: int, size: int) -> bytes:
        parts = []
        for at in range(address, address + size, 4):
            if at not in self.content:
                raise FaultError(f"nothing at 0x{at:x}", address=at, size=4)
            parts.append(self.content[at].to_bytes(4, "little"))
        return b"".join(parts)[:size]


def _saved(monkeypatch: pytest.MonkeyPatch, registers: dict[str, int], psp: int) -> None:
    task = SavedTask(registers, psp, 0xFFFFFFED)
    for module in ("idoldbg.gdb.threads", saved_module.__name__):
        monkeypatch.setattr(f"{module}.read_saved", lambda *_: task)
    monkeypatch.setattr(saved_module, "_has_overflowed", lambda *_: False)


# ---- floating point that exception entry made room for, and did not write ------------------------

PSP = 0x2000
FPCCR, FPCAR = 0xE000EF34, 0xE000EF38
FLOATS = {f"s{i}": 0x500 + i for i in range(16)} | {"fpscr": 0x99}
FRAME = dict(zip(range(PSP, PSP + 0x68, 4), range(0x100, 0x200), strict=False)) | {
    PSP + 28: 0x01000000
}
SYSTICK, SVCALL = 0x0100000F, 0x0100000B


def interrupted(
    monkeypatch: pytest.MonkeyPatch, content: Mapping[int, int], live: Mapping[str, int], psp: int
) -> tuple[dict[str, int], str]:
    kept = {f"r{i}": i for i in range(4, 12)} | {f"s{i}": i for i in range(16, 32)}
    _saved(monkeypatch, kept | {"s0": 0x777}, psp)
    archive = SimpleNamespace(target="thumbv7em-none-eabihf")
    program: Any = SimpleNamespace(memory=Words({**FRAME, **content}), archive=archive)
    registers = {"psp": PSP, "lr": 0xFFFFFFED, "xpsr": SYSTICK, **live}
    return read_task_registers(program, 0, registers)


def test_floats_that_were_stacked_are_those_of_the_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = {FPCCR: 0xC0000000, FPCAR: PSP + 32}
    found, problem = interrupted(monkeypatch, memory, FLOATS, PSP + 8)
    assert (found["s0"], found["s15"], found["fpscr"]) == (0x108, 0x117, 0x118)
    assert problem == "r4 to r11 are those of the handler above the task by now"


def test_floats_that_wait_to_be_stacked_are_those_of_the_core(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory = {FPCCR: 0xC0000001, FPCAR: PSP + 32}
    found, _ = interrupted(monkeypatch, memory, FLOATS, PSP + 8)
    assert {name: found[name] for name in FLOATS} == FLOATS
    found, problem = interrupted(monkeypatch, memory, {}, PSP + 8)
    assert "s0" not in found
    assert problem.endswith("the core still holds s0 to s15")


def test_floats_that_wait_for_another_frame_are_not_this_tasks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory = {FPCCR: 0xC0000001, FPCAR: 0x9020}
    found, _ = interrupted(monkeypatch, memory, FLOATS, PSP + 8)
    assert found["s0"] == 0x108


def test_floats_are_left_out_where_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    found, problem = interrupted(monkeypatch, {}, FLOATS, PSP + 8)
    assert "s0" not in found
    assert "not known" in problem


def test_r4_to_r11_are_known_only_where_the_handler_put_the_task_aside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A task often comes to the same depth of its stack: that alone says nothing."""
    memory = {FPCCR: 0, FPCAR: 0}
    found, problem = interrupted(monkeypatch, memory, {"xpsr": SYSTICK}, PSP)
    assert "r4" not in found and problem
    found, problem = interrupted(monkeypatch, memory, {"xpsr": SVCALL}, PSP)
    assert (found["r4"], problem) == (4, "")


def test_the_guess_is_called_one() -> None:
    assert "guess" in GUESSED
