"""Base classes for device models of your own: what is soldered onto an emulated board.

A model is a class of twenty to sixty lines, named in a board file (`docs/devices.md`):

    from idoldbg.devices import I2cDevice

    class Tmp117(I2cDevice):
        def __init__(self, celsius: float = 25.0) -> None:
            self.celsius = celsius

A model's state is its attributes: plain values, which snapshots copy. It has no clock but
`time_s`, and no thread: what it does is decided by what it is sent and by the board's own time, so
that two runs are the same.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Protocol

__all__ = ["BoardDevice", "I2cDevice", "MappedDevice", "SpiDevice", "UartDevice", "Wires"]


class Wires(Protocol):
    """Connections of a device to the board that it is on."""

    def time_s(self) -> float:
        """Return the board's time in seconds."""

    def wake_after(self, seconds: float | None) -> None:
        """Call the device's `woken` after a time, or never."""

    def drive(self, pin: str, level: bool | None) -> None:
        """Drive one of the device's pins; None lets go of it."""

    def level(self, pin: str) -> bool | None:
        """Return what the chip drives a pin to; None where it only reads it."""

    def interrupt(self, level: bool) -> None:
        """Drive the device's own interrupt line."""

    def send(self, data: bytes) -> None:
        """Let the serial port receive bytes."""


class _Unconnected:
    """Wires of a device that is on no board, such as in a test of its own."""

    def time_s(self) -> float:
        return 0.0

    def wake_after(self, seconds: float | None) -> None:
        pass

    def drive(self, pin: str, level: bool | None) -> None:
        pass

    def level(self, pin: str) -> bool | None:
        return None

    def interrupt(self, level: bool) -> None:
        pass

    def send(self, data: bytes) -> None:
        pass


class BoardDevice:
    """A device with pins only, and the base of all others.

    `__init__` takes the `options` of the board file as keyword arguments.
    """

    _wires: Wires = _Unconnected()

    @property
    def time_s(self) -> float:
        """The board's time in seconds."""
        return self._wires.time_s()

    def wake_after(self, seconds: float | None) -> None:
        """Have `woken` called after a time; None cancels. There is one such alarm."""
        self._wires.wake_after(seconds)

    def woken(self) -> None:
        """Do what was to be done at this time."""

    def drive(self, pin: str, level: bool | None) -> None:
        """Drive a pin of the chip that the board file gives a name; None lets go of it."""
        self._wires.drive(pin, level)

    def level(self, pin: str) -> bool | None:
        """Return what the chip drives a pin to; None where the pin is an input."""
        return self._wires.level(pin)

    def pin_changed(self, pin: str, level: bool | None) -> None:
        """Take notice that the chip drives a pin otherwise."""

    def save(self) -> dict[str, Any]:
        """Return the state for a snapshot: a copy of all attributes."""
        return deepcopy({k: v for k, v in vars(self).items() if k != "_wires"})

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a snapshot."""
        wires = vars(self).get("_wires")
        vars(self).clear()
        vars(self).update(deepcopy(state))
        if wires is not None:
            self._wires = wires


class I2cDevice(BoardDevice):
    """A device on an I2C bus, at the address of the board file."""

    def start(self, *, read: bool) -> bool:
        """Begin a transfer, also after a repeated start; return whether to acknowledge."""
        return True

    def write(self, value: int) -> bool:
        """Take a byte from the controller; return whether to acknowledge it."""
        return False

    def read(self) -> int:
        """Return the next byte for the controller."""
        return 0xFF

    def stop(self) -> None:
        """End the transfer."""


class SpiDevice(BoardDevice):
    """A device on an SPI bus, with a chip select that is low while it is selected."""

    def select(self) -> None:
        """Begin a transaction: the chip select went low."""

    def deselect(self) -> None:
        """End a transaction: the chip select went high."""

    def exchange(self, value: int) -> int:
        """Take a byte from the controller and return the one driven at the same time."""
        return 0xFF


class UartDevice(BoardDevice):
    """A device at the far end of a serial port."""

    def received(self, value: int) -> None:
        """Take a byte that the firmware sent."""

    def send(self, data: bytes) -> None:
        """Let the firmware receive bytes."""
        self._wires.send(data)


class MappedDevice(BoardDevice):
    """A peripheral of the chip's bus: 32-bit registers at offsets from the address of the file."""

    def reset(self) -> None:
        """Give the registers their reset values; called at each reset of the chip."""

    def read_word(self, offset: int) -> int:
        """Return the register at a multiple of 4."""
        return 0

    def write_word(self, offset: int, value: int) -> None:
        """Write the register at a multiple of 4."""

    def interrupt(self, level: bool) -> None:
        """Drive the interrupt line of the board file."""
        self._wires.interrupt(level)
