"""Places where a build's kernel keeps its tasks, from its debug information."""

from __future__ import annotations

from idoldbg.build.program import Program
from idoldbg.errors import DebugInfoError
from idoldbg.model.archive import KERNEL
from idoldbg.model.kernel_layout import KernelLayout
from idoldbg.model.types import Struct
from idoldbg.views.tasks import task_type

__all__ = ["WATCHED", "find_kernel_layout"]

WATCHED = ("state", "timer", "generation", "notifications")
"""Members of `kern::task::Task` whose changes a trace shows."""

MAX_GAP = 16  # bytes


def find_kernel_layout(program: Program) -> KernelLayout:
    """Find the task table; raise `DebugInfoError` where debug information does not say."""
    entry = task_type(program)
    current = program.kernel_address("CURRENT_TASK_PTR")
    table = program.kernel_address("HUBRIS_TASK_TABLE_SPACE")
    pointer = program.kernel_address("TASK_TABLE_BASE")
    if current is None or (table is None and pointer is None):
        raise DebugInfoError(
            "the kernel's debug information does not say where its tasks are "
            "(CURRENT_TASK_PTR, HUBRIS_TASK_TABLE_SPACE)",
            object=KERNEL,
            archive=program.archive.path,
        )
    watched = [(m.offset, m.type.size) for m in entry.members if m.name in WATCHED and m.type.size]
    return KernelLayout(
        current=current,
        table=table,
        table_pointer=None if table is not None else pointer,
        entry_size=entry.size,
        count=len(program.archive.tasks),
        watched=_merged(sorted(watched)),
        saved=_saved(entry),
    )


def _saved(entry: Struct) -> int | None:
    """Return where an entry has r4 to r11, one after the other; None where it is otherwise."""
    save = next((m for m in entry.members if m.name == "save"), None)
    if save is None or not isinstance(save.type, Struct):
        return None
    offsets = {m.name: m.offset for m in save.type.members}
    first = offsets.get("r4")
    if first is None or any(offsets.get(f"r{i}") != first + 4 * (i - 4) for i in range(4, 12)):
        return None
    return save.offset + first


def _merged(ranges: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Join ranges that lie near each other: one look costs more than a few bytes."""
    found: list[tuple[int, int]] = []
    for offset, size in ranges:
        if found and offset - sum(found[-1]) <= MAX_GAP:
            start = found.pop()[0]
            found.append((start, offset + size - start))
        else:
            found.append((offset, size))
    return tuple(found)
