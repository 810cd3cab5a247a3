"""Backtrace of each task: its program counter, and the callers on its stack.

A task that does not run has its registers in its entry of the task table (`save`:
sys/kern/src/arch/arm_m.rs, SavedState) and on its stack, where exception entry put r0 to r3, r12,
lr, pc and xpsr (Armv7-M ARM B1.5.6). The rest follows from `.debug_frame`.

A stack that overflowed has no such registers. What is left is r7, the frame pointer where the
compiler keeps one: it points to the caller's, with the return address above (AAPCS32, 6.2.1.4).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from idol.records import dataclass
from idoldbg.build.debuginfo.frames import FrameRules, UnwindRow, find_stub_row
from idoldbg.build.program import Program
from idoldbg.call.codec import image
from idoldbg.errors import DebugInfoError, DecodeError, FaultError, IdoldbgError, NotFound
from idoldbg.model.symbols import Symbol
from idoldbg.model.values import Value
from idoldbg.views.tasks import read_task, table_address, task_type

__all__ = ["Backtrace", "Frame", "read_backtrace"]

FRAME_LIMIT = 32
SP, LR, PC = 13, 14, 15
FRAME_POINTER = "r7"
RUNNING = "this task was running, and the core's registers are not known"
STALE = f"a guess: {RUNNING}; this is where it last stopped"
OUTERMOST = "_start"  # where the kernel starts a task
_EXCEPTION_FRAME = struct.Struct("<8I")  # r0, r1, r2, r3, r12, lr, pc, xpsr
_BASIC_FRAME_BYTES, _EXTENDED_FRAME_BYTES = 0x20, 0x68  # without and with floating point
_XPSR_EXCEPTION = 0x1FF  # the number of the exception that is handled; 0 in a task
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

    `live_registers` are those of a halted core whose current task this is. They tell where it
    stands only while the core is in its code; the kernel, and a ROM before it, have their own, and
    the task was put aside like all others. Without them, where the current task was when it was
    last put aside is a guess, and called so in `problem`.
    """
    trace = _read_backtrace(program, index, live_registers)
    if live_registers or not _is_running(program, index):
        return trace
    if not trace.frames:
        return Backtrace(trace.task, (), f"{RUNNING}, and it never stopped before")
    problem = f"{STALE}; {trace.problem}" if trace.problem else STALE
    return Backtrace(trace.task, trace.frames, problem)


def _is_running(program: Program, index: int) -> bool:
    """Return whether a task has the core; one that waits in the kernel was put aside."""
    try:
        address = table_address(program) + index * task_type(program).size
        if program.find_word("CURRENT_TASK_PTR") != address:
            return False
        row = read_task(program, index)
    except IdoldbgError:
        return False
    return row.scheduler_state == "Runnable" and row.fault is None


def _read_backtrace(
    program: Program, index: int, live_registers: Mapping[str, int] | None
) -> Backtrace:
    name = program.archive.tasks[index].name
    try:
        live = _live_registers(program, name, live_registers or {})
        save = _save_area(program, index)
        if save.get("psp") is None and save.get("pc") is not None:  # RISC-V
            return _only_frame(program, name, _register(save, "pc"))
        if live is None and not _register(save, "psp"):
            return Backtrace(name, (), "it has not run yet")
    except IdoldbgError as error:
        return Backtrace(name, (), f"its registers cannot be read: {error}")
    if live is not None:
        return _walk(program, name, live)
    try:
        trace = _walk(program, name, _stacked_registers(program, save))
    except IdoldbgError as error:
        trace = Backtrace(name, (), f"its registers cannot be read: {error}")
    if trace.frames and trace.frames[0].function is not None:
        return trace
    guess = _follow_frame_pointers(program, name, _register(save, FRAME_POINTER))
    if guess.frames:
        return guess
    if trace.frames and not trace.frames[0].address:
        return Backtrace(name, (), "it has not run yet, or went to address 0")
    return trace


def _only_frame(program: Program, name: str, pc: int) -> Backtrace:
    """Return where a task is, without its callers."""
    try:
        symbol = program.object(name).symbols.find_function_at(pc)
    except IdoldbgError:
        symbol = None
    frame = Frame(pc, None) if symbol is None else Frame(pc, symbol.path, pc - symbol.address)
    processor = program.archive.other_processor or "this processor"
    return Backtrace(name, (frame,), f"stacks of {processor} are not unwound")


def _live_registers(program: Program, name: str, live: Mapping[str, int]) -> dict[int, int] | None:
    """Return the core's registers by DWARF's numbers; None unless it runs this task's code."""
    in_handler = live.get("xpsr", 0) & _XPSR_EXCEPTION
    if in_handler or not program.object(name).symbols.find_function_at(live.get("pc", 0) & ~1):
        return None
    registers = {i: live[f"r{i}"] for i in range(13)}
    return registers | {SP: live["sp"], LR: live["lr"], PC: live["pc"]}


def _save_area(program: Program, index: int) -> Value:
    entry = task_type(program)
    address = table_address(program) + index * entry.size
    block = program.memory.read(address, entry.size)
    return image.decode(entry, block, address=address)["save"]


def _stacked_registers(program: Program, save: Value) -> dict[int, int]:
    psp = _register(save, "psp")
    r0, r1, r2, r3, r12, lr, pc, xpsr = _EXCEPTION_FRAME.unpack(
        program.memory.read(psp, _EXCEPTION_FRAME.size)
    )
    registers = {0: r0, 1: r1, 2: r2, 3: r3, 12: r12, LR: lr, PC: pc}
    registers |= {i: _register(save, f"r{i}") for i in range(4, 12)}
    has_kind = save.get("exc_return") is not None
    is_basic = not has_kind or _register(save, "exc_return") & _EXC_RETURN_BASIC
    size = _BASIC_FRAME_BYTES if is_basic else _EXTENDED_FRAME_BYTES
    registers[SP] = psp + size + (4 if xpsr & _XPSR_ALIGNED else 0)
    return registers


def _register(save: Value, name: str) -> int:
    try:
        return int(save[name])
    except (NotFound, DecodeError):
        message = f"`kern::task::Task` saves no register `{name}` as a number"
        raise DebugInfoError(message) from None


def _follow_frame_pointers(program: Program, name: str, frame: int) -> Backtrace:
    """Guess who is on a stack whose top is lost: only return addresses, from the first caller."""
    problem = "a guess: the top of its stack is lost, and these are found by frame pointers"
    frames: list[Frame] = []
    try:
        symbols = program.object(name).symbols
        while len(frames) < FRAME_LIMIT:
            caller, address = struct.unpack("<II", program.memory.read(frame, 8))
            # A return address may lie behind its function, when the call was the last instruction.
            symbol = symbols.find_function_at((address & ~1) - 2)
            if symbol is None:
                break
            at = address & ~1
            frames.append(Frame(at, symbol.path, at - symbol.address))
            if caller <= frame or symbol.path == OUTERMOST:  # stacks grow downwards
                break
            frame = caller
    except IdoldbgError:
        pass  # what is found until then
    return Backtrace(name, tuple(frames), problem)


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
        if symbol.path == OUTERMOST:
            return Backtrace(name, tuple(frames))
        row = None if len(frames) > 1 else _stub_row(program, name, symbol, pc)
        row = row or rules.find_row(probe)
        if row is None or row.cfa_register not in registers:
            return Backtrace(name, tuple(frames), "no call frame information here")
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
