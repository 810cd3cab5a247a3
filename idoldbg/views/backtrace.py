"""Where each task stands: its program counter, and the callers that the stack remembers.

A task that does not run has its registers in its entry of the task table (`save`:
sys/kern/src/arch/arm_m.rs, SavedState) and on its stack, where exception entry put r0 to r3, r12,
lr, pc and xpsr (Armv7-M ARM B1.5.6). The rest follows from `.debug_frame`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from idol.records import dataclass
from idoldbg.codec import image
from idoldbg.debuginfo.frames import FrameRules, UnwindRow, find_stub_row
from idoldbg.errors import DebugInfoError, FaultError, IdoldbgError
from idoldbg.program import Program
from idoldbg.symbols import Symbol
from idoldbg.types import type_size
from idoldbg.values import to_python
from idoldbg.views.tasks import table_address, task_type

__all__ = ["Backtrace", "Frame", "read_backtrace"]

FRAME_LIMIT = 32
SP, LR, PC = 13, 14, 15
_EXCEPTION_FRAME = struct.Struct("<8I")  # r0, r1, r2, r3, r12, lr, pc, xpsr
_BASIC_FRAME_BYTES, _EXTENDED_FRAME_BYTES = 0x20, 0x68  # without and with floating point
_XPSR_ALIGNED = 1 << 9  # exception entry left a word free to align the stack
_EXC_RETURN_BASIC = 1 << 4


@dataclass(frozen=True, slots=True)
class Frame:
    """One function on the stack; `offset` is in bytes from its start, None without a symbol."""

    address: int
    function: str | None
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class Backtrace:
    """The frames of a task, innermost first; `problem` says why there are no more, "" if known."""

    task: str
    frames: tuple[Frame, ...]
    problem: str = ""


def read_backtrace(
    program: Program, index: int, live_registers: Mapping[str, int] | None = None
) -> Backtrace:
    """Walk the stack of task `index`; never raises what the target or its debug info cause.

    `live_registers` are the core's own, of a halted core that runs this very task; all other tasks
    have been put aside by the kernel.
    """
    name = program.archive.tasks[index].name
    try:
        if live_registers is not None:
            registers = {i: live_registers[f"r{i}"] for i in range(13)}
            registers |= {SP: live_registers["sp"], LR: live_registers["lr"]}
            registers[PC] = live_registers["pc"]
        else:
            registers = _saved_registers(program, index)
    except (IdoldbgError, KeyError) as error:
        return Backtrace(name, (), f"its registers cannot be read: {error}")
    if not registers[PC]:
        return Backtrace(name, (), "it has not run yet")
    return _walk(program, name, registers)


def _saved_registers(program: Program, index: int) -> dict[int, int]:
    entry = task_type(program)
    address = table_address(program) + index * type_size(entry)
    block = program.memory.read(address, type_size(entry))
    fields: dict[str, Any] = to_python(image.decode(entry, block, address=address))
    save = fields["save"]
    psp = _register(save, "psp")
    if not psp:
        return {PC: 0}
    r0, r1, r2, r3, r12, lr, pc, xpsr = _EXCEPTION_FRAME.unpack(
        program.memory.read(psp, _EXCEPTION_FRAME.size)
    )
    registers = {0: r0, 1: r1, 2: r2, 3: r3, 12: r12, LR: lr, PC: pc}
    registers |= {i: _register(save, f"r{i}") for i in range(4, 12)}
    has_kind = "exc_return" in save
    is_basic = not has_kind or _register(save, "exc_return") & _EXC_RETURN_BASIC
    size = _BASIC_FRAME_BYTES if is_basic else _EXTENDED_FRAME_BYTES
    registers[SP] = psp + size + (4 if xpsr & _XPSR_ALIGNED else 0)
    return registers


def _register(save: Any, name: str) -> int:
    value = save.get(name) if isinstance(save, dict) else None
    if not isinstance(value, int):
        raise DebugInfoError(f"`kern::task::Task` saves no register `{name}` as a number")
    return value


def _walk(program: Program, name: str, registers: dict[int, int]) -> Backtrace:
    try:
        symbols = program.object(name).symbols
        rules = FrameRules(program.archive.object_bytes(name))
    except IdoldbgError as error:
        return Backtrace(name, (Frame(registers[PC], None),), error.message)
    frames: list[Frame] = []
    seen: set[tuple[int, int]] = set()
    while len(frames) < FRAME_LIMIT:
        pc = registers[PC] & ~1
        # A return address may lie behind its function, when the call was the last instruction.
        probe = pc - 2 if frames else pc
        symbol = symbols.find_function_at(probe)
        if symbol is None:
            frames.append(Frame(pc, None))
            return Backtrace(name, tuple(frames), "no function of this task is there")
        frames.append(Frame(pc, symbol.path, pc - symbol.address))
        row = None if len(frames) > 1 else _stub_row(program, name, symbol, pc)
        row = row or rules.find_row(probe)
        if row is None or row.cfa_register not in registers:
            problem = "" if symbol.path == "_start" else "no call frame information here"
            return Backtrace(name, tuple(frames), problem)
        cfa = registers[row.cfa_register] + row.cfa_offset & 0xFFFFFFFF
        step = (pc, cfa)
        if step in seen:
            return Backtrace(name, tuple(frames), "the stack goes in circles")
        seen.add(step)
        saved = {}
        for register, offset in row.saved.items():
            try:
                data = program.memory.read(cfa + offset & 0xFFFFFFFF, 4)
            except FaultError as error:
                return Backtrace(name, tuple(frames), f"the stack is unreadable: {error.message}")
            saved[register] = int.from_bytes(data, "little")
        if LR not in saved and len(frames) > 1:
            return Backtrace(name, tuple(frames))  # it never returns: the outermost function
        registers = {**registers, **saved, SP: cfa}
        registers[PC] = registers[LR]
        if registers[PC] & ~1 == 0 or registers[PC] >= 0xFFFFFF00:
            return Backtrace(name, tuple(frames))
    return Backtrace(name, tuple(frames), f"only {FRAME_LIMIT} frames are shown")


def _stub_row(program: Program, task: str, symbol: Symbol, pc: int) -> UnwindRow | None:
    """Return the row of a task that waits inside a system call, as most do."""
    code = program.object(task).read_memory(symbol.address, max(0, pc - symbol.address))
    return None if code is None else find_stub_row(code)
