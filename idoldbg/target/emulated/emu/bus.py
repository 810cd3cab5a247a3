"""The memory map: what is where, for the core and for a debugger."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from idoldbg.model.board import IoWindow, MemoryKind, MemoryRegion
from idoldbg.target.emulated.emu.devices.device import Device
from idoldbg.target.emulated.emu.devices.register_bank import OpenRegisters
from idoldbg.target.emulated.emu.engine import Engine

__all__ = ["Bus", "FlashController", "Memory"]

_PAGE_SHIFT = 8


class FlashController(Protocol):
    """Protocol of a controller through which stores to flash program it."""

    on_settled: Callable[[], None]

    def takes_stores(self, address: int) -> bool:
        """Return whether a store to that address of flash programs it now."""

    def store(self, address: int, before: bytes, after: bytes) -> bytes:
        """Return what the array holds at `address` after a store of `after` there."""


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
        self.refuses: Callable[[int, int], bool] | None = None
        """Asked whether an access of the core to a peripheral is a bus error."""
        self.on_refusal: Callable[[int], int] = lambda _address: 0
        self.on_core_read: Callable[[int, int, int], int] | None = None
        """Changes what the core reads from a peripheral."""
        self.on_store: Callable[[int, bytes], None] | None = None
        """Called before the hardware writes into RAM, as when it stacks registers."""
        self.watched: dict[int, Callable[[], None]] = {}
        flash = [r.size for r in regions if r.kind is MemoryKind.FLASH]
        self.flash_size = max(flash, default=0)
        self.flash_controller: FlashController | None = None
        self._unsettled: Memory | None = None
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

    def place_constants(self, constants: Mapping[int, bytes]) -> dict[int, bytes]:
        """Put what the chip says of itself into ROM and peripherals; return what is elsewhere."""
        left = {}
        for address, data in constants.items():
            if self.find(address) is not None:
                self.put(address, data)
            elif self.find_io(address) is not None:
                self.open.constants[address] = int.from_bytes(data, "little")
            else:
                left[address] = data
        return left

    def reset(self) -> None:
        """Reset all devices; memory keeps its contents."""
        self.settle()
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
        if self.on_store is not None:
            self.on_store(address, data)
        memory.data[offset : offset + len(data)] = data
        return True

    def program(self, address: int, data: bytes) -> None:
        """Write into any memory, as a flash controller or loader does; it must be one's own."""
        memory = self.find(address)
        assert memory is not None and address + len(data) <= memory.end
        offset = address - memory.address
        memory.data[offset : offset + len(data)] = data
        self.on_code_written(memory)

    def put(self, address: int, data: bytes) -> None:
        """Write into any memory as `program` does, but let the core see new code after `settle`."""
        memory = self.find(address)
        assert memory is not None and address + len(data) <= memory.end
        offset = address - memory.address
        memory.data[offset : offset + len(data)] = data
        self._unsettled = memory

    def settle(self) -> None:
        """Let the core see what `put` has written."""
        if self._unsettled is not None:
            memory, self._unsettled = self._unsettled, None
            self.on_code_written(memory)

    def attach_flash_controller(self, controller: FlashController) -> None:
        """Let stores to flash go to a controller while it is unlocked for programming."""
        self.flash_controller = controller
        controller.on_settled = self.settle

    def find_programmable(self, address: int) -> Memory | None:
        """Return the flash in which a store to that address programs now."""
        memory = self.find(address)
        if memory is None or memory.region.kind is not MemoryKind.FLASH:
            return None
        controller, at = self.flash_controller, address - memory.address + memory.region.address
        return memory if controller is not None and controller.takes_stores(at) else None

    def store_flash(self, memory: Memory, offset: int, data: bytes, width: int) -> None:
        """Give stores of so many bytes each to the flash controller."""
        controller = self.flash_controller
        assert controller is not None  # `find_programmable` looked
        for at in range(offset, offset + len(data), width):
            address, after = memory.region.address + at, data[at - offset :][:width]
            before = bytes(memory.data[at : at + len(after)])
            self.put(address, controller.store(address, before, after))

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
            if self.refuses is not None and self.refuses(base + offset, size):
                return self.on_refusal(base + offset)
            value = self.io_read(base + offset, size)
            if self.on_core_read is not None:
                value = self.on_core_read(base + offset, size, value)
            return value

        def write(offset: int, size: int, value: int) -> None:
            if self.refuses is not None and self.refuses(base + offset, size):
                self.on_refusal(base + offset)
                return
            self.io_write(base + offset, size, value)

        return read, write
