"""Methods of a device about its memory: regions, stacks, bytes."""

from __future__ import annotations

from idoldbg import startup
from idoldbg.device.core import Core, in_turn
from idoldbg.device.shown import shown, shown_rows
from idoldbg.render import memory, memory_map, stack_use
from idoldbg.target.capability import Registers
from idoldbg.views.locations import Location, find_location
from idoldbg.views.memory_dump import MemoryDump, MemoryWrite, default_size, read_memory_dump
from idoldbg.views.memory_map import MemoryMap, read_memory_map
from idoldbg.views.stack_use import StackUse, read_stack_use
from idoldbg.writing import write_memory

__all__ = ["MemoryAccess"]


class MemoryAccess:
    """Memory of a target; each access is made while no other thread makes a call."""

    _core: Core

    def memory_map(self, task: str | None = None) -> MemoryMap:
        """Return who may touch what memory, or what one task may."""
        return shown(read_memory_map(self._core.program, task), memory_map.text)

    @in_turn
    def read_memory(
        self, what: str | int, size: int | None = None, *, width: int = 1, device: bool = False
    ) -> MemoryDump:
        """Read memory at an address or what `readmem` takes; `device` allows device registers.

        Raises `ArgumentError`, `NotFound`, and `FaultError` where nothing can be read.
        """
        startup.settle(self._core.session)
        place = self._locate(what)
        wanted = default_size(self._core.program, place) if size is None else size
        dump = read_memory_dump(
            self._core.program, place.address, wanted, width=width, allow_device=device
        )
        return shown(dump, memory.text)

    @in_turn
    def write_memory(
        self, what: str | int, data: bytes, *, width: int = 1, device: bool = False
    ) -> MemoryWrite:
        """Write memory at an address or what `writemem` takes; return it before and after."""
        startup.settle(self._core.session)
        place = self._locate(what)
        done = write_memory(
            self._core.session, place.address, data, width=width, allow_device=device
        )
        return shown(done, memory.write_text)

    def _locate(self, what: str | int) -> Location:
        target = self._core.session.target
        registers = target.need(Registers) if target.can(Registers) else None
        read_register = None if registers is None else registers.read_register
        return find_location(self._core.program, str(what), read_register)

    @in_turn
    def stack_use(self, *tasks: str) -> tuple[StackUse, ...]:
        """Read how far the stacks of these tasks have been used; of all without names."""
        startup.settle(self._core.session)
        uses = read_stack_use(self._core.program, tasks)
        return shown_rows(uses, stack_use.text)
