"""The memory map: what is where, for the core and for a debugger."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from idoldbg.model.board import IoWindow, MemoryKind, MemoryRegion
from idoldbg.target.emulated.emu.devices.device import Device
from idoldbg.target.emulated.emu.devices.register_bank import OpenRegisters
from idoldbg.target.emulated.emu.engine import Engine

__all__ = ["Bus", "Memory"]

_PAGE_SHIFT = 8


@dataclass(slots=True)
class Memory:
    """A memory as seen at one address; its aliases share the buffer."""

    address: int
    region: MemoryRegion
    data: bytearray

    @property
    def end(self) -> int:
        """First address after the memory."""
        return self.address + len(self.data)


class Bus:
    """Memories and peripherals by address. `memories` has an entry for each alias too."""

    def __init__(self, regions: Sequence[MemoryRegion], windows: Sequence[IoWindow]) -> None:
        self.buffers: dict[str, bytearray] = {}
        self.memories: list[Memory] = []
        for region in regions:
            fill = b"\xff" if region.kind is MemoryKind.FLASH else b"\0"
            data = self.buffers[region.name] = bytearray(fill * region.size)
            for address in (region.address, *region.aliases):
                self.memories.append(Memory(address, region, data))
        self.memories.sort(key=lambda m: m.address)
        self.devices: dict[str, Device] = {}
        self.open = OpenRegisters()
        self.on_code_written: Callable[[Memory], None] = lambda _memory: None
        self.watched: dict[int, Callable[[], None]] = {}
        self._starts = [m.address for m in self.memories]
        self._windows = tuple(windows)
        self._devices_by_page: dict[int, tuple[int, Device]] = {}

    def connect(self, engine: Engine) -> None:
        """Show everything to the core."""
        for memory in self.memories:
            writable = memory.region.kind is MemoryKind.RAM
            engine.map_memory(memory.address, memory.data, writable=writable)
        for window in self._windows:
            for start in (window.address, *window.aliases):
                engine.map_io(start, window.size, *self._window_access(window.address))

    def add_device(self, name: str, address: int, size: int, device: Device) -> None:
        """Put a device at an address; it must be within a window."""
        self.devices[name] = device
        for page in range(address >> _PAGE_SHIFT, address + size >> _PAGE_SHIFT):
            self._devices_by_page[page] = (address, device)

    def reset(self) -> None:
        """Reset all devices; memory keeps its contents."""
        self.open.reset()
        for device in self.devices.values():
            device.reset()

    # ------------------------------------------------------------------ memory

    def find(self, address: int) -> Memory | None:
        """Return the memory that an address is in."""
        index = bisect_right(self._starts, address) - 1
        if index >= 0:
            memory = self.memories[index]
            if address < memory.end:
                return memory
        return None

    def find_bytes(self, address: int, size: int) -> bytes | None:
        """Return bytes of one memory, None where there is none."""
        memory = self.find(address)
        if memory is None or address + size > memory.end:
            return None
        offset = address - memory.address
        return bytes(memory.data[offset : offset + size])

    def store_bytes(self, address: int, data: bytes) -> bool:
        """Write into RAM as the core does; return whether all of it could be."""
        memory = self.find(address)
        if memory is None or address + len(data) > memory.end:
            return False
        if memory.region.kind is not MemoryKind.RAM:
            return False
        offset = address - memory.address
        memory.data[offset : offset + len(data)] = data
        return True

    def program(self, address: int, data: bytes) -> None:
        """Write into any memory, as a flash controller or loader does; it must be one's own."""
        memory = self.find(address)
        assert memory is not None and address + len(data) <= memory.end
        offset = address - memory.address
        memory.data[offset : offset + len(data)] = data
        self.on_code_written(memory)

    # ------------------------------------------------------------------ peripherals

    def find_io(self, address: int) -> int | None:
        """Return the address of a peripheral register with aliases resolved; None outside."""
        for window in self._windows:
            for start in (window.address, *window.aliases):
                if start <= address < start + window.size:
                    return address - start + window.address
        return None

    def io_read(self, address: int, size: int) -> int:
        """Read a peripheral register (no alias) with its side effects."""
        entry = self._devices_by_page.get(address >> _PAGE_SHIFT)
        if entry is None:
            return self.open.read(address, size)
        return entry[1].read(address - entry[0], size)

    def io_write(self, address: int, size: int, value: int) -> None:
        """Write a peripheral register (no alias)."""
        entry = self._devices_by_page.get(address >> _PAGE_SHIFT)
        if entry is None:
            self.open.write(address, size, value)
        else:
            entry[1].write(address - entry[0], size, value)
        watch = self.watched.get(address & ~3)
        if watch is not None:
            watch()

    def _window_access(
        self, base: int
    ) -> tuple[Callable[[int, int], int], Callable[[int, int, int], None]]:
        def read(offset: int, size: int) -> int:
            return self.io_read(base + offset, size)

        def write(offset: int, size: int, value: int) -> None:
            self.io_write(base + offset, size, value)

        return read, write
