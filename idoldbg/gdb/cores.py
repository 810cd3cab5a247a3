"""Core dumps of targets as cores for gdb: a thread for each task whose registers are known."""

from __future__ import annotations

from collections.abc import Mapping

from idol.records import dataclass
from idoldbg.build.program import Program
from idoldbg.errors import DecodeError, IdoldbgError
from idoldbg.gdb.core_file import CoreThread, encode_core
from idoldbg.gdb.symbols import plain_name
from idoldbg.gdb.threads import Thread, is_in_tasks, read_thread_registers, read_threads
from idoldbg.model.memory import Segment
from idoldbg.views.tasks import TaskRow, read_tasks

__all__ = ["ConvertedCore", "convert_dump"]

NEEDED = ("pc", "sp")  # without these there is no stack to look at
KEPT = frozenset(f"r{i}" for i in range(13))


@dataclass(frozen=True, slots=True)
class ConvertedCore:
    """A core for gdb: `numbers` and `names` of its threads in order; names are plain words.

    `cautions` say which tasks are not in it, and which registers are shown as zero.
    """

    data: bytes
    numbers: tuple[int, ...]
    names: tuple[str, ...]
    cautions: tuple[str, ...]


def convert_dump(
    program: Program, segments: tuple[Segment, ...], live: Mapping[str, int]
) -> ConvertedCore:
    """Convert a dump; `program` reads it, `live` are the core's registers in it, if any.

    Raises `DecodeError` where no task's registers are known, or as reading the task table.
    """
    core = live if live and is_in_tasks(program, live) else {}
    rows = {row.index: row for row in read_tasks(program).rows}
    threads: list[CoreThread] = []
    names: list[str] = []
    cautions = []
    for thread in read_threads(program, core):
        row = None if thread.index is None else rows[thread.index]
        registers, caution = _registers(program, thread, row, core)
        if caution:
            cautions.append(caution)
        if registers:
            at = 0 if thread.is_current else len(threads)  # gdb begins with the first
            threads.insert(at, CoreThread(thread.number, registers))
            names.insert(at, "kernel" if thread.index is None else plain_name(thread.name))
    if live and not core:
        threads.insert(0, CoreThread(1, live))
        names.insert(0, "core")
    if not threads:
        raise DecodeError(
            "no task's registers are in this dump, so gdb would have no stack to show; "
            "`idoldbg tasks` says why"
        )
    flash = program.archive.flash_segments()
    data = encode_core(
        threads,
        _whole(segments, flash),
        has_floats=any("s16" in t.registers or "s0" in t.registers for t in threads),
    )
    numbers = tuple(t.number for t in threads)
    return ConvertedCore(data, numbers, tuple(names), tuple(cautions))


def _registers(
    program: Program, thread: Thread, row: TaskRow | None, core: Mapping[str, int]
) -> tuple[Mapping[str, int], str]:
    """Return a thread's registers, none where it has no stack, and what to say of them."""
    if thread.index is None or thread.is_current:
        return core, ""
    is_below = bool(core) and row is not None and row.is_current
    name = thread.name
    try:
        registers = read_thread_registers(program, row, thread.index, core if is_below else {})
    except IdoldbgError as error:
        return {}, f"`{name}` is not among gdb's threads: {error.message}"
    if any(each not in registers for each in NEEDED):
        return {}, f"`{name}` is not among gdb's threads: its registers are not known"
    missing = sorted(KEPT - registers.keys(), key=lambda each: int(each[1:]))
    if missing:
        return registers, f"{', '.join(missing)} of `{name}` are not known; gdb shows zero"
    return registers, ""


def _whole(segments: tuple[Segment, ...], flash: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """Add flash that the dump has nothing of."""
    more = [f for f in flash if not any(s.address < f.end and f.address < s.end for s in segments)]
    return (*more, *segments)
