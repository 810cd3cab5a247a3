"""The edge where files come in: archives, core dumps, ELF files, target descriptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from idoldbg.archive import Archive
from idoldbg.errors import ArchiveError
from idoldbg.memory import MemoryImage, Segment

__all__ = ["Build", "open_build"]


@dataclass(frozen=True)
class Build:
    """An opened build.

    `registers` is None for what is not a core dump. `task` and `ticks` are set for the dump of a
    single task: its index, and the kernel's time when it was taken.
    """

    archive: Archive
    is_dump: bool = False
    dump_segments: tuple[Segment, ...] = field(default=(), repr=False)
    registers: Mapping[str, int] | None = None
    task: int | None = None
    ticks: int | None = None

    @cached_property
    def memory(self) -> MemoryImage:
        """What is known of the target's memory: the flashed image, and over it the dump."""
        return MemoryImage([*self.archive.flash_segments(), *self.dump_segments])


def open_build(path: str | Path) -> Build:
    """Open a Hubris archive, a core dump, a directory of ELF files or one ELF file.

    Raises `ArchiveError` for what is none of these, and for damaged ones; a malformed ELF file is
    a `DebugInfoError`.
    """
    # Here, because `load.target_toml` is wanted without all this.
    from idoldbg.debuginfo.elf import ET_CORE, ElfFile
    from idoldbg.load import archive_zip, dump_file, elf_files

    shown = str(path)
    path = Path(path)
    if path.is_dir():
        files = elf_files.find_files(path)
        if "app.toml" in files and "elf/kernel" in files:
            members = elf_files.FileMembers(shown, files)
            return Build(archive_zip.describe_build(shown, members, 0))
        return Build(elf_files.read_directory(shown, files))
    data = elf_files.read_file(path, shown)
    if data[:4] == b"\x7fELF":
        if ElfFile(shown, data).type != ET_CORE:
            return Build(elf_files.read_single(shown, path))
        dump = dump_file.read_dump(shown, data)
        return Build(dump.archive, True, dump.segments, dump.registers, dump.task, dump.ticks)
    if data[:2] != b"PK":
        raise ArchiveError(
            f"{shown}: neither a Hubris archive (zip) nor an ELF file; give a build-*.zip, a core "
            "dump, or the directory with the build's ELF files",
            path=shown,
        )
    return Build(archive_zip.read_archive(shown, data))
