"""Memory protection: what an unprivileged task may touch, to the word, on each core."""

from __future__ import annotations

import pytest

from idoldbg.target.emulated.emu.mpu import Mpu

from .machines import ALL, RAM, RESULTS, TASK_STACK, V6M, V7M, V8M, Machine, words
from .test_exceptions import fault_handlers
from .thumb import LR, PSP, Program

MPU_CTRL, MPU_RNR, MPU_RBAR, MPU_RASR = 0xE000ED94, 0xE000ED98, 0xE000ED9C, 0xE000EDA0
SHCSR = 0xE000ED24
BLOCK = RAM + 0x2000 - 0x400
"""Address of the tests' small region; the 256 bytes after it belong to nobody."""
READ_ONLY, READ_WRITE = 0, 1

each_core = pytest.mark.parametrize("machine", ALL, ids=str)


def region(p: Program, machine: Machine, number: int, start: int, size: int, access: int) -> None:
    """Open a region to unprivileged code; read-only ones can be executed."""
    p.store(MPU_RNR, number)
    if machine.v8m:
        p.store(MPU_RBAR, start | (0b011 if access else 0b110))
        p.store(MPU_RASR, (start + size - 32) | 1)
    else:
        p.store(MPU_RBAR, start)
        attributes = 0x13000000 if access else 0x06000000
        p.store(MPU_RASR, attributes | (size.bit_length() - 2) << 1 | 1)


def task_program(machine: Machine, size: int = 256) -> Program:
    """Begin a task with its code, a stack and one region of `size` bytes at BLOCK."""
    p = machine.program()
    if not machine.v6m:
        p.store(SHCSR, 0x70000)
    region(p, machine, 0, machine.base, 0x1000, READ_ONLY)
    region(p, machine, 1, TASK_STACK - 0x100, 0x100, READ_WRITE)
    region(p, machine, 2, BLOCK, size, READ_WRITE)
    p.store(MPU_CTRL, 5)
    p.barrier()
    p.unprivileged(TASK_STACK)
    return p


@each_core
@pytest.mark.parametrize("offset", [-4, 0, 4, 124, 252, 256, 260, 1024])
@pytest.mark.parametrize("operation", ["load", "store"])
def test_data_region_is_exact(machine: Machine, operation: str, offset: int) -> None:
    p = task_program(machine)
    p.mov(0, BLOCK + offset)
    at = p.here
    p.half(0x6801 if operation == "load" else 0x6001)
    p.svc()
    p.handler(11)
    p.store(RESULTS, 11)
    p.idle()
    fault_handlers(p, PSP)
    board = machine.boot(p)
    assert board.enforces_mpu, board.notices
    board.run(0.001)
    exception, status, _, address, _, pc = words(board, 6)
    if 0 <= offset < 256:
        assert exception == 11
    elif machine.v6m:
        assert (exception, pc) == (3, at)
    else:
        assert (exception, status, address, pc) == (4, 0x82, BLOCK + offset, at)


@pytest.mark.parametrize("machine", [V7M, V8M], ids=str)
def test_code_outside_the_task_cannot_run(machine: Machine) -> None:
    p = task_program(machine)
    p.mov(0, machine.base + 0x2001)
    p.half(0x4700)
    fault_handlers(p, PSP)
    board = machine.boot(p)
    board.run(0.001)
    assert words(board, 2) == [4, 0x01]


@pytest.mark.parametrize("machine", [V7M, V8M], ids=str)
def test_data_cannot_run(machine: Machine) -> None:
    p = task_program(machine)
    p.mov(0, BLOCK + 1)
    p.half(0x4700)
    fault_handlers(p, PSP)
    board = machine.boot(p)
    board.run(0.001)
    assert words(board, 2) == [4, 0x01]


@each_core
def test_flash_cannot_be_written_by_a_task(machine: Machine) -> None:
    p = task_program(machine)
    p.mov(0, machine.base)
    p.half(0x6001)
    fault_handlers(p, PSP)
    board = machine.boot(p)
    board.run(0.001)
    expected = [3] if machine.v6m else [4, 0x82]
    assert words(board, len(expected)) == expected


@each_core
def test_private_peripherals_are_closed_to_tasks(machine: Machine) -> None:
    p = task_program(machine)
    p.mov(0, 0xE000ED08)
    at = p.here
    p.half(0x6801)
    fault_handlers(p, PSP)
    board = machine.boot(p)
    board.run(0.001)
    exception, status, _, _, address, pc = words(board, 6)
    if machine.v6m:
        assert (exception, pc) == (3, at)
    else:
        assert (exception, status, address, pc) == (5, 0x8200, 0xE000ED08, at)


@pytest.mark.parametrize("machine", [V7M, V8M], ids=str)
def test_task_stack_overflow_at_exception_entry(machine: Machine) -> None:
    """The frame of an SVC does not fit the task's stack: MemManage first, and SVC still pending."""
    p = task_program(machine)
    p.mov(0, TASK_STACK - 0x100 + 8)
    p.half(0x4685)  # mov sp, r0
    p.svc()
    p.handler(4)
    p.mov(0, RESULTS)
    for index, register in enumerate((0xE000ED28, SHCSR)):
        p.mov(1, register)
        p.ldr(1, 1)
        p.str(1, 0, 4 * index)
    p.idle()
    board = machine.boot(p)
    board.run(0.001)
    status, handlers = words(board, 2)
    assert status == 0x10
    assert handlers & 1 << 15


@each_core
def test_handler_changes_regions_for_its_return(machine: Machine) -> None:
    """As a context switch does: the MPU off, regions rewritten, on, and back to the task."""
    p = task_program(machine)
    p.mov(0, BLOCK + 0x200)
    p.svc()
    p.half(0x6001)  # str r1, [r0]: only allowed since the SVC
    p.svc()
    p.idle()
    p.handler(11)
    p.count(RESULTS)
    p.store(MPU_CTRL, 0)
    region(p, machine, 2, BLOCK + 0x200, 0x100, READ_WRITE)
    p.store(MPU_CTRL, 5)
    p.bx(LR)
    fault_handlers(p, PSP)
    board = machine.boot(p)
    board.run(0.001)
    assert words(board, 1) == [2]


@pytest.mark.parametrize("machine", [V6M, V7M], ids=str)
def test_disabled_subregion_is_closed(machine: Machine) -> None:
    p = task_program(machine, size=1024)
    p.branch("go")
    p.label("go")
    p.svc()
    p.mov(0, BLOCK)
    p.half(0x6001)
    p.mov(0, BLOCK + 0x180)
    p.half(0x6001)  # in subregion 3 of 8
    p.handler(11)
    p.store(MPU_RNR, 2)
    p.store(MPU_RASR, 0x13000000 | 0b1000 << 8 | 9 << 1 | 1)
    p.bx(LR)
    fault_handlers(p, PSP)
    board = machine.boot(p)
    board.run(0.001)
    exception, status, _, address = words(board, 4)
    assert exception == (3 if machine.v6m else 4)
    if not machine.v6m:
        assert (status, address) == (0x82, BLOCK + 0x180)


def armed(v8m: bool, *regions: tuple[int, int]) -> Mpu:
    """An enabled MPU with (base register, limit or attribute register) pairs."""
    mpu = Mpu(v8m=v8m)
    for number, (base, limit) in enumerate(regions):
        mpu.write(0xD98, number)
        mpu.write(0xD9C, base)
        mpu.write(0xDA0, limit)
    mpu.write(0xD94, 5)
    return mpu


RW_V8, RO_V8 = 0b011, 0b111
RW_V7, RO_V7, PRIVATE_V7 = 3 << 24, 6 << 24, 1 << 24


@pytest.mark.parametrize(
    ("mpu", "address", "size", "write", "allowed"),
    [
        (armed(True, (0x1000 | RW_V8, 0x10C0 | 1)), 0x1000, 0xE0, True, True),
        (armed(True, (0x1000 | RW_V8, 0x10C0 | 1)), 0x10D0, 0x20, True, False),
        (armed(True, (0x1000 | RO_V8, 0x10C0 | 1)), 0x1000, 4, True, False),
        (armed(True, (0x1000 | RO_V8, 0x10C0 | 1)), 0x1000, 4, False, True),
        # Two regions side by side make one range; two over each other are a fault.
        (armed(True, (0x1000 | RW_V8, 0x1001), (0x1020 | RW_V8, 0x1021)), 0x1010, 32, True, True),
        (armed(True, (0x1000 | RW_V8, 0x1021), (0x1020 | RW_V8, 0x1021)), 0x1010, 32, True, False),
        (armed(True), 0x1000, 4, False, False),
        (armed(False, (0x1000, RW_V7 | 7 << 1 | 1)), 0x10F0, 16, True, True),
        (armed(False, (0x1000, RW_V7 | 7 << 1 | 1)), 0x10F0, 32, True, False),
        (armed(False, (0x1000, RO_V7 | 7 << 1 | 1)), 0x1000, 4, False, True),
        (armed(False, (0x1000, RO_V7 | 7 << 1 | 1)), 0x1000, 4, True, False),
        # The region with the higher number decides.
        (
            armed(False, (0x1000, RW_V7 | 7 << 1 | 1), (0x1000, PRIVATE_V7 | 4 << 1 | 1)),
            0x1000,
            4,
            False,
            False,
        ),
        (armed(False, (0x1000, RW_V7 | 2 << 8 | 7 << 1 | 1)), 0x1020, 4, True, False),
        (armed(False, (0x1000, RW_V7 | 2 << 8 | 7 << 1 | 1)), 0x1040, 4, True, True),
    ],
)
def test_rules(mpu: Mpu, address: int, size: int, write: bool, allowed: bool) -> None:
    assert mpu.allows(address, size, write=write) is allowed


def test_executable_regions_grow_only_into_free_space() -> None:
    code = (0x10100 | 0b110, 0x102E0 | 1)
    mpu = armed(True, code)
    bases, limits = mpu.unicorn_arrays()
    assert (bases[0], limits[0]) == (0x10000 | 0b110, 0x103E0 | 1)
    mpu = armed(True, code, (0x10300 | RW_V8, 0x10320 | 1))
    bases, limits = mpu.unicorn_arrays()
    assert (bases[0], limits[0]) == code
    exact = Mpu(v8m=True, exact_code=True)
    exact.restore(armed(True, code).save())
    assert exact.unicorn_arrays()[0][0] == code[0]


def test_registers_read_back() -> None:
    mpu = armed(False, (0x20000000, RW_V7 | 9))
    assert mpu.read(0xD90) == 8 << 8
    assert mpu.read(0xD94) == 5
    assert mpu.read(0xD9C) == 0x20000000
    assert mpu.read(0xDA0) == RW_V7 | 9
    mpu.write(0xD9C, 0x30000000 | 0x10 | 4)  # VALID: chooses region 4
    assert mpu.read(0xD98) == 4
    assert mpu.read(0xD9C) == 0x30000004
