"""The STM32's flash controllers, driven by a debugger and by the core."""

from __future__ import annotations

import subprocess

import pytest

from idoldbg.target.board_files import load_board
from idoldbg.target.emulated.emu import EmulatedBoard
from idoldbg.target.emulated.emu.stores import store_size
from tests.tools import need

from .machines import STACK, V6M, V7M, Machine, words
from .test_exceptions import fault_handlers
from .thumb import Program

H7 = Machine("nucleo-h753zi", 0x08000000, "v7-M")
KEYS = (0x45670123, 0xCDEF89AB)
F4_KEYR, F4_SR, F4_CR = 0x40023C04, 0x40023C0C, 0x40023C10
G0_KEYR, G0_SR, G0_CR = 0x40022008, 0x40022010, 0x40022014
H7_KEYR, H7_CR, H7_SR, H7_CCR = 0x52002004, 0x5200200C, 0x52002010, 0x52002014
H7_BANK2 = 0x100
START = 1 << 16
LOCK = 1 << 31
PROGRAM, ERASE, MASS = 1, 2, 4


class Debugger:
    """Words of a board's memory, as a debugger writes them."""

    def __init__(self, machine: Machine) -> None:
        program = machine.program()
        program.idle()
        self.board: EmulatedBoard = machine.boot(program)

    def __getitem__(self, address: int) -> int:
        return int.from_bytes(self.board.read(address, 4), "little")

    def __setitem__(self, address: int, value: int) -> None:
        self.board.write(address, value.to_bytes(4, "little"))

    def unlock(self, keyr: int) -> None:
        for key in KEYS:
            self[keyr] = key


@pytest.mark.parametrize(
    ("machine", "keyr", "control", "lock"),
    [
        (V7M, F4_KEYR, F4_CR, LOCK),
        (V6M, G0_KEYR, G0_CR, LOCK),
        (H7, H7_KEYR, H7_CR, 1),
        (H7, H7_KEYR + H7_BANK2, H7_CR + H7_BANK2, 1),
    ],
)
def test_a_controller_is_locked_until_both_keys_came(
    machine: Machine, keyr: int, control: int, lock: int
) -> None:
    d = Debugger(machine)
    locked = d[control]
    assert locked & lock
    d[control] = 2
    assert d[control] == locked, "writes are ignored"
    d[keyr] = KEYS[0]
    assert d[control] & lock
    d[keyr] = KEYS[1]
    assert not d[control] & lock
    d[control] = lock
    assert d[control] & lock
    d.unlock(keyr)
    assert not d[control] & lock, "it can be unlocked again"
    d[control] = lock
    d[keyr] = 1
    d.unlock(keyr)
    assert d[control] & lock, "a wrong key locks it until a reset"
    d.board.reset()
    d.unlock(keyr)
    assert not d[control] & lock


def test_the_f4_erases_sectors_and_makes_zeros_of_ones() -> None:
    d = Debugger(V7M)
    for address in (0x0800BFFC, 0x0800C000, 0x0800FFFC, 0x08010000):
        d[address] = 0
    d.unlock(F4_KEYR)
    d[F4_CR] = ERASE | 3 << 3 | START
    assert [d[a] for a in (0x0800BFFC, 0x08010000)] == [0, 0]
    assert [d[a] for a in (0x0800C000, 0x0800FFFC)] == [0xFFFFFFFF] * 2
    d[F4_CR] = PROGRAM | 2 << 8
    d[0x0800C000] = 0xFFFF0F0F
    d[0x0800C000] = 0x00FFFF0F
    assert d[0x0800C000] == 0x00FF0F0F
    d.board.write(0x0800C004, b"\1")
    assert d[0x0800C004] == 0xFFFFFFFF
    assert d[F4_SR] == 1 << 6, "PGPERR: the width is not that of PSIZE"
    d[F4_SR] = 1 << 6
    assert d[F4_SR] == 0
    d[F4_CR] = ERASE | 12 << 3 | START
    assert d[F4_SR] == 1 << 7, "there is no sector 12"
    d[F4_CR] = MASS | START
    assert d[0x08000000] == d[0x080FFFFC] == 0xFFFFFFFF


def test_the_g0_programs_eight_erased_bytes_at_a_time() -> None:
    d = Debugger(V6M)
    d[0x08008000] = d[0x08007FFC] = d[0x08008800] = 0
    d.unlock(G0_KEYR)
    d[G0_CR] = ERASE | 16 << 3 | START
    assert [d[a] for a in (0x08007FFC, 0x08008000, 0x08008800)] == [0, 0xFFFFFFFF, 0]
    d[G0_CR] = PROGRAM
    d[0x08008000] = 0x11111111
    assert d[0x08008000] == 0xFFFFFFFF, "half of a double word"
    d[0x08008004] = 0x22222222
    assert [d[0x08008000], d[0x08008004], d[G0_SR]] == [0x11111111, 0x22222222, 0]
    d[0x08008000] = d[0x08008004] = 0
    assert [d[0x08008000], d[G0_SR]] == [0, 0], "zeros are always possible"
    d[0x08008000] = d[0x08008004] = 1
    assert [d[0x08008000], d[G0_SR]] == [0, 1 << 3], "PROGERR"
    d[G0_SR] = 0xFFFFFFFF
    d[0x0800800C] = 1
    assert [d[0x0800800C], d[G0_SR]] == [0xFFFFFFFF, 1 << 5], "PGAERR: the upper word first"
    d[G0_SR] = 0xFFFFFFFF
    d.board.write(0x08008010, b"\1")
    assert [d[0x08008010], d[G0_SR]] == [0xFFFFFFFF, 1 << 6], "SIZERR"


@pytest.mark.parametrize(("bank", "base"), [(0, 0x08000000), (H7_BANK2, 0x08100000)])
def test_the_h7_programs_32_bytes_at_a_time_in_each_bank(bank: int, base: int) -> None:
    d = Debugger(H7)
    at = base + 0x40000
    d[at] = d[at - 4] = d[at + 0x20000] = 0
    d.unlock(H7_KEYR + bank)
    d[H7_CR + bank] = 4 | 2 << 8 | 1 << 7 | 0x30
    assert [d[at - 4], d[at], d[at + 0x20000]] == [0, 0xFFFFFFFF, 0]
    assert d[H7_SR + bank] == 1 << 16
    d[H7_CCR + bank] = 1 << 16
    d[H7_CR + bank] = 2 | 0x30
    for i in range(7):
        d[at + 4 * i] = i
    assert (d[at], d[H7_SR + bank]) == (0xFFFFFFFF, 2), "the buffer is not full"
    d[at + 28] = 7
    assert [d[at + 4 * i] for i in range(8)] == list(range(8))
    d[at + 32] = 0x12345678
    d[H7_CR + bank] = 2 | 0x30 | 1 << 6
    assert [d[at + 32], d[at + 36]] == [0x12345678, 0xFFFFFFFF], "forced"
    d[H7_CCR + bank] = 0xFFFFFFFF
    d[at + 64] = 1
    d[at + 100] = 1
    assert d[H7_SR + bank] & 1 << 21, "INCERR: not in the same flash word"


STORES = {
    "str": ([0x6008], [0xA1B2C3D4]),
    "str, written back": ([0xF841, 0x0B04], [0xA1B2C3D4]),
    "stm": ([0xC10D], [0xA1B2C3D4, 22, 33]),
    "stm.w": ([0xE881, 0x000D], [0xA1B2C3D4, 22, 33]),
    "stmdb": ([0xE921, 0x000D], [0xA1B2C3D4, 22, 33]),
    "strd": ([0xE9C1, 0x0200], [0xA1B2C3D4, 22]),
    "strd, written back": ([0xE8E1, 0x2302], [22, 33]),
}
TARGET = 0x0800C000


def programming(code: list[int], at: int) -> Program:
    p = V7M.program()
    for key in KEYS:
        p.store(F4_KEYR, key)
    p.store(F4_CR, PROGRAM | 2 << 8)
    for register, value in ((0, 0xA1B2C3D4), (1, at), (2, 22), (3, 33)):
        p.mov(register, value)
    p.half(*code)
    p.store(F4_CR, 0)
    p.store(0x20000400, 1)
    p.idle()
    return p


@pytest.mark.parametrize("name", STORES)
def test_stores_of_the_core_program(name: str) -> None:
    code, stored = STORES[name]
    count = len(stored)
    board = V7M.boot(programming(code, TARGET + (4 * count if name == "stmdb" else 0)))
    board.run(0.001)
    assert words(board, 1) == [1], "it went on"
    found = [int.from_bytes(board.read(TARGET + 4 * i, 4), "little") for i in range(count + 1)]
    assert found == [*stored, 0xFFFFFFFF]
    assert board.read_register("r1") - TARGET in (0, 4 * count)


def test_a_store_to_locked_flash_is_a_bus_fault() -> None:
    p = V7M.program()
    p.mov(1, TARGET)
    p.str(1, 1)
    p.idle()
    fault_handlers(p)
    board = V7M.boot(p)
    board.run(0.001)
    assert board.read(TARGET, 4) == b"\xff" * 4
    assert words(board, 1) == [3], "it escalates to a HardFault"


def test_code_that_was_programmed_runs() -> None:
    """Also over code that has run."""
    p = V7M.program()
    for key in KEYS:
        p.store(F4_KEYR, key)
    for index, number in enumerate((7, 3)):  # the second has fewer ones
        p.store(F4_CR, PROGRAM | 2 << 8)
        p.store(TARGET, 0x47702000 | number)  # movs r0, #number; bx lr
        p.store(F4_CR, 0)
        p.mov(1, TARGET + 1)
        p.half(0x4788)  # blx r1
        p.mov(2, 0x20000400 + 4 * index)
        p.str(0, 2)
    p.idle()
    board = V7M.boot(p)
    board.run(0.001)
    assert words(board, 2) == [7, 3]


def test_a_snapshot_holds_a_half_done_double_word() -> None:
    d = Debugger(V6M)
    d.unlock(G0_KEYR)
    d[G0_CR] = PROGRAM
    d[0x08008000] = 5
    saved = d.board.snapshot()
    d[0x08008004] = 6
    assert d[0x08008000] == 5
    d.board.restore(saved)
    assert d[0x08008000] == 0xFFFFFFFF
    d[0x08008004] = 7
    assert [d[0x08008000], d[0x08008004]] == [5, 7]


SIZES = {
    "stmia r1!, {r0, r2, r3}": 12,
    "stmia.w r1, {r0, r2, r3, lr}": 16,
    "stmdb r1!, {r0, r2-r8}": 32,
    "strd r2, r3, [r1]": 8,
    "strd r2, r3, [r1, #8]!": 8,
    "strd r2, r3, [r1], #8": 8,
    "str r0, [r1]": 0,
    "strb r0, [r1], #1": 0,
    "ldmia.w r1, {r0, r2}": 0,
    "ldrd r2, r3, [r1, #8]": 0,
    "strex r0, r2, [r1]": 0,
    "ldrex r0, [r1]": 0,
    "tbb [r1, r2]": 0,
}


def test_sizes_of_stores_are_those_of_llvms_encodings() -> None:
    program = need("llvm-mc", of="llvm")
    for text, size in SIZES.items():
        done = subprocess.run(
            [program, "-triple=thumbv7em", "--show-encoding"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        )
        code = bytes(
            int(x, 16) for x in done.stdout.split("encoding: [")[1].split("]")[0].split(",")
        )
        assert store_size(code.ljust(4, b"\0")) == size, text


def test_ids_are_those_of_the_part() -> None:
    for name, address, idcode, kib_at, kib in (
        ("stm32f4-discovery", 0xE0042000, 0x10076413, 0x1FFF7A22, 1024),
        ("nucleo-g031", 0x40015800, 0x10006466, 0x1FFF75E0, 64),
        ("stm32g070-nucleo", 0x40015800, 0x10006460, 0x1FFF75E0, 128),
        ("stm32g0b1-nucleo", 0x40015800, 0x10006467, 0x1FFF75E0, 512),
        ("nucleo-h753zi", 0x5C001000, 0x20036450, 0x1FF1E880, 2048),
    ):
        vectors = STACK.to_bytes(4, "little") + (0x08000009).to_bytes(4, "little")
        board = EmulatedBoard(load_board(name), [(0x08000000, vectors + b"\x30\xbf\xfd\xe7")])
        board.write(address, bytes(4))
        board.reset()
        assert int.from_bytes(board.read(address, 4), "little") == idcode, name
        assert int.from_bytes(board.read(kib_at, 2), "little") == kib, name
