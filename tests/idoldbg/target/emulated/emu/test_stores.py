"""Unaligned stores by a task whose region begins or ends within a page of QEMU's (1 KiB)."""

from __future__ import annotations

import pytest

from idoldbg.target.emulated.emu.stores import Store, decode_store

from .machines import RAM, RESULTS, TASK_STACK, V7M, V8M, Machine, words
from .test_exceptions import fault_handlers
from .test_mpu import MPU_CTRL, READ_ONLY, READ_WRITE, SHCSR, region
from .thumb import PSP, Program

BLOCK = RAM + 0x1C80
"""256 bytes whose page begins 128 bytes before, with nothing that the task may touch."""


def task(machine: Machine) -> Program:
    p = machine.program()
    p.store(SHCSR, 0x70000)
    region(p, machine, 0, machine.base, 0x1000, READ_ONLY)
    region(p, machine, 1, TASK_STACK - 0x100, 0x100, READ_WRITE)
    region(p, machine, 2, BLOCK, 0x80, READ_WRITE)
    p.store(MPU_CTRL, 5)
    p.barrier()
    p.unprivileged(TASK_STACK)
    p.mov(0, 0xA1B2C3D4)
    return p


STORES = {
    "str r0, [r1, #4]": ([0x6048], 4, 4, 0),
    "strh r0, [r1, #2]": ([0x8048], 2, 2, 0),
    "str r0, [r1, r2]": ([0x5088], 8, 4, 0),
    "strh r0, [r1, r2]": ([0x5288], 8, 2, 0),
    "str.w r0, [r1, #40]": ([0xF8C1, 0x0028], 40, 4, 0),
    "strh.w r0, [r1, #40]": ([0xF8A1, 0x0028], 40, 2, 0),
    "str.w r0, [r1, r2, lsl #2]": ([0xF841, 0x0022], 32, 4, 0),
    "str r0, [r1, #4]!": ([0xF841, 0x0F04], 4, 4, 4),
    "str r0, [r1], #4": ([0xF841, 0x0B04], 0, 4, 4),
    "strh r0, [r1, #-4]!": ([0xF821, 0x0D04], -4, 2, -4),
}


@pytest.mark.parametrize("machine", [V7M, V8M], ids=str)
@pytest.mark.parametrize("name", STORES)
def test_unaligned_store_inside_the_region(machine: Machine, name: str) -> None:
    code, offset, size, moved = STORES[name]
    base = BLOCK + 0x11
    p = task(machine)
    p.mov(1, base)
    p.mov(2, 8)
    p.half(0x2801)  # cmp r0, #1: not equal
    p.half(0xBF1C)  # itt ne
    p.half(*code)
    p.half(0x3301)  # addne r3, #1
    p.svc()
    p.idle()
    p.handler(11)
    p.mov(6, RESULTS)
    p.str(1, 6)
    p.str(3, 6, 4)
    p.idle()
    fault_handlers(p, PSP)
    board = machine.boot(p)
    board.run(0.001)
    assert words(board, 2) == [base + moved, 1]
    found = board.read(base + offset - 1, size + 2)
    assert found == b"\0" + (0xA1B2C3D4).to_bytes(4, "little")[:size] + b"\0"


@pytest.mark.parametrize("machine", [V7M, V8M], ids=str)
@pytest.mark.parametrize("offset", [-3, -1, 0x7D, 0x7F, 0x81])
def test_unaligned_store_across_the_border_faults(machine: Machine, offset: int) -> None:
    p = task(machine)
    p.mov(1, BLOCK + offset)
    at = p.here
    p.half(0x6008)  # str r0, [r1]
    p.svc()
    fault_handlers(p, PSP)
    board = machine.boot(p)
    board.run(0.001)
    exception, status, _, address, _, pc = words(board, 6)
    assert (exception, status, pc) == (4, 0x82, at)
    assert BLOCK + offset <= address < BLOCK + offset + 4
    assert board.read(BLOCK - 8, 0x90) == bytes(0x90)


@pytest.mark.parametrize(
    ("code", "store"),
    [
        ("0193", Store(0x1304, 4, 3, 2)),  # str r3, [sp, #4]
        ("4846", None),  # mov r0, r9
        ("41f80001", None),  # no such encoding
        ("01f80400", None),  # strb.w r0, [r1, r4]
        ("c1e90023", None),  # strd r2, r3, [r1]: must be aligned
    ],
)
def test_decoding(code: str, store: Store | None) -> None:
    def read(number: int) -> int:
        return 0x1000 + number if number != 13 else 0x1300

    assert decode_store(bytes.fromhex(code).ljust(4, b"\0"), read) == store
