"""ELF objects and their DWARF as types, variables, functions and symbols.

Start at `ObjectInfo`. Below it, in the order in which bytes become answers: `elf` (sections,
symbols), `units` (unit headers, abbreviations), `dies` (entries), `name_search` (which entries),
`type_reader` and `interner` (types).
"""

from __future__ import annotations

from idoldbg.debuginfo.interner import TypeInterner
from idoldbg.debuginfo.object_info import ObjectInfo

__all__ = ["ObjectInfo", "TypeInterner"]
