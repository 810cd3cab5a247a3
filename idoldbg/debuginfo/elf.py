"""Sections, segments and symbols of a 32-bit little-endian ELF file, read strictly.

Spec: System V ABI, chapters 4 and 5; AAELF32 for Arm. Every count, offset and size is checked
against the file before it is used, because build archives come from anywhere. pyelftools reads
the same structures lazily and trusts them (a section header size of zero keeps it busy for ever),
and importing it costs more time than everything here: it is used where formats are long and time
is not short, see `ObjectInfo.to_elftools`.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from idoldbg.errors import DebugInfoError
from idoldbg.symbols import Symbol, SymbolKind

__all__ = ["ElfFile", "Note", "Section", "SegmentHeader", "iter_notes"]

ET_REL, ET_EXEC, ET_CORE = 1, 2, 4
EM_ARM = 40
PT_LOAD, PT_NOTE = 1, 4
SHT_SYMTAB, SHT_NOBITS = 2, 8
SHF_ALLOC, SHF_COMPRESSED = 2, 0x800
SHN_UNDEF, SHN_LORESERVE = 0, 0xFF00

MAX_SECTION_SIZE = 64 << 20  # bytes a compressed section may expand to
MAX_NAME = 16384  # bytes of a symbol's name

_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
_SECTION = struct.Struct("<10I")
_SEGMENT = struct.Struct("<8I")
_SYMBOL = struct.Struct("<IIIBBH")
_COMPRESSION = struct.Struct("<III")


@dataclass(frozen=True, slots=True)
class Section:
    """A section header; `offset` and `size` are in the file."""

    name: str
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """A program header: the bytes lie at `load_address` in flash and are used at `address`."""

    type: int
    offset: int
    address: int
    load_address: int
    file_size: int
    memory_size: int


@dataclass(frozen=True, slots=True)
class Note:
    """One entry of a PT_NOTE segment."""

    owner: str
    type: int
    data: bytes


class ElfFile:
    """An ELF file in memory; raises `DebugInfoError` where it is malformed."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.data = data
        if data[:4] != b"\x7fELF":
            raise self.error("not an ELF file")
        if len(data) < _HEADER.size:
            raise self.error("cut short inside the ELF header")
        ident, self.type, self.machine, _, self.entry, segments_at, sections_at, *rest = (
            _HEADER.unpack_from(data)
        )
        _, _, segment_size, segment_count, section_size, section_count, names_index = rest
        if ident[4] != 1 or ident[5] != 1:
            raise self.error("not a 32-bit little-endian ELF file, as Cortex-M images are")
        self.segments = self._read_segments(segments_at, segment_size, segment_count)
        self.sections = self._read_sections(sections_at, section_size, section_count, names_index)
        self._by_name = {s.name: s for s in reversed(self.sections)}

    def error(self, message: str, *, die_offset: int | None = None) -> DebugInfoError:
        """Make the error that names this object; it is for the caller to raise."""
        return DebugInfoError(f"{self.name}: {message}", object=self.name, die_offset=die_offset)

    def _table(self, what: str, offset: int, entry: int, count: int, expected: int) -> None:
        if count and entry != expected:
            raise self.error(f"{what} of {entry} bytes each, expected {expected}")
        if offset + entry * count > len(self.data):
            raise self.error(
                f"{count} {what} at 0x{offset:x} reach beyond the file: is it cut short?"
            )

    def _read_segments(self, offset: int, size: int, count: int) -> tuple[SegmentHeader, ...]:
        self._table("program headers", offset, size, count, _SEGMENT.size)
        headers = []
        for index in range(count):
            kind, at, address, load, file_size, memory_size, _, _ = _SEGMENT.unpack_from(
                self.data, offset + index * size
            )
            if kind in (PT_LOAD, PT_NOTE) and at + file_size > len(self.data):
                raise self.error(f"segment {index} reaches beyond the file: is it cut short?")
            headers.append(SegmentHeader(kind, at, address, load, file_size, memory_size))
        return tuple(headers)

    def _read_sections(
        self, offset: int, size: int, count: int, names_index: int
    ) -> tuple[Section, ...]:
        if not count:
            return ()
        self._table("section headers", offset, size, count, _SECTION.size)
        raw = [_SECTION.unpack_from(self.data, offset + i * size) for i in range(count)]
        if names_index >= count:
            raise self.error(f"section {names_index} should hold the section names, of {count}")
        names = self.data[raw[names_index][4] :][: raw[names_index][5]]
        sections = []
        for index, (name_at, kind, flags, address, at, length, link, *_) in enumerate(raw):
            end = names.find(0, name_at)
            if index and end < 0:
                raise self.error(f"section {index} has no name")
            name = names[name_at : min(end, name_at + 256)].decode("utf-8", "replace")
            if kind not in (0, SHT_NOBITS) and at + length > len(self.data):
                raise self.error(f"section `{name}` reaches beyond the file: is it cut short?")
            sections.append(Section(name, kind, flags, address, at, length, link))
        return tuple(sections)

    def find_section(self, name: str) -> Section | None:
        """Find the first section of that name."""
        return self._by_name.get(name)

    def section_data(self, section: Section) -> bytes:
        """Return a section's bytes, decompressed; NOBITS sections have none."""
        if section.type == SHT_NOBITS:
            return b""
        data = self.data[section.offset : section.offset + section.size]
        if not section.flags & SHF_COMPRESSED:
            return data
        if len(data) < _COMPRESSION.size:
            raise self.error(f"compressed section `{section.name}` has no header")
        kind, size, _ = _COMPRESSION.unpack_from(data)
        if kind != 1:
            raise self.error(
                f"section `{section.name}` is compressed with method {kind}; only zlib is known "
                "here: relink with --compress-debug-sections=none"
            )
        if size > MAX_SECTION_SIZE:
            raise self.error(f"section `{section.name}` claims {size} bytes uncompressed")
        try:
            plain = zlib.decompressobj().decompress(data[_COMPRESSION.size :], size or 1)
        except zlib.error as e:
            raise self.error(f"section `{section.name}` does not decompress: {e}") from e
        if len(plain) != size:
            raise self.error(f"section `{section.name}` gave {len(plain)} bytes instead of {size}")
        return plain

    def read_symbols(self) -> list[Symbol]:
        """Read `.symtab`; an object without one has no symbols."""
        table = next((s for s in self.sections if s.type == SHT_SYMTAB), None)
        if table is None:
            return []
        if not 0 < table.link < len(self.sections):
            raise self.error("the symbol table has no string table")
        strings = self.section_data(self.sections[table.link])
        data = self.section_data(table)
        data = data[: len(data) // _SYMBOL.size * _SYMBOL.size]
        section_names = [s.name for s in self.sections]
        symbols = []
        left = 4 * len(strings)  # names do not repeat in a real file: stops made-up ones
        for name_at, value, size, info, _, index in _SYMBOL.iter_unpack(data):
            kind = info & 0xF
            # Section and file symbols, mapping symbols ($t, $d) and what is not defined here.
            if not name_at or index == SHN_UNDEF or kind > 2:
                continue
            end = strings.find(b"\0", name_at, name_at + MAX_NAME)
            left -= end - name_at
            if end < 0 or left < 0:
                raise self.error(f"the symbol names, at 0x{name_at:x}, make no sense")
            if strings[name_at] == 0x24:
                continue
            function = kind == 2
            symbols.append(
                Symbol(
                    strings[name_at:end].decode("utf-8", "replace"),
                    value & ~1 if function else value,
                    size,
                    _KINDS[kind],
                    info >> 4 != 0,
                    section_names[index] if index < len(section_names) else "",
                )
            )
        return symbols


_KINDS = {0: SymbolKind.OTHER, 1: SymbolKind.OBJECT, 2: SymbolKind.FUNCTION}


def iter_notes(elf: ElfFile) -> list[Note]:
    """Return the notes of all PT_NOTE segments; raise `DebugInfoError` where they do not add up."""
    notes = []
    for segment in elf.segments:
        if segment.type != PT_NOTE:
            continue
        at, end = segment.offset, segment.offset + segment.file_size
        while end - at >= 12:
            owner_size, size, kind = struct.unpack_from("<III", elf.data, at)
            owner_at = at + 12
            data_at = owner_at + (owner_size + 3) // 4 * 4
            if data_at + size > end:
                raise elf.error(f"the note at 0x{at:x} is longer than its segment")
            owner = elf.data[owner_at : owner_at + min(owner_size, 256)].rstrip(b"\0")
            notes.append(
                Note(owner.decode("utf-8", "replace"), kind, elf.data[data_at : data_at + size])
            )
            at = data_at + (size + 3) // 4 * 4
    return notes
