"""Device models of the user, as a board file names them."""

from __future__ import annotations

import re

from idol.records import dataclass

__all__ = ["DevicePin", "I2cPlace", "MappedPlace", "OwnDevice", "own_device_problems"]

_MODEL = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*|[^\W\d][\w.-]*")
_RESERVED_I2C = 0x78  # first of the addresses that mean ten-bit ones


@dataclass(frozen=True, slots=True)
class I2cPlace:
    """Place on an I2C bus; the address has 7 bits."""

    bus: str
    address: int


@dataclass(frozen=True, slots=True)
class MappedPlace:
    """Place on the chip's bus, and the NVIC number of the interrupt."""

    address: int
    size: int
    interrupt: int | None = None


@dataclass(frozen=True, slots=True)
class DevicePin:
    """A pin of the chip, under the name that the device has for it."""

    name: str
    port: str
    pin: int


@dataclass(frozen=True, slots=True)
class OwnDevice:
    """A device whose model is `module:Class`, or the name of an entry point.

    One of `i2c`, `spi` (name of the controller, with `select`), `uart` (name of the USART) and
    `mapped` says what it is connected to; none of them is a device of pins alone. `select` is a
    pin's name in `pins`, or a line of the controller. `options` are arguments of its class.
    """

    name: str
    model: str
    i2c: I2cPlace | None = None
    spi: str | None = None
    select: str | int | None = None
    uart: str | None = None
    mapped: MappedPlace | None = None
    pins: tuple[DevicePin, ...] = ()
    options: tuple[tuple[str, object], ...] = ()

    def find_pin(self, name: str) -> DevicePin | None:
        """Return the pin called `name`."""
        return next((pin for pin in self.pins if pin.name == name), None)


def own_device_problems(device: OwnDevice) -> list[str]:
    """Return what is wrong with a device by itself, as sentences."""
    what = f"device `{device.name}`"
    problems = []
    if not _MODEL.fullmatch(device.model):
        problems.append(f"{what}: `model` must be `module:Class`, not `{device.model}`")
    places = {"i2c": device.i2c, "spi": device.spi, "uart": device.uart, "memory": device.mapped}
    named = [key for key, place in places.items() if place is not None]
    if len(named) > 1:
        problems.append(f"{what} is on one bus, not on {' and '.join(named)}")
    if not named and not device.pins:
        problems.append(f"{what} needs one of `i2c`, `spi`, `uart`, `memory` and `pins`")
    if (device.spi is None) != (device.select is None):
        problems.append(f"{what}: `spi` and `select` go together")
    if isinstance(device.select, str) and device.find_pin(device.select) is None:
        problems.append(f"{what}: `select` names the pin `{device.select}`, which `pins` lacks")
    if device.i2c is not None and not 8 <= device.i2c.address < _RESERVED_I2C:
        problems.append(
            f"{what}: the I2C address is 0x08 to 0x77 (7 bits, without the direction), not "
            f"0x{device.i2c.address:02x}"
        )
    return problems
