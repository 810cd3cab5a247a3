"""Watchpoints: which accesses halt the core, and where it stands then."""

from __future__ import annotations

import pytest

from idoldbg.target.emulated.emu import EmulatedBoard
from idoldbg.target.emulated.emu.core import StopReason

from .machines import ALL, RAM, RESULTS, Machine, word

DEMCR, DHCSR, DFSR = 0xE000EDFC, 0xE000EDF0, 0xE000ED30
DWT_CTRL, COMP, MASK, FUNCTION = 0xE0001000, 0xE0001020, 0xE0001024, 0xE0001028
DEBUG_KEY, TRCENA, DWTTRAP, MATCHED = 0xA05F0000, 1 << 24, 4, 1 << 24
DATA = RAM + 0x600
COUNTS = {"v6-M": 2, "v7-M": 4, "v8-M": 4}
READ, WRITE = "read", "write"
FUNCTIONS = {(READ,): (5, 6), (WRITE,): (6, 5), (READ, WRITE): (7, 4)}  # before v8-M, on v8-M
machines = pytest.mark.parametrize("machine", ALL, ids=str)


class Target:
    """A program that writes and reads words around `DATA`, with a debugger that has it halted."""

    def __init__(self, machine: Machine) -> None:
        p = machine.program()
        p.mov(0, DATA)
        p.label("loop")
        p.label("before write")
        p.str(2, 0, 4)
        p.label("written")
        p.ldr(1, 0, 8)
        p.label("read")
        p.str(2, 0, 12)
        p.count(RESULTS)
        p.branch("loop")
        self.machine, self.program = machine, p
        self.board: EmulatedBoard = machine.boot(p)
        self.board.run(0.0001)
        self[DHCSR] = DEBUG_KEY | 3
        self[DEMCR] = TRCENA

    def __getitem__(self, address: int) -> int:
        return int.from_bytes(self.board.read(address, 4), "little")

    def __setitem__(self, address: int, value: int) -> None:
        self.board.write(address, value.to_bytes(4, "little"))

    def watch(self, address: int, size: int, kinds: tuple[str, ...], index: int = 0) -> None:
        v7, v8 = FUNCTIONS[kinds]
        at, log = 16 * index, size.bit_length() - 1
        self[COMP + at] = address
        if self.machine.v8m:
            self[FUNCTION + at] = v8 | 1 << 4 | log << 10
        else:
            self[MASK + at] = log
            self[FUNCTION + at] = v7

    def go(self) -> StopReason:
        self[DFSR] = 0xFFFFFFFF
        self[DHCSR] = DEBUG_KEY | 1
        return self.board.run(0.001)

    @property
    def pc(self) -> int:
        return self.board.read_register("pc")


@machines
def test_each_core_says_how_many_it_has(machine: Machine) -> None:
    t = Target(machine)
    assert t[DWT_CTRL] >> 28 == COUNTS[machine.core]
    t.watch(DATA, 4, (WRITE,), COUNTS[machine.core])
    assert t.go() is StopReason.TIME, "there are not more"


@machines
@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize(
    ("offset", "size", "kinds", "stop"),
    [
        (4, 4, (WRITE,), "written"),
        (4, 4, (READ, WRITE), "written"),
        (6, 1, (WRITE,), "written"),
        (4, 4, (READ,), None),
        (8, 4, (READ,), "read"),
        (8, 4, (READ, WRITE), "read"),
        (11, 1, (READ,), "read"),
        (8, 4, (WRITE,), None),
        (0, 4, (READ, WRITE), None),
        (16, 4, (READ, WRITE), None),
    ],
)
def test_the_core_halts_after_an_access(
    machine: Machine, index: int, offset: int, size: int, kinds: tuple[str, ...], stop: str | None
) -> None:
    t = Target(machine)
    t.watch(DATA + offset, size, kinds, index)
    reason = t.go()
    if stop is None:
        assert (reason, t[DFSR]) == (StopReason.TIME, 0)
        return
    assert (reason, t[DFSR]) == (StopReason.HALTED, DWTTRAP)
    assert t.pc == t.program.address(stop)
    assert t[FUNCTION + 16 * index] & MATCHED
    assert not t[FUNCTION + 16 * index] & MATCHED, "reading clears it"
    before = word(t.board, 0)
    assert t.go() is StopReason.HALTED, "and once more, a turn later"
    assert t.pc == t.program.address(stop)
    assert word(t.board, 0) == before + 1


@machines
@pytest.mark.parametrize("missing", ["DEMCR", "C_DEBUGEN", "FUNCTION"])
def test_nothing_is_watched_without(machine: Machine, missing: str) -> None:
    t = Target(machine)
    t.watch(DATA + 4, 4, (WRITE,))
    if missing == "DEMCR":
        t[DEMCR] = 0
    elif missing == "FUNCTION":
        t[FUNCTION] = 0
    expected = StopReason.HALTED if missing == "C_DEBUGEN" else StopReason.TIME
    assert t.go() is expected
    t[DHCSR] = DEBUG_KEY
    assert t.board.run(0.001) is StopReason.TIME
    assert not t.board.is_halted


@machines
def test_a_debugger_s_own_accesses_do_not_match(machine: Machine) -> None:
    t = Target(machine)
    t.watch(DATA + 0x20, 4, (READ, WRITE))
    t[DATA + 0x20] = t[DATA + 0x20] + 1
    assert t.go() is StopReason.TIME


@machines
def test_snapshots_hold_watchpoints(machine: Machine) -> None:
    t = Target(machine)
    t.watch(DATA + 4, 4, (WRITE,))
    saved = t.board.snapshot()
    t[FUNCTION] = 0
    assert t.go() is StopReason.TIME
    t.board.restore(saved)
    assert t.go() is StopReason.HALTED
