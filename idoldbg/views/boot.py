"""Tasks that the kernel starts at boot.

`app.toml` says so, but not in every build system's archives: those of exhubris leave `start` out.
The kernel goes by a table of its own, HUBRIS_TASK_DESCS, whose `flags` have START_AT_BOOT in bit 0
(Hubris, sys/kern/src/descs.rs). Where the image has the table, it is believed.
"""

from __future__ import annotations

from idoldbg.build.program import Program
from idoldbg.errors import DebugInfoError
from idoldbg.model.archive import KERNEL, TaskImage
from idoldbg.model.types import Array, Struct

__all__ = ["starts_at_boot"]

TABLE = "HUBRIS_TASK_DESCS"
START_AT_BOOT = 1
MOST_TASKS = 1024


def starts_at_boot(program: Program, task: TaskImage) -> bool:
    """Return whether the kernel starts a task at boot, as its table says, else `app.toml`."""
    is_started = _read_table(program, task.index)
    return task.start if is_started is None else is_started


def _read_table(program: Program, index: int) -> bool | None:
    """Look a task up in the kernel's table; None where the image has none that can be read."""
    if KERNEL not in program.archive.object_names:
        return None
    try:
        for variable in program.kernel.find_variables(TABLE):
            table = variable.type
            if variable.address is None or not isinstance(table, Array):
                continue
            count, entry = table.count, table.element
            # A table of another length is not of these tasks.
            if count != len(program.archive.tasks) or count > MOST_TASKS:
                continue
            if not isinstance(entry, Struct):
                continue
            flags = next((m for m in entry.members if m.name == "flags"), None)
            if flags is None or not 0 < flags.type.size <= 4:
                continue
            at = variable.address + index * entry.size + flags.offset
            data = program.kernel.read_memory(at, flags.type.size)
            if data is not None:
                return bool(data[0] & START_AT_BOOT)
    except DebugInfoError:
        pass
    return None
