"""Finds entries by name without reading all of them.

Names lie in `.debug_str`, and entries hold offsets into it. So a name is searched as text in
`.debug_str`, then its offset as four bytes in `.debug_info`: each hit lies in an entry that has
this name, or is some other number that looks the same, which decoding the entry tells. Only the
units with hits are walked. Units of DWARF 5 that number their strings (`DW_FORM_strx`) have no
such bytes to search; there the names of whole units are read, once, if the unit has the string at
all.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from idoldbg.debuginfo import constants as dw
from idoldbg.debuginfo.dies import DieReader
from idoldbg.debuginfo.units import Malformed, Unit, fixed_size

__all__ = ["NameSearch"]

_STRX_FORMS = frozenset(
    {dw.DW_FORM_strx, dw.DW_FORM_strx1, dw.DW_FORM_strx2, dw.DW_FORM_strx3, dw.DW_FORM_strx4}
)
_MAX_TAILS = 64  # strings that merely end in the name


class NameSearch:
    """Finds the entries of one object that have a given DW_AT_name or linkage name."""

    def __init__(self, reader: DieReader) -> None:
        self._reader = reader
        self._unit_names: dict[int, dict[str, list[int]]] = {}
        self._prefixes: dict[int, frozenset[bytes] | None] = {}
        self._numbered = [u for u in reader.units if u.version >= 5]
        self._found: dict[str, tuple[int, ...]] = {}

    def find(self, name: str) -> tuple[int, ...]:
        """Return the offsets of all named entries (types, variables, subprograms) called so."""
        found = self._found.get(name)
        if found is None:
            offsets = set(self._by_bytes(name))
            offsets.update(self._by_unit(name))
            found = self._found[name] = tuple(sorted(offsets))
        return found

    def find_names(self, pattern: re.Pattern[str]) -> tuple[str, ...]:
        """Return the names that a pattern matches whole; they may belong to any kind of entry.

        The pattern must begin with plain text that is not optional: it is searched as bytes.
        """
        names: dict[str, None] = {}
        text = self._strings_text()
        for match in (
            re.finditer(r"[^\0]+", text) if not pattern.pattern else pattern.finditer(text)
        ):
            start, end = match.span()
            if (start == 0 or text[start - 1] == "\0") and text[end : end + 1] == "\0":
                names[match[0]] = None
        for unit in self._inline_units():
            for name in self.unit_names(unit):
                if pattern.fullmatch(name):
                    names[name] = None
        return tuple(names)

    def _strings_text(self) -> str:
        # Latin-1 keeps offsets; Rust's names are ASCII but for identifiers in other scripts.
        return self._reader.strings.decode("latin-1")

    def unit_names(self, unit: Unit) -> dict[str, list[int]]:
        """Read the names of a whole unit: each with the offsets of its entries."""
        names = self._unit_names.get(unit.offset)
        if names is None:
            names = self._unit_names[unit.offset] = {}
            for offset in self._reader.index(unit).offsets:
                die = self._reader.die(offset, unit)
                for name in {die.name, die.attributes.get(dw.DW_AT_linkage_name)}:
                    if isinstance(name, str):
                        names.setdefault(name, []).append(offset)
        return names

    # ---- by the bytes of the string's offset ----------------------------------------------------

    def _by_bytes(self, name: str) -> Iterator[int]:
        info = self._reader.info
        raw = name.encode("utf-8")
        patterns = [struct.pack("<I", at) for at in self._string_offsets(raw)]
        # Assemblers may put short names into the entry itself.
        patterns.append(raw + b"\0")
        for pattern in patterns:
            at = info.find(pattern)
            while at >= 0:
                offset = self._entry_at(at, name)
                if offset is not None:
                    yield offset
                at = info.find(pattern, at + 1)

    def _string_offsets(self, raw: bytes) -> list[int]:
        strings = self._reader.strings
        text = raw + b"\0"
        whole: list[int] = []
        tails: list[int] = []
        at = strings.find(text)
        while at >= 0:
            if at == 0 or strings[at - 1] == 0:
                whole.append(at)
            elif len(tails) < _MAX_TAILS:
                tails.append(at)
            at = strings.find(text, at + 1)
        # A linker that merges tails keeps no second copy of a string that ends another.
        return whole or tails

    def _entry_at(self, position: int, name: str) -> int | None:
        """Return the named entry whose attributes hold this position, if it is called so."""
        try:
            unit = self._reader.unit_at(position)
        except Malformed:
            return None  # inside a unit's header
        if unit.version >= 5 and self._is_numbered(unit):
            return None
        prefixes = self._name_prefixes(unit)
        info = self._reader.info
        if prefixes is not None and not any(
            info.startswith(p[1:], position - p[0] - len(p) + 1) for p in prefixes
        ):
            return None
        offset = self._reader.index(unit).find_before(position)
        if offset is None:
            return None
        attributes = self._reader.die(offset, unit).attributes
        named = (attributes.get(dw.DW_AT_name), attributes.get(dw.DW_AT_linkage_name))
        return offset if name in named else None

    def _name_prefixes(self, unit: Unit) -> frozenset[bytes] | None:
        """What can stand before a name in the unit's entries, so that chance hits cost nothing.

        Each is the distance from code to name (one byte) and the bytes of the code; None when some
        name stands at no fixed distance.
        """
        table = self._reader.table(unit)
        if id(table) not in self._prefixes:
            self._prefixes[id(table)] = _prefixes(self._reader, unit)
        return self._prefixes[id(table)]

    # ---- by numbered strings --------------------------------------------------------------------

    def _is_numbered(self, unit: Unit) -> bool:
        return any(
            s.form in _STRX_FORMS for a in self._reader.table(unit).values() for s in a.specs
        )

    def _inline_units(self) -> list[Unit]:
        return [
            u
            for u in self._reader.units
            if any(
                s.form == dw.DW_FORM_string and s.attribute == dw.DW_AT_name
                for a in self._reader.table(u).values()
                for s in a.specs
            )
        ]

    def _by_unit(self, name: str) -> Iterator[int]:
        if not self._numbered:
            return
        wanted = {struct.pack("<I", at) for at in self._string_offsets(name.encode("utf-8"))}
        for unit in self._numbered:
            if not self._is_numbered(unit):
                continue
            if self._may_have(unit, wanted):
                yield from self.unit_names(unit).get(name, ())

    def _may_have(self, unit: Unit, wanted: set[bytes]) -> bool:
        """Tell whether one of the string offsets is in the unit's part of .debug_str_offsets."""
        if unit.offset_size != 4:
            return True
        table, base = self._reader.str_offsets, self._reader.str_offsets_base(unit)
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


def _prefixes(reader: DieReader, unit: Unit) -> frozenset[bytes] | None:
    prefixes: set[bytes] = set()
    for abbreviation in reader.table(unit).values():
        distance: int | None = 0
        for spec in abbreviation.specs:
            named = spec.attribute in (dw.DW_AT_name, dw.DW_AT_linkage_name)
            if named and spec.form == dw.DW_FORM_strp:
                if distance is None or distance > 255:
                    return None
                prefixes.add(bytes([distance]) + _encode(abbreviation.code))
            elif named and spec.form == dw.DW_FORM_string:
                return None
            width = fixed_size(spec.form, unit.version, unit.offset_size)
            distance = None if width is None or distance is None else distance + width
    return frozenset(prefixes)


def _encode(code: int) -> bytes:
    out = bytearray()
    while code > 127:
        out.append(code & 127 | 128)
        code >>= 7
    return bytes([*out, code])
