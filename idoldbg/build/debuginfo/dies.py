"""Walks and decodes the entries (DIEs) of `.debug_info`, driven by the abbreviations.

A walk over a unit is one tight loop that skips each entry by its precomputed size and notes only
entries that have names worth looking up, with their scopes. Decoding is done for the few entries
that a question needs. All offsets are in `.debug_info`; every one that comes from the file is
checked, each step moves forward, so that bad input ends in `Malformed`.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from idoldbg.build.debuginfo import constants as dw
from idoldbg.build.debuginfo.attributes import AttributeReader, DebugSections
from idoldbg.build.debuginfo.malformed import Malformed
from idoldbg.build.debuginfo.units import (
    Abbreviation,
    Unit,
    UnitReader,
    read_uleb,
    skip,
)

__all__ = ["TYPE_TAGS", "Die", "DieReader", "UnitIndex", "is_named"]

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
_ADDRESS_FORMS = frozenset(
    {
        dw.DW_FORM_addr,
        dw.DW_FORM_addrx,
        dw.DW_FORM_addrx1,
        dw.DW_FORM_addrx2,
        dw.DW_FORM_addrx3,
        dw.DW_FORM_addrx4,
    }
)
SCOPE_TAGS = frozenset({dw.DW_TAG_namespace, dw.DW_TAG_subprogram})


class Die:
    """One decoded entry; `attributes` maps DW_AT_* to values that are resolved:

    text for string forms, absolute offsets for references, addresses for address forms, numbers
    for constants (as the form gives them: `data1` is unsigned), bytes for blocks.
    """

    __slots__ = (
        "_abbreviation",
        "attributes",
        "children_at",
        "has_children",
        "offset",
        "tag",
        "unit",
    )

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
        self._abbreviation = abbreviation
        self.tag = abbreviation.tag
        self.has_children = abbreviation.has_children
        self.attributes = attributes
        self.children_at = children_at

    def get_int(self, attribute: int) -> int | None:
        """Return a constant, address or reference; None when absent or of another class."""
        value = self.attributes.get(attribute)
        return value if isinstance(value, int) else None

    def get_constant(self, attribute: int, *, signed: bool = False) -> int | None:
        """Return a constant; LLVM writes those of more than 64 bits as blocks of bytes.

        The forms of fixed size do not tell a sign (DWARF 5, 7.5.5): `signed` says that the type of
        the constant has one, so that it is extended from the size of the form. LLVM writes -3 as
        DW_FORM_data1 0xfd, whatever the size of the type.
        """
        value = self.attributes.get(attribute)
        if isinstance(value, bytes) and len(value) <= 16:
            return int.from_bytes(value, "little", signed=signed)
        if not isinstance(value, int):
            return None
        bits = 8 * self._abbreviation.constant_sizes.get(attribute, 0) if signed else 0
        return value - (1 << bits) if bits and value >> (bits - 1) else value

    def get_text(self, attribute: int) -> str | None:
        """Return a string; None when absent or of another class."""
        value = self.attributes.get(attribute)
        return value if isinstance(value, str) else None

    def is_address(self, attribute: int) -> bool:
        """Return whether an attribute is an address, not a constant."""
        return self._abbreviation.form_of(attribute) in _ADDRESS_FORMS

    def is_index(self, attribute: int) -> bool:
        """Return whether an attribute is an index into the unit's range lists, not an offset."""
        return self._abbreviation.form_of(attribute) == dw.DW_FORM_rnglistx

    @property
    def name(self) -> str | None:
        """DW_AT_name."""
        return self.get_text(dw.DW_AT_name)


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
    """Return whether an index holds an entry: a type, scope, or possible static."""
    if abbreviation.tag == dw.DW_TAG_variable:
        # Not locals in registers or on the stack: these have location lists.
        return not any(
            s.attribute == dw.DW_AT_location
            and s.form in (dw.DW_FORM_sec_offset, dw.DW_FORM_loclistx)
            for s in abbreviation.specs
        )
    return abbreviation.tag in TYPE_TAGS or abbreviation.tag in SCOPE_TAGS


class DieReader:
    """Reads the entries of one object."""

    def __init__(self, sections: DebugSections) -> None:
        self.sections = sections
        self.info = sections.info
        self._unit_reader = UnitReader(sections.info, sections.abbreviations)
        self.units = self._unit_reader.read_units()
        self.values = AttributeReader(sections, self.units, self.table)
        self._unit_starts = [u.offset for u in self.units]
        self._tables: dict[tuple[int, int, int], dict[int, Abbreviation]] = {}
        self._walk_tables: dict[int, dict[int, tuple[int, bool, bool, tuple[int, ...]]]] = {}
        self._nested_budget = 64 * len(sections.info) + (1 << 20)
        self._indices: dict[int, UnitIndex] = {}

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
                table = self._tables[key] = self._unit_reader.read_abbreviations(unit)
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
            decode = abbreviation.decode = self.values.compile(abbreviation, unit)
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

    def iter_tree(
        self, unit: Unit, tags: frozenset[int], top: Die | None = None
    ) -> Iterator[tuple[int, Die]]:
        """Decode the entries of a unit that have one of these tags, each with its depth.

        In order of the file: what is inside of an entry follows it, and is deeper. `top` limits
        them to what is inside of one entry.
        """
        table, info = self.table(unit), self.info
        at, depth = unit.first_die, 0
        if top is not None:
            if not top.has_children:
                return
            at = top.children_at
        try:
            while at < unit.end:
                code, after = read_uleb(info, at)
                if not code:
                    if top is not None and not depth:
                        return
                    depth -= 1
                    at = after
                    continue
                abbreviation = table[code]
                if abbreviation.tag in tags:
                    die = self._decode(at, unit, abbreviation, after)
                    yield depth, die
                    at = die.children_at
                elif abbreviation.size >= 0:
                    at = after + abbreviation.size
                else:
                    at = skip(info, after, abbreviation.steps, unit)
                depth += abbreviation.has_children
        except (IndexError, KeyError, struct.error) as e:
            raise Malformed("a unit's entries make no sense", unit.offset) from e

    def scope_of(self, offset: int) -> int:
        """Return the named entry around another one, 0 for the unit itself."""
        unit = self.unit_at(offset)
        scope = self.index(unit).scopes.get(offset)
        if scope is None:
            raise Malformed("a reference to what is not an entry", offset)
        return scope
