"""Files of a build for gdb, in a folder of its own under names that mean nothing to it."""

from __future__ import annotations

import re
from pathlib import Path

from idol.records import dataclass
from idol.whole_file import write_whole
from idoldbg.build.debuginfo.for_debuggers import copy_for_debugger
from idoldbg.errors import ArchiveError, DebugInfoError
from idoldbg.model.archive import KERNEL, Archive

__all__ = ["SymbolFiles", "plain_name", "write_symbol_files"]

LONGEST_NAME = 40


@dataclass(frozen=True, slots=True)
class SymbolFiles:
    """Paths of the kernel's and the tasks' files; `problems` say which tasks have none, and why."""

    kernel: Path
    tasks: tuple[Path, ...]
    problems: tuple[str, ...] = ()


def plain_name(name: str) -> str:
    """Return a name with letters, digits, `-` and `_` alone: builds come from anywhere."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:LONGEST_NAME]


def write_symbol_files(archive: Archive, folder: Path) -> SymbolFiles:
    """Write the ELF files of a build to a folder, without what gdb would run.

    Raises `ArchiveError` or `DebugInfoError` where the kernel's cannot be read.
    """
    archive.prefetch(archive.object_names)
    if KERNEL not in archive.object_names:
        raise ArchiveError(
            f"{archive.path}: has no kernel among its files, so gdb cannot tell what it looks at",
            path=archive.path,
            member="elf/kernel",
        )
    kernel = folder / "kernel.elf"
    _write(archive, KERNEL, kernel)
    tasks, problems = [], []
    for task in archive.tasks:
        path = folder / f"task-{task.index}-{plain_name(task.name)}.elf"
        try:
            _write(archive, task.name, path)
        except (ArchiveError, DebugInfoError) as error:
            problems.append(f"gdb has no symbols of task `{task.name}`: {error.message}")
            continue
        tasks.append(path)
    return SymbolFiles(kernel, tuple(tasks), tuple(problems))


def _write(archive: Archive, name: str, path: Path) -> None:
    write_whole(path, copy_for_debugger(name, archive.object_bytes(name), archive.path))
