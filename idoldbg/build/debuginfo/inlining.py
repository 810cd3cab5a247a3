"""Inlined functions (DWARF 5, 3.3.8) and call sites (3.4)."""

from __future__ import annotations

from collections.abc import Collection

from idoldbg.build.debuginfo import constants as dw
from idoldbg.build.debuginfo.dies import Die, DieReader

__all__ = ["find_inlined"]

_TAGS = frozenset({dw.DW_TAG_subprogram, dw.DW_TAG_inlined_subroutine, dw.DW_TAG_call_site})


def find_inlined(
    reader: DieReader, outers: Collection[int], inners: Collection[int]
) -> tuple[tuple[int, int], ...]:
    """Return pairs of a function of `outers` and one of `inners` that is inlined or called in it.

    Functions are known by the offsets of the entries that have their names. How deep one is inlined
    into the other does not matter, as long as no other of `outers` is between them.
    """
    found: dict[tuple[int, int], None] = {}
    for unit in reader.units:
        around: list[tuple[int, int]] = []  # depth and offset of functions of `outers`
        for depth, die in reader.iter_tree(unit, _TAGS):
            while around and around[-1][0] >= depth:
                around.pop()
            function = _function(die)
            if function in inners and around:
                found[around[-1][1], function] = None
            elif function in outers and die.tag != dw.DW_TAG_call_site:
                around.append((depth, function))
    return tuple(found)


def _function(die: Die) -> int:
    """Return the offset of the entry that has the name of a function."""
    for link in (dw.DW_AT_call_origin, dw.DW_AT_abstract_origin, dw.DW_AT_specification):
        offset = die.get_int(link)
        if offset:
            return offset
    return die.offset
