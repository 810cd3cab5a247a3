"""Exception entry and return, priorities, SysTick, WFI: tiny programs on each core."""

from __future__ import annotations

import pytest

from idoldbg.target.emulated.emu import StopReason

from .machines import ALL, RAM, RESULTS, STACK, TASK_STACK, V7M, V8M, Machine, word, words
from .thumb import CONTROL, LR, MSP, PRIMASK, SP, Program

ICSR, SHCSR, CFSR, HFSR = 0xE000ED04, 0xE000ED24, 0xE000ED28, 0xE000ED2C
MMFAR, BFAR, CCR = 0xE000ED34, 0xE000ED38, 0xE000ED14
SYST_CSR, SYST_RVR, SYST_CVR = 0xE000E010, 0xE000E014, 0xE000E018
ISER, ISPR, IPR = 0xE000E100, 0xE000E200, 0xE000E400
PEND_SV, SYS_TICK = 1 << 28, 1 << 26

each_core = pytest.mark.parametrize("machine", ALL, ids=str)
with_float = pytest.mark.parametrize("machine", [V7M, V8M], ids=str)


@each_core
def test_svc_stacks_the_context_and_returns(machine: Machine) -> None:
    p = machine.program()
    for register in (0, 1, 2, 3):
        p.mov(register, 0x11110000 + register)
    p.svc()
    after = p.here
    p.store(RESULTS + 8, 0x600D)
    p.idle()
    p.handler(11)
    p.mov(6, RESULTS)
    p.move(7, LR)
    p.str(7, 6)
    p.move(7, SP)
    p.str(7, 6, 4)
    p.bx(LR)
    board = machine.boot(p)
    board.run(0.001)
    link, frame, done = words(board, 3)
    assert (link, frame, done) == (0xFFFFFFF9, STACK - 0x20, 0x600D)
    stacked = board.read(frame, 0x20)
    saved = [int.from_bytes(stacked[4 * i : 4 * i + 4], "little") for i in range(8)]
    assert saved[:4] == [0x11110000, 0x11110001, 0x11110002, 0x11110003]
    assert saved[6] == after
    assert saved[7] & 1 << 24
    assert board.read_register("sp") == STACK


@each_core
def test_unprivileged_thread_on_its_own_stack(machine: Machine) -> None:
    p = machine.program()
    p.unprivileged(TASK_STACK)
    p.svc()
    p.store(RESULTS + 4, 0x600D)
    p.branch("stay")
    p.label("stay")
    p.branch("stay")
    p.handler(11)
    p.mov(6, RESULTS)
    p.move(7, LR)
    p.str(7, 6)
    p.bx(LR)
    board = machine.boot(p)
    board.run(0.001)
    assert words(board, 2) == [0xFFFFFFFD, 0x600D]
    assert board.read_register("control") & 3 == 3
    assert board.read_register("psp") == board.read_register("sp") == TASK_STACK
    assert board.read_register("msp") == STACK


@each_core
def test_pending_exceptions_are_chained_by_priority(machine: Machine) -> None:
    """In the SVC handler both PendSV and SysTick are made pending; SysTick is the more urgent."""
    p = machine.program()
    p.store(0xE000ED20, 0x40C00000)  # SHPR3: SysTick 0x40, PendSV 0xc0
    p.svc()
    p.store(RESULTS + 12, 0x600D)
    p.idle()
    for exception, slot in ((11, 0), (15, 4), (14, 8)):
        p.handler(exception)
        p.count(RESULTS + 0x40)
        p.mov(6, RESULTS + slot)
        p.str(7, 6)
        if exception == 11:
            p.store(ICSR, PEND_SV | SYS_TICK)
        p.bx(LR)
    board = machine.boot(p)
    board.run(0.001)
    assert words(board, 4) == [1, 2, 3, 0x600D]


@each_core
def test_more_urgent_interrupt_preempts_at_once(machine: Machine) -> None:
    p = machine.program()
    p.store(IPR, 0x0080)  # IRQ 0: 0x80, IRQ 1: 0
    p.store(ISER, 3)
    p.store(ISPR, 1)
    p.idle()
    p.handler(16)
    p.store(ISPR, 2)
    p.nop()
    p.store(RESULTS, 0xAAAA)
    p.mov(6, RESULTS + 4)
    p.ldr(5, 6)
    p.mov(6, RESULTS + 8)
    p.str(5, 6)  # what IRQ 1 has left by now
    p.bx(LR)
    p.handler(17)
    p.store(RESULTS + 4, 0xBBBB)
    p.bx(LR)
    board = machine.boot(p)
    board.run(0.001)
    assert words(board, 3) == [0xAAAA, 0xBBBB, 0xBBBB]


@each_core
def test_primask_holds_interrupts_back(machine: Machine) -> None:
    p = machine.program()
    p.mov(0, 1)
    p.msr(PRIMASK, 0)
    p.store(ICSR, PEND_SV)
    p.nop(40)
    p.mov(6, RESULTS)
    p.ldr(5, 6)
    p.str(5, 6, 4)  # still 0
    p.mov(0, 0)
    p.msr(PRIMASK, 0)
    p.idle()
    p.handler(14)
    p.store(RESULTS, 1)
    p.bx(LR)
    board = machine.boot(p)
    board.run(0.001)
    assert words(board, 2) == [1, 0]


@with_float
def test_floating_point_context_is_stacked(machine: Machine) -> None:
    p = machine.program()
    p.store(0xE000ED88, 0x00F00000)  # CPACR
    p.barrier()
    p.mov(0, 0x3F800000)
    p.half(0xEE00, 0x0A10)  # vmov s0, r0
    p.svc()
    p.half(0xEE10, 0x1A10)  # vmov r1, s0
    p.mov(6, RESULTS)
    p.str(1, 6, 8)
    p.mrs(1, CONTROL)
    p.str(1, 6, 12)
    p.idle()
    p.handler(11)
    p.mov(6, RESULTS)
    p.move(7, LR)
    p.str(7, 6)
    p.move(7, SP)
    p.str(7, 6, 4)
    p.mov(0, 0)
    p.half(0xEE00, 0x0A10)  # vmov s0, r0
    p.bx(LR)
    board = machine.boot(p)
    board.run(0.001)
    link, frame, restored, control = words(board, 4)
    assert link == 0xFFFFFFE9
    assert frame == STACK - 0x68
    assert board.read(frame + 0x20, 4) == (0x3F800000).to_bytes(4, "little")
    assert restored == 0x3F800000
    assert control & 4
    assert board.read_register("s0") == 0x3F800000


@each_core
def test_systick_counts_virtual_time(machine: Machine) -> None:
    p = machine.program()
    p.store(SYST_RVR, 999)
    p.store(SYST_CVR, 0)
    p.store(SYST_CSR, 7)
    p.idle()
    p.handler(15)
    p.count(RESULTS)
    p.bx(LR)
    board = machine.boot(p)
    hz = round(board.cycles_per_second)
    board.run(0.01)
    assert abs(word(board, 0) - hz // 100 // 1000) <= 1
    assert board.time_s == pytest.approx(0.01)


@each_core
def test_systick_value_goes_down_one_a_cycle(machine: Machine) -> None:
    p = machine.program()
    p.store(SYST_RVR, 0xFFFFFF)
    p.store(SYST_CVR, 0)
    p.mov(6, SYST_CSR)
    p.mov(5, RESULTS)
    p.mov(0, 5)
    p.str(0, 6)
    p.ldr(0, 6, 8)
    p.nop(10)
    p.ldr(1, 6, 8)
    p.str(0, 5)
    p.str(1, 5, 4)
    p.idle()
    board = machine.boot(p)
    board.run(0.001)
    first, second = words(board, 2)
    assert first - second == 11


@each_core
def test_wfi_skips_to_the_next_event(machine: Machine) -> None:
    """A day of sleep costs no more than its wake-ups."""
    p = machine.program()
    p.idle()
    board = machine.boot(p)
    assert board.run(86400.0) is StopReason.TIME
    assert board.time_s == pytest.approx(86400.0)


@each_core
def test_wfe_and_yield_do_nothing(machine: Machine) -> None:
    p = machine.program()
    p.half(0xBF20, 0xBF10, 0xBF20, 0xBF40)
    p.store(RESULTS, 1)
    p.idle()
    board = machine.boot(p)
    board.run(0.001)
    assert word(board, 0) == 1


def fault_program(machine: Machine, enable: bool = True) -> Program:
    """Begin a program that has the configurable faults enabled."""
    p = machine.program()
    if enable:
        p.store(SHCSR, 0x70000)
    return p


def fault_handlers(p: Program, stack: int = MSP) -> None:
    """Add handlers that save CFSR, HFSR, MMFAR, BFAR and the PC stacked on `stack`, and stay."""
    for exception in (3, 4, 5, 6):
        p.handler(exception)
        p.mov(0, RESULTS)
        p.mov(1, exception)
        p.str(1, 0)
        for index, register in enumerate((CFSR, HFSR, MMFAR, BFAR)):
            p.mov(1, register)
            p.ldr(1, 1)
            p.str(1, 0, 4 + 4 * index)
        p.mrs(1, stack)
        p.ldr(1, 1, 0x18)
        p.str(1, 0, 20)
        p.idle()


@with_float
@pytest.mark.parametrize(
    ("name", "exception", "cfsr"),
    [
        ("load", 5, 0x8200),
        ("store", 5, 0x8200),
        ("fetch", 5, 0x0100),
        ("fetch from a peripheral", 4, 0x0001),
        ("undefined", 6, 0x10000),
        ("not Thumb", 6, 0x20000),
        ("divide", 6, 0x2000000),
        ("unaligned exclusive", 6, 0x1000000),
    ],
)
def test_faults_of_privileged_code(machine: Machine, name: str, exception: int, cfsr: int) -> None:
    hole = 0x28000000
    p = fault_program(machine)
    p.store(CCR, 0x210)
    p.mov(0, hole)
    p.mov(1, 0)
    p.mov(2, RAM + 2 if name == "unaligned exclusive" else RAM)
    p.half(0xEA81, 0x0101)  # eor r1, r1, r1: a zero that no scan can see
    at = p.here
    p.half(
        *{
            "load": [0x6801],
            "store": [0x6001],
            "fetch": [0x3001, 0x4700],  # adds r0, #1; bx r0
            "fetch from a peripheral": [0xF05F, 0x4080, 0x3001, 0x4700],  # movs r0, #0x40000000
            "not Thumb": [0x4710],  # bx r2
            "undefined": [0xDE00],
            "divide": [0xFBB0, 0xF0F1],
            "unaligned exclusive": [0xE852, 0x0F00],  # ldrex r0, [r2]
        }[name]
    )
    p.idle()
    fault_handlers(p)
    board = machine.boot(p)
    board.run(0.001)
    got, status, hard, _, address, pc = words(board, 6)
    assert (got, status, hard) == (exception, cfsr, 0)
    if cfsr & 0x8000:
        assert address == hole
    targets = {"fetch": hole, "fetch from a peripheral": 0x40000000, "not Thumb": RAM}
    assert pc == targets.get(name, at)


@each_core
def test_disabled_fault_becomes_hard_fault(machine: Machine) -> None:
    p = fault_program(machine, enable=False)
    p.half(0xDE00)
    fault_handlers(p)
    board = machine.boot(p)
    board.run(0.001)
    assert word(board, 0) == 3
    assert word(board, 2) == 1 << 30


@each_core
def test_fault_in_hard_fault_handler_is_lockup(machine: Machine) -> None:
    p = machine.program()
    p.half(0xDE00)
    p.handler(3)
    p.half(0xDE00)
    board = machine.boot(p)
    assert board.run(1.0) is StopReason.LOCKUP
    assert "lockup at 0x" in (board.lockup or "")
    assert board.time_s == pytest.approx(1.0)
    assert board.run(1.0) is StopReason.LOCKUP


@each_core
@pytest.mark.parametrize("vector", ["none", "no memory"])
def test_nonsense_vectors_are_lockup(machine: Machine, vector: str) -> None:
    p = machine.program()
    if vector == "no memory":
        p.store(0xE000ED08, 0x28000000)
    p.half(0xDE00)
    board = machine.boot(p)
    assert board.run(0.01) is StopReason.LOCKUP


@each_core
def test_empty_flash_is_lockup(machine: Machine) -> None:
    from idoldbg.target.board_files import load_board
    from idoldbg.target.emulated.emu import EmulatedBoard

    board = EmulatedBoard(load_board(machine.board), [])
    assert board.run(0.01) is StopReason.LOCKUP


@each_core
def test_stack_overflow_of_the_kernel_is_lockup(machine: Machine) -> None:
    """The handler's frame falls out of RAM: BusFault, HardFault, and no stack for either."""
    p = machine.program()
    p.mov(0, 0x28000010)
    p.half(0x4685)  # mov sp, r0
    p.svc()
    p.handler(11)
    p.bx(LR)
    p.handler(3)
    p.half(0xB500)  # push {lr}
    p.bx(LR)
    board = machine.boot(p)
    assert board.run(0.01) is StopReason.LOCKUP


@each_core
def test_software_reset_keeps_ram(machine: Machine) -> None:
    p = machine.program()
    p.count(RESULTS)
    p.half(0x2F03)  # cmp r7, #3
    p.branch_not_zero("again")
    p.idle()
    p.label("again")
    p.store(0xE000ED0C, 0x05FA0004)
    p.branch("again")
    board = machine.boot(p)
    board.run(0.01)
    assert word(board, 0) == 3
    assert board.reset_count == 3


@with_float
def test_return_with_a_wrong_link_is_refused(machine: Machine) -> None:
    """EXC_RETURN to handler mode where no other handler is active: UsageFault, INVPC."""
    p = fault_program(machine)
    p.svc()
    p.handler(11)
    p.mov(0, 0xFFFFFFF1)
    p.half(0x4700)  # bx r0
    fault_handlers(p)
    board = machine.boot(p)
    board.run(0.001)
    assert words(board, 2) == [6, 0x40000]
