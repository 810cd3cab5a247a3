"""Observers of a core: told of everything once, in order, and changing nothing."""

from __future__ import annotations

import pytest

from idoldbg.target.emulated.emu import EmulatedBoard
from idoldbg.target.emulated.emu.core import Core
from idoldbg.target.emulated.emu.observers import Observer

from .machines import ALL, RESULTS, TASK_STACK, V6M, V7M, Machine, words
from .thumb import LR, Program

each_core = pytest.mark.parametrize("machine", ALL, ids=str)
CALLS = 5


class Notebook(Observer):
    """Writes down all that it is told."""

    def __init__(self, core: Core, *, blocks: bool = False, every: int | None = None) -> None:
        self.core = core
        self.wants_blocks = blocks
        self.every = every
        self.next_look = every
        self.events: list[tuple[object, ...]] = []
        self.blocks: list[tuple[int, int]] = []
        self.looks: list[tuple[int, bool]] = []

    def entered(self, number: int) -> None:
        self.events.append(("enter", number, self.core.registers.read("r4")))

    def returned(self) -> None:
        self.events.append(("return", self.core.registers.read("r4")))

    def translated(self, address: int, size: int, previous: tuple[int, int] | None) -> None:
        if previous is not None and not self.blocks:
            self.blocks.append(previous)
        self.blocks.append((address, size))

    def faulted(self, number: int, bits: int) -> None:
        self.events.append(("fault", number, self.core.registers.read("pc")))

    def look(self) -> None:
        self.looks.append((self.core.clock.cycles, self.core.sleeping))
        assert self.every is not None
        self.next_look = self.core.clock.cycles + self.every

    def reset(self) -> None:
        self.events.append(("reset",))

    def restored(self) -> None:
        self.events.append(("restored",))


def calling(machine: Machine) -> Program:
    """Return a task that makes system calls 1 to 5, and then never returns from a loop."""
    p = machine.program()
    p.unprivileged(TASK_STACK)
    p.mov(4, 0)
    p.label("call")
    p.add(4, 1)
    p.svc()
    p.mov(5, CALLS)
    p.half(0x42AC)  # CMP r4, r5
    p.branch_not_zero("call")
    p.label("stay")
    p.branch("stay")
    p.label("never")
    p.store(RESULTS, 1)
    p.handler(11)
    p.count(RESULTS + 4)
    p.bx(LR)
    return p


def watched(board: EmulatedBoard, **options: object) -> Notebook:
    found: list[Notebook] = []

    def make(core: Core) -> Notebook:
        found.append(Notebook(core, **options))  # type: ignore[arg-type]  # passed on
        return found[0]

    board.observe(make)
    return found[0]


@each_core
def test_each_system_call_is_seen_with_its_registers(machine: Machine) -> None:
    board = machine.boot(calling(machine))
    seen = watched(board)
    board.run(0.001)
    expected = [event for i in range(1, CALLS + 1) for event in (("enter", 11, i), ("return", i))]
    assert seen.events == expected


@each_core
def test_blocks_are_those_that_were_executed(machine: Machine) -> None:
    p = calling(machine)
    board = machine.boot(p)
    seen = watched(board, blocks=True)
    board.run(0.001)
    covered = {at for start, size in seen.blocks for at in range(start, start + size, 2)}
    for label in ("reset", "call", "stay", "exception 11"):
        assert p.address(label) in covered, label
    assert not covered & set(range(p.address("never"), p.address("exception 11"), 2))
    assert len(seen.blocks) < 20  # once a block, not once an execution


@each_core
def test_observers_change_nothing(machine: Machine) -> None:
    plain, other = machine.boot(calling(machine)), machine.boot(calling(machine))
    watched(other, blocks=True, every=100)
    for board in (plain, other):
        board.run(0.0005)
    assert plain.snapshot() == other.snapshot()


def test_looks_come_when_they_are_asked_for() -> None:
    board = V7M.boot(calling(V7M))
    seen = watched(board, every=1000)
    board.run(0.0005)
    times = [cycles for cycles, _ in seen.looks]
    assert times == [1000 * (i + 1) for i in range(len(times))]
    assert len(times) == board.cycles // 1000
    assert not any(sleeping for _, sleeping in seen.looks)


def test_a_sleeping_core_is_looked_at_once() -> None:
    p = V7M.program()
    p.idle()
    board = V7M.boot(p)
    seen = watched(board, every=1000)
    board.run(0.001)
    assert len(seen.looks) <= 1
    assert all(sleeping for _, sleeping in seen.looks)


def test_faults_resets_and_snapshots_are_reported() -> None:
    p = V6M.program()
    p.mov(0, 0xF1000000)
    p.label("bad")
    p.ldr(1, 0)
    p.handler(3)
    p.idle()
    board = V6M.boot(p)
    seen = watched(board)
    before = board.snapshot()
    board.run(0.0001)
    board.reset()
    board.restore(before)
    kinds = [event[0] for event in seen.events]
    assert kinds == ["fault", "enter", "reset", "restored"]
    assert seen.events[0][2] == p.address("bad")


def test_a_removed_observer_is_not_called() -> None:
    board = V7M.boot(calling(V7M))
    notebooks: list[Notebook] = []

    def make(core: Core) -> Notebook:
        notebooks.append(Notebook(core, blocks=True))
        return notebooks[-1]

    forget = board.observe(make)
    staying = watched(board)
    forget()
    board.run(0.001)
    assert not notebooks[0].events and not notebooks[0].blocks
    assert len(staying.events) == 2 * CALLS
    assert words(board, 2) == [0, CALLS]
