"""Unit headers and abbreviation tables of `.debug_info` (DWARF 5, 7.5.1 to 7.5.3; DWARF 2 to 4).

An abbreviation is compiled once into what walking and decoding its entries needs: the size where
that is fixed, the steps to skip it where not, and one `struct.Struct` for runs of fixed forms.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from idoldbg.debuginfo import constants as dw

__all__ = [
    "Abbreviation",
    "AttributeSpec",
    "Decode",
    "Malformed",
    "Unit",
    "fixed_size",
    "parse_abbreviations",
    "read_sleb",
    "read_uleb",
    "read_units",
    "skip",
]


class Malformed(Exception):
    """Bytes that are not DWARF; `offset` is in `.debug_info`. Becomes a `DebugInfoError`."""

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset


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


class Abbreviation:
    """One entry of an abbreviation table, ready for reading.

    `size` is that of the attributes, -1 where it varies; then `steps` says how to skip them.
    """

    __slots__ = ("code", "decode", "has_children", "size", "specs", "steps", "tag")

    def __init__(
        self,
        code: int,
        tag: int,
        has_children: bool,
        specs: tuple[AttributeSpec, ...],
        version: int,
        offset_size: int,
    ) -> None:
        self.code = code
        self.tag = tag
        self.has_children = has_children
        self.specs = specs
        # Made by `dies` when an entry of this kind is first decoded.
        self.decode: Decode | None = None
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
        self.size = sum(steps) if all(s > 0 for s in steps) else -1
        self.steps = tuple(steps)

    def has(self, attribute: int) -> bool:
        """Tell whether entries of this kind have the attribute."""
        return any(s.attribute == attribute for s in self.specs)


# From where the attributes start to the attributes by number, and where they end.
Decode: TypeAlias = "Callable[[Unit, int], tuple[dict[int, Any], int]]"


@dataclass(slots=True)
class Unit:
    """One unit of `.debug_info`: entries lie from `first_die` up to `end`."""

    offset: int
    first_die: int
    end: int
    version: int
    kind: int
    offset_size: int
    abbreviations_at: int
    signature: int | None = None
    type_offset: int | None = None
    table: dict[int, Abbreviation] | None = None
    # From the unit's own entry, read when first needed.
    str_offsets_base: int | None = None
    addr_base: int | None = None


_MAX_UNITS = 1 << 17


def read_units(info: bytes) -> list[Unit]:
    """Read all unit headers; raise `Malformed` where they do not follow each other."""
    units: list[Unit] = []
    at, total = 0, len(info)
    while total - at >= 11:
        unit = _read_unit(info, at)
        units.append(unit)
        at = unit.end
        if len(units) > _MAX_UNITS:
            raise Malformed("more units than any build has", at)
    return units


def _read_unit(info: bytes, at: int) -> Unit:
    (length,) = struct.unpack_from("<I", info, at)
    offset_size, head = 4, at + 4
    if length == 0xFFFFFFFF:
        (length,) = struct.unpack_from("<Q", info, head)
        offset_size, head = 8, at + 12
    elif length >= 0xFFFFFFF0:
        raise Malformed(f"reserved unit length 0x{length:x}", at)
    end = head + length
    if end > len(info) or length < 2 + 1 + offset_size:
        raise Malformed("a unit reaches beyond .debug_info: is the file cut short?", at)
    (version,) = struct.unpack_from("<H", info, head)
    if not 2 <= version <= 5:
        raise Malformed(f"DWARF version {version}; 2 to 5 are known", at)
    offset_format = "<I" if offset_size == 4 else "<Q"
    head += 2
    kind, signature, type_offset = dw.DW_UT_compile, None, None
    if version >= 5:
        kind, address_size = info[head], info[head + 1]
        (abbreviations,) = struct.unpack_from(offset_format, info, head + 2)
        head += 2 + offset_size
    else:
        (abbreviations,) = struct.unpack_from(offset_format, info, head)
        address_size = info[head + offset_size]
        head += offset_size + 1
    if kind in (dw.DW_UT_skeleton, dw.DW_UT_split_compile):
        head += 8
    elif kind in (dw.DW_UT_type, dw.DW_UT_split_type):
        if head + 8 + offset_size > end:
            raise Malformed("a type unit's header is cut short", at)
        (signature,) = struct.unpack_from("<Q", info, head)
        (type_offset,) = struct.unpack_from(offset_format, info, head + 8)
        head += 8 + offset_size
    if address_size != 4 or head > end:
        raise Malformed(f"a unit with addresses of {address_size} bytes, not 4", at)
    return Unit(at, head, end, version, kind, offset_size, abbreviations, signature, type_offset)


def parse_abbreviations(
    section: bytes, at: int, version: int, offset_size: int
) -> tuple[dict[int, Abbreviation], int]:
    """Read the table at an offset of `.debug_abbrev`; also return how many bytes it took."""
    start = at
    table: dict[int, Abbreviation] = {}
    try:
        while True:
            code, at = read_uleb(section, at)
            if not code:
                return table, at - start
            tag, at = read_uleb(section, at)
            children = section[at]
            at += 1
            specs: list[AttributeSpec] = []
            while True:
                attribute, at = read_uleb(section, at)
                form, at = read_uleb(section, at)
                if not attribute and not form:
                    break
                constant = 0
                if form == dw.DW_FORM_implicit_const:
                    constant, at = read_sleb(section, at)
                specs.append(AttributeSpec(attribute, form, constant))
            table[code] = Abbreviation(code, tag, children != 0, tuple(specs), version, offset_size)
    except IndexError:
        raise Malformed(f"the abbreviation table at 0x{start:x} has no end") from None


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
