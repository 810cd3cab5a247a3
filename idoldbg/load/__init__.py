"""The edge where files come in: archives, core dumps, ELF files, target descriptions."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache as cache_result
from functools import cached_property, partial
from typing import TYPE_CHECKING

from idol.records import dataclass, field, replace
from idoldbg.archive import Archive
from idoldbg.errors import ArchiveError
from idoldbg.index import Answers
from idoldbg.load.cache import Cache, fingerprint, sha256_hex
from idoldbg.load.files import read_file
from idoldbg.load.recorded_archive import recorded_archive
from idoldbg.memory import MemoryImage, Segment

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Build", "CachedBuild", "list_cached", "open_build"]

_ELF, _ZIP = b"\x7fELF", b"PK"  # how these files begin


@dataclass(frozen=True)
class Build:
    """An opened build.

    `registers` is None for what is not a core dump. `task` and `ticks` are set for the dump of a
    single task: its index, and the kernel's time when it was taken; `missing_size` for a dump that
    was cut short: how many bytes of memory it lacks. `answers` is what the cache knows of the
    archive, `save` keeps what they have learned since; without a cache it does nothing.
    """

    archive: Archive
    is_dump: bool = False
    dump_segments: tuple[Segment, ...] = field(default=(), repr=False)
    registers: Mapping[str, int] | None = None
    task: int | None = None
    ticks: int | None = None
    missing_size: int = 0
    answers: Answers | None = field(default=None, repr=False)
    save: Callable[[], None] = field(default=lambda: None, repr=False)

    @cached_property
    def memory(self) -> MemoryImage:
        """What is known of the target's memory: the flashed image, and over it the dump."""
        return MemoryImage([*self.archive.flash_segments(), *self.dump_segments])

    def read(self, address: int, size: int) -> bytes:
        """Read what is known of the target's memory; the build is a `MemoryReader` itself.

        So nothing is read from the archive for programs that have another memory to read.
        """
        return self.memory.read(address, size)


def open_build(path: str | Path, *, cache: Cache | None = None) -> Build:
    """Open a Hubris archive, a core dump, a directory of ELF files or one ELF file.

    With a `cache`, what was learned of an archive before is not read again. Raises `ArchiveError`
    for what is none of these, and for damaged ones; a malformed ELF file is a `DebugInfoError`.
    """
    shown = str(path)
    if os.path.isdir(shown):
        return Build(_open_directory(shown))
    digest = None if cache is None else cache.find_digest(shown)
    if cache is not None and digest is not None:
        return _open_recorded(cache, shown, digest, None)

    before = os.stat(shown) if cache is not None and os.path.isfile(shown) else None
    data = read_file(shown, shown, check_start=partial(_refuse_unknown, shown))
    if data[:4] == _ELF:
        return _open_elf(shown, data, cache)
    if cache is not None and before is not None:
        digest = sha256_hex(data)
        build = _open_recorded(cache, shown, digest, data)
        cache.keep_digest(shown, before, digest)
        return build

    from idoldbg.load.archive_zip import read_archive

    return Build(read_archive(shown, data))


def _refuse_unknown(shown: str, start: bytes) -> None:
    if start != _ELF and start[:2] != _ZIP:
        what = "empty: " if not start else ""
        raise ArchiveError(
            f"{shown}: {what}neither a Hubris archive (zip) nor an ELF file; give a build-*.zip, a "
            "core dump, or the directory with the build's ELF files",
            path=shown,
        )


def _open_directory(shown: str) -> Archive:
    from pathlib import Path

    from idoldbg.load import archive_zip, elf_files

    files = elf_files.find_files(Path(shown))
    if "app.toml" in files and "elf/kernel" in files:
        return archive_zip.describe_build(shown, elf_files.FileMembers(shown, files), 0)
    return elf_files.read_directory(shown, files)


def _open_elf(shown: str, data: bytes, cache: Cache | None) -> Build:
    from pathlib import Path

    from idoldbg.debuginfo.elf import ET_CORE, ElfFile
    from idoldbg.load import dump_file, elf_files
    from idoldbg.load.archive_zip import read_archive

    if ElfFile(shown, data).type != ET_CORE:
        return Build(elf_files.read_single(shown, Path(shown)))
    dump = dump_file.read_dump(shown, data)
    if cache is None:
        build = Build(read_archive(shown, dump.archive))
    else:
        build = _open_recorded(cache, shown, sha256_hex(dump.archive), dump.archive)
    return replace(
        build,
        is_dump=True,
        dump_segments=dump.segments,
        registers=dump.registers,
        task=dump.task,
        ticks=dump.ticks,
        missing_size=dump.missing_size,
    )


def _open_recorded(cache: Cache, shown: str, digest: str, data: bytes | None) -> Build:
    """Open an archive through the cache; `data` is the archive, None when it was not read yet."""
    answers = Answers(cache.open_index(digest), fingerprint(digest))
    if answers.damage:
        cache.notify(f"cache: the index of {shown} is not used: {answers.damage}")

    @cache_result
    def read() -> Archive:
        from idoldbg.load.archive_zip import read_archive

        contents = read_file(shown, shown) if data is None else data
        if data is None and sha256_hex(contents) != digest:
            raise ArchiveError(f"{shown}: has been replaced meanwhile; try again", path=shown)
        return read_archive(shown, contents)

    def save() -> None:
        if answers.has_news:
            cache.store_index(digest, answers.to_bytes())

    return Build(recorded_archive(shown, answers, read), answers=answers, save=save)


@dataclass(frozen=True)
class CachedBuild:
    """An index that is kept: of which archive and build, its size, when it was used (s, UTC).

    `name` and `board` are "" where another version of this program made it.
    """

    digest: str
    size: int
    used_s: float
    name: str = ""
    board: str = ""


def list_cached(cache: Cache) -> tuple[CachedBuild, ...]:
    """Return the indices of a cache, last used first."""
    found = []
    for entry in cache.entries():
        build = CachedBuild(entry.digest, entry.size, entry.used_s)
        answers = Answers(cache.open_index(entry.digest, touch=False), fingerprint(entry.digest))
        if answers.knows("", "build", ""):
            archive = recorded_archive(entry.digest, answers, _unavailable)
            build = replace(build, name=archive.name, board=archive.board)
        found.append(build)
    return tuple(found)


def _unavailable() -> Archive:
    raise ArchiveError("only the index of this archive is at hand", path="")
