"""Code that an entry is about: one range, or a list (DWARF 5, 2.17 and 7.25; DWARF 4, 2.17.3)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TypeAlias

from idoldbg.build.debuginfo import constants as dw
from idoldbg.build.debuginfo.dies import Die, DieReader
from idoldbg.build.debuginfo.line_table import is_dead
from idoldbg.build.debuginfo.malformed import Malformed
from idoldbg.build.debuginfo.units import Unit, read_uleb

__all__ = ["Pieces", "RangeReader"]

Pieces: TypeAlias = tuple[tuple[int, int], ...]
"""Start and end of each piece of code."""

_LISTS_HEADER = 12  # bytes of a header of `.debug_rnglists`
_BASE_SELECTION = 0xFFFFFFFF


class RangeReader:
    """Reads the ranges of one object's entries, from `.debug_ranges` or `.debug_rnglists`."""

    def __init__(self, reader: DieReader, ranges: bytes, range_lists: bytes) -> None:
        self._reader = reader
        self._ranges = ranges
        self._lists = range_lists
        self._known: dict[tuple[int, int], Pieces] = {}
        self._budget = len(ranges) + len(range_lists) + 4096  # entries, all lists together

    def of(self, die: Die) -> Pieces:
        """Return start and end of each piece of an entry's code that is in the image."""
        at = die.get_int(dw.DW_AT_ranges)
        if at is not None:
            key = (die.unit.offset, at)
            found = self._known.get(key)
            if found is None:
                try:
                    pieces = tuple(self._list(die, at))
                except (IndexError, struct.error) as error:
                    raise Malformed("a list of ranges is cut short", die.offset) from error
                found = self._known[key] = tuple(p for p in pieces if not _is_void(p))
            return found
        start, end = die.get_int(dw.DW_AT_low_pc), die.get_int(dw.DW_AT_high_pc)
        if start is None or end is None:
            return ()
        piece = (start, end if die.is_address(dw.DW_AT_high_pc) else start + end)
        return () if _is_void(piece) else (piece,)

    def _list(self, die: Die, at: int) -> Iterator[tuple[int, int]]:
        root = self._reader.die(die.unit.first_die, die.unit)
        base = root.get_int(dw.DW_AT_low_pc) or 0
        if die.unit.version < 5:
            return self._old_list(at, base)
        if die.is_index(dw.DW_AT_ranges):
            table = root.get_int(dw.DW_AT_rnglists_base) or _LISTS_HEADER
            width = die.unit.offset_size
            entry = table + at * width
            at = table + int.from_bytes(self._lists[entry : entry + width], "little")
        return self._new_list(die.unit, at, base)

    def _spend(self) -> None:
        self._budget -= 1
        if self._budget < 0:
            raise Malformed("the lists of ranges overlap")

    def _old_list(self, at: int, base: int) -> Iterator[tuple[int, int]]:
        while True:
            self._spend()
            start, end = struct.unpack_from("<II", self._ranges, at)
            at += 8
            if start == _BASE_SELECTION:
                base = end
            elif start or end:
                yield base + start, base + end
            else:
                return

    def _new_list(self, unit: Unit, at: int, base: int) -> Iterator[tuple[int, int]]:
        data = self._lists
        indexed = self._reader.values.indexed_address
        while True:
            self._spend()
            kind, at = data[at], at + 1
            if kind == dw.DW_RLE_end_of_list:
                return
            if kind in (dw.DW_RLE_base_address, dw.DW_RLE_start_end, dw.DW_RLE_start_length):
                (first,) = struct.unpack_from("<I", data, at)
                at += 4
            else:
                first, at = read_uleb(data, at)
            if kind == dw.DW_RLE_base_address:
                base = first
            elif kind == dw.DW_RLE_base_addressx:
                base = indexed(unit, first)
            elif kind == dw.DW_RLE_start_end:
                (end,) = struct.unpack_from("<I", data, at)
                at += 4
                yield first, end
            elif kind in (dw.DW_RLE_startx_endx, dw.DW_RLE_startx_length):
                start = indexed(unit, first)
                last, at = read_uleb(data, at)
                yield start, indexed(unit, last) if kind == dw.DW_RLE_startx_endx else start + last
            elif kind in (dw.DW_RLE_offset_pair, dw.DW_RLE_start_length):
                last, at = read_uleb(data, at)
                is_pair = kind == dw.DW_RLE_offset_pair
                yield (base + first, base + last) if is_pair else (first, first + last)
            else:
                raise Malformed(f"unknown kind of range 0x{kind:x}")


def _is_void(piece: tuple[int, int]) -> bool:
    return is_dead(piece[0]) or piece[0] >= piece[1]
