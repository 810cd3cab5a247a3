"""Tasks that the kernel starts at boot.

`app.toml` says so, but not in every build system's archives: those of exhubris leave `start` out.
The kernel goes by a table of its own, HUBRIS_TASK_DESCS, whose `flags` have START_AT_BOOT in bit 0
(Hubris, sys/kern/src/descs.rs). Where the image has the table, it is believed.
"""

from __future__ import annotations

from collections.abc import Iterator

from idoldbg.build.index import Kind
from idoldbg.build.index.fields import BOOL, many, optional
from idoldbg.build.program import Program
from idoldbg.errors import DebugInfoError
from idoldbg.model.archive import KERNEL, TaskImage
from idoldbg.model.types import Array, Struct

__all__ = ["starts_at_boot"]

TABLE = "HUBRIS_TASK_DESCS"
START_AT_BOOT = 1
MOST_TASKS = 1024
#: Of each task, in order of indices: whether the kernel's table starts it; None: not known.
STARTED: Kind[tuple[bool | None, ...]] = Kind("started", many(optional(BOOL)))


def starts_at_boot(program: Program, task: TaskImage) -> bool:
    """Return whether the kernel starts a task at boot, as its table says, else `app.toml`."""
    table = program.recall(STARTED, "", lambda: _read_table(program))
    is_started = table[task.index] if task.index < len(table) else None
    return task.start if is_started is None else is_started


def _read_table(program: Program) -> tuple[bool | None, ...]:
    """Read the kernel's table; empty where the image has none that can be read."""
    if KERNEL not in program.archive.object_names:
        return ()
    try:
        for variable in program.kernel.find_variables(TABLE):
            table = variable.type
            if variable.address is None or not isinstance(table, Array):
                continue
            # A table of another length is not of these tasks.
            if table.count != len(program.archive.tasks) or table.count > MOST_TASKS:
                continue
            found = tuple(_read_flags(program, variable.address, table))
            if any(is_started is not None for is_started in found):
                return found
    except DebugInfoError:
        pass
    return ()


def _read_flags(program: Program, address: int, table: Array) -> Iterator[bool | None]:
    entry = table.element
    members = entry.members if isinstance(entry, Struct) else ()
    flags = next((m for m in members if m.name == "flags"), None)
    if flags is None or not 0 < flags.type.size <= 4:
        return
    for index in range(table.count):
        at = address + index * entry.size + flags.offset
        data = program.kernel.read_memory(at, flags.type.size)
        yield None if data is None else bool(data[0] & START_AT_BOOT)
