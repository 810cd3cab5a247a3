"""The edge where files come in: archives, core dumps, ELF files, target descriptions."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache as cache_result
from functools import cached_property, partial
from typing import TYPE_CHECKING

from idol.records import dataclass, field, replace
from idoldbg.build.cache import Cache, fingerprint, sha256_hex
from idoldbg.build.index import Results
from idoldbg.build.load.files import read_file
from idoldbg.build.load.recorded_archive import BUILD, recorded_archive
from idoldbg.build.load.sources import code_version
from idoldbg.errors import ArchiveError
from idoldbg.model.archive import Archive
from idoldbg.model.memory import MemoryImage, Segment

if TYPE_CHECKING:
    from pathlib import Path

    from idoldbg.build.load.dump_file import DumpFile

__all__ = [
    "Build",
    "CachedBuild",
    "list_cached",
    "may_be_dump",
    "open_build",
    "open_dump",
    "read_archive_file",
    "read_dump_file",
]

_ELF, _ZIP = b"\x7fELF", b"PK"  # how these files begin
_COMMENT, _COMMENT_SIZE = b"hubris build archive v", 48  # how archives end, within so many bytes


@dataclass(frozen=True)
class Build:
    """An opened build.

    `dump_path` is that of a core dump, None for others, as `registers`. `task` and `ticks` are set
    for the dump of a single task: its index, and the kernel's time when it was taken; `notices` are
    sentences about what a dump lacks. `results` is what the cache knows of the archive, `save`
    keeps what they have learned since; without a cache it does nothing.
    """

    archive: Archive
    dump_path: str | None = None
    dump_segments: tuple[Segment, ...] = field(default=(), repr=False)
    registers: Mapping[str, int] | None = None
    task: int | None = None
    ticks: int | None = None
    notices: tuple[str, ...] = ()
    results: Results | None = field(default=None, repr=False)
    save: Callable[[], None] = field(default=lambda: None, repr=False)

    @property
    def is_dump(self) -> bool:
        """Whether it was opened from a core dump."""
        return self.dump_path is not None

    @cached_property
    def memory(self) -> MemoryImage:
        """Known memory of the target: the flashed image, overlaid by the dump."""
        return MemoryImage([*self.archive.flash_segments(), *self.dump_segments])

    @property
    def task_name(self) -> str:
        """Name of the task that a dump is of, "" for other dumps and for builds."""
        if self.task is None:
            return ""
        tasks = self.archive.tasks
        return tasks[self.task].name if self.task < len(tasks) else f"unknown#{self.task}"

    def read(self, address: int, size: int) -> bytes:
        """Read what is known of the target's memory; the build is a `MemoryReader` itself.

        So nothing is read from the archive for programs that have another memory to read.
        """
        return self.memory.read(address, size)


def open_build(path: str | Path, *, cache: Cache | None = None) -> Build:
    """Open a Hubris archive, a core dump, a directory of ELF files or one ELF file.

    A core dump may be inside a zip file. With a `cache`, what was learned of an archive before is
    not read again. Raises `ArchiveError` for what is none of these, and for damaged ones; a
    malformed ELF file is a `DebugInfoError`; a dump whose memory is from another build than the
    archive in it is a `MismatchError`.
    """
    shown = str(path)
    if os.path.isdir(shown):
        return Build(_open_directory(shown))
    digest = None if cache is None else cache.find_digest(shown)
    if cache is not None and digest is not None:
        return _open_recorded(cache, shown, digest, None)

    before = os.stat(shown) if os.path.isfile(shown) else None
    data = read_file(shown, shown, check_start=partial(_refuse_unknown, shown))
    found = _read_other(shown, data)
    if isinstance(found, Archive):
        return Build(found)
    if found is not None:
        return _open_dump(shown, found, None, cache)
    if cache is not None and before is not None:
        digest = sha256_hex(data)
        build = _open_recorded(cache, shown, digest, data)
        cache.keep_digest(shown, before, digest)
        return build

    from idoldbg.build.load.archive_zip import read_archive

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

    from idoldbg.build.load import archive_zip, elf_files

    files = elf_files.find_files(Path(shown))
    if "app.toml" in files and "elf/kernel" in files:
        return archive_zip.describe_build(shown, elf_files.FileMembers(shown, files), 0)
    return elf_files.read_directory(shown, files)


def open_dump(path: str | Path, archive: Archive) -> Build:
    """Open a core dump to read it with a build that is at hand.

    Raises `MismatchError` where they do not belong together, `ArchiveError` if it is not a dump.
    """
    shown = str(path)
    return _open_dump(shown, read_dump_file(shown), archive, None)


def read_dump_file(path: str | Path) -> DumpFile:
    """Read a core dump, also one inside a zip; raise `ArchiveError` for what is none.

    Whether it belongs to any build is not looked at.
    """
    shown = str(path)
    data = read_file(shown, shown, check_start=partial(_refuse_unknown, shown))
    dump = _read_other(shown, data)
    if dump is None or isinstance(dump, Archive):
        raise ArchiveError(f"{shown}: not a core dump", path=shown)
    return dump


def read_archive_file(archive: Archive) -> bytes | None:
    """Return the zip file of a build, also from inside a core dump; None where it is not from one.

    Raises `ArchiveError` where the file has changed since the build was opened.
    """
    from idoldbg.build.load.archive_zip import read_archive

    path = archive.path
    if os.path.isdir(path):
        return None
    data = read_file(path, path)
    other = _read_other(path, data)
    if isinstance(other, Archive):
        return None
    zipped = data if other is None else other.archive
    # Only an archive can be put in, and only the one whose symbols are the target's.
    if zipped is None or read_archive(path, zipped).image_id != archive.image_id:
        raise ArchiveError(f"{path} has changed since it was opened", path=path)
    return zipped


def may_be_dump(path: str) -> bool:
    """Return whether a file begins and ends as dumps do, without opening it as a build."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        start = file.read(4)
        if start == _ELF:
            return True
        file.seek(max(0, os.fstat(file.fileno()).st_size - _COMMENT_SIZE))
        return _is_other_zip(start, file.read(_COMMENT_SIZE))


def _is_other_zip(start: bytes, end: bytes) -> bool:
    """Return whether a file is a zip without the comment that Hubris's archives end in."""
    return start[:2] == _ZIP and _COMMENT not in end


def _read_other(shown: str, data: bytes) -> DumpFile | Archive | None:
    """Read a core dump, also one inside a zip, or a single ELF file; None for an archive."""
    if data[:4] == _ELF:
        from idoldbg.build.debuginfo.elf import ET_CORE, ElfFile

        elf = ElfFile(shown, data)
        if elf.type == ET_CORE:
            from idoldbg.build.load.dump_file import read_dump

            return read_dump(elf)
        from idoldbg.build.load.elf_files import read_single

        return read_single(elf)
    if _is_other_zip(data[:4], data[-_COMMENT_SIZE:]):
        from idoldbg.build.load.zipped_dump import read_zipped_dump

        return read_zipped_dump(shown, data)
    return None


def _open_dump(shown: str, dump: DumpFile, archive: Archive | None, cache: Cache | None) -> Build:
    """Open a dump with its own build, else with `archive`."""
    from idoldbg.build.load.dump_build import check_dump_build

    own = None
    if dump.archive is None:
        build = None if archive is None else Build(archive)
    elif archive is not None or cache is None:
        from idoldbg.build.load.archive_zip import read_archive

        own = read_archive(shown, dump.archive)
        build = Build(archive or own)
    else:
        build = _open_recorded(cache, shown, sha256_hex(dump.archive), dump.archive)
        own = build.archive
    if build is None:
        wanted = f", image id {dump.image_id.hex()}" if dump.image_id else ""
        raise ArchiveError(
            f"{shown}: a core dump without its Hubris archive; give the build that it was taken of "
            f"as well{wanted}: -a build.zip -p dump:{shown}",
            path=shown,
        )
    notice = check_dump_build(shown, dump, own, build.archive)
    notices = [notice] if notice else []
    if dump.missing_size:
        notices.append(f"{shown} is cut short: {dump.missing_size} bytes of memory are not in it")
    return replace(
        build,
        dump_path=shown,
        dump_segments=dump.segments,
        registers=dump.registers,
        task=dump.task,
        ticks=dump.ticks,
        notices=tuple(notices),
    )


def _open_recorded(cache: Cache, shown: str, digest: str, data: bytes | None) -> Build:
    """Open an archive through the cache; `data` is the archive, None when it was not read yet."""
    index = cache.open_index(digest)
    version = None if index is None else _find_version(cache)
    results = Results(None) if version is None else Results(index, fingerprint(digest, version))
    if results.damage:
        cache.notify(f"cache: the index of {shown} is not used: {results.damage}")

    @cache_result
    def read() -> Archive:
        from idoldbg.build.load.archive_zip import read_archive

        contents = read_file(shown, shown) if data is None else data
        if data is None and sha256_hex(contents) != digest:
            raise ArchiveError(f"{shown}: has been replaced meanwhile; try again", path=shown)
        return read_archive(shown, contents)

    kept = 0

    def save() -> None:
        nonlocal kept
        count = results.news_count
        version = _find_version(cache) if count != kept else None
        if version is not None:
            cache.store_index(digest, results.to_bytes(fingerprint(digest, version)))
            kept = count

    return Build(recorded_archive(shown, results, read), results=results, save=save)


def _find_version(cache: Cache) -> str | None:
    version = code_version(cache)
    if version is None:
        cache.notify("cache: not used, because idoldbg's own files changed after it was started")
    return version


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
    version = code_version(cache) or ""
    for entry in cache.entries():
        build = CachedBuild(entry.digest, entry.size, entry.used_s)
        index = cache.open_index(entry.digest, touch=False)
        results = Results(index, fingerprint(entry.digest, version))
        if results.knows(BUILD, ""):
            archive = recorded_archive(entry.digest, results, _unavailable)
            build = replace(build, name=archive.name, board=archive.board)
        found.append(build)
    return tuple(found)


def _unavailable() -> Archive:
    raise ArchiveError("only the index of this archive is at hand", path="")
