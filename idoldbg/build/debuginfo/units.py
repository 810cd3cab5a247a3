"""Unit headers and abbreviation tables of `.debug_info` (DWARF 5, 7.5.1 to 7.5.3; DWARF 2 to 4).

pyelftools reads the headers, after a check of what it trusts (see `malformed`). Abbreviations are
read here, each declaration once for the whole build, and compiled into what walking and decoding
its entries needs: the size where that is fixed, the steps to skip it where not, and one
`struct.Struct` for runs of fixed forms.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from io import BytesIO
from typing import Any, NamedTuple, TypeAlias

# Not documented. What is, `ELFFile.get_dwarf_info().iter_CUs()`, takes 35 ms to import (see `elf`).
from elftools.common.utils import struct_parse
from elftools.dwarf.structs import DWARFStructs

from idol.records import dataclass
from idoldbg.build.debuginfo import constants as dw
from idoldbg.build.debuginfo.malformed import Malformed, Unsupported, translated

__all__ = [
    "Abbreviation",
    "AttributeSpec",
    "Decode",
    "Unit",
    "UnitReader",
    "fixed_size",
    "read_sleb",
    "read_uleb",
    "skip",
    "skipping_steps",
]


@dataclass(frozen=True, slots=True)
class AttributeSpec:
    """One attribute of an abbreviation; `constant` is the value of DW_FORM_implicit_const."""

    attribute: int
    form: int
    constant: int


# Steps to skip an entry: a positive number of bytes, or one of these.
SKIP_LEB, SKIP_BLOCK, SKIP_BLOCK1, SKIP_BLOCK2, SKIP_BLOCK4, SKIP_STRING, SKIP_INDIRECT = range(
    -1, -8, -1
)

_FIXED = {
    dw.DW_FORM_data1: 1, dw.DW_FORM_data2: 2, dw.DW_FORM_data4: 4, dw.DW_FORM_data8: 8,
    dw.DW_FORM_data16: 16, dw.DW_FORM_flag: 1, dw.DW_FORM_flag_present: 0,
    dw.DW_FORM_implicit_const: 0, dw.DW_FORM_ref1: 1, dw.DW_FORM_ref2: 2, dw.DW_FORM_ref4: 4,
    dw.DW_FORM_ref8: 8, dw.DW_FORM_ref_sig8: 8, dw.DW_FORM_ref_sup4: 4, dw.DW_FORM_ref_sup8: 8,
    dw.DW_FORM_strx1: 1, dw.DW_FORM_strx2: 2, dw.DW_FORM_strx3: 3, dw.DW_FORM_strx4: 4,
    dw.DW_FORM_addrx1: 1, dw.DW_FORM_addrx2: 2, dw.DW_FORM_addrx3: 3, dw.DW_FORM_addrx4: 4,
}  # fmt: skip
_CONSTANTS = frozenset(
    {
        dw.DW_FORM_data1,
        dw.DW_FORM_data2,
        dw.DW_FORM_data4,
        dw.DW_FORM_data8,
        dw.DW_FORM_data16,
    }
)
_OFFSET_FORMS = frozenset(
    {
        dw.DW_FORM_strp,
        dw.DW_FORM_line_strp,
        dw.DW_FORM_strp_sup,
        dw.DW_FORM_sec_offset,
        dw.DW_FORM_ref_addr,
    }
)
_VARIABLE = {
    dw.DW_FORM_udata: SKIP_LEB,
    dw.DW_FORM_sdata: SKIP_LEB,
    dw.DW_FORM_ref_udata: SKIP_LEB,
    dw.DW_FORM_strx: SKIP_LEB,
    dw.DW_FORM_addrx: SKIP_LEB,
    dw.DW_FORM_loclistx: SKIP_LEB,
    dw.DW_FORM_rnglistx: SKIP_LEB,
    dw.DW_FORM_exprloc: SKIP_BLOCK,
    dw.DW_FORM_block: SKIP_BLOCK,
    dw.DW_FORM_block1: SKIP_BLOCK1,
    dw.DW_FORM_block2: SKIP_BLOCK2,
    dw.DW_FORM_block4: SKIP_BLOCK4,
    dw.DW_FORM_string: SKIP_STRING,
    dw.DW_FORM_indirect: SKIP_INDIRECT,
}


def fixed_size(form: int, version: int, offset_size: int) -> int | None:
    """Return the bytes that a form takes, None where that depends on the value."""
    if form == dw.DW_FORM_addr:
        return 4
    if form == dw.DW_FORM_ref_addr and version == 2:
        return 4  # an address then, an offset since DWARF 3
    if form in _OFFSET_FORMS:
        return offset_size
    return _FIXED.get(form)


class _Shape(NamedTuple):
    """All of an abbreviation that tables share: everything but its code."""

    tag: int
    has_children: bool
    specs: tuple[AttributeSpec, ...]
    size: int
    steps: tuple[int, ...]
    attributes: frozenset[int]
    has_inline_name: bool


class Abbreviation:
    """One entry of an abbreviation table, ready for reading.

    `size` is that of the attributes, -1 where it varies; then `steps` says how to skip them.
    `has_inline_name`: some name is not an offset or a number, but stands in the entry.
    """

    __slots__ = (
        "_attributes",
        "_constant_sizes",
        "code",
        "decode",
        "has_children",
        "has_inline_name",
        "size",
        "specs",
        "steps",
        "tag",
    )

    def __init__(self, code: int, shape: _Shape) -> None:
        self.code = code
        self.tag, self.has_children, self.specs, self.size, self.steps = shape[:5]
        self._attributes, self.has_inline_name = shape[5:]
        # Made by `dies` when an entry of this kind is first decoded.
        self.decode: Decode | None = None
        self._constant_sizes: dict[int, int] | None = None

    @property
    def constant_sizes(self) -> dict[int, int]:
        """The bytes of each attribute that is a constant of fixed size (DW_FORM_data1 to 16)."""
        if self._constant_sizes is None:
            self._constant_sizes = {
                s.attribute: _FIXED[s.form] for s in self.specs if s.form in _CONSTANTS
            }
        return self._constant_sizes

    def form_of(self, attribute: int) -> int | None:
        """Return the form of an attribute of such entries, None where they do not have it."""
        return next((s.form for s in self.specs if s.attribute == attribute), None)

    def has(self, attribute: int) -> bool:
        """Return whether entries of this kind have the attribute."""
        return attribute in self._attributes


# From where the attributes start to the attributes by number, and where they end.
Decode: TypeAlias = "Callable[[Unit, int], tuple[dict[int, Any], int]]"


class Unit:
    """One unit of `.debug_info`: entries lie from `first_die` up to `end`."""

    __slots__ = (
        "abbreviations_at",
        "addr_base",
        "end",
        "first_die",
        "offset",
        "offset_size",
        "signature",
        "str_offsets_base",
        "table",
        "type_offset",
        "version",
    )

    def __init__(
        self,
        offset: int,
        first_die: int,
        end: int,
        version: int,
        offset_size: int,
        abbreviations_at: int,
        signature: int | None = None,
        type_offset: int | None = None,
    ) -> None:
        self.offset = offset
        self.first_die = first_die
        self.end = end
        self.version = version
        self.offset_size = offset_size
        self.abbreviations_at = abbreviations_at
        self.signature = signature
        self.type_offset = type_offset
        self.table: dict[int, Abbreviation] | None = None
        # From the unit's own entry, read when first needed.
        self.str_offsets_base: int | None = None
        self.addr_base: int | None = None


# The largest kernels seen have 45 units and 4,560 bytes of abbreviations. pyelftools takes 40 µs
# for a unit; abbreviations take less than 2 µs a byte: each of these bounds is less than a second.
_MAX_UNITS = 1 << 13
_MAX_TABLE = 1 << 16  # bytes of one abbreviation table
_MAX_TABLES = 1 << 17  # of all tables of an object
_SPLIT = (
    "its debug information is split: the types are in .dwo files, which archives do not have; "
    "build with -Csplit-debuginfo=off"
)


class UnitReader:
    """Reads the unit headers and the abbreviation tables of one object."""

    def __init__(self, info: bytes, abbreviations: bytes) -> None:
        self._info = info
        self._abbreviations = abbreviations
        self._stream = BytesIO(info)
        self._budget = min(16 * len(abbreviations) + 4096, _MAX_TABLES)

    def read_units(self) -> list[Unit]:
        """Read all unit headers; raise `Malformed` where they do not follow each other."""
        units: list[Unit] = []
        at = 0
        while len(self._info) - at >= 11:
            if len(units) >= _MAX_UNITS:
                raise Malformed("more units than any build has", at)
            units.append(self._read_unit(at))
            at = units[-1].end
        return units

    def _read_unit(self, at: int) -> Unit:
        end, dwarf_format = _check_unit(self._info, at)
        with translated("a unit's header makes no sense", at):
            structs = DWARFStructs(little_endian=True, dwarf_format=dwarf_format, address_size=4)
            header = struct_parse(structs.Dwarf_CU_header, self._stream, at)
            kind = header.get("unit_type", "DW_UT_compile")
            if kind == "DW_UT_skeleton":
                raise Unsupported(_SPLIT)
            is_type = kind in ("DW_UT_type", "DW_UT_split_type")
            read = Unit(
                offset=at,
                first_die=self._stream.tell(),
                end=end,
                version=header["version"],
                offset_size=dwarf_format // 8,
                abbreviations_at=header["debug_abbrev_offset"],
                signature=header["type_signature"] if is_type else None,
                type_offset=header["type_offset"] if is_type else None,
            )
        if header["address_size"] != 4:
            raise Malformed(f"a unit with addresses of {header['address_size']} bytes, not 4", at)
        if read.first_die > end:
            raise Malformed("a unit's header is cut short", at)
        return read

    def read_abbreviations(self, unit: Unit) -> dict[int, Abbreviation]:
        """Read a unit's abbreviation table: its entries by code, compiled for such units."""
        section, start = self._abbreviations, unit.abbreviations_at
        what = f"the abbreviation table at 0x{start:x} makes no sense"
        read: dict[int, Abbreviation] = {}
        at = start
        while section[at : at + 1] != b"\0":
            declaration = _DECLARATION.match(section, at, start + _MAX_TABLE)
            if declaration is None:
                raise Malformed(what, unit.offset)
            code, _ = read_uleb(declaration[1], 0)
            try:
                shape = _shape(declaration[2], unit.version, unit.offset_size)
            except Malformed as error:
                raise Malformed(f"{what}: {error}", unit.offset) from error
            read[code] = Abbreviation(code, shape)
            at = declaration.end()
        self._budget -= at + 1 - start
        if self._budget < 0:
            raise Malformed("the units' abbreviation tables overlap, or are too large", unit.offset)
        if any(entry.has(dw.DW_AT_GNU_dwo_name) for entry in read.values()):
            raise Unsupported(_SPLIT)
        return read


def _check_unit(info: bytes, at: int) -> tuple[int, int]:
    """Check what pyelftools trusts in a unit's header; return the unit's end, and 32 or 64 for its
    format.
    """
    (length,) = struct.unpack_from("<I", info, at)
    head, dwarf_format = at + 4, 32
    if length == 0xFFFFFFFF:
        if head + 8 > len(info):
            raise Malformed("a unit's header is cut short", at)
        (length,) = struct.unpack_from("<Q", info, head)
        head, dwarf_format = head + 8, 64
    elif length >= 0xFFFFFFF0:
        raise Malformed(f"reserved unit length 0x{length:x}", at)
    end: int = head + length
    if end > len(info) or length < 7:
        raise Malformed("a unit reaches beyond .debug_info: is the file cut short?", at)
    (version,) = struct.unpack_from("<H", info, head)
    if not 2 <= version <= 5:
        raise Malformed(f"DWARF version {version}; 2 to 5 are known", at)
    return end, dwarf_format


# A declaration (7.5.3): code, tag, whether it has children, attributes and forms, two zeros. Each
# number has at most as many bytes as any that has a meaning, and none that are there for nothing.
_ULEB = rb"(?:[\x00-\x7f]|[\x80-\xff]{1,4}[\x01-\x7f])"
_SLEB = rb"[\x80-\xff]{0,9}[\x00-\x7f]"
_IMPLICIT_CONST = rb"\x21"
_DECLARATION = re.compile(
    rb"(?!\x00)(%(uleb)b)(%(uleb)b[\x00\x01]"
    rb"(?:(?!\x00\x00)%(uleb)b(?:%(implicit)b%(sleb)b|(?!%(implicit)b)%(uleb)b)){0,255}\x00\x00)"
    % {b"uleb": _ULEB, b"sleb": _SLEB, b"implicit": _IMPLICIT_CONST},
    re.DOTALL,
)


def _read_declaration(body: bytes) -> tuple[int, bool, tuple[AttributeSpec, ...]]:
    """Read tag, whether there are children, and attributes of a declaration, without its code."""
    tag, at = read_uleb(body, 0)
    has_children = body[at] == 1
    at += 1
    specs = []
    while at < len(body) - 2:
        attribute, at = read_uleb(body, at)
        form, at = read_uleb(body, at)
        constant = 0
        if form == dw.DW_FORM_implicit_const:
            constant, at = read_sleb(body, at)
        specs.append(AttributeSpec(attribute, form, constant))
    return tag, has_children, tuple(specs)


@lru_cache(maxsize=4096)
def _shape(body: bytes, version: int, offset_size: int) -> _Shape:
    """Work out how entries of a declaration lie in units of this format.

    The tables of a build hold the same few hundred declarations again and again, under other codes.
    """
    tag, has_children, specs = _read_declaration(body)
    steps = skipping_steps(specs, version, offset_size)
    size = sum(steps) if all(s > 0 for s in steps) else -1
    has_inline_name = any(
        s.form == dw.DW_FORM_string and s.attribute in (dw.DW_AT_name, dw.DW_AT_linkage_name)
        for s in specs
    )
    attributes = frozenset(s.attribute for s in specs)
    return _Shape(tag, has_children, specs, size, steps, attributes, has_inline_name)


def skipping_steps(
    specs: Sequence[AttributeSpec], version: int, offset_size: int
) -> tuple[int, ...]:
    """Return the steps that `skip` takes over some attributes, in units of this format."""
    steps: list[int] = []
    for spec in specs:
        width = fixed_size(spec.form, version, offset_size)
        if width is None:
            step = _VARIABLE.get(spec.form)
            if step is None:
                raise Malformed(f"unknown attribute form 0x{spec.form:x}")
            steps.append(step)
        elif width and steps and steps[-1] > 0:
            steps[-1] += width
        elif width:
            steps.append(width)
    return tuple(steps)


def read_uleb(data: bytes, at: int) -> tuple[int, int]:
    """Read an unsigned LEB128 number; return it and where it ends."""
    value = data[at]
    at += 1
    if value < 128:
        return value, at
    value &= 127
    shift = 7
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 126:
            raise Malformed("a number of more than 126 bits")


def read_sleb(data: bytes, at: int) -> tuple[int, int]:
    """Read a signed LEB128 number; return it and where it ends."""
    start = at
    value, at = read_uleb(data, at)
    if data[at - 1] & 64:
        value -= 1 << 7 * (at - start)
    return value, at


def skip(data: bytes, at: int, steps: tuple[int, ...], unit: Unit) -> int:
    """Return where the attributes that start at `at` end; may lie beyond the data."""
    for step in steps:
        if step > 0:
            at += step
        elif step == SKIP_LEB:
            while data[at] > 127:
                at += 1
            at += 1
        elif step == SKIP_BLOCK:
            size, at = read_uleb(data, at)
            at += size
        elif step == SKIP_STRING:
            end = data.find(0, at, unit.end)
            if end < 0:
                raise Malformed("a string has no end", at)
            at = end + 1
        elif step == SKIP_INDIRECT:
            form, at = read_uleb(data, at)
            width = fixed_size(form, unit.version, unit.offset_size)
            if form in (dw.DW_FORM_indirect, dw.DW_FORM_implicit_const):
                raise Malformed("a form that is indirect twice", at)
            if width is not None:
                at += width
            elif form in _VARIABLE:
                at = skip(data, at, (_VARIABLE[form],), unit)
            else:
                raise Malformed(f"unknown attribute form 0x{form:x}", at)
        else:
            width = _BLOCK_WIDTH[step]
            at += width + int.from_bytes(data[at : at + width], "little")
    return at


_BLOCK_WIDTH = {SKIP_BLOCK1: 1, SKIP_BLOCK2: 2, SKIP_BLOCK4: 4}
