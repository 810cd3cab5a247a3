"""The USB bus as a kernel sees it: who has which device open, and which interface claimed.

A user is a process; when it ends, all that it had open is closed (`leave`).
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.bench.device import UsbDevice, UsbError

__all__ = ["Bus"]


@dataclass(frozen=True)
class _Handle:
    device: UsbDevice
    user: str
    generation: int


class Bus:
    """The devices, and what users do with them. Raises `UsbError` as libusb fails."""

    def __init__(self) -> None:
        self.devices: list[UsbDevice] = []
        self._handles: dict[int, _Handle] = {}
        self._next = 1
        self._lock = threading.RLock()

    def add(self, device: UsbDevice) -> None:
        """Put a device on the bus."""
        self.devices.append(device)
        device.address = len(self.devices)

    def enumerate(self) -> list[dict[str, Any]]:
        """Return the descriptors of what is plugged in, each with its number as `id`."""
        present = [(n, d) for n, d in enumerate(self.devices) if d.plugged]
        return [{"id": n, **device.describe()} for n, device in present]

    def open(self, number: int, user: str) -> int:
        """Open a device; return a handle."""
        device = self.devices[number]
        device.check_plugged()
        if device.denied:
            raise UsbError(errno.EACCES)
        with self._lock:
            handle, self._next = self._next, self._next + 1
            self._handles[handle] = _Handle(device, user, device.generation)
            device.counts.opens += 1
        return handle

    def close(self, handle: int) -> None:
        """Close a handle, and let go of what was claimed through it."""
        with self._lock:
            entry = self._handles.pop(handle, None)
            if entry is not None:
                for number, owner in list(entry.device.claims.items()):
                    if owner == handle:
                        entry.device.release(number)

    def claim(self, handle: int, number: int) -> None:
        """Claim an interface."""
        device = self._device(handle)
        with self._lock:
            if device.claims.get(number, handle) != handle:
                raise UsbError(errno.EBUSY)
            device.claims[number] = handle

    def release(self, handle: int, number: int) -> None:
        """Let go of an interface."""
        device = self._device(handle)
        if device.claims.get(number) != handle:
            raise UsbError(errno.EINVAL)
        device.release(number)

    def write(self, handle: int, data: bytes, timeout_s: float) -> int:
        """Make a transfer to a device."""
        return self._device(handle).write(data, timeout_s)

    def read(self, handle: int, size: int, timeout_s: float, is_gone: Callable[[], bool]) -> bytes:
        """Make a transfer from a device."""
        return self._device(handle).read(size, timeout_s, is_gone)

    def control(self, handle: int, kind: int, request: int, value: int, data: bytes) -> bytes:
        """Make a control transfer."""
        return self._device(handle).control(kind, request, value, data)

    def leave(self, user: str) -> None:
        """Close whatever a process has left open."""
        with self._lock:
            for handle in [h for h, entry in self._handles.items() if entry.user == user]:
                self.close(handle)

    @property
    def users(self) -> set[str]:
        """Those who have something open."""
        with self._lock:
            return {entry.user for entry in self._handles.values()}

    def _device(self, handle: int) -> UsbDevice:
        entry = self._handles.get(handle)
        if entry is None or entry.generation != entry.device.generation:
            raise UsbError(errno.ENODEV)
        entry.device.check_plugged()
        return entry.device
