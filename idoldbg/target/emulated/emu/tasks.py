"""The task that has the core, from the kernel's own memory."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from idoldbg.model.kernel_layout import KernelLayout
from idoldbg.model.trace_records import NO_TASK
from idoldbg.target.emulated.emu.core import Core

__all__ = ["TaskFinder"]

_SAVED = struct.Struct("<8I")


@dataclass(slots=True)
class _Place:
    """Bytes of a memory of the board, as they are now."""

    data: bytearray
    offset: int

    def word(self) -> int:
        return int.from_bytes(self.data[self.offset : self.offset + 4], "little")


class TaskFinder:
    """Finds the kernel's task table once the kernel has begun, and then looks at it quickly."""

    def __init__(self, core: Core, layout: KernelLayout) -> None:
        self._core = core
        self._layout = layout
        self._where: _Place | None = None
        self._table: _Place | None = None
        self._by_entry: dict[int, int] = {}
        self._parts: list[list[tuple[int, int]]] = []

    def forget(self) -> None:
        """Look for the table anew: the kernel starts again."""
        self._table = None

    def current(self) -> int:
        """Return the index of the task that has the core, or `NO_TASK`."""
        if self._table is None and not self._find():
            return NO_TASK
        assert self._where is not None  # `_find` says so
        return self._by_entry.get(self._where.word(), NO_TASK)

    def changes(self, before: dict[int, bytearray]) -> list[tuple[int, bytearray]]:
        """Return the tasks whose watched bytes differ from `before`, and keep these there."""
        if self._table is None and not self._find():
            return []
        assert self._table is not None  # `_find` says so
        data, found = self._table.data, []
        for index, parts in enumerate(self._parts):
            if len(parts) == 1:
                start, end = parts[0]
                entry = data[start:end]
            else:
                entry = bytearray().join([data[start:end] for start, end in parts])
            if before.get(index) != entry:
                before[index] = entry
                found.append((index, entry))
        return found

    def saved_registers(self) -> list[tuple[int, list[int]]]:
        """Return r4 to r11 of the tasks that do not run, as the kernel has put them aside."""
        saved = self._layout.saved
        if saved is None or (self._table is None and not self._find()):
            return []
        assert self._table is not None  # `_find` says so
        current, found = self.current(), []
        for index in range(self._layout.count):
            if index != current:
                at = self._table.offset + index * self._layout.entry_size + saved
                found.append((index, list(_SAVED.unpack_from(self._table.data, at))))
        return found

    def _find(self) -> bool:
        layout = self._layout
        self._where = where = self._place(layout.current, 4)
        base = layout.table
        if base is None:
            pointer = self._place(layout.table_pointer or 0, 4)
            base = 0 if pointer is None else pointer.word()
        size = layout.entry_size
        if where is None or not where.word() or not base:
            return False
        self._table = table = self._place(base, size * layout.count)
        if table is None:
            return False
        self._by_entry = {base + size * i: i for i in range(layout.count)}
        entries = [table.offset + size * i for i in range(layout.count)]
        self._parts = [[(at + o, at + o + n) for o, n in layout.watched] for at in entries]
        return True

    def _place(self, address: int, size: int) -> _Place | None:
        memory = self._core.find_memory(address)
        if memory is None or address + size > memory.end:
            return None
        return _Place(memory.data, address - memory.address)
