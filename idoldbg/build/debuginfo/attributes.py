"""Decodes attribute values, driven by the abbreviations (DWARF 5, 7.5.5 and 7.5.6).

Abbreviations are compiled once: neighbouring attributes of fixed size are unpacked together, and
what needs more than a number (text, references, indices into tables) is converted after that.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from idoldbg.build.debuginfo import constants as dw
from idoldbg.build.debuginfo.malformed import Malformed
from idoldbg.build.debuginfo.units import (
    Abbreviation,
    AttributeSpec,
    Decode,
    Unit,
    fixed_size,
    read_sleb,
    read_uleb,
)

__all__ = ["MAX_NAME", "AttributeReader", "DebugSections"]

MAX_NAME = 16384  # bytes of a name
MAX_STRINGS = 64 << 20  # bytes of all names that are kept

_WANTED = frozenset(
    {
        dw.DW_AT_location,
        dw.DW_AT_name,
        dw.DW_AT_byte_size,
        dw.DW_AT_bit_size,
        dw.DW_AT_low_pc,
        dw.DW_AT_discr,
        dw.DW_AT_discr_value,
        dw.DW_AT_const_value,
        dw.DW_AT_lower_bound,
        dw.DW_AT_upper_bound,
        dw.DW_AT_abstract_origin,
        dw.DW_AT_artificial,
        dw.DW_AT_count,
        dw.DW_AT_data_member_location,
        dw.DW_AT_declaration,
        dw.DW_AT_discr_list,
        dw.DW_AT_encoding,
        dw.DW_AT_external,
        dw.DW_AT_specification,
        dw.DW_AT_type,
        dw.DW_AT_signature,
        dw.DW_AT_data_bit_offset,
        dw.DW_AT_alignment,
        dw.DW_AT_linkage_name,
        dw.DW_AT_MIPS_linkage_name,
        dw.DW_AT_str_offsets_base,
        dw.DW_AT_addr_base,
        dw.DW_AT_call_origin,
        dw.DW_AT_stmt_list,
        dw.DW_AT_high_pc,
        dw.DW_AT_comp_dir,
        dw.DW_AT_ranges,
        dw.DW_AT_call_column,
        dw.DW_AT_call_file,
        dw.DW_AT_call_line,
        dw.DW_AT_rnglists_base,
    }
)

# Everything else has a file as well.
_WANTED_WITH_FILE = _WANTED | {dw.DW_AT_decl_file}
_HAVE_FILE = frozenset({dw.DW_TAG_variable, dw.DW_TAG_subprogram})

_UNIT_REFERENCES = frozenset(
    {dw.DW_FORM_ref1, dw.DW_FORM_ref2, dw.DW_FORM_ref4, dw.DW_FORM_ref8, dw.DW_FORM_ref_udata}
)
_STRX = frozenset(
    {dw.DW_FORM_strx, dw.DW_FORM_strx1, dw.DW_FORM_strx2, dw.DW_FORM_strx3, dw.DW_FORM_strx4}
)
_ADDRX = frozenset(
    {dw.DW_FORM_addrx, dw.DW_FORM_addrx1, dw.DW_FORM_addrx2, dw.DW_FORM_addrx3, dw.DW_FORM_addrx4}
)
_STRUCT_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}

_Convert = Callable[[Unit, Any], Any]


class _FixedRun(NamedTuple):
    """Neighbouring attributes of fixed size, and what turns the numbers into values."""

    unpack: Callable[[bytes, int], tuple[Any, ...]]
    size: int
    attributes: tuple[int, ...]
    converts: tuple[_Convert | None, ...]


class DebugSections(NamedTuple):
    """The debug sections of an object; absent ones are empty."""

    info: bytes
    abbreviations: bytes
    strings: bytes
    line_strings: bytes = b""
    str_offsets: bytes = b""
    addresses: bytes = b""


class AttributeReader:
    """Decodes the attributes of one object's entries; `table` gives a unit's abbreviations."""

    def __init__(
        self,
        sections: DebugSections,
        units: Sequence[Unit],
        table: Callable[[Unit], Mapping[int, Abbreviation]],
    ) -> None:
        self.sections = sections
        self._units = units
        self._table = table
        self._string_budget = MAX_STRINGS
        self._string_memo: dict[int, str] = {}
        self._signatures: dict[int, int] | None = None

    def compile(self, abbreviation: Abbreviation, unit: Unit) -> Decode:
        """Make the function that decodes entries of one kind, for units of this format."""
        info = self.sections.info
        wanted = _WANTED_WITH_FILE if abbreviation.tag in _HAVE_FILE else _WANTED
        steps, constants = self._steps(abbreviation, unit, wanted)

        def decode(unit: Unit, at: int) -> tuple[dict[int, Any], int]:
            attributes: dict[int, Any] = {}
            for step in steps:
                if isinstance(step, _FixedRun):
                    for attribute, convert, value in zip(
                        step.attributes, step.converts, step.unpack(info, at), strict=True
                    ):
                        attributes[attribute] = value if convert is None else convert(unit, value)
                    at += step.size
                    continue
                attribute, form, convert = step
                if form == dw.DW_FORM_sdata:
                    value, at = read_sleb(info, at)
                else:
                    value, at = self._value(unit, at, form, 0)
                if attribute in wanted:
                    attributes[attribute] = value if convert is None else convert(unit, value)
            if constants:
                attributes.update(constants)
            return attributes, at

        return decode

    def _steps(
        self, abbreviation: Abbreviation, unit: Unit, wanted: frozenset[int]
    ) -> tuple[list[_FixedRun | tuple[int, int, _Convert | None]], dict[int, Any]]:
        """Split the attributes into runs of fixed forms, single others, and constants."""
        steps: list[_FixedRun | tuple[int, int, _Convert | None]] = []
        constants: dict[int, Any] = {}
        run: list[tuple[AttributeSpec, int]] = []
        for spec in abbreviation.specs:
            width = fixed_size(spec.form, unit.version, unit.offset_size)
            if spec.form in (dw.DW_FORM_flag_present, dw.DW_FORM_implicit_const):
                if spec.attribute in wanted:
                    present = spec.form == dw.DW_FORM_flag_present
                    constants[spec.attribute] = 1 if present else spec.constant
            elif width is not None:
                run.append((spec, width))
            else:
                if run:
                    steps.append(self._fixed_run(run, wanted))
                    run = []
                steps.append((spec.attribute, spec.form, self._converter(spec.form)))
        if run:
            steps.append(self._fixed_run(run, wanted))
        return steps, constants

    def _fixed_run(self, run: list[tuple[AttributeSpec, int]], wanted: frozenset[int]) -> _FixedRun:
        code = "<"
        attributes: list[int] = []
        converts: list[_Convert | None] = []
        for spec, width in run:
            if spec.attribute not in wanted:
                code += f"{width}x"
                continue
            convert = self._converter(spec.form)
            attributes.append(spec.attribute)
            converts.append(convert if width in _STRUCT_CODES else _from_bytes(convert))
            code += _STRUCT_CODES.get(width) or f"{width}s"
        return _FixedRun(
            struct.Struct(code).unpack_from,
            sum(w for _, w in run),
            tuple(attributes),
            tuple(converts),
        )

    def _converter(self, form: int) -> _Convert | None:
        if form in _UNIT_REFERENCES:
            return lambda unit, value: unit.offset + value
        if form == dw.DW_FORM_strp:
            return lambda unit, value: self.string(value)
        if form == dw.DW_FORM_line_strp:
            return lambda unit, value: self.line_string(value)
        if form in _STRX:
            return self._indexed_string
        if form in _ADDRX:
            return self.indexed_address
        if form == dw.DW_FORM_ref_sig8:
            return lambda unit, value: self._signature(value)
        if form in (dw.DW_FORM_strp_sup, dw.DW_FORM_ref_sup4, dw.DW_FORM_ref_sup8):
            return lambda unit, value: None  # in another file, which builds do not have
        return None

    def _value(self, unit: Unit, at: int, form: int, constant: int) -> tuple[Any, int]:
        info = self.sections.info
        width = fixed_size(form, unit.version, unit.offset_size)
        if form == dw.DW_FORM_flag_present:
            return 1, at
        if form == dw.DW_FORM_implicit_const:
            return constant, at
        if width is not None:
            if at + width > unit.end:
                raise Malformed("an attribute reaches beyond its unit", at)
            return int.from_bytes(info[at : at + width], "little"), at + width
        if form == dw.DW_FORM_sdata:
            return read_sleb(info, at)
        if form == dw.DW_FORM_string:
            end = info.find(0, at, unit.end)
            if end < 0:
                raise Malformed("a string has no end", at)
            return info[at : min(end, at + MAX_NAME)].decode("utf-8", "replace"), end + 1
        if form == dw.DW_FORM_indirect:
            real, at = read_uleb(info, at)
            if real in (dw.DW_FORM_indirect, dw.DW_FORM_implicit_const):
                raise Malformed("a form that is indirect twice", at)
            value, at = self._value(unit, at, real, 0)
            convert = self._converter(real)
            return (value if convert is None else convert(unit, value)), at
        return self._block(unit, at, form)

    def _block(self, unit: Unit, at: int, form: int) -> tuple[Any, int]:
        width = _BLOCK_WIDTHS.get(form)
        if width is not None:
            size, at = int.from_bytes(self.sections.info[at : at + width], "little"), at + width
        else:
            size, at = read_uleb(self.sections.info, at)
            if form not in (dw.DW_FORM_exprloc, dw.DW_FORM_block):
                return size, at  # one of the LEB128 forms
        if at + size > unit.end:
            raise Malformed("a block reaches beyond its unit", at)
        return self.sections.info[at : at + size], at + size

    def string(self, offset: int) -> str:
        """Return the text at an offset of `.debug_str`."""
        text = self._string_memo.get(offset)
        if text is None:
            text = self._string_memo[offset] = self._text(self.sections.strings, offset)
        return text

    def line_string(self, offset: int) -> str:
        """Return the text at an offset of `.debug_line_str`."""
        return self._text(self.sections.line_strings, offset)

    def _text(self, section: bytes, offset: int) -> str:
        end = section.find(0, offset, offset + MAX_NAME)
        if end < 0:
            raise Malformed(f"the name at 0x{offset:x} has no end, or more than {MAX_NAME} bytes")
        self._string_budget -= end - offset
        if self._string_budget < 0:
            raise Malformed("the names add up to more than any build has")
        return section[offset:end].decode("utf-8", "replace")

    def _indexed_string(self, unit: Unit, index: int) -> str:
        at = self.str_offsets_base(unit) + index * unit.offset_size
        raw = self.sections.str_offsets[at : at + unit.offset_size]
        if len(raw) < unit.offset_size:
            raise Malformed(f"string {index} of a unit is not in .debug_str_offsets", unit.offset)
        return self.string(int.from_bytes(raw, "little"))

    def indexed_address(self, unit: Unit, index: int) -> int:
        """Return an address of the unit's part of `.debug_addr`."""
        at = self._base(unit, dw.DW_AT_addr_base) + index * 4
        raw = self.sections.addresses[at : at + 4]
        if len(raw) < 4:
            raise Malformed(f"address {index} of a unit is not in .debug_addr", unit.offset)
        return int.from_bytes(raw, "little")

    def str_offsets_base(self, unit: Unit) -> int:
        """Return where the unit's part of `.debug_str_offsets` begins."""
        return self._base(unit, dw.DW_AT_str_offsets_base)

    def _base(self, unit: Unit, attribute: int) -> int:
        if unit.str_offsets_base is None or unit.addr_base is None:
            # Read apart from the rest: the unit's own strings need the very base.
            code, at = read_uleb(self.sections.info, unit.first_die)
            found = {dw.DW_AT_str_offsets_base: 8, dw.DW_AT_addr_base: 8}
            for spec in self._table(unit)[code].specs:
                value, at = self._value(unit, at, spec.form, spec.constant)
                if spec.attribute in found:
                    found[spec.attribute] = value
            unit.str_offsets_base = found[dw.DW_AT_str_offsets_base]
            unit.addr_base = found[dw.DW_AT_addr_base]
        wanted_str = attribute == dw.DW_AT_str_offsets_base
        return unit.str_offsets_base if wanted_str else unit.addr_base

    def _signature(self, signature: int) -> int | None:
        if self._signatures is None:
            self._signatures = {
                u.signature: u.offset + u.type_offset
                for u in self._units
                if u.signature is not None and u.type_offset is not None
            }
        return self._signatures.get(signature)


_BLOCK_WIDTHS = {dw.DW_FORM_block1: 1, dw.DW_FORM_block2: 2, dw.DW_FORM_block4: 4}


def _from_bytes(convert: _Convert | None) -> _Convert:
    """Let a converter take the bytes that `struct` gives for widths it has no code for."""
    if convert is None:
        return lambda unit, value: int.from_bytes(value, "little")
    inner = convert
    return lambda unit, value: inner(unit, int.from_bytes(value, "little"))
