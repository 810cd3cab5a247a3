"""Registers of tasks that do not run: in the task table, and on their stacks.

The kernel keeps r4 to r11, the stack pointer and, where it knows of floating point, s16 to s31 in
`Task.save` (sys/kern/src/arch/arm_m.rs, SavedState); exception entry has put the others on the
task's stack (Armv7-M ARM B1.5.6; with floating point B1.5.7).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from idol.records import dataclass
from idoldbg.build.program import Program
from idoldbg.call.codec import image
from idoldbg.errors import DebugInfoError, DecodeError, FaultError, NotFound
from idoldbg.model.memory import MemoryReader, read_u32
from idoldbg.model.values import Value
from idoldbg.views.tasks import read_task, table_address, task_type

__all__ = [
    "FLOATS",
    "GENERAL",
    "SavedTask",
    "is_exc_return",
    "read_saved",
    "read_task_registers",
    "unstack",
]

GENERAL = (*(f"r{i}" for i in range(13)), "sp", "lr", "pc", "xpsr")
FLOATS = tuple(f"s{i}" for i in range(32))

_BASIC = struct.Struct("<8I")  # r0, r1, r2, r3, r12, lr, pc, xpsr
_BASIC_NAMES = ("r0", "r1", "r2", "r3", "r12", "lr", "pc", "xpsr")
_FLOATS = struct.Struct("<17I")  # s0 to s15, fpscr; one more word is reserved
_FLOAT_NAMES = (*(f"s{i}" for i in range(16)), "fpscr")
_EXTENDED_BYTES = 0x68
_XPSR_EXCEPTION = 0x1FF  # the number of the exception that is handled; 0 in a task
_XPSR_ALIGNED = 1 << 9  # exception entry left a word free to align the stack
_EXC_RETURN_BASIC = 1 << 4
_FPCCR, _FPCAR = 0xE000EF34, 0xE000EF38  # Armv7-M ARM B3.2.21: lazy stacking of floating point
_LSPACT = 1  # of FPCCR: the frame has room for s0 to s15, and the core still holds them
# Exceptions whose handlers put the task aside before anything else: memory, bus and usage faults,
# SVCall, PendSV. Armv6-M has HardFault in place of the faults.
_PUTS_ASIDE, _PUTS_ASIDE_V6 = frozenset((4, 5, 6, 11, 14)), frozenset((3, 11, 14))
_KEPT = (*(f"r{i}" for i in range(4, 12)), *(f"s{i}" for i in range(16, 32)))


@dataclass(frozen=True, slots=True)
class SavedTask:
    """Registers of a task as it was put aside: names in lower case to 32-bit values.

    `psp` is where its exception frame begins, None on processors without one, 0 before it has run.
    Only what is known is in `registers`; `problem` says why those of the exception frame are not.
    """

    registers: Mapping[str, int]
    psp: int | None
    exc_return: int | None
    problem: str = ""


def read_saved(program: Program, index: int) -> SavedTask:
    """Read the registers of task `index`; raise what reading its entry of the table does."""
    entry = task_type(program)
    address = table_address(program) + index * entry.size
    block = program.memory.read(address, entry.size)
    save = image.decode(entry, block, address=address)["save"]
    if save.get("psp") is None:
        pc = save.get("pc")  # RISC-V
        return SavedTask({} if pc is None else {"pc": _number(save, "pc")}, None, None)
    registers = {name: _number(save, name) for name in _KEPT if save.get(name) is not None}
    psp = _number(save, "psp")
    exc_return = _number(save, "exc_return") if save.get("exc_return") is not None else None
    if program.archive.target.startswith("thumbv6m") and exc_return is not None:
        # Kernels write the same value for a task that has not run yet as where there are floats.
        exc_return |= _EXC_RETURN_BASIC
        registers = {name: value for name, value in registers.items() if name[0] != "s"}
    if not psp:
        return SavedTask(registers, psp, exc_return)
    try:
        stacked = unstack(program.memory, psp, exc_return)
    except FaultError as error:
        return SavedTask(registers, psp, exc_return, error.message)
    return SavedTask(registers | stacked, psp, exc_return)


def _has_overflowed(program: Program, index: int) -> bool:
    fault = read_task(program, index).fault
    return fault is not None and fault.kind == "StackOverflow"


def _number(save: Value, name: str) -> int:
    try:
        return int(save[name])
    except (NotFound, DecodeError):
        message = f"`kern::task::Task` saves no register `{name}` as a number"
        raise DebugInfoError(message) from None


def is_exc_return(value: int) -> bool:
    """Return whether a value in lr ends an exception (Armv8-M ARM D1.2.95: EXC_RETURN).

    0xffffffff, which lr holds after a reset, does not.
    """
    return 0xFFFFFF00 <= value < 0xFFFFFFFF


def unstack(memory: MemoryReader, address: int, exc_return: int | None) -> dict[str, int]:
    """Read an exception frame; return its registers, and the stack pointer from before it.

    `exc_return` says whether floating point is in it; kernels that do not keep one have none.
    Raises `FaultError`.
    """
    registers = dict(
        zip(_BASIC_NAMES, _BASIC.unpack(memory.read(address, _BASIC.size)), strict=True)
    )
    size = _BASIC.size
    if exc_return is not None and not exc_return & _EXC_RETURN_BASIC:
        size = _EXTENDED_BYTES
        try:
            data = memory.read(address + _BASIC.size, _FLOATS.size)
        except FaultError:
            pass  # the basic part says where the code is
        else:
            registers |= zip(_FLOAT_NAMES, _FLOATS.unpack(data), strict=True)
    padding = 4 if registers["xpsr"] & _XPSR_ALIGNED else 0
    return registers | {"sp": address + size + padding & 0xFFFFFFFF}


def read_task_registers(
    program: Program, index: int, live: Mapping[str, int]
) -> tuple[dict[str, int], str]:
    """Return the registers of task `index` by name, and why some are not known ("": all are).

    `live` are those of a halted core that is in this task's code, or in a handler that interrupted
    it; empty for other tasks. In a handler the task's stack has those that exception entry put
    there, and the core those of floating point that entry made room for only; r4 to r11 are known
    if the handler has put the task aside.
    """
    in_handler = live.get("xpsr", 0) & _XPSR_EXCEPTION
    if live and not in_handler:
        return {name: live[name] for name in (*GENERAL, *FLOATS, "fpscr") if name in live}, ""
    saved = read_saved(program, index)
    registers, problem = dict(saved.registers), saved.problem
    psp = live.get("psp")
    is_v6 = program.archive.target.startswith("thumbv6m")
    puts_aside = in_handler in (_PUTS_ASIDE_V6 if is_v6 else _PUTS_ASIDE)
    if psp is not None and (psp != saved.psp or not puts_aside):
        exc_return = live["lr"] if is_exc_return(live.get("lr", 0)) else saved.exc_return
        registers = unstack(program.memory, psp, exc_return)
        problem = "r4 to r11 are those of the handler above the task by now"
        if "s0" in registers:
            registers, doubt = _unstack_lazily(program.memory, psp, registers, live)
            problem += doubt
    elif saved.psp == 0:
        problem = "it has not run yet"
    elif not problem and _has_overflowed(program, index):
        names = f"{', '.join(_BASIC_NAMES[:-1])} and {_BASIC_NAMES[-1]}"
        problem = f"its stack had no room for {names}: these may be others' memory"
    order = (*GENERAL, *FLOATS, "fpscr")
    return {name: registers[name] for name in order if name in registers}, problem


def _unstack_lazily(
    memory: MemoryReader, psp: int, registers: dict[str, int], live: Mapping[str, int]
) -> tuple[dict[str, int], str]:
    """Take s0 to s15 and fpscr from the core where the frame at `psp` does not have them yet."""
    others = {name: value for name, value in registers.items() if name not in _FLOAT_NAMES}
    try:
        is_pending = read_u32(memory, _FPCCR) & _LSPACT
        if not is_pending or read_u32(memory, _FPCAR) & ~7 != psp + _BASIC.size:
            return registers, ""
    except FaultError:
        return others, "; whether s0 to s15 are on its stack is not known"
    held = {name: live[name] for name in _FLOAT_NAMES if name in live}
    return others | held, "" if "s0" in held else "; the core still holds s0 to s15"
