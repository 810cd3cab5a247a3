"""Debug information written out in the test: a small DWARF and ELF writer.

`Die(tag, attributes, children)` describes an entry; an attribute is `(DW_AT_*, DW_FORM_*, value)`.
References name another `Die` object; strings go to the section that the form calls for. The writer
knows DWARF 4 and 5 in the 32-bit format.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from idoldbg.build.debuginfo import ObjectInfo
from idoldbg.build.debuginfo import constants as dw


@dataclass(eq=False)
class Die:
    tag: int
    attributes: Sequence[tuple[int, int, Any]] = ()
    children: Sequence[Die] = field(default_factory=list)


def uleb(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def sleb(value: int) -> bytes:
    out = bytearray()
    while not -64 <= value < 64:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value & 127])


class Strings:
    def __init__(self) -> None:
        self.data = b"\0"

    def add(self, text: str) -> int:
        raw = b"\0" + text.encode() + b"\0"
        at = self.data.find(raw)
        if at < 0:
            at = len(self.data) - 1
            self.data += raw[1:]
        return at + 1


WIDTHS = {
    dw.DW_FORM_data1: 1, dw.DW_FORM_data2: 2, dw.DW_FORM_data4: 4, dw.DW_FORM_data8: 8,
    dw.DW_FORM_data16: 16, dw.DW_FORM_flag: 1, dw.DW_FORM_addr: 4, dw.DW_FORM_sec_offset: 4,
    dw.DW_FORM_ref_sig8: 8, dw.DW_FORM_flag_present: 0, dw.DW_FORM_implicit_const: 0,
}  # fmt: skip
STRX = {dw.DW_FORM_strx1: 1, dw.DW_FORM_strx2: 2, dw.DW_FORM_strx3: 3, dw.DW_FORM_strx4: 4}
ADDRX = {dw.DW_FORM_addrx1: 1, dw.DW_FORM_addrx2: 2, dw.DW_FORM_addrx3: 3, dw.DW_FORM_addrx4: 4}
REFERENCES = {
    dw.DW_FORM_ref1: 1,
    dw.DW_FORM_ref2: 2,
    dw.DW_FORM_ref4: 4,
    dw.DW_FORM_ref8: 8,
    dw.DW_FORM_ref_addr: 4,
}
BLOCKS = {dw.DW_FORM_block1: 1, dw.DW_FORM_block2: 2, dw.DW_FORM_block4: 4}


class Writer:
    """Lays units out twice: first for the offsets of entries, then with references filled in."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.strings, self.line_strings = Strings(), Strings()
        self.str_offsets: list[int] = []
        self.addresses: list[int] = []
        self.abbreviations: dict[tuple[Any, ...], int] = {}
        self.offsets: dict[Die, int] = {}

    def info(self, units: Sequence[Die]) -> bytes:
        for _ in range(2):
            info = b""
            for unit in units:
                info += self._unit(unit, len(info))
        return info

    def _unit(self, die: Die, start: int) -> bytes:
        version5 = self.version >= 5
        size = 12 if version5 else 11
        body = self._die(die, start, start + size)
        head = struct.pack("<H", self.version)
        if version5:
            head += struct.pack("<BBI", 1, 4, 0)  # DW_UT_compile
        else:
            head += struct.pack("<IB", 0, 4)
        return struct.pack("<I", len(head) + len(body)) + head + body

    def _die(self, die: Die, unit: int, at: int) -> bytes:
        self.offsets[die] = at
        # The constant of an implicit_const is part of the abbreviation.
        shape = tuple(
            (a, f, v if f == dw.DW_FORM_implicit_const else None) for a, f, v in die.attributes
        )
        key = (die.tag, bool(die.children), shape)
        code = self.abbreviations.setdefault(key, len(self.abbreviations) + 1)
        out = uleb(code)
        for _, form, value in die.attributes:
            out += self._value(form, value, unit)
        for child in die.children:
            out += self._die(child, unit, at + len(out))
        return out + b"\0" if die.children else out

    def _value(self, form: int, value: Any, unit: int) -> bytes:
        if form == dw.DW_FORM_indirect:
            real, value = value
            return uleb(real) + self._value(real, value, unit)
        if isinstance(value, Die):
            value = self.offsets.get(value, 0)
            if form != dw.DW_FORM_ref_addr:
                value -= unit
            if form == dw.DW_FORM_ref_udata:
                return uleb(value)
            return (value % (1 << 32)).to_bytes(REFERENCES[form], "little")
        if form == dw.DW_FORM_strp:
            return struct.pack("<I", self.strings.add(value))
        if form == dw.DW_FORM_line_strp:
            return struct.pack("<I", self.line_strings.add(value))
        if form == dw.DW_FORM_string:
            return bytes(value.encode() + b"\0")
        if form in STRX or form == dw.DW_FORM_strx:
            index = self._indexed(self.str_offsets, self.strings.add(value))
            return uleb(index) if form == dw.DW_FORM_strx else index.to_bytes(STRX[form], "little")
        if form in ADDRX or form == dw.DW_FORM_addrx:
            index = self._indexed(self.addresses, value)
            wide = form == dw.DW_FORM_addrx
            return uleb(index) if wide else index.to_bytes(ADDRX[form], "little")
        if form in (dw.DW_FORM_exprloc, dw.DW_FORM_block):
            return uleb(len(value)) + bytes(value)
        if form in BLOCKS:
            return len(value).to_bytes(BLOCKS[form], "little") + bytes(value)
        if form == dw.DW_FORM_sdata:
            return sleb(value)
        if form in (dw.DW_FORM_udata, dw.DW_FORM_loclistx, dw.DW_FORM_rnglistx):
            return uleb(value)
        width = WIDTHS[form]
        return (value % (1 << 8 * width)).to_bytes(width, "little") if width else b""

    @staticmethod
    def _indexed(table: list[int], value: int) -> int:
        if value not in table:
            table.append(value)
        return table.index(value)

    def abbreviation_table(self) -> bytes:
        out = b""
        for (tag, has_children, shape), code in self.abbreviations.items():
            out += uleb(code) + uleb(tag) + bytes([has_children])
            for attribute, form, constant in shape:
                out += uleb(attribute) + uleb(form)
                out += sleb(constant) if form == dw.DW_FORM_implicit_const else b""
            out += b"\0\0"
        return out + b"\0"

    def sections(self, units: Sequence[Die]) -> dict[str, bytes]:
        info = self.info(units)
        offsets = struct.pack(f"<{len(self.str_offsets)}I", *self.str_offsets)
        addresses = struct.pack(f"<{len(self.addresses)}I", *self.addresses)
        sections = {
            ".debug_info": info,
            ".debug_abbrev": self.abbreviation_table(),
            ".debug_str": self.strings.data,
            ".debug_line_str": self.line_strings.data,
        }
        if self.version >= 5:
            head = struct.pack("<IHH", len(offsets) + 4, 5, 0)
            sections[".debug_str_offsets"] = head + offsets
            sections[".debug_addr"] = struct.pack("<IHBB", len(addresses) + 4, 5, 4, 0) + addresses
        return sections


def make_elf(sections: dict[str, bytes], segments: Sequence[tuple[int, bytes]] = ()) -> bytes:
    """Lay out an ELF file: header, program headers, contents, section headers."""
    out = bytearray(52 + 32 * len(segments))
    headers = []
    for address, data in segments:
        headers.append(
            struct.pack("<8I", 1, len(out), address, address, len(data), len(data), 5, 4)
        )
        out += data
    out[52 : 52 + 32 * len(segments)] = b"".join(headers)
    names = b"\0" + b"".join(n.encode() + b"\0" for n in [*sections, ".shstrtab"])
    table = [bytes(40)]
    for name, data in {**sections, ".shstrtab": names}.items():
        kind = 3 if name == ".shstrtab" else 1
        name_at = names.index(b"\0" + name.encode() + b"\0") + 1
        table.append(struct.pack("<10I", name_at, kind, 0, 0, len(out), len(data), 0, 0, 1, 0))
        out += data
    out[:52] = struct.pack(
        "<16sHHIIIIIHHHHHH", b"\x7fELF\x01\x01\x01", 2, 40, 1, 0, 52 if segments else 0, len(out),
        0, 52, 32, len(segments), 40, len(table), len(table) - 1,
    )  # fmt: skip
    return bytes(out + b"".join(table))


@pytest.fixture
def die() -> type[Die]:
    """The class that entries are described with."""
    return Die


@pytest.fixture
def write_elf() -> Callable[..., bytes]:
    """Make an ELF file of units: `write_elf([unit, …], version=4)`."""

    def write(units: Sequence[Die], version: int = 4) -> bytes:
        return make_elf(Writer(version).sections(units))

    return write


@pytest.fixture
def write_object(write_elf: Callable[..., bytes]) -> Callable[..., ObjectInfo]:
    """Make an `ObjectInfo` of units: `write_object([unit, …], version=4)`."""
    return lambda units, version=4: ObjectInfo("test", write_elf(units, version))
