"""Sections, segments, notes and symbols of a 32-bit little-endian ELF file, read by pyelftools.

Spec: System V ABI, chapters 4 and 5; AAELF32 for Arm. Build archives come from anywhere, so every
count, offset and size is checked before pyelftools follows it (see `malformed`). For the same
reason headers are read one by one with its `structs`: `ELFFile.get_section` and `iter_segments`
make objects that read on by themselves, such as hash tables and dynamic sections, and its notes and
names end where a NUL is, not where their section ends. `ELFFile` itself is loaded for compressed
sections alone: it brings all of pyelftools, which takes 35 ms, and makes its parsers once a file.

Reading a symbol costs 30 to 50 µs this way, 43 ms for the kernel of a large build. So names are
read first, apart from the rest, and a look-up by name reads only the symbols that it finds: 1.5 ms.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from io import BytesIO
from typing import Any

# Not documented, as the docstring says why: `ELFFile`, which is, reads on by itself and takes long.
from elftools.common.utils import struct_parse
from elftools.elf.structs import ELFStructs

from idol.records import dataclass, replace
from idoldbg.build.debuginfo.malformed import Malformed, Unsupported, translated
from idoldbg.errors import DebugInfoError
from idoldbg.model.archive import other_machine
from idoldbg.model.symbols import Symbol, SymbolKind

__all__ = ["ElfFile", "Note", "Section", "SegmentHeader"]

# pyelftools gives types by name, and numbers for those that it has no name for.
ET_CORE = "ET_CORE"
PT_LOAD, PT_NOTE = "PT_LOAD", "PT_NOTE"
SHT_NULL, SHT_SYMTAB, SHT_NOBITS = "SHT_NULL", "SHT_SYMTAB", "SHT_NOBITS"
SHF_ALLOC, SHF_COMPRESSED = 2, 0x800

HEADER_SIZE = 52  # Elf32_Ehdr
MAX_HEADERS = 8192  # sections or segments; a build has some thirty
MAX_SECTION_NAME = 256  # bytes
MAX_SECTION_SIZE = 64 << 20  # bytes a compressed section may expand to
MAX_SYMBOLS = 1 << 16
MAX_NAME = 16384  # bytes of a symbol's name
MAX_NOTES = 1024

_SYMBOL_NAME = struct.Struct("<I12x")  # st_name of an Elf32_Sym
_KINDS = {
    "STT_NOTYPE": SymbolKind.OTHER,
    "STT_OBJECT": SymbolKind.OBJECT,
    "STT_FUNC": SymbolKind.FUNCTION,
}


@dataclass(frozen=True, slots=True)
class Section:
    """A section header; `offset` and `size` are in the file."""

    index: int
    name: str
    type: str | int
    flags: int
    address: int
    offset: int
    size: int
    link: int


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """A program header: the bytes lie at `load_address` in flash and are used at `address`."""

    type: str | int
    offset: int
    address: int
    load_address: int
    file_size: int
    memory_size: int
    flags: int  # PF_X 1, PF_W 2, PF_R 4


@dataclass(frozen=True, slots=True)
class Note:
    """One entry of a PT_NOTE segment."""

    owner: str
    type: str | int
    data: bytes


class ElfFile:
    """An ELF file in memory; raises `DebugInfoError` where it is malformed.

    `archive` is the path of the build that it is part of, for errors. A core dump may be cut short
    in the memory that it holds: `missing_size` is how many bytes are not there.
    """

    def __init__(self, name: str, data: bytes, archive: str = "") -> None:
        self.name = name
        self.archive = archive
        self.data = data
        if data[:4] != b"\x7fELF":
            raise self.error("not an ELF file")
        if len(data) < HEADER_SIZE:
            raise self.error("cut short inside the ELF header")
        if data[4:6] != b"\x01\x01":
            processor = other_machine(data[:20])
            of = f" (it is for {processor})" if processor and data[5] == 1 else ""
            raise self.error(f"not a 32-bit little-endian ELF file, as Cortex-M images are{of}")
        with self.reading():
            self._stream = BytesIO(data)
            with translated("the ELF header makes no sense"):
                self._header = struct_parse(_basic_structs().Elf_Ehdr, self._stream, 0)
                self._structs = _structs(
                    self._header["e_type"],
                    self._header["e_machine"],
                    self._header["e_ident"]["EI_OSABI"],
                )
            self.type: str | int = self._header["e_type"]
            self.entry: int = self._header["e_entry"]
            self.missing_size = 0
            self.segments = self._read_segments()
            self._section_headers = self._read_table(
                "section headers", self._structs.Elf_Shdr, "sh"
            )
            self.sections = self._read_sections()
        self._by_name = {s.name: s for s in reversed(self.sections)}
        self._found_symbols: dict[str, tuple[Symbol, ...]] = {}

    def error(self, message: str, *, die_offset: int | None = None) -> DebugInfoError:
        """Make the error that names this object; it is for the caller to raise."""
        return DebugInfoError(
            f"{self.name}: {message}",
            object=self.name,
            die_offset=die_offset,
            archive=self.archive,
        )

    @contextmanager
    def reading(self, what: str = "") -> Iterator[None]:
        """Turn `Malformed` into the error that names this object, and the place if there is one."""
        try:
            yield
        except Malformed as e:
            if isinstance(e, Unsupported):
                raise self.error(str(e)) from e
            place = "" if e.offset is None else f" (at 0x{e.offset:x} of .debug_info)"
            message = f"{what}: {e}{place}; rebuild the image" if what else str(e)
            raise self.error(message, die_offset=e.offset) from e

    # ---- headers --------------------------------------------------------------------------------

    def _read_table(self, what: str, header: Any, prefix: str) -> list[Any]:
        """Read the table of section or program headers, as pyelftools' containers."""
        offset, entry, count = (
            self._header[f"e_{prefix}{field}"] for field in ("off", "entsize", "num")
        )
        size = header.sizeof()
        if count and entry != size:
            raise Malformed(f"{what} of {entry} bytes each, expected {size}")
        if offset + entry * count > len(self.data):
            raise Malformed(
                f"{count} {what} at 0x{offset:x} reach beyond the file: is it cut short?"
            )
        if count > MAX_HEADERS:
            raise Malformed(f"{count} {what}: more than any build has")
        with translated(f"the {what} make no sense"):
            return [
                struct_parse(header, self._stream, offset + index * size) for index in range(count)
            ]

    def _read_segments(self) -> tuple[SegmentHeader, ...]:
        segments = []
        left = 2 * len(self.data)  # neighbours may share bytes, but not all of them
        headers = self._read_table("program headers", self._structs.Elf_Phdr, "ph")
        for index, header in enumerate(headers):
            segment = SegmentHeader(
                header["p_type"],
                header["p_offset"],
                header["p_vaddr"],
                header["p_paddr"],
                header["p_filesz"],
                header["p_memsz"],
                header["p_flags"],
            )
            if segment.type in (PT_LOAD, PT_NOTE):
                if segment.offset + segment.file_size > len(self.data):
                    if self.type != ET_CORE or segment.type != PT_LOAD:
                        raise Malformed(
                            f"segment {index} reaches beyond the file: is it cut short?"
                        )
                    there = max(0, len(self.data) - segment.offset)
                    self.missing_size += segment.file_size - there
                    segment = replace(segment, file_size=there)
                left -= segment.file_size
            if left < 0:
                raise Malformed("the segments overlap: together they are larger than the file")
            segments.append(segment)
        return tuple(segments)

    def _read_sections(self) -> tuple[Section, ...]:
        headers = self._section_headers
        if not headers:
            return ()
        names_index = self._header["e_shstrndx"]
        if names_index >= len(headers):
            raise Malformed(
                f"section {names_index} should hold the section names, of {len(headers)}"
            )
        table = headers[names_index]
        names = self.data[table["sh_offset"] : table["sh_offset"] + table["sh_size"]]
        sections = []
        left = 2 * len(self.data)
        for index, header in enumerate(headers):
            name_at = header["sh_name"]
            end = names.find(0, name_at, name_at + MAX_SECTION_NAME)
            if end < 0:
                end = name_at + MAX_SECTION_NAME  # the rest tells nobody anything
            if index and end > len(names):
                raise Malformed(f"section {index} has no name")
            name = names[name_at:end].decode("utf-8", "replace")
            section = Section(
                index,
                name,
                header["sh_type"],
                header["sh_flags"],
                header["sh_addr"],
                header["sh_offset"],
                header["sh_size"],
                header["sh_link"],
            )
            if section.type not in (SHT_NULL, SHT_NOBITS):
                if section.offset + section.size > len(self.data):
                    raise Malformed(f"section `{name}` reaches beyond the file: is it cut short?")
                left -= section.size
            if left < 0:
                raise Malformed("the sections overlap: together they are larger than the file")
            sections.append(section)
        return tuple(sections)

    # ---- contents -------------------------------------------------------------------------------

    def find_section(self, name: str) -> Section | None:
        """Find the first section of that name."""
        return self._by_name.get(name)

    def section_data(self, section: Section) -> bytes:
        """Return a section's bytes, decompressed; NOBITS sections have none."""
        if section.type in (SHT_NULL, SHT_NOBITS) or not section.size:
            return b""
        if not section.flags & SHF_COMPRESSED:
            return self.data[section.offset : section.offset + section.size]
        with (
            self.reading(),
            translated(
                f"section `{section.name}` does not decompress "
                "(relink with --compress-debug-sections=none)"
            ),
        ):
            return self._expand(section)

    def _expand(self, section: Section) -> bytes:
        from elftools.elf.elffile import ELFFile

        # Made by hand, as `ELFFile.get_section` would have it: that reads on by the section's type.
        from elftools.elf.sections import Section as SectionReader

        if section.size < self._structs.Elf_Chdr.sizeof():
            raise Malformed(f"compressed section `{section.name}` has no header")
        header = self._section_headers[section.index]
        reader = SectionReader(header, section.name, ELFFile(self._stream))
        # A size of zero would be no limit at all.
        if not reader.data_size:
            return b""
        if reader.data_size > MAX_SECTION_SIZE:
            raise Malformed(
                f"section `{section.name}` claims {reader.data_size} bytes uncompressed"
            )
        data: bytes = reader.data()
        return data

    # ---- symbols --------------------------------------------------------------------------------

    @cached_property
    def _symbol_table(self) -> bytes:
        table = next((s for s in self.sections if s.type == SHT_SYMTAB), None)
        if table is None:
            return b""
        if not 0 < table.link < len(self.sections):
            raise Malformed("the symbol table has no string table")
        data = self.section_data(table)
        if len(data) > MAX_SYMBOLS * _SYMBOL_NAME.size:
            raise Malformed(f"a symbol table of {len(data)} bytes: more than any build has")
        return data[: len(data) // _SYMBOL_NAME.size * _SYMBOL_NAME.size]

    @cached_property
    def _symbol_names(self) -> tuple[str, ...]:
        """The names of `.symtab`, "" for what has none and for mapping symbols ($t, $d)."""
        names: list[str] = []
        if not self._symbol_table:
            return ()
        table = next(s for s in self.sections if s.type == SHT_SYMTAB)
        strings = self.section_data(self.sections[table.link])
        left = 4 * len(strings)  # names do not repeat in a real file: stops made-up ones
        for (name_at,) in _SYMBOL_NAME.iter_unpack(self._symbol_table):
            if not name_at:
                names.append("")
                continue
            end = strings.find(b"\0", name_at, name_at + MAX_NAME)
            left -= end - name_at
            if end < 0 or left < 0:
                raise Malformed(f"the symbol names, at 0x{name_at:x}, make no sense")
            name = strings[name_at:end].decode("utf-8", "replace")
            names.append("" if name.startswith("$") else name)
        return tuple(names)

    @cached_property
    def _symbols_called(self) -> dict[str, list[int]]:
        called: dict[str, list[int]] = {}
        for index, name in enumerate(self._symbol_names):
            called.setdefault(name, []).append(index)
        return called

    def find_symbols(self, name: str) -> tuple[Symbol, ...]:
        """Find the symbols of that very name; only these are read."""
        found = self._found_symbols.get(name)
        if found is None:
            with self.reading():
                found = self._read_symbols(self._symbols_called.get(name, ()) if name else ())
            self._found_symbols[name] = found
        return found

    def read_symbols(self) -> tuple[Symbol, ...]:
        """Read `.symtab`; an object without one has no symbols."""
        with self.reading():
            return self._read_symbols(range(len(self._symbol_names)))

    def _read_symbols(self, indices: Iterable[int]) -> tuple[Symbol, ...]:
        stream = BytesIO(self._symbol_table)
        symbols = []
        with translated("the symbol table makes no sense"):
            for index in indices:
                name = self._symbol_names[index]
                if not name:
                    continue
                entry = struct_parse(self._structs.Elf_Sym, stream, index * _SYMBOL_NAME.size)
                kind = _KINDS.get(entry["st_info"]["type"])
                place = entry["st_shndx"]
                # Not section and file symbols, nor what is not defined here.
                if kind is None or place == "SHN_UNDEF":
                    continue
                address = entry["st_value"]
                is_placed = isinstance(place, int) and place < len(self.sections)
                symbols.append(
                    Symbol(
                        name,
                        address & ~1 if kind is SymbolKind.FUNCTION else address,
                        entry["st_size"],
                        kind,
                        entry["st_info"]["bind"] != "STB_LOCAL",
                        self.sections[place].name if is_placed else "",
                    )
                )
        return tuple(symbols)

    # ---- notes ----------------------------------------------------------------------------------

    def iter_notes(self) -> Iterator[Note]:
        """Yield the notes of all PT_NOTE segments."""
        header = self._structs.Elf_Nhdr
        count = 0
        for segment in self.segments:
            if segment.type != PT_NOTE:
                continue
            at, end = segment.offset, segment.offset + segment.file_size
            while end - at >= header.sizeof():
                with self.reading(), translated(f"the note at 0x{at:x} makes no sense"):
                    note = struct_parse(header, self._stream, at)
                owner_at = at + header.sizeof()
                data_at = owner_at + _align(note["n_namesz"])
                data_end = data_at + note["n_descsz"]
                count += 1
                if data_end > end:
                    raise self.error(f"the note at 0x{at:x} is longer than its segment")
                if count > MAX_NOTES:
                    raise self.error(f"more than {MAX_NOTES} notes")
                owner = self.data[owner_at : owner_at + min(note["n_namesz"], 256)]
                yield Note(
                    owner.rstrip(b"\0").decode("utf-8", "replace"),
                    note["n_type"],
                    self.data[data_at:data_end],
                )
                at = data_at + _align(note["n_descsz"])


def _align(size: int) -> int:
    """Return what parts of notes are filled up to: a multiple of four bytes."""
    return size + 3 & ~3


@lru_cache(maxsize=1)
def _basic_structs() -> ELFStructs:
    structs = ELFStructs(little_endian=True, elfclass=32)
    structs.create_basic_structs()
    return structs


@lru_cache(maxsize=16)  # the ELF files of a build are all alike
def _structs(type_: Any, machine: Any, abi: Any) -> ELFStructs:
    """Make pyelftools' parsers for files with these header fields (a name, or else a number)."""
    structs = ELFStructs(little_endian=True, elfclass=32)
    structs.create_basic_structs()
    structs.create_advanced_structs(type_, machine, abi)
    return structs
