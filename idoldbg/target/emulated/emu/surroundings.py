"""Parts of an emulated board around its chip: lights, serial ports, buses, devices of the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from idoldbg.devices import BoardDevice
from idoldbg.target.emulated.emu.clock import Clock
from idoldbg.target.emulated.emu.core import Core
from idoldbg.target.emulated.emu.devices import Wiring
from idoldbg.target.emulated.emu.devices.own import guard
from idoldbg.target.emulated.emu.history import History
from idoldbg.target.emulated.emu.inputs import as_input

__all__ = ["Surroundings"]


class Surroundings:
    """Accessors of what a board has besides its chip."""

    history: History
    _wiring: Wiring
    _core: Core
    _clock: Clock

    @property
    def leds(self) -> dict[str, bool]:
        """State of the LEDs, by name."""
        return self._wiring.led_states()

    @property
    def uart(self) -> dict[str, bytes]:
        """The last 64 KiB that each serial port has sent, by name."""
        return self._wiring.uart_output()

    @as_input
    def uart_feed(self, name: str, data: bytes) -> None:
        """Let a serial port receive bytes."""
        self._wiring.uart_feed(name, data)

    def uart_sent(self, name: str) -> bytes:
        """Return what a port has sent, by its own name or its USART's; raise `NotFound`."""
        return self._wiring.uart_sent(name)

    def device(self, name: str) -> BoardDevice:
        """Return a device of the user by its name in the board file; raise `NotFound`."""
        return self._wiring.own.find(name)

    @as_input
    def set_device(self, name: str, attribute: str, value: object) -> None:
        """Set an attribute of a device; what its class raises is an error that names it."""
        device = self._wiring.own.find(name)
        with guard(name, attribute):
            setattr(device, attribute, value)

    @as_input
    def call_device(
        self, name: str, method: str, arguments: Sequence[object], options: Mapping[str, object]
    ) -> object:
        """Return what a method of a device does, with errors as `set_device`."""
        device = self._wiring.own.find(name)
        with guard(name, method):
            return getattr(device, method)(*arguments, **options)

    @as_input
    def i2c_transfer(self, bus: str, address: int, data: bytes, read: int) -> bytes | None:
        """Write and then read as a second controller on a bus; None where a device refuses."""
        return self._wiring.i2c_bus(bus).transfer(address, data, read)

    def pin_level(self, port: str, pin: int) -> bool:
        """Return what the chip reads of a pin; raise `NotFound`."""
        return self._wiring.find_pins(port).reads(pin)

    def spi_contents(self, name: str) -> bytes:
        """Return all that an SPI flash of the board holds; raise `NotFound`."""
        return self._wiring.spi_contents(name)

    @property
    def itm(self) -> bytes:
        """The last bytes that the firmware wrote to the trace ports."""
        return bytes(self._core.scs.itm)
