"""Places where a kernel keeps its tasks: an emulated board must know them for a trace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idol.records import dataclass
from idoldbg.errors import ArgumentError

__all__ = ["SAVED_SIZE", "KernelLayout"]

ADDRESS_END = 1 << 32
MAX_TASKS = 1024  # a task's index has ten bits
MAX_ENTRY = 4096
MAX_RANGES = 16
SAVED_SIZE = 32


@dataclass(frozen=True, slots=True)
class KernelLayout:
    """Addresses of the kernel's statics, and the parts of a task's entry to watch.

    `current` is where the address of the current task's entry lies. The table lies at `table`, or
    where the word at `table_pointer` says. `watched` are (offset, size) in an entry. Registers r4
    to r11 of a task that does not run lie from `saved` on, None where they do not follow each
    other.
    """

    current: int
    table: int | None
    table_pointer: int | None
    entry_size: int
    count: int
    watched: tuple[tuple[int, int], ...]
    saved: int | None = None

    @property
    def watched_size(self) -> int:
        """Bytes of an entry that are watched."""
        return sum(size for _, size in self.watched)

    def to_json(self) -> dict[str, Any]:
        """Return it as the settings of an instrument."""
        return {
            "current": self.current,
            "table": self.table,
            "table_pointer": self.table_pointer,
            "entry_size": self.entry_size,
            "count": self.count,
            "watched": [list(each) for each in self.watched],
            "saved": self.saved,
        }

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> KernelLayout:
        """Read settings, which may come from anybody; raise `ArgumentError`."""
        try:
            layout = cls(
                current=given["current"],
                table=given["table"],
                table_pointer=given["table_pointer"],
                entry_size=given["entry_size"],
                count=given["count"],
                watched=tuple((offset, size) for offset, size in given["watched"]),
                saved=given.get("saved"),
            )
        except (KeyError, TypeError, ValueError):
            raise _invalid("it lacks a part") from None
        layout._check()
        return layout

    def _check(self) -> None:
        places = [self.current, *(p for p in (self.table, self.table_pointer) if p is not None)]
        if len(places) < 2 or not all(_is_within(p, ADDRESS_END - 4) for p in places):
            raise _invalid("its addresses")
        if not _is_within(self.entry_size, MAX_ENTRY) or not _is_within(self.count, MAX_TASKS):
            raise _invalid("the size of the task table")
        if not self.entry_size or len(self.watched) > MAX_RANGES:
            raise _invalid("the watched parts")
        if self.saved is not None and not _is_within(self.saved, self.entry_size - SAVED_SIZE):
            raise _invalid("the place of saved registers")
        for offset, size in self.watched:
            is_known = _is_within(offset, MAX_ENTRY) and _is_within(size, MAX_ENTRY)
            if not is_known or offset + size > self.entry_size:
                raise _invalid("the watched parts")


def _is_within(value: Any, highest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= highest


def _invalid(what: str) -> ArgumentError:
    return ArgumentError(f"the layout of the kernel's task table makes no sense: {what}")
