"""Connects the device models of the user to the chip, and keeps their state for snapshots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from idol.near import near_misses
from idoldbg.devices import BoardDevice, I2cDevice, MappedDevice, SpiDevice, UartDevice
from idoldbg.errors import LinkError, NotFound
from idoldbg.model.own_device import OwnDevice
from idoldbg.target.emulated.emu.clock import Clock
from idoldbg.target.emulated.emu.devices.own import (
    GuardedI2c,
    GuardedMapped,
    GuardedSpi,
    guarded,
    make_own_device,
)
from idoldbg.target.emulated.emu.devices.pins import Pins
from idoldbg.target.emulated.emu.devices.spi_bus import SpiPeer
from idoldbg.target.emulated.emu.devices.uart_port import UartPort

if TYPE_CHECKING:
    from idoldbg.target.emulated.emu.devices.device import Device
    from idoldbg.target.emulated.emu.devices.i2c_bus import I2cPeer

__all__ = ["Connections", "OwnDevices"]


class _Memory(Protocol):
    def add_device(self, name: str, address: int, size: int, device: Device) -> None: ...


class Connections(Protocol):
    """Wiring of a board that devices are connected to."""

    clock: Clock

    @property
    def memory(self) -> _Memory:
        """The chip's bus."""

    def line(self, number: int | None) -> Callable[[bool], None]:
        """Return what drives an interrupt line."""

    def attach_spi(
        self, name: str, bus_name: str, peer: SpiPeer, line: int | None, pin: tuple[str, int] | None
    ) -> None:
        """Put a device on an SPI bus."""

    def connect_i2c(self, bus: str, address: int, peer: I2cPeer) -> None:
        """Put a device on an I2C bus."""

    def port_of(self, peripheral: str) -> UartPort:
        """Return the serial port of a USART."""

    def pins_of(self, port: str) -> Pins:
        """Return the pins of a GPIO port."""


class _BoardWires:
    """Wires of one device (`idoldbg.devices.Wires`)."""

    def __init__(self, spec: OwnDevice, device: BoardDevice, board: Connections) -> None:
        self._spec = spec
        self._clock = board.clock
        self._timer = board.clock.timer(guarded(spec.name, "woken", device.woken))
        self._line = board.line(spec.mapped.interrupt if spec.mapped else None)
        self._port = board.port_of(spec.uart) if spec.uart else None
        self._pins = {p.name: (board.pins_of(p.port), p.pin) for p in spec.pins}
        self.driven: dict[str, bool] = {}

    def time_s(self) -> float:
        return self._clock.time_s

    def wake_after(self, seconds: float | None) -> None:
        if seconds is None:
            self._timer.stop()
        else:
            self._timer.start(max(1, round(seconds * self._clock.hz)))

    def drive(self, pin: str, level: bool | None) -> None:
        pins, number = self._find(pin)
        pins.drive_from_outside(number, None if level is None else bool(level))
        if level is None:
            self.driven.pop(pin, None)
        else:
            self.driven[pin] = bool(level)

    def level(self, pin: str) -> bool | None:
        pins, number = self._find(pin)
        return pins.level(number)

    def interrupt(self, level: bool) -> None:
        self._line(bool(level))

    def send(self, data: bytes) -> None:
        if self._port is not None:
            self._port.feed(bytes(data))

    def restore(self, driven: Mapping[str, bool]) -> None:
        """Drive the pins as a snapshot says."""
        for pin in self._pins:
            self.drive(pin, driven.get(pin))

    def _find(self, pin: str) -> tuple[Pins, int]:
        if pin not in self._pins:
            raise NotFound(
                "pin",
                pin,
                near=near_misses(pin, self._pins),
                where=f"`pins` of device `{self._spec.name}`",
            )
        return self._pins[pin]


class OwnDevices:
    """The devices of the user on a board, by name."""

    def __init__(self, board: Connections) -> None:
        self._board = board
        self._devices: dict[str, BoardDevice] = {}
        self._wires: dict[str, _BoardWires] = {}

    def connect(self, spec: OwnDevice, folder: str) -> None:
        """Make a device and connect it; raise `TargetFileError`."""
        device = make_own_device(spec, folder)
        board, name = self._board, spec.name
        if isinstance(device, I2cDevice) and spec.i2c is not None:
            board.connect_i2c(spec.i2c.bus, spec.i2c.address, GuardedI2c(name, device))
        elif isinstance(device, SpiDevice) and spec.spi is not None:
            pin = spec.find_pin(spec.select) if isinstance(spec.select, str) else None
            place = None if pin is None else (pin.port, pin.pin)
            line = spec.select if isinstance(spec.select, int) else None
            board.attach_spi(name, spec.spi, GuardedSpi(name, device), line, place)
        elif isinstance(device, UartDevice) and spec.uart is not None:
            board.port_of(spec.uart).listener = guarded(name, "received", device.received)
        elif isinstance(device, MappedDevice) and spec.mapped is not None:
            at = spec.mapped
            board.memory.add_device(name, at.address, at.size, GuardedMapped(name, device))
        wires = _BoardWires(spec, device, board)
        changed = guarded(name, "pin_changed", device.pin_changed)
        for each in spec.pins:
            listener = _listener(changed, each.name)
            board.pins_of(each.port).listen(each.pin, listener)
        device._wires = wires
        self._devices[name], self._wires[name] = device, wires

    def find(self, name: str) -> BoardDevice:
        """Return a device; raise `NotFound`."""
        device = self._devices.get(name)
        if device is None:
            near = near_misses(name, self._devices)
            known = (
                ", ".join(self._devices) or "none; [[emulation.device]] of a board file adds one"
            )
            raise NotFound("device", name, near=near, hint="" if near else f"known: {known}")
        return device

    def save(self) -> dict[str, tuple[object, ...]]:
        """Return the state of all devices for a snapshot."""
        state: dict[str, tuple[object, ...]] = {}
        for name, device in self._devices.items():
            try:
                state[f"device {name}"] = (device.save(), dict(self._wires[name].driven))
            except Exception as error:
                raise LinkError(
                    f"device `{name}` cannot be kept in a snapshot: {type(error).__name__}: "
                    f"{error}; its attributes must be plain values",
                    link="emu",
                ) from error
        return state

    def restore(self, state: Mapping[str, tuple[object, ...]]) -> None:
        """Go back to a snapshot."""
        for name, device in self._devices.items():
            attributes, driven = state[f"device {name}"]
            assert isinstance(attributes, dict)
            assert isinstance(driven, dict)
            device.restore(attributes)
            self._wires[name].restore(driven)


def _listener(
    changed: Callable[[str, bool | None], None], name: str
) -> Callable[[bool | None], None]:
    return lambda level: changed(name, level)
