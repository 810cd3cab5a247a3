"""Builds that are ELF files: what is flashed, the image id, directories of ELFs, one bare ELF."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from idoldbg.build.debuginfo.elf import PT_LOAD, SHF_ALLOC, SHT_NOBITS, ElfFile
from idoldbg.build.load.files import read_file
from idoldbg.errors import ArchiveError, DebugInfoError
from idoldbg.model.archive import ARM, KERNEL, RISC_V, Archive, ImageFacts, TaskImage
from idoldbg.model.memory import Segment

__all__ = [
    "FileMembers",
    "elf_segments",
    "find_files",
    "read_directory",
    "read_facts",
    "read_flash",
    "read_single",
]

MAX_FILES = 1024  # files of a directory that are looked at
_ELF32 = b"\x7fELF\1\1"  # ELFCLASS32, ELFDATA2LSB
_NO_PROGRAMS = (1, 4)  # e_type ET_REL and ET_CORE: not linked, or a dump

# `img/…` of an archive; the last two stand beside the ELF files in Hubris's `dist` directories.
_FLASH_MEMBERS = ("img/final.elf", "img/combined.elf", "final.elf", "combined.elf")
_VECTOR_SECTIONS = (".vector_table", ".vectors", ".isr_vector")


def elf_segments(elf: ElfFile) -> list[Segment]:
    """Return the bytes that a loader puts into memory, at the addresses it loads them to.

    Old builds of `img/final.elf` have sections but no program headers; then these count.
    """
    loads = [s for s in elf.segments if s.type == PT_LOAD and s.file_size]
    if loads:
        return [Segment(s.load_address, elf.data[s.offset : s.offset + s.file_size]) for s in loads]
    return [
        Segment(s.address, elf.section_data(s))
        for s in elf.sections
        if s.flags & SHF_ALLOC and s.type != SHT_NOBITS and s.size
    ]


def read_flash(archive: Archive) -> tuple[Segment, ...]:
    """Read what is flashed: the final image, or else the kernel and the tasks put together."""
    names = archive.members.names()
    for member in _FLASH_MEMBERS:
        if member in names:
            return tuple(elf_segments(_open(archive, member, archive.get_member(member))))
    segments: list[Segment] = []
    for name in archive.object_names:
        segments += elf_segments(_open(archive, name, archive.object_bytes(name)))
    return tuple(sorted(segments, key=lambda s: s.address))


def read_facts(archive: Archive) -> ImageFacts:
    """Read the image id and the vector table's address out of the kernel's ELF file."""
    if not archive.kernel_member:
        return ImageFacts(None, None, None)
    member = archive.kernel_member
    elf = _open(archive, member, archive.object_bytes(KERNEL))
    try:
        return _facts_of(elf)
    except DebugInfoError as e:
        raise _unreadable(archive, member, e) from e


def _facts_of(elf: ElfFile) -> ImageFacts:
    image_id, id_address, vectors = None, None, None
    for name in _VECTOR_SECTIONS:
        section = elf.find_section(name)
        if section is not None and vectors is None:
            vectors = section.address
    section = elf.find_section(".hubris_id")
    if section is not None and section.size:
        image_id, id_address = elf.section_data(section), section.address
    for symbol in elf.find_symbols("HUBRIS_IMAGE_ID"):
        if 0 < symbol.size <= 64:
            image_id, id_address = _at(elf, symbol.address, symbol.size), symbol.address
    for symbol in elf.find_symbols("__start_vector"):
        if vectors is None:
            vectors = symbol.address
    return ImageFacts(image_id, id_address if image_id else None, vectors)


def _at(elf: ElfFile, address: int, size: int) -> bytes | None:
    for segment in elf.segments:
        offset = address - segment.address
        if segment.type == PT_LOAD and offset >= 0 and offset + size <= segment.file_size:
            return elf.data[segment.offset + offset : segment.offset + offset + size]
    return None


def _open(archive: Archive, member: str, data: bytes) -> ElfFile:
    try:
        return ElfFile(member, data)
    except DebugInfoError as e:
        raise _unreadable(archive, member, e) from e


def _unreadable(archive: Archive, member: str, error: DebugInfoError) -> ArchiveError:
    return ArchiveError(f"{archive.path}: {error}", path=archive.path, member=member)


class FileMembers:
    """Files on disk as the members of a build; see `idoldbg.model.archive.Members`.

    `contents` are those that were read already.
    """

    def __init__(
        self, path: str, files: Mapping[str, Path], contents: Mapping[str, bytes] | None = None
    ) -> None:
        self._path = path
        self._files = dict(files)
        self._contents = dict(contents or {})

    def names(self) -> Sequence[str]:
        return tuple(self._files)

    def prefetch(self, names: Sequence[str]) -> None:
        """Files are read quickly enough one by one."""

    def read(self, name: str) -> bytes:
        if name in self._contents:
            return self._contents[name]
        file = self._files.get(name)
        if file is None:
            raise ArchiveError(f"{self._path}: {name} is missing", path=self._path, member=name)
        try:
            return read_file(file, str(file))
        except ArchiveError as error:
            error.member = name
            raise


def find_files(directory: Path) -> dict[str, Path]:
    """Return the files of a directory and of its sub-directories, by their path inside it."""
    files: dict[str, Path] = {}
    pending = [directory]
    while pending:
        here = pending.pop(0)
        try:
            entries = sorted(here.iterdir())
        except OSError as e:
            reason = e.strerror or type(e).__name__
            raise ArchiveError(f"{here}: cannot be read: {reason}", path=str(here)) from e
        for entry in entries:
            if entry.is_dir() and not entry.is_symlink():
                if here == directory or entry.name == "task":
                    pending.append(entry)
            elif entry.is_file():
                files[entry.relative_to(directory).as_posix()] = entry
            if len(files) > MAX_FILES:
                raise ArchiveError(
                    f"{directory}: more than {MAX_FILES} files; give the directory of one build",
                    path=str(directory),
                )
    return files


def read_directory(path: str, files: Mapping[str, Path]) -> Archive:
    """Make an archive of a directory of ELF files: `kernel` and a file for each task.

    Without `app.toml`, the order of the tasks comes from the kernel's own task descriptions.
    """
    objects = {name: file for name, file in files.items() if _is_program(name, file)}
    kernel = next((n for n in objects if _stem(n) == KERNEL), "")
    members = FileMembers(path, files)
    if not objects:
        zips = sorted(n for n in files if n.endswith(".zip"))
        hint = f"; give the archive {path}/{zips[0]}" if zips else "; give a build-*.zip archive"
        raise ArchiveError(f"{path}: no ELF files of a Cortex-M build here{hint}", path=path)
    names = [n for n in objects if n != kernel]
    if kernel:
        names = _in_task_order(members, kernel, names)
    tasks = tuple(TaskImage(i, _stem(n), n) for i, n in enumerate(names))
    return _bare_archive(path, members, kernel, tasks)


def read_single(elf: ElfFile) -> Archive:
    """Make an archive of one ELF file: the kernel if it looks like one, or else a task."""
    file = Path(elf.name)
    members = FileMembers(elf.name, {file.name: file}, {file.name: elf.data})
    if any(elf.find_symbols(name) for name in ("CURRENT_TASK_PTR", "HUBRIS_IMAGE_ID")):
        return _bare_archive(elf.name, members, file.name, ())
    return _bare_archive(elf.name, members, "", (TaskImage(0, _stem(file.name), file.name),))


def _bare_archive(
    path: str, members: FileMembers, kernel: str, tasks: tuple[TaskImage, ...]
) -> Archive:
    return Archive(
        path=path,
        format_version=0,
        name=Path(path).stem,
        board="",
        chip="",
        target="",
        image_name="",
        git_rev="",
        tasks=tasks,
        kernel_member=kernel,
        app={},
        chip_description={},
        memory_description={},
        members=members,
        read_facts=read_facts,
        read_flash=read_flash,
    )


def _stem(name: str) -> str:
    return name.rsplit("/", 1)[-1].removesuffix(".elf")


def _is_program(name: str, file: Path) -> bool:
    if _stem(name) in ("final", "combined") or name.count("/") > 2:
        return False
    try:
        with file.open("rb") as stream:
            head = stream.read(20)
    except OSError:
        return False
    kind, machine = struct.unpack_from("<HH", head, 16) if len(head) == 20 else (0, 0)
    return head.startswith(_ELF32) and machine in (ARM, RISC_V) and kind not in _NO_PROGRAMS


def _in_task_order(members: FileMembers, kernel: str, names: list[str]) -> list[str]:
    """Sort task files as the kernel has its tasks, recognised by their entry points."""
    entries = _task_entry_points(members.read(kernel))
    by_entry = {ElfFile(n, members.read(n)).entry & ~1: n for n in names}
    ordered = [by_entry[e] for e in entries if e in by_entry]
    return ordered if len(ordered) == len(names) == len(by_entry) else names


def _task_entry_points(kernel: bytes) -> list[int]:
    from idoldbg.build.debuginfo import ObjectInfo  # costs time that most builds need not spend
    from idoldbg.model.types import Array, Struct

    info = ObjectInfo(KERNEL, kernel)
    for variable in info.find_variables("HUBRIS_TASK_DESCS"):
        table = variable.type
        if variable.address is None or not isinstance(table, Array) or table.count > 256:
            continue
        element = table.element
        if not isinstance(element, Struct):
            continue
        offset = next((m.offset for m in element.members if m.name == "entry_point"), None)
        if offset is None:
            continue
        data = _at(info.elf, variable.address, table.size) or b""
        return [
            int.from_bytes(data[i + offset : i + offset + 4], "little") & ~1
            for i in range(0, len(data), element.size or 1)
        ]
    return []
