"""Devices that `app.toml` describes: I2C buses, what is on them, sensors, sockets, auxiliary flash.

`[config.i2c]`, `[config.sensor]`, `[config.net]` and `[config.auxflash]`, as Hubris's build/i2c,
build/net and drv/auxflash-api read them. A build may say anything there: what is not as expected is
left out, and `problems` say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from idol.records import dataclass
from idoldbg.model.archive import Archive

__all__ = ["AuxFlash", "Devices", "I2cBus", "I2cDevice", "SensorInfo", "Socket", "read_devices"]

MAX_SENSORS = 4096  # of a build; Hubris's largest have some 160
# Order in which the sensors of a device get their numbers (Hubris, build/i2c/src/lib.rs).
KINDS = ("temperature", "power", "current", "voltage", "input-current", "input-voltage", "speed")


@dataclass(frozen=True, slots=True)
class I2cBus:
    """One port of a controller. With `is_target` the image answers on it, instead of asking."""

    controller: int
    port: str
    name: str | None
    description: str | None
    is_target: bool


@dataclass(frozen=True, slots=True)
class I2cDevice:
    """A device on a bus; `refdes` is its place on the board's drawing."""

    device: str
    name: str | None
    controller: int | None
    port: str | None
    mux: int | None
    segment: int | None
    address: int
    description: str
    refdes: str | None


@dataclass(frozen=True, slots=True)
class SensorInfo:
    """A sensor; its place in the list is its id. `device` is that of an I2C device, or a name."""

    name: str
    kind: str
    device: int | str
    refdes: str | None


@dataclass(frozen=True, slots=True)
class Socket:
    """A socket of the `net` task; sizes are in bytes."""

    name: str
    kind: str
    port: int
    owner: str
    notification: str
    rx_packets: int | None
    rx_bytes: int | None
    tx_packets: int | None
    tx_bytes: int | None


@dataclass(frozen=True, slots=True)
class AuxFlash:
    """Auxiliary flash: bytes, and slots that these are split into."""

    memory_size: int
    slot_count: int


@dataclass(frozen=True, slots=True)
class Devices:
    """Everything that a build says of devices."""

    buses: tuple[I2cBus, ...] = ()
    i2c_devices: tuple[I2cDevice, ...] = ()
    sensors: tuple[SensorInfo, ...] = ()
    sockets: tuple[Socket, ...] = ()
    aux_flash: AuxFlash | None = None
    problems: tuple[str, ...] = ()


def read_devices(archive: Archive) -> Devices:
    """Read the devices of a build."""
    return _Reader(_table(archive.app.get("config"))).read()


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _tables(value: Any) -> list[Mapping[str, Any]]:
    return [_table(each) for each in value] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _names(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


class _Reader:
    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.problems: list[str] = []
        self.buses: list[I2cBus] = []
        self.devices: list[I2cDevice] = []
        self.sensors: list[SensorInfo] = []

    def read(self) -> Devices:
        i2c = _table(self.config.get("i2c"))
        for controller in _tables(i2c.get("controllers")):
            self.buses += self.ports(controller)
        for described in _tables(i2c.get("devices")):
            self.add_device(described)
        for described in _tables(_table(self.config.get("sensor")).get("devices")):
            self.add_other_sensors(described)
        sockets = _table(_table(self.config.get("net")).get("sockets"))
        return Devices(
            tuple(self.buses),
            tuple(self.devices),
            tuple(self.sensors),
            tuple(self.socket(name, _table(facts)) for name, facts in sockets.items()),
            self.aux_flash(),
            tuple(self.problems),
        )

    def ports(self, controller: Mapping[str, Any]) -> Iterator[I2cBus]:
        number = _number(controller.get("controller"))
        if number is None:
            self.problems.append("config.i2c has a controller without a number")
            return
        for port, facts in sorted(_table(controller.get("ports")).items()):
            described = _table(facts)
            name, text = _text(described.get("name")), _text(described.get("description"))
            yield I2cBus(number, port, name, text, controller.get("target") is True)

    def add_device(self, described: Mapping[str, Any]) -> None:
        device, address = _text(described.get("device")), _number(described.get("address"))
        if device is None or address is None:
            self.problems.append("config.i2c has a device without name or address")
            return
        controller, port = self.place(described)
        if controller is None:
            self.problems.append(f"the bus of {device} at 0x{address:02x} (I2C) is unknown")
        refdes = described.get("refdes")
        found = I2cDevice(
            device,
            _text(described.get("name")),
            controller,
            port,
            _number(described.get("mux")),
            _number(described.get("segment")),
            address,
            _text(described.get("description")) or "",
            "/".join(_names(refdes)) if isinstance(refdes, list) else _text(refdes),
        )
        for kind in KINDS:
            count = _number(_table(described.get("sensors")).get(kind)) or 0
            self.add_sensors(described, found, kind, count)
        self.devices.append(found)

    def place(self, described: Mapping[str, Any]) -> tuple[int | None, str | None]:
        """Return controller and port of a device: those of its bus, or named by itself."""
        name, number = _text(described.get("bus")), _number(described.get("controller"))
        port = _text(described.get("port"))
        if name is not None:
            fitting = [bus for bus in self.buses if bus.name == name][-1:]
        else:
            fitting = [bus for bus in self.buses if bus.controller == number]
            if port is not None:
                fitting = [bus for bus in fitting if bus.port.lower() == port.lower()][:1]
        if len(fitting) != 1:
            return None, None
        return fitting[0].controller, fitting[0].port

    def add_sensors(
        self, described: Mapping[str, Any], device: I2cDevice, kind: str, count: int
    ) -> None:
        if len(self.sensors) + count > MAX_SENSORS:
            self.problems.append(f"the {count} sensors ({kind}) of {device.device} are left out")
            return
        for index in range(count):
            name = self.sensor_name(described, device, kind, index)
            self.sensors.append(SensorInfo(name, kind, len(self.devices), device.refdes))

    def sensor_name(
        self, described: Mapping[str, Any], device: I2cDevice, kind: str, index: int
    ) -> str:
        """Name a sensor after its power rail, else as `sensors.names` says, else its device."""
        pmbus, power = described.get("pmbus"), described.get("power")
        rails: list[str] = []
        if pmbus is not None:
            rails = _names(_table(pmbus).get("rails"))
        elif power is not None:
            measured = _table(power).get("sensors")
            if measured is None or kind in _names(measured):
                rails = _names(_table(power).get("rails"))
        names = rails or _names(_table(described.get("sensors")).get("names"))
        if index < len(names):
            return names[index]
        own = device.name or device.device
        return f"{own}#{index}" if index else own

    def add_other_sensors(self, described: Mapping[str, Any]) -> None:
        name, device = _text(described.get("name")) or "?", _text(described.get("device")) or "?"
        for kind, value in sorted(_table(described.get("sensors")).items()):
            count = _number(value) or 0
            if len(self.sensors) + count > MAX_SENSORS:
                self.problems.append(f"the {count} sensors ({kind}) of {name} are left out")
                continue
            self.sensors += [SensorInfo(name, kind, device, None)] * count

    def socket(self, name: str, facts: Mapping[str, Any]) -> Socket:
        owner, rx, tx = (_table(facts.get(key)) for key in ("owner", "rx", "tx"))
        return Socket(
            name,
            _text(facts.get("kind")) or "?",
            _number(facts.get("port")) or 0,
            _text(owner.get("name")) or "?",
            str(owner.get("notification", "?")),
            _number(rx.get("packets")),
            _number(rx.get("bytes")),
            _number(tx.get("packets")),
            _number(tx.get("bytes")),
        )

    def aux_flash(self) -> AuxFlash | None:
        described = _table(self.config.get("auxflash"))
        size, slots = (_number(described.get(key)) for key in ("memory-size", "slot-count"))
        return None if size is None or not slots else AuxFlash(size, slots)
