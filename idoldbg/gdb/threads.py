"""Tasks as gdb's threads: numbers, names, descriptions, registers.

What is not known of a task's registers is left out, which gdb shows as unavailable; the one guess,
a task whose stack has overflowed, is called one in its description.
"""

from __future__ import annotations

from collections.abc import Mapping

from idol.printable import printable
from idol.records import dataclass
from idoldbg.build.program import Program
from idoldbg.errors import IdoldbgError
from idoldbg.model.memory import read_u32
from idoldbg.render.tasks import describe_state
from idoldbg.views.core_registers import IPSR
from idoldbg.views.interrupts import EXCEPTIONS
from idoldbg.views.saved import FLOATS, read_saved, read_task_registers
from idoldbg.views.tasks import TaskRow, current_task, is_before_tasks, read_tasks

__all__ = [
    "FIRST_TASK",
    "KERNEL_THREAD",
    "Thread",
    "exception_name",
    "is_in_tasks",
    "read_thread_registers",
    "read_threads",
    "thread_number",
]

KERNEL_THREAD = 2
"""Number of the thread that is an exception handler: what pyOCD's other systems use."""
FIRST_TASK = 16
"""Number of task 0; gdb's protocol gives 0 and 1 meanings of their own."""

_UNPRIVILEGED = 1  # of CONTROL (Armv7-M ARM B1.4.4): tasks are, the kernel before them is not
_FRAME = ("r0", "r1", "r2", "r3", "r12", "lr", "pc", "xpsr", "fpscr", *FLOATS[:16])
GUESSED = "registers are a guess by frame pointers"


@dataclass(frozen=True, slots=True)
class Thread:
    """One of gdb's threads. `index` is that of the task, None for the kernel's.

    `name` and `description` are fit to be shown: they are one line, of printable characters.
    """

    number: int
    name: str
    description: str
    index: int | None
    is_current: bool


def thread_number(index: int) -> int:
    """Return the number of a task's thread; it stays over restarts of the task."""
    return FIRST_TASK + index


def exception_name(number: int) -> str:
    """Return the name of an exception by its number in xpsr."""
    return EXCEPTIONS.get(number) or (f"interrupt {number - 16}" if number >= 16 else str(number))


def is_in_tasks(program: Program, live: Mapping[str, int]) -> bool:
    """Return whether the kernel has started its tasks: memory alone may be from before a reset.

    `live` are registers of the halted core, empty where they are not known.
    """
    if is_before_tasks(program) or current_task(program) is None:
        return False
    if not live:
        return True
    return bool(live.get("xpsr", 0) & IPSR or live.get("control", _UNPRIVILEGED) & _UNPRIVILEGED)


def read_threads(program: Program, live: Mapping[str, int]) -> tuple[Thread, ...]:
    """Return one thread for each task, in order, after the kernel's if the core handles something.

    Raises what reading the task table does.
    """
    exception = live.get("xpsr", 0) & IPSR
    threads = []
    if exception:
        name = exception_name(exception)
        threads.append(Thread(KERNEL_THREAD, f"kernel ({name})", f"handles {name}", None, True))
    for row in read_tasks(program).rows:
        is_current = row.is_current and not exception and bool(live)
        threads.append(
            Thread(
                thread_number(row.index),
                printable(row.name) or "?",
                _describe(row),
                row.index,
                is_current,
            )
        )
    return tuple(threads)


def _describe(row: TaskRow) -> str:
    parts = [describe_state(row)]
    if row.generation is not None:
        parts.append(f"gen {row.generation}")
    if _has_overflowed(row):
        parts.append(GUESSED)
    return printable(", ".join(parts))


def _has_overflowed(row: TaskRow) -> bool:
    return row.fault is not None and row.fault.kind == "StackOverflow"


def read_thread_registers(
    program: Program, row: TaskRow | None, index: int, live: Mapping[str, int]
) -> dict[str, int]:
    """Return the registers of task `index` that are known, as they are when it goes on.

    `live` are those of the halted core if a handler has interrupted this task, else empty. Raises
    what reading the task table does.
    """
    if not live and not read_saved(program, index).psp:
        return {}  # the kernel has not made it: the table holds none of its registers
    registers, _ = read_task_registers(program, index, live)
    if row is not None and _has_overflowed(row):
        registers = _guess_caller(program, registers)
    sp = registers.get("sp")
    return (
        registers if sp is None else {**registers, "psp": sp}
    )  # gdb wants to know which one is sp


def _guess_caller(program: Program, registers: Mapping[str, int]) -> dict[str, int]:
    """Return registers of the caller of the function whose stack overflowed, by frame pointers.

    What would be its exception frame is other memory.
    """
    kept = {name: value for name, value in registers.items() if name not in (*_FRAME, "sp")}
    frame = kept.get("r7")
    if frame is None or frame % 4:
        return kept
    try:
        caller, back = (read_u32(program.memory, frame + offset) for offset in (0, 4))
    except IdoldbgError:
        return kept
    if not back & 1 or caller <= frame:
        return kept
    guess = {"r7": caller, "pc": back & ~1, "lr": back, "sp": frame + 8, "xpsr": 1 << 24}
    return {**kept, **guess}
