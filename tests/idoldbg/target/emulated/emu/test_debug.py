"""The core as a debugger sees it: registers, breakpoints, stepping, discovery, snapshots."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from idol.records import replace
from idoldbg.errors import FaultError, TargetFileError, Unsupported
from idoldbg.target.board_files import load_board
from idoldbg.target.emulated.emu import EmulatedBoard, StopReason

from .machines import ALL, RAM, RESULTS, STACK, TASK_STACK, V7M, V8M, Machine, word
from .thumb import LR, Program

DHCSR, DCRSR, DCRDR, DEMCR, DFSR = 0xE000EDF0, 0xE000EDF4, 0xE000EDF8, 0xE000EDFC, 0xE000ED30
FP_CTRL, FP_COMP, AIRCR = 0xE0002000, 0xE0002008, 0xE000ED0C
KEY = 0xA05F0000
DEBUGEN, HALT, STEP, MASKINTS = 1, 2, 4, 8
S_REGRDY, S_HALT, S_SLEEP, S_LOCKUP, S_RETIRE, S_RESET = (
    1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 24, 1 << 25,
)  # fmt: skip

each_core = pytest.mark.parametrize("machine", ALL, ids=str)


class Probe:
    """A debugger that knows nothing but memory."""

    def __init__(self, board: EmulatedBoard) -> None:
        self.board = board

    def read(self, address: int) -> int:
        return int.from_bytes(self.board.read(address, 4), "little")

    def write(self, address: int, value: int) -> None:
        self.board.write(address, value.to_bytes(4, "little"))

    def control(self, bits: int) -> None:
        self.write(DHCSR, KEY | bits)

    def register(self, number: int) -> int:
        self.write(DCRSR, number)
        assert self.read(DHCSR) & S_REGRDY
        return self.read(DCRDR)

    def set_register(self, number: int, value: int) -> None:
        self.write(DCRDR, value)
        self.write(DCRSR, 1 << 16 | number)

    def breakpoint(self, machine: Machine, address: int) -> None:
        if machine.v8m:
            comparator = address | 1
        else:
            comparator = address & 0x1FFFFFFC | 1 | (2 << 30 if address & 2 else 1 << 30)
        self.write(FP_COMP, comparator)
        self.write(FP_CTRL, 3)


def counter(machine: Machine) -> Program:
    """Begin a program that counts in RESULTS[0] for ever, from its label `loop`."""
    p = machine.program()
    p.mov(0, 0)
    p.mov(6, RESULTS)
    p.label("loop")
    p.add(0, 1)
    p.str(0, 6)
    p.branch("loop")
    return p


@each_core
def test_halt_resume_through_memory(machine: Machine) -> None:
    board = machine.boot(counter(machine))
    probe = Probe(board)
    board.run(0.001)
    assert probe.read(DHCSR) & (S_RETIRE | S_RESET | S_HALT) == S_RETIRE | S_RESET
    assert not probe.read(DHCSR) & S_RESET  # cleared by the read
    probe.control(DEBUGEN | HALT)
    assert board.is_halted
    assert probe.read(DHCSR) & S_HALT
    assert probe.read(DFSR) & 1
    count = word(board, 0)
    assert board.run(0.001) is StopReason.HALTED
    assert word(board, 0) == count
    probe.control(DEBUGEN)
    board.run(0.001)
    assert word(board, 0) > count
    probe.write(DHCSR, HALT | DEBUGEN)  # without the key: nothing
    assert not board.is_halted


@each_core
def test_registers_through_memory(machine: Machine) -> None:
    p = machine.program()
    p.unprivileged(TASK_STACK)
    p.label("loop")
    p.branch("loop")
    board = machine.boot(p)
    probe = Probe(board)
    board.run(0.001)
    probe.control(DEBUGEN | HALT)
    for number in (*range(13), 14):
        probe.set_register(number, 0x1000 + number)
    assert [probe.register(n) for n in range(13)] == [0x1000 + n for n in range(13)]
    assert probe.register(13) == probe.register(18) == TASK_STACK
    assert probe.register(17) == STACK
    assert probe.register(15) == p.address("loop")
    assert probe.register(16) & 0x010001FF == 0x01000000
    assert probe.register(20) >> 24 & 3 == 3
    probe.set_register(18, TASK_STACK - 64)
    probe.set_register(17, STACK - 64)
    assert (board.read_register("sp"), board.read_register("msp")) == (TASK_STACK - 64, STACK - 64)
    probe.set_register(20, 1 << 24 | 1)
    assert probe.register(20) & 0x030000FF == 1 << 24 | 1  # unprivileged on MSP, PRIMASK set
    assert probe.register(13) == STACK - 64


@pytest.mark.parametrize("machine", [V7M, V8M], ids=str)
def test_floating_point_registers_through_memory(machine: Machine) -> None:
    board = machine.boot(counter(machine))
    probe = Probe(board)
    probe.control(DEBUGEN | HALT)
    for index in range(32):
        probe.set_register(64 + index, 0xAA00 + index)
    assert [probe.register(64 + i) for i in range(32)] == [0xAA00 + i for i in range(32)]
    assert board.read_register("s31") == 0xAA1F


@each_core
def test_step(machine: Machine) -> None:
    p = counter(machine)
    board = machine.boot(p)
    probe = Probe(board)
    board.run(0.001)
    probe.control(DEBUGEN | HALT)
    probe.set_register(15, p.address("loop"))
    probe.set_register(0, 41)
    seen = []
    for _ in range(4):
        probe.control(DEBUGEN | STEP | MASKINTS)
        assert probe.read(DHCSR) & S_HALT
        seen.append((probe.register(15) - p.address("loop"), probe.register(0)))
    assert seen == [(2, 42), (4, 42), (0, 42), (2, 43)]
    board.step()
    assert board.read_register("pc") == p.address("loop") + 4


@each_core
def test_comparator_breakpoint(machine: Machine) -> None:
    p = counter(machine)
    board = machine.boot(p)
    probe = Probe(board)
    board.run(0.001)
    probe.control(DEBUGEN)
    probe.breakpoint(machine, p.address("loop") + 2)
    assert board.run(0.001) is StopReason.HALTED
    assert probe.register(15) == p.address("loop") + 2
    assert probe.read(DFSR) & 2
    first = probe.register(0)
    probe.control(DEBUGEN)
    assert board.run(0.001) is StopReason.HALTED
    assert probe.register(0) == first + 1
    probe.write(FP_COMP, 0)
    probe.control(DEBUGEN)
    assert board.run(0.001) is StopReason.TIME


@each_core
def test_own_breakpoint_needs_no_debugger(machine: Machine) -> None:
    p = counter(machine)
    board = machine.boot(p)
    board.set_breakpoint(p.address("loop"))
    assert board.run(0.001) is StopReason.HALTED
    assert board.read_register("pc") == p.address("loop")
    board.clear_breakpoint(p.address("loop"))
    board.resume()
    assert board.run(0.001) is StopReason.TIME


@each_core
def test_breakpoint_instruction(machine: Machine) -> None:
    p = machine.program()
    p.half(0xBE00)
    p.store(RESULTS, 1)
    p.idle()
    p.handler(3)
    p.store(RESULTS, 3)
    p.idle()
    board = machine.boot(p)
    probe = Probe(board)
    probe.control(DEBUGEN)
    assert board.run(0.001) is StopReason.HALTED
    assert probe.register(15) == machine.base + 0x200
    probe.set_register(15, machine.base + 0x202)
    probe.control(DEBUGEN)
    board.run(0.001)
    assert word(board, 0) == 1
    probe.control(0)
    board.reset()
    board.run(0.001)
    assert word(board, 0) == 3  # no debugger: HardFault


@each_core
def test_reset_with_vector_catch(machine: Machine) -> None:
    board = machine.boot(counter(machine))
    probe = Probe(board)
    board.run(0.001)
    probe.control(DEBUGEN)
    probe.write(DEMCR, 1)
    probe.write(AIRCR, 0x05FA0004)
    assert board.is_halted
    assert probe.read(DHCSR) & (S_HALT | S_RESET) == S_HALT | S_RESET
    assert probe.register(15) == machine.base + 0x200
    probe.write(DEMCR, 0)
    probe.control(DEBUGEN)
    assert board.run(0.001) is StopReason.TIME


@each_core
def test_hard_fault_vector_catch(machine: Machine) -> None:
    p = machine.program()
    p.half(0xDE00)
    p.handler(3)
    p.idle()
    board = machine.boot(p)
    probe = Probe(board)
    probe.control(DEBUGEN)
    probe.write(DEMCR, 1 << 10)
    assert board.run(0.001) is StopReason.HALTED
    assert probe.register(15) == p.address("exception 3")
    assert probe.register(16) & 0x1FF == 3


@each_core
def test_reset_halted(machine: Machine) -> None:
    board = machine.boot(counter(machine))
    board.run(0.001)
    board.reset(halt=True)
    assert board.read_register("pc") == machine.base + 0x200
    assert board.run(0.001) is StopReason.HALTED
    board.resume()
    assert board.run(0.001) is StopReason.TIME


@each_core
def test_sleep_and_lockup_are_visible(machine: Machine) -> None:
    p = machine.program()
    p.wfi()
    p.half(0xDE00)
    board = machine.boot(p)
    probe = Probe(board)
    board.run(0.001)
    assert probe.read(DHCSR) & S_SLEEP
    probe.write(0xE000E100, 1)
    probe.write(0xE000E200, 1)  # an interrupt without a handler
    assert board.run(0.001) is StopReason.LOCKUP
    assert probe.read(DHCSR) & S_LOCKUP


@each_core
def test_rom_table_names_the_core(machine: Machine) -> None:
    """The identification registers name the core to a debugger."""
    board = machine.boot(counter(machine))
    probe = Probe(board)
    parts = {"v6-M": 0xC60, "v7-M": 0xC24, "v8-M": 0xD21}
    assert probe.read(0xE000ED00) >> 4 & 0xFFF == parts[machine.core]
    table = 0xE00FF000
    assert [probe.read(table + 0xFF0 + 4 * i) for i in range(4)] == [0x0D, 0x10, 0x05, 0xB1]
    entries = []
    while entry := probe.read(table + 4 * len(entries)):
        entries.append((table + (entry & 0xFFFFF000)) & 0xFFFFFFFF)
    assert entries[:3] == [0xE000E000, 0xE0001000, 0xE0002000]
    for entry in entries:
        identification = [probe.read(entry + 0xFF0 + 4 * i) for i in range(4)]
        assert (identification[0], identification[2], identification[3]) == (0x0D, 0x05, 0xB1)


@each_core
def test_memory_holes_are_errors(machine: Machine) -> None:
    board = machine.boot(counter(machine))
    with pytest.raises(FaultError) as caught:
        board.read(0x28000000, 16)
    assert caught.value.address == 0x28000000
    with pytest.raises(FaultError):
        board.write(0x28000000, b"1234")
    last = board.board.memory()[0].end - 2
    assert len(board.read(last, 2)) == 2
    with pytest.raises(FaultError):
        board.read(RAM - 4, 8)


@each_core
def test_unknown_registers_read_as_last_written(machine: Machine) -> None:
    board = machine.boot(counter(machine))
    board.write(0x40001234, bytes.fromhex("01020304"))
    board.write(0x40001236, b"\xaa")
    assert board.read(0x40001234, 4) == bytes.fromhex("0102aa04")
    assert board.read(0x40001235, 2) == bytes.fromhex("02aa")
    board.reset()
    assert board.read(0x40001234, 4) == bytes(4)


@each_core
def test_no_such_register(machine: Machine) -> None:
    board = machine.boot(counter(machine))
    with pytest.raises(Unsupported, match="r99"):
        board.read_register("r99")
    if machine.v6m:
        with pytest.raises(Unsupported):
            board.read_register("s0")


def test_image_for_another_board_is_refused() -> None:
    with pytest.raises(TargetFileError, match="no memory"):
        EmulatedBoard(load_board("stm32f4-discovery"), [(0x28000000, b"1234")])
    with pytest.raises(TargetFileError, match="cannot be emulated"):
        EmulatedBoard(replace(load_board("gimlet-b"), emulation=None), [])


def busy_program(machine: Machine) -> Program:
    """A program with a bit of everything: SysTick, SVC, an unprivileged thread, float state."""
    p = machine.program()
    if not machine.v6m:
        p.store(0xE000ED88, 0x00F00000)
    p.store(0xE000E014, 4999)
    p.store(0xE000E018, 0)
    p.store(0xE000E010, 7)
    p.unprivileged(TASK_STACK)
    p.mov(0, 0)
    p.mov(6, RESULTS + 16)
    p.label("loop")
    p.add(0, 1)
    p.str(0, 6)
    if not machine.v6m:
        p.half(0xEE00, 0x0A10)  # vmov s0, r0
    p.svc()
    p.branch("loop")
    for exception, slot in ((15, 0), (11, 4)):
        p.handler(exception)
        p.count(RESULTS + slot)
        p.half(0x4630)  # mov r0, r6
        p.bx(LR)
    return p


@each_core
def test_restore_repeats_the_same_run(machine: Machine) -> None:
    board = machine.boot(busy_program(machine))
    board.run(0.001)
    snapshot = board.snapshot()
    board.run(0.0015)
    later = board.snapshot()
    board.restore(snapshot)
    assert board.snapshot() == snapshot
    board.run(0.0015)
    assert board.snapshot() == later


@each_core
def test_snapshot_moves_to_another_board(machine: Machine) -> None:
    board = machine.boot(busy_program(machine))
    board.run(0.001)
    snapshot = board.snapshot()
    board.run(0.0015)
    expected = board.snapshot()
    board.close()
    other = machine.boot(busy_program(machine))
    other.restore(snapshot)
    other.run(0.0015)
    assert other.snapshot() == expected


@each_core
def test_slicing_does_not_change_the_run(machine: Machine) -> None:
    whole = machine.boot(busy_program(machine))
    whole.run(0.002)
    expected = whole.snapshot()
    whole.close()
    sliced = machine.boot(busy_program(machine))
    for _ in range(16):
        sliced.run(0.000125)
    assert sliced.snapshot().memory == expected.memory


SCRIPT = """
import hashlib, sys
from tests.idoldbg.target.emulated.emu.machines import ALL
from tests.idoldbg.target.emulated.emu.test_debug import busy_program
digest = hashlib.sha256()
for machine in ALL:
    board = machine.boot(busy_program(machine))
    board.run(0.002)
    digest.update(repr(board.snapshot()).encode())
print(digest.hexdigest())
"""


def test_runs_are_the_same_in_every_process() -> None:
    root = Path(__file__).resolve().parents[5]
    results = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            cwd=root,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(results) == 1


def test_firmware_that_changes_its_clock_changes_the_length_of_a_second() -> None:
    """The LPC55 starts at 48 MHz; this program goes on at 12 MHz."""
    p = V8M.program()
    p.nop(100)
    p.store(0x40000280, 0)
    p.label("loop")
    p.branch("loop")
    board = V8M.boot(p)
    assert board.cycles_per_second == 48_000_000
    board.run(0.01)
    assert board.cycles_per_second == 12_000_000
    assert board.time_s == pytest.approx(0.01, abs=1e-6)
    assert board.cycles == pytest.approx(120_000, abs=200)


@each_core
def test_restore_forgets_code_that_ran_from_ram(machine: Machine) -> None:
    """The program copies one of two returns-a-number functions to RAM, and calls it for ever."""
    function = RAM + 0x800
    p = machine.program()
    p.mov(5, RESULTS)
    p.mov(4, function | 1)
    p.label("loop")
    p.half(0x47A0)  # blx r4
    p.str(0, 5)
    p.branch("loop")
    board = machine.boot(p)
    board.halt()
    board.write(function, bytes.fromhex("01207047"))  # movs r0, #1; bx lr
    first = board.snapshot()
    board.write(function, bytes.fromhex("02207047"))
    board.resume()
    board.run(0.0005)
    assert word(board, 0) == 2
    second = board.snapshot()
    for snapshot, number in ((first, 1), (second, 2), (first, 1)):
        board.restore(snapshot)
        board.resume()
        board.run(0.0005)
        assert word(board, 0) == number
