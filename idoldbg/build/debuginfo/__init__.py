"""ELF objects and their DWARF as types, variables, functions and symbols.

Start at `ObjectInfo`; it loads when it is used, and pyelftools with it. `DebugInfo` is the protocol
of its look-ups. Below it, in the order in which bytes become answers: `elf` (sections, symbols) and
`units` (unit headers), with pyelftools' parsers; abbreviations, without them; `attributes` and
`dies` (entries), `name_search` (which entries), `type_reader` and `interner` (types).

Where Hubris's facts lie (seen in builds of formats 1 to 11, rustc of 2021 to 1.96):

- the task table: kernel static `HUBRIS_TASK_TABLE_SPACE`, entries of type `kern::task::Task` (its
  own type is `MaybeUninit<[Task; N]>` or `[MaybeUninit<Task>; N]`); kernels before 2021 have words
  `TASK_TABLE_BASE` and `TASK_TABLE_SIZE` instead;
- `CURRENT_TASK_PTR`, one word: an address in that table, 0 before the first task runs;
- `TICKS`, two words that the compiler may split: use the address only if there is one;
- `KERNEL_HAS_FAILED` (a bool) and `KERNEL_EPITAPH` (text up to a NUL), missing in older kernels;
- hiffy's mailbox: its statics `HIFFY_*`. `HIFFY_FUNCTIONS` is often not in the image, only its type
  `Option<&Functions>` is: the position of a variant of `Functions` is that function's number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from idoldbg.build.debuginfo.debug_info import DebugInfo
from idoldbg.build.debuginfo.interner import TypeInterner

if TYPE_CHECKING:
    from idoldbg.build.debuginfo.object_info import ObjectInfo

__all__ = ["DebugInfo", "ObjectInfo", "TypeInterner"]


def __getattr__(name: str) -> Any:
    if name != "ObjectInfo":
        raise AttributeError(f"module `idoldbg.build.debuginfo` has no attribute `{name}`")
    from idoldbg.build.debuginfo.object_info import ObjectInfo  # most of its time is pyelftools'

    return ObjectInfo
