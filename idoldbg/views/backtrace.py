"""Stacks: of each task, and of the core, down through the exceptions that it handles.

A task that does not run has its registers where `idoldbg.views.saved` reads them. The rest follows
from `.debug_frame`, and across an exception from what its entry has stacked (Armv7-M ARM B1.5.6 to
B1.5.8).

A stack that overflowed has no such registers. What is left is r7, the frame pointer where the
compiler keeps one: it points to the caller's, with the return address above (AAPCS32, 6.2.1.4).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import StrEnum

from idol.records import dataclass, replace
from idoldbg.build.program import Program
from idoldbg.errors import DebugInfoError, FaultError, IdoldbgError
from idoldbg.model.archive import KERNEL
from idoldbg.model.code import CodePoint
from idoldbg.model.regions import RegionKind
from idoldbg.views.code import find_code
from idoldbg.views.regions import Place, read_regions
from idoldbg.views.saved import SavedTask, is_exc_return, read_saved, unstack
from idoldbg.views.tasks import current_task, read_task

__all__ = [
    "Backtrace",
    "Doubt",
    "End",
    "Frame",
    "Origin",
    "decode_call",
    "read_backtrace",
    "read_core_backtrace",
    "runs_task",
]

FRAME_LIMIT = 64  # functions that were called, besides those that are inlined
SCAN_LIMIT = 64  # words of a kernel stack
SP, LR, PC = 13, 14, 15
# Handlers in assembly, some of them in functions with call frame information that leaves that out.
NAKED = frozenset(
    {
        *("SVCall", "PendSV", "HardFault", "MemoryManagement", "BusFault", "UsageFault"),
        *("SecureFault", "configurable_fault"),
    }
)
OUTERMOST = "_start"  # where the kernel starts a task
_NAMES = {**{i: f"r{i}" for i in range(13)}, SP: "sp", LR: "lr", PC: "pc"}
_XPSR_EXCEPTION = 0x1FF  # the number of the exception that is handled; 0 in a task
_EXC_RETURN_PSP = 1 << 2


class Origin(StrEnum):
    """Source of a frame and its frame address."""

    CFI = "cfi"
    STUB = "syscall-stub"
    EXCEPTION = "exception"
    FRAME_POINTER = "frame-pointer"


class End(StrEnum):
    """Reason that a stack has no more frames."""

    TASK_START = "task-start"
    KERNEL_ENTRY = "kernel-entry"
    UNREADABLE = "unreadable"
    NO_CFI = "no-cfi"
    NO_CODE = "no-code"
    CIRCULAR = "circular"
    LIMIT = "limit"
    LOST = "lost"
    NOT_RUN = "not-run"
    NO_REGISTERS = "no-registers"
    UNSUPPORTED = "unsupported"


class Doubt(StrEnum):
    """Reason to call a stack a guess."""

    STALE = "stale"  # of a running task whose registers are not known: where it last stopped
    FRAME_POINTERS = "frame-pointers"  # the top is lost
    NAKED_HANDLER = "naked-handler"  # what it interrupted is not certain


@dataclass(frozen=True, slots=True)
class Frame:
    """One function on a stack. `cfa` is the stack pointer's value before it was called.

    Inlined functions have frames of their own, before that of the function that they are part of.
    """

    place: Place
    function: str | None
    is_inlined: bool = False
    cfa: int | None = None
    origin: Origin = Origin.CFI

    @property
    def address(self) -> int:
        """The program counter; of a caller, the return address."""
        return self.place.address

    @property
    def offset(self) -> int | None:
        """Bytes from the start of the function, None where there is no symbol."""
        return self.place.offset if self.place.symbol is not None else None


@dataclass(frozen=True, slots=True)
class Backtrace:
    """The frames on the stack of a task (`kernel` for the core's), innermost first.

    `end` says why there are no more, `reason` names what could not be read then.
    """

    task: str
    frames: tuple[Frame, ...]
    end: End
    doubt: Doubt | None = None
    reason: str = ""


def read_backtrace(
    program: Program,
    index: int,
    live_registers: Mapping[str, int] | None = None,
    *,
    guess: bool = True,
) -> Backtrace:
    """Walk the stack of task `index`; never raises what the target or its debug info cause.

    `live_registers` are those of a halted core whose current task this is. They tell where it
    stands while the core is in its code or in a handler above it; a ROM before the kernel has its
    own. Without them, where the current task was when it was last put aside is a guess, and has a
    `doubt`. `guess` follows frame pointers where the top of a stack is lost.
    """
    name = program.archive.tasks[index].name
    live = dict(live_registers or {})
    in_handler = live.get("xpsr", 0) & _XPSR_EXCEPTION
    if in_handler and "psp" in live:
        below = _below_handler(program, name, live)
        if below is not None:
            return below
    elif live and runs_task(program, name, live):
        return _Walk(program, name, _by_number(live), live.get("psp")).run()
    trace = _read_saved_stack(program, index, name, guess)
    if (live and not in_handler) or not _is_running(program, index):
        return trace
    return replace(trace, doubt=trace.doubt or Doubt.STALE)


def read_core_backtrace(program: Program, registers: Mapping[str, int]) -> Backtrace:
    """Walk the stack that a halted core uses, from a handler on into what it interrupted.

    Never raises what the target or its debug info cause.
    """
    pc = registers.get("pc", 0)
    if registers.get("xpsr", 0) & _XPSR_EXCEPTION:
        owner = KERNEL
    else:
        owner = _owner_at(program, pc, KERNEL)
    return _Walk(program, owner, _by_number(registers), registers.get("psp")).run()


def runs_task(program: Program, name: str, live: Mapping[str, int]) -> bool:
    """Return whether a core with these registers is in the code of a task."""
    if live.get("xpsr", 0) & _XPSR_EXCEPTION:
        return False
    return _owner_at(program, live.get("pc", 0), name) == name


def _by_number(registers: Mapping[str, int]) -> dict[int, int]:
    return {n: registers[name] for n, name in _NAMES.items() if name in registers}


def _owner_at(program: Program, pc: int, first: str) -> str:
    """Return the object whose code is at an address; `first` where none, or several, are."""
    try:
        regions = read_regions(program).at(pc & ~1)
    except DebugInfoError:
        return first if _has_function(program, first, pc) else ""
    owners = [r.owners for r in regions if r.kind is RegionKind.FLASH and r.execute]
    known = [owner for each in owners for owner in each]
    if first in known or not known:
        return first if _has_function(program, first, pc) else ""
    return known[0]


def _has_function(program: Program, owner: str, pc: int) -> bool:
    try:
        return find_code(program, owner, pc & ~1).function is not None
    except IdoldbgError:
        return False


def _below_handler(program: Program, name: str, live: Mapping[str, int]) -> Backtrace | None:
    """Return the stack of a task below the handler that interrupted it; None for other tasks."""
    whole = read_core_backtrace(program, live)
    below = [f for f in whole.frames if f.place.region == _region(name)]
    return replace(whole, task=name, frames=tuple(below)) if below else None


def _is_running(program: Program, index: int) -> bool:
    """Return whether a task has the core; one that waits in the kernel was put aside."""
    try:
        if current_task(program) != program.archive.tasks[index].name:
            return False
        row = read_task(program, index)
    except IdoldbgError:
        return False
    return row.scheduler_state == "Runnable" and row.fault is None


def _read_saved_stack(program: Program, index: int, name: str, guess: bool) -> Backtrace:
    try:
        saved = read_saved(program, index)
    except IdoldbgError as error:
        return Backtrace(name, (), End.NO_REGISTERS, reason=error.message)
    if saved.psp is None:  # RISC-V
        return _only_frame(program, name, saved.registers.get("pc"))
    if not saved.psp:
        return Backtrace(name, (), End.NOT_RUN)
    if saved.problem:
        trace = Backtrace(name, (), End.NO_REGISTERS, reason=saved.problem)
    else:
        trace = _Walk(program, name, _by_number(saved.registers), saved.psp).run()
    if trace.frames and trace.frames[0].function is not None:
        return trace
    chain = _follow_frame_pointers(program, name, saved)
    if chain:
        if not guess:
            return Backtrace(name, (), End.LOST)
        return Backtrace(name, chain, End.LOST, Doubt.FRAME_POINTERS)
    if trace.frames and not trace.frames[0].address:
        return Backtrace(name, (), End.NOT_RUN)
    return trace


def _only_frame(program: Program, name: str, pc: int | None) -> Backtrace:
    """Return where a task is, without its callers."""
    if pc is None:
        return Backtrace(name, (), End.UNSUPPORTED)
    try:
        point = find_code(program, name, pc)
    except IdoldbgError:
        point = CodePoint(None, None)
    processor = program.archive.other_processor or ""
    return Backtrace(name, _frames(name, pc, point), End.UNSUPPORTED, reason=processor)


def _region(owner: str) -> str:
    return f"{owner} flash"


def _frames(
    owner: str, pc: int, point: CodePoint, cfa: int | None = None, origin: Origin = Origin.CFI
) -> tuple[Frame, ...]:
    """Return the frames at a program counter: what is inlined there, then the function."""
    if point.function is None or point.start is None:
        return (Frame(Place(pc, None), None, cfa=cfa, origin=origin),)
    place = Place(pc, _region(owner), point.function, pc - point.start)
    if not point.sources:
        return (Frame(place, point.function, cfa=cfa, origin=origin),)
    return tuple(
        Frame(
            replace(place, file=each.file, line=each.line, column=each.column),
            each.function or point.function if each.is_inlined else point.function,
            each.is_inlined,
            cfa,
            origin,
        )
        for each in point.sources
    )


# ---- overflowed stacks ---------------------------------------------------------------------------


def _follow_frame_pointers(program: Program, name: str, saved: SavedTask) -> tuple[Frame, ...]:
    """Guess who is on a stack whose top is lost: return addresses, from the first caller on.

    The function that was called last has none; the call says which one it is.
    """
    frames: list[Frame] = []
    frame = saved.registers.get("r7", 0)
    origin = Origin.FRAME_POINTER
    try:
        for count in range(FRAME_LIMIT):
            caller, address = struct.unpack("<II", program.memory.read(frame, 8))
            at = address & ~1
            # A return address may lie behind its function, when the call was the last instruction.
            point = find_code(program, name, at - 2, is_exact=False)
            if point.function is None:
                break
            if not count:
                frames += _called(program, name, at, frame + 8)
            is_last = caller <= frame or point.function == OUTERMOST  # stacks grow downwards
            frames += _frames(name, at, point, None if is_last else caller + 8, origin)
            if is_last:
                break
            frame = caller
    except IdoldbgError:
        pass  # what is found until then
    return tuple(frames)


def _called(program: Program, name: str, at: int, cfa: int) -> tuple[Frame, ...]:
    """Return the function that the `bl` before a return address calls; nothing for other calls."""
    code = program.object(name).read_memory(at - 4, 4)
    target = None if code is None else decode_call(code, at)
    if target is None:
        return ()
    point = find_code(program, name, target)
    if point.function is None or point.start != target:
        return ()
    point = replace(point, sources=point.sources[-1:])
    return _frames(name, target, point, cfa, Origin.FRAME_POINTER)


def decode_call(code: bytes, following: int) -> int | None:
    """Return the target of a `bl` (Armv7-M ARM A7.7.18, T1), from the address that follows it."""
    first, second = (int.from_bytes(code[at : at + 2], "little") for at in (0, 2))
    if first >> 11 != 0b11110 or second & 0xD000 != 0xD000:
        return None
    sign = first >> 10 & 1
    i1, i2 = (1 ^ (second >> bit & 1) ^ sign for bit in (13, 11))
    offset = i1 << 23 | i2 << 22 | (first & 0x3FF) << 12 | (second & 0x7FF) << 1
    return (following + offset - (sign << 24)) & 0xFFFFFFFF


# ---- the walk ------------------------------------------------------------------------------------


class _Stop(Exception):
    """The walk ends."""

    def __init__(self, end: End, reason: str = "") -> None:
        self.end, self.reason = end, reason


class _Walk:
    """A walk from registers, by DWARF's numbers, to the start of a task or of the kernel.

    `psp` is the process stack pointer, for exceptions that interrupted a task.
    """

    def __init__(
        self, program: Program, owner: str, registers: dict[int, int], psp: int | None
    ) -> None:
        self.program = program
        self.name = owner or KERNEL
        self.owner = owner
        self.registers = registers
        self.psp = psp
        self.is_exact = True  # the core was about to execute what the program counter points to
        self.origin = Origin.CFI
        self.doubt: Doubt | None = None
        self.frames: list[Frame] = []
        self.seen: set[tuple[int, int]] = set()

    def run(self) -> Backtrace:
        try:
            for _ in range(FRAME_LIMIT):
                self.step()
            end, reason = End.LIMIT, ""
        except _Stop as stop:
            end, reason = stop.end, stop.reason
        return Backtrace(self.name, tuple(self.frames), end, self.doubt, reason)

    def step(self) -> None:
        """Add the frames at the program counter, and go to the caller."""
        registers = self.registers
        if PC not in registers:
            raise _Stop(End.NO_REGISTERS)
        pc = registers[PC] & ~1
        # A return address may lie behind its function, when the call was the last instruction.
        point = self.point(pc if self.is_exact else pc - 2)
        if point.function is None:
            self.add(pc, point, None)
            raise _Stop(End.NO_CODE)
        row = point.row
        cfa = None
        if row is not None and row.cfa_register in registers:
            cfa = registers[row.cfa_register] + row.cfa_offset & 0xFFFFFFFF
        self.add(pc, point, cfa)
        if point.function == OUTERMOST:
            raise _Stop(End.TASK_START)
        if row is None or cfa is None:
            self.leave_naked_handler()
            return
        if (pc, cfa) in self.seen:
            raise _Stop(End.CIRCULAR)
        self.seen.add((pc, cfa))
        saved = {register: self.word(cfa + offset) for register, offset in row.saved.items()}
        if LR not in saved and not self.is_exact:  # it never returns: the outermost function
            raise _Stop(End.KERNEL_ENTRY if self.owner == KERNEL else End.TASK_START)
        self.registers = {**registers, **saved, SP: cfa}
        to = self.registers.get(LR, 0)
        if is_exc_return(to) and self.owner == KERNEL and point.function in NAKED:
            self.leave_naked_handler()
            return
        self.is_exact, self.origin = False, Origin.CFI
        if is_exc_return(to) and self.owner == KERNEL:
            self.leave_handler(to, cfa)
        elif to & ~1 == 0 or to >= 0xFFFFFF00:
            raise _Stop(End.KERNEL_ENTRY if self.owner == KERNEL else End.TASK_START)
        else:
            self.registers[PC] = to

    def point(self, address: int) -> CodePoint:
        if not self.owner:
            return CodePoint(None, None)
        try:
            return find_code(self.program, self.owner, address, is_exact=self.is_exact)
        except IdoldbgError as error:
            self.frames.append(Frame(Place(address, None), None, origin=self.origin))
            raise _Stop(End.NO_CODE, error.message) from error

    def add(self, pc: int, point: CodePoint, cfa: int | None) -> None:
        origin = Origin.STUB if point.is_stub else self.origin
        self.frames += _frames(self.owner, pc, point, cfa, origin)

    def word(self, address: int) -> int:
        try:
            return int.from_bytes(self.program.memory.read(address & 0xFFFFFFFF, 4), "little")
        except FaultError as error:
            raise _Stop(End.UNREADABLE, error.message) from error

    # ---- exceptions

    def leave_handler(self, exc_return: int, msp: int) -> None:
        """Go on with what an exception interrupted."""
        base = self.psp if exc_return & _EXC_RETURN_PSP else msp
        if base is None:
            raise _Stop(End.KERNEL_ENTRY)
        try:
            stacked = unstack(self.program.memory, base, exc_return)
        except FaultError as error:
            raise _Stop(End.UNREADABLE, error.message) from error
        self.registers = self.registers | _by_number(stacked)
        self.is_exact, self.origin = True, Origin.EXCEPTION
        self.owner = _owner_at(self.program, self.registers[PC], self.interrupted())

    def leave_naked_handler(self) -> None:
        """Leave a handler in assembly, which has no call frame information.

        Hubris's first put the task aside in its entry of the table, then use its registers; their
        EXC_RETURN is in lr until they call into Rust (sys/kern/src/arch/arm_m.rs: SVCall, PendSV,
        the faults).
        """
        lr, sp = self.registers.get(LR, 0), self.registers.get(SP, 0)
        if self.owner != KERNEL:
            raise _Stop(End.NO_CFI)
        aside = self.put_aside()
        is_known = self.is_exact and is_exc_return(lr)
        if is_known and not lr & _EXC_RETURN_PSP:
            aside = None  # it interrupted the kernel
        if aside is not None:
            self.registers |= _by_number(aside.registers)
        if not is_known or (aside is None and not lr & _EXC_RETURN_PSP):
            self.doubt = Doubt.NAKED_HANDLER
        if is_known:
            return self.leave_handler(lr, sp)
        if aside is not None:
            return self.leave_handler((aside.exc_return or 0) | _EXC_RETURN_PSP, sp)
        for at in range(sp, sp + 4 * SCAN_LIMIT, 4):
            word = self.word(at)
            if is_exc_return(word):
                return self.leave_handler(word, at + 4)
        raise _Stop(End.NO_CFI)

    def put_aside(self) -> SavedTask | None:
        """Return the task whose stack the process stack pointer is on, if it was put aside."""
        for task in self.program.archive.tasks if self.psp else ():
            try:
                saved = read_saved(self.program, task.index)
            except IdoldbgError:
                continue
            if saved.psp == self.psp:
                return saved
        return None

    def interrupted(self) -> str:
        """Return the task that the kernel runs now, which is nearly always the one interrupted."""
        try:
            return current_task(self.program) or KERNEL
        except IdoldbgError:
            return KERNEL
