"""Finds entries by name without reading all of them.

Names lie in `.debug_str`, and entries hold offsets into it. So a name is searched as text in
`.debug_str`, then its offset as four bytes in `.debug_info`: each hit lies in an entry that has
this name, or is some other number that looks the same, which decoding the entry tells. Only the
units with hits are walked. Whoever looks for many names, as the audit does, has the names of all
entries read once, by the offsets of their strings. Units of DWARF 5 that number their strings
(`DW_FORM_strx`) have no such bytes to search; there the names of whole units are read, once, if the
unit has the string at all.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from idoldbg.build.debuginfo import constants as dw
from idoldbg.build.debuginfo.attributes import MAX_NAME
from idoldbg.build.debuginfo.dies import DieReader
from idoldbg.build.debuginfo.malformed import Malformed
from idoldbg.build.debuginfo.units import (
    Abbreviation,
    Unit,
    fixed_size,
    read_uleb,
    skip,
    skipping_steps,
)

__all__ = ["NameSearch"]

_STRX_FORMS = frozenset(
    {dw.DW_FORM_strx, dw.DW_FORM_strx1, dw.DW_FORM_strx2, dw.DW_FORM_strx3, dw.DW_FORM_strx4}
)
_NAMES = frozenset({dw.DW_AT_name, dw.DW_AT_linkage_name})
_MANY = 64  # strings that end in a name: beyond that, decoding all names is faster
MANY_SCANS = 24  # of .debug_info: they take as long as reading the names of all entries


class _Shape(NamedTuple):
    """Position of the name in entries of one kind: form, and bytes after the code.

    With `is_varying`, some name comes after an attribute of varying size: decoding tells where.
    `paths` are the steps to each name that is an offset of a string.
    """

    places: tuple[tuple[int, int], ...]
    is_varying: bool
    paths: tuple[tuple[int, ...], ...]


class NameSearch:
    """Finds the entries of one object that have a given DW_AT_name or linkage name.

    After `scans` of all entries for a name, the names of all are read.
    """

    def __init__(self, reader: DieReader, scans: int = MANY_SCANS) -> None:
        self._reader = reader
        self._scans_left: float = scans
        self._by_offset: dict[int, list[int]] | None = None
        self._unit_names: dict[int, dict[str, list[int]]] = {}
        self._shapes: dict[int, dict[int, _Shape | None]] = {}
        self._found: dict[str, tuple[int, ...]] = {}

    def find(self, name: str) -> tuple[int, ...]:
        """Return the offsets of all named entries (types, variables, subprograms) called so."""
        found = self._found.get(name)
        if found is None:
            offsets = set(self._by_bytes(name))
            offsets.update(self._by_unit(name))
            found = self._found[name] = tuple(sorted(offsets))
        return found

    def find_names(self, prefix: str) -> tuple[str, ...]:
        """Return names that begin so, with as many closing brackets as opening ones.

        They may belong to any kind of entry, or to none: some linkers keep a string that ends
        another only as that end (`Option<u8>` in `&core::option::Option<u8>`), so every end counts.
        """
        names: dict[str, None] = {}
        text = self._reader.sections.strings
        raw = prefix.encode("utf-8", "surrogatepass")
        left = 16 * len(text)  # made-up strings could begin so at every byte
        at = text.find(raw)
        while at >= 0 and left >= 0:
            end = text.find(b"\0", at, at + MAX_NAME)
            left -= max(end - at, 1)
            if end > 0 and _is_balanced(text[at:end]):
                names[text[at:end].decode("utf-8", "replace")] = None
            at = text.find(raw, at + 1)
        for unit in self._inline:
            for name in self.unit_names(unit):
                if name.startswith(prefix):
                    names[name] = None
        return tuple(names)

    def unit_names(self, unit: Unit) -> dict[str, list[int]]:
        """Read the names of a whole unit: each with the offsets of its entries."""
        names = self._unit_names.get(unit.offset)
        if names is None:
            names = self._unit_names[unit.offset] = {}
            for offset in self._reader.index(unit).offsets:
                die = self._reader.die(offset, unit)
                for name in {die.name, die.get_text(dw.DW_AT_linkage_name)}:
                    if isinstance(name, str):
                        names.setdefault(name, []).append(offset)
        return names

    # ---- by the bytes of the string's offset ----------------------------------------------------

    def _by_bytes(self, name: str) -> Iterator[int]:
        raw = name.encode("utf-8", "surrogatepass")
        offsets = self._string_offsets(raw)
        self._scans_left -= len(offsets)
        if self._scans_left < 0 and self._by_offset is None:
            try:
                self._by_offset = self._read_offsets()
            except Malformed:  # a unit that nobody may need: scans keep away from it
                self._scans_left = float("inf")
        if self._by_offset is not None:
            for at in offsets:
                yield from self._by_offset.get(at, ())
        elif len(offsets) > _MANY:
            for unit in self._reader.units:
                yield from self.unit_names(unit).get(name, ())
            return
        else:
            for at in offsets:
                yield from self._entries_with(struct.pack("<I", at), dw.DW_FORM_strp, name)
        if self._inline:  # assemblers may put short names into the entry itself
            yield from self._entries_with(raw + b"\0", dw.DW_FORM_string, name)

    def _read_offsets(self) -> dict[int, list[int]]:
        """Read all names that are offsets of strings: each offset with its entries."""
        info = self._reader.info
        found: dict[int, list[int]] = {}
        for unit in self._reader.units:
            unpack = struct.Struct("<I" if unit.offset_size == 4 else "<Q").unpack_from
            paths: dict[int, tuple[tuple[int, ...], ...]] = {}
            for entry in self._reader.index(unit).offsets:
                code, body = info[entry], entry + 1
                if code > 127:
                    code, body = read_uleb(info, entry)
                if code not in paths:
                    shape = self._name_shape(unit, code)
                    paths[code] = () if shape is None else shape.paths
                for path in paths[code]:
                    if len(path) == 1 and path[0] > 0:
                        at = body + path[0]
                    else:
                        at = skip(info, body, path, unit) if path else body
                    if at + unit.offset_size > unit.end:
                        raise Malformed("a name reaches beyond its unit", entry)
                    (offset,) = unpack(info, at)
                    if offset in found:
                        found[offset].append(entry)
                    else:
                        found[offset] = [entry]
        return found

    def _entries_with(self, pattern: bytes, form: int, name: str) -> Iterator[int]:
        """Find the entries that have these bytes where their name is, in that form.

        A low offset looks like many other numbers. A hit that is not a name moves the search on to
        the next entry that could have one.
        """
        info = self._reader.info
        at = info.find(pattern)
        while at >= 0:
            try:
                unit = self._reader.unit_at(at)
            except Malformed:  # inside a unit's header
                at = info.find(pattern, at + 1)
                continue
            entry, following = self._reader.index(unit).find_around(at)
            after = following or unit.end
            if entry is not None:
                code, body = read_uleb(info, entry)
                shape = self._name_shape(unit, code)
                if shape is None:
                    pass
                elif shape.is_varying:
                    if name in self._names_of(entry, unit):
                        yield entry
                elif (form, at - body) in shape.places:
                    yield entry
                elif at - body < shape.places[-1][1]:
                    after = at + 1
            at = info.find(pattern, max(after, at + 1))

    def _names_of(self, entry: int, unit: Unit) -> tuple[object, object]:
        attributes = self._reader.die(entry, unit).attributes
        return attributes.get(dw.DW_AT_name), attributes.get(dw.DW_AT_linkage_name)

    def _string_offsets(self, raw: bytes) -> list[int]:
        strings = self._reader.sections.strings
        text = raw + b"\0"
        whole: list[int] = []
        tails: list[int] = []
        at = strings.find(text)
        while at >= 0:
            if at == 0 or strings[at - 1] == 0:
                whole.append(at)
            else:
                tails.append(at)
            at = strings.find(text, at + 1)
        # A linker that merges tails keeps no second copy of a string that ends another.
        return whole or tails

    def _name_shape(self, unit: Unit, code: int) -> _Shape | None:
        table = self._reader.table(unit)
        shapes = self._shapes.setdefault(id(table), {})
        if code not in shapes:
            shapes[code] = _name_shape(table[code], unit)
        return shapes[code]

    # ---- by numbered strings --------------------------------------------------------------------

    @cached_property
    def _numbered(self) -> list[Unit]:
        """The units whose strings are numbered."""
        return [
            u
            for u in self._reader.units
            if u.version >= 5
            and any(s.form in _STRX_FORMS for a in self._reader.table(u).values() for s in a.specs)
        ]

    @cached_property
    def _inline(self) -> list[Unit]:
        """The units that may have names in the entries themselves."""
        return [
            u
            for u in self._reader.units
            if any(a.has_inline_name for a in self._reader.table(u).values())
        ]

    def _by_unit(self, name: str) -> Iterator[int]:
        if not self._numbered:
            return
        offsets = self._string_offsets(name.encode("utf-8", "surrogatepass"))
        wanted = {struct.pack("<I", at) for at in offsets}
        for unit in self._numbered:
            if self._may_have(unit, wanted):
                yield from self.unit_names(unit).get(name, ())

    def _may_have(self, unit: Unit, wanted: set[bytes]) -> bool:
        """Return whether one of the string offsets is in the unit's part of .debug_str_offsets."""
        if unit.offset_size != 4:
            return True
        table, base = self._reader.sections.str_offsets, self._reader.values.str_offsets_base(unit)
        if base < 8 or base > len(table):
            return True
        (size,) = struct.unpack_from("<I", table, base - 8)
        end = min(base - 4 + size, len(table))
        for raw in wanted:
            at = table.find(raw, base, end)
            while at >= 0:
                if (at - base) % 4 == 0:
                    return True
                at = table.find(raw, at + 1, end)
        return False


def _name_shape(abbreviation: Abbreviation, unit: Unit) -> _Shape | None:
    places: list[tuple[int, int]] = []
    distance: int | None = 0
    is_varying = False
    paths = []
    for index, spec in enumerate(abbreviation.specs):
        if spec.attribute in _NAMES:
            if spec.form == dw.DW_FORM_strp:
                before = abbreviation.specs[:index]
                paths.append(skipping_steps(before, unit.version, unit.offset_size))
            if distance is None:
                is_varying = True
            elif spec.form in (dw.DW_FORM_strp, dw.DW_FORM_string):
                places.append((spec.form, distance))
        width = fixed_size(spec.form, unit.version, unit.offset_size)
        distance = None if width is None or distance is None else distance + width
    return _Shape(tuple(places), is_varying, tuple(paths)) if places or is_varying else None


def _is_balanced(text: bytes) -> bool:
    """Return whether brackets open and close in turn; the `>` of `->` is not one."""
    depth = 0
    last = 0
    for char in text:
        if char in b"<([{":
            depth += 1
        elif char in b">)]}" and not (char == 0x3E and last == 0x2D):
            depth -= 1
            if depth < 0:
                return False
        last = char
    return depth == 0
