"""Walks and decodes the entries (DIEs) of `.debug_info`, driven by the abbreviations.

A walk over a unit is one tight loop that skips each entry by its precomputed size and notes only
entries that have names worth looking up, with their scopes. Decoding is done for the few entries
that a question needs. All offsets are in `.debug_info`; every one that comes from the file is
checked, each step moves forward, so that bad input ends in `Malformed`.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from idoldbg.debuginfo import constants as dw
from idoldbg.debuginfo.units import (
    Abbreviation,
    AttributeSpec,
    Decode,
    Malformed,
    Unit,
    fixed_size,
    parse_abbreviations,
    read_sleb,
    read_uleb,
    read_units,
    skip,
)

__all__ = ["MAX_NAME", "TYPE_TAGS", "Die", "DieReader", "UnitIndex", "is_named"]

TYPE_TAGS = frozenset(
    {
        dw.DW_TAG_array_type,
        dw.DW_TAG_class_type,
        dw.DW_TAG_enumeration_type,
        dw.DW_TAG_pointer_type,
        dw.DW_TAG_reference_type,
        dw.DW_TAG_structure_type,
        dw.DW_TAG_subroutine_type,
        dw.DW_TAG_typedef,
        dw.DW_TAG_union_type,
        dw.DW_TAG_ptr_to_member_type,
        dw.DW_TAG_base_type,
        dw.DW_TAG_const_type,
        dw.DW_TAG_volatile_type,
        dw.DW_TAG_restrict_type,
        dw.DW_TAG_unspecified_type,
        dw.DW_TAG_rvalue_reference_type,
        dw.DW_TAG_atomic_type,
    }
)
SCOPE_TAGS = frozenset({dw.DW_TAG_namespace, dw.DW_TAG_subprogram})

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
        dw.DW_AT_linkage_name,
        dw.DW_AT_MIPS_linkage_name,
        dw.DW_AT_str_offsets_base,
        dw.DW_AT_addr_base,
    }
)

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


class Die:
    """One decoded entry; `attributes` maps DW_AT_* to values that are resolved:

    text for string forms, absolute offsets for references, addresses for address forms, numbers
    for constants (as the form gives them: `data1` is unsigned), bytes for blocks.
    """

    __slots__ = ("attributes", "children_at", "has_children", "offset", "tag", "unit")

    def __init__(
        self,
        offset: int,
        unit: Unit,
        abbreviation: Abbreviation,
        attributes: dict[int, Any],
        children_at: int,
    ) -> None:
        self.offset = offset
        self.unit = unit
        self.tag = abbreviation.tag
        self.has_children = abbreviation.has_children
        self.attributes = attributes
        self.children_at = children_at

    def get_int(self, attribute: int) -> int | None:
        """Return a constant, address or reference; None when absent or of another class."""
        value = self.attributes.get(attribute)
        return value if isinstance(value, int) else None

    def get_constant(self, attribute: int) -> int | None:
        """Return a constant; LLVM writes those of more than 64 bits as blocks of bytes."""
        value = self.attributes.get(attribute)
        if isinstance(value, bytes) and len(value) <= 16:
            return int.from_bytes(value, "little")
        return value if isinstance(value, int) else None

    @property
    def name(self) -> str | None:
        """DW_AT_name."""
        value = self.attributes.get(dw.DW_AT_name)
        return value if isinstance(value, str) else None


class UnitIndex:
    """The named entries of a unit: `scopes` maps each to the entry around it (0: the unit)."""

    __slots__ = ("offsets", "scopes")

    def __init__(self, scopes: dict[int, int]) -> None:
        self.scopes = scopes
        self.offsets = list(scopes)

    def find_around(self, position: int) -> tuple[int | None, int | None]:
        """Find the last named entry that starts at or before a position, and the one after it."""
        index = bisect_right(self.offsets, position)
        before = self.offsets[index - 1] if index else None
        return before, self.offsets[index] if index < len(self.offsets) else None


def is_named(abbreviation: Abbreviation) -> bool:
    """Tell which entries an index holds: types, scopes, and variables that may be statics."""
    if abbreviation.tag == dw.DW_TAG_variable:
        # Not locals in registers or on the stack: these have location lists.
        return not any(
            s.attribute == dw.DW_AT_location
            and s.form in (dw.DW_FORM_sec_offset, dw.DW_FORM_loclistx)
            for s in abbreviation.specs
        )
    return abbreviation.tag in TYPE_TAGS or abbreviation.tag in SCOPE_TAGS


class DieReader:
    """Reads the entries of one object, given its debug sections (absent ones are empty)."""

    def __init__(
        self,
        info: bytes,
        abbreviations: bytes,
        strings: bytes,
        line_strings: bytes = b"",
        str_offsets: bytes = b"",
        addresses: bytes = b"",
    ) -> None:
        self.info = info
        self.strings = strings
        self._abbreviations = abbreviations
        self._line_strings = line_strings
        self.str_offsets = str_offsets
        self._addresses = addresses
        self.units = read_units(info)
        self._unit_starts = [u.offset for u in self.units]
        self._tables: dict[tuple[int, int, int], dict[int, Abbreviation]] = {}
        self._walk_tables: dict[int, dict[int, tuple[int, bool, bool, tuple[int, ...]]]] = {}
        self._nested_budget = 64 * len(info) + (1 << 20)
        self._abbreviation_budget = 16 * len(abbreviations) + 4096
        self._string_budget = MAX_STRINGS
        self._indices: dict[int, UnitIndex] = {}
        self._string_memo: dict[int, str] = {}
        self._signatures: dict[int, int] | None = None

    # ---- units and tables -----------------------------------------------------------------------

    def unit_at(self, offset: int) -> Unit:
        """Return the unit that holds an offset."""
        index = bisect_right(self._unit_starts, offset) - 1
        unit = self.units[index] if index >= 0 else None
        if unit is None or not unit.first_die <= offset < unit.end:
            raise Malformed("a reference to outside of every unit", offset)
        return unit

    def table(self, unit: Unit) -> dict[int, Abbreviation]:
        """Return the unit's abbreviations by code."""
        if unit.table is None:
            key = (unit.abbreviations_at, unit.version, unit.offset_size)
            table = self._tables.get(key)
            if table is None:
                table, size = parse_abbreviations(self._abbreviations, *key)
                self._abbreviation_budget -= size
                if self._abbreviation_budget < 0:
                    raise Malformed("the units' abbreviation tables overlap", unit.offset)
                self._tables[key] = table
            unit.table = table
        return unit.table

    def index(self, unit: Unit) -> UnitIndex:
        """Walk a unit once and return its named entries."""
        index = self._indices.get(unit.offset)
        if index is None:
            try:
                index = UnitIndex(self._walk(unit))
            except (IndexError, KeyError) as e:
                raise Malformed("a unit's entries make no sense", unit.offset) from e
            self._indices[unit.offset] = index
        return index

    def _walk(self, unit: Unit) -> dict[int, int]:
        table = self.table(unit)
        walk = self._walk_tables.get(id(table))
        if walk is None:
            walk = self._walk_tables[id(table)] = {
                code: (a.size, a.has_children, is_named(a), a.steps) for code, a in table.items()
            }
        info, at, end = self.info, unit.first_die, unit.end
        scopes: dict[int, int] = {}
        scope = 0
        stack: list[int] = []
        while at < end:
            code = info[at]
            if not code:
                at += 1
                if stack:
                    scope = stack.pop()
                continue
            if code < 128:
                after = at + 1
            else:
                code, after = read_uleb(info, at)
            size, has_children, kept, steps = walk[code]
            if kept:
                scopes[at] = scope
                if has_children:
                    stack.append(scope)
                    scope = at
            elif has_children:
                stack.append(scope)
            at = after + size if size >= 0 else skip(info, after, steps, unit)
        if at > end:
            raise Malformed("the last entry of a unit reaches beyond it", unit.offset)
        return scopes

    # ---- entries --------------------------------------------------------------------------------

    def die(self, offset: int, unit: Unit | None = None) -> Die:
        """Decode the entry at an offset."""
        if unit is None:
            unit = self.unit_at(offset)
        try:
            code, after = read_uleb(self.info, offset)
            abbreviation = self.table(unit)[code]
            return self._decode(offset, unit, abbreviation, after)
        except (IndexError, KeyError, struct.error) as e:
            raise Malformed("no entry is here", offset) from e

    def _decode(self, offset: int, unit: Unit, abbreviation: Abbreviation, after: int) -> Die:
        decode = abbreviation.decode
        if decode is None:
            decode = abbreviation.decode = self._compile(abbreviation, unit)
        attributes, end = decode(unit, after)
        if end > unit.end:
            raise Malformed("an entry reaches beyond its unit", offset)
        return Die(offset, unit, abbreviation, attributes, end)

    def tag_at(self, offset: int, unit: Unit) -> int:
        """Return the tag of the entry at an offset, without decoding it."""
        try:
            return self.table(unit)[read_uleb(self.info, offset)[0]].tag
        except (IndexError, KeyError) as e:
            raise Malformed("no entry is here", offset) from e

    def iter_children(self, die: Die) -> Iterator[Die]:
        """Decode the direct children, one after another."""
        if not die.has_children:
            return
        unit, info = die.unit, self.info
        table = self.table(unit)
        at, depth = die.children_at, 0
        try:
            while at < unit.end:
                code, after = read_uleb(info, at)
                if not code:
                    if not depth:
                        return
                    depth -= 1
                    at = after
                    continue
                abbreviation = table[code]
                if not depth:
                    child = self._decode(at, unit, abbreviation, after)
                    yield child
                    at = child.children_at
                else:
                    self._nested_budget -= 1
                    if self._nested_budget < 0:
                        raise Malformed("entries are nested deeper than in any build", at)
                    if abbreviation.size >= 0:
                        at = after + abbreviation.size
                    else:
                        at = skip(info, after, abbreviation.steps, unit)
                depth += abbreviation.has_children
        except (IndexError, KeyError, struct.error) as e:
            raise Malformed("an entry's children make no sense", die.offset) from e
        raise Malformed("an entry's children have no end", die.offset)

    def scope_of(self, offset: int) -> int:
        """Return the named entry around another one, 0 for the unit itself."""
        unit = self.unit_at(offset)
        scope = self.index(unit).scopes.get(offset)
        if scope is None:
            raise Malformed("a reference to what is not an entry", offset)
        return scope

    # ---- attribute values -----------------------------------------------------------------------

    def _compile(self, abbreviation: Abbreviation, unit: Unit) -> Decode:
        """Make the function that decodes entries of one kind, for units of this format."""
        info = self.info
        steps, constants = self._steps(abbreviation, unit)

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
                if attribute in _WANTED:
                    attributes[attribute] = value if convert is None else convert(unit, value)
            if constants:
                attributes.update(constants)
            return attributes, at

        return decode

    def _steps(
        self, abbreviation: Abbreviation, unit: Unit
    ) -> tuple[list[_FixedRun | tuple[int, int, _Convert | None]], dict[int, Any]]:
        """Split the attributes into runs of fixed forms, single others, and constants."""
        steps: list[_FixedRun | tuple[int, int, _Convert | None]] = []
        constants: dict[int, Any] = {}
        run: list[tuple[AttributeSpec, int]] = []
        for spec in abbreviation.specs:
            width = fixed_size(spec.form, unit.version, unit.offset_size)
            if spec.form in (dw.DW_FORM_flag_present, dw.DW_FORM_implicit_const):
                if spec.attribute in _WANTED:
                    present = spec.form == dw.DW_FORM_flag_present
                    constants[spec.attribute] = 1 if present else spec.constant
            elif width is not None:
                run.append((spec, width))
            else:
                if run:
                    steps.append(self._fixed_run(run))
                    run = []
                steps.append((spec.attribute, spec.form, self._converter(spec.form)))
        if run:
            steps.append(self._fixed_run(run))
        return steps, constants

    def _fixed_run(self, run: list[tuple[AttributeSpec, int]]) -> _FixedRun:
        code = "<"
        attributes: list[int] = []
        converts: list[_Convert | None] = []
        for spec, width in run:
            if spec.attribute not in _WANTED:
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
            return lambda unit, value: self._text(self._line_strings, value)
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
        info = self.info
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
            size, at = int.from_bytes(self.info[at : at + width], "little"), at + width
        else:
            size, at = read_uleb(self.info, at)
            if form not in (dw.DW_FORM_exprloc, dw.DW_FORM_block):
                return size, at  # one of the LEB128 forms
        if at + size > unit.end:
            raise Malformed("a block reaches beyond its unit", at)
        return self.info[at : at + size], at + size

    def string(self, offset: int) -> str:
        """Return the text at an offset of `.debug_str`."""
        text = self._string_memo.get(offset)
        if text is None:
            text = self._string_memo[offset] = self._text(self.strings, offset)
        return text

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
        raw = self.str_offsets[at : at + unit.offset_size]
        if len(raw) < unit.offset_size:
            raise Malformed(f"string {index} of a unit is not in .debug_str_offsets", unit.offset)
        return self.string(int.from_bytes(raw, "little"))

    def indexed_address(self, unit: Unit, index: int) -> int:
        """Return an address of the unit's part of `.debug_addr`."""
        at = self._base(unit, dw.DW_AT_addr_base) + index * 4
        raw = self._addresses[at : at + 4]
        if len(raw) < 4:
            raise Malformed(f"address {index} of a unit is not in .debug_addr", unit.offset)
        return int.from_bytes(raw, "little")

    def str_offsets_base(self, unit: Unit) -> int:
        """Return where the unit's part of `.debug_str_offsets` begins."""
        return self._base(unit, dw.DW_AT_str_offsets_base)

    def _base(self, unit: Unit, attribute: int) -> int:
        if unit.str_offsets_base is None or unit.addr_base is None:
            # Read apart from the rest: the unit's own strings need the very base.
            code, at = read_uleb(self.info, unit.first_die)
            found = {dw.DW_AT_str_offsets_base: 8, dw.DW_AT_addr_base: 8}
            for spec in self.table(unit)[code].specs:
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
                for u in self.units
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
