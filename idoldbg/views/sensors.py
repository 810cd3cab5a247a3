"""Sensors of a build, and their last readings in the memory of its sensor task.

`app.toml` gives sensors their ids (`idoldbg.views.devices`). The task keeps an array for each fact,
in statics that hold `[T; NUM_SENSORS]` (Hubris, task/sensor/src/main.rs): LAST_READING says whether
the last reading was data. Memory is enough for that, so dumps have readings as well.
"""

from __future__ import annotations

from collections.abc import Mapping

from idol.records import dataclass
from idoldbg.build.program import Program
from idoldbg.call.codec import image
from idoldbg.errors import ArgumentError, DecodeError, NotFound
from idoldbg.model.types import Array
from idoldbg.model.values import ArrayValue, EnumValue, Float, Value, find_number
from idoldbg.views.devices import Devices, I2cDevice, SensorInfo, read_devices
from idoldbg.views.parts import peel
from idoldbg.views.variables import Static, match_statics

__all__ = ["Reading", "Sensor", "list_sensors", "read_sensors"]

LAST_READING = "LAST_READING"
DATA_VALUE, DATA_TIME, ERR_VALUE, NERRORS = "DATA_VALUE", "DATA_TIME", "ERR_VALUE", "NERRORS"
WITH_DATA = ("Data", "DataOnly")  # variants of `LastReading` whose data is the last reading
ERRORS = ("DeviceOff", "DeviceError", "DeviceNotPresent", "DeviceUnavailable", "DeviceTimeout")
"""Variants of `NoData`; each has as many bits of a word of NERRORS, from the lowest on."""
COUNT_BITS = 32 // len(ERRORS)
MOST_ERRORS = (1 << COUNT_BITS) - 1  # where a count stands still


@dataclass(frozen=True, slots=True)
class Sensor:
    """A sensor; `device` is that on the I2C bus, None for others, which have `device_name` only."""

    id: int
    name: str
    kind: str
    device_name: str
    device: I2cDevice | None
    refdes: str | None


@dataclass(frozen=True, slots=True)
class Reading:
    """Last reading of a sensor.

    `state` is the variant of `LastReading`, None where there was no reading yet. `value` is the
    reading if it was data, `error` the variant of `NoData` if not; `time_ms` is when data was last
    read. `errors` counts errors by `NoData`, up to 63. `problem` says why nothing is known.
    """

    sensor: Sensor
    state: str | None = None
    value: float | None = None
    error: str | None = None
    time_ms: int | None = None
    errors: Mapping[str, int] | None = None
    problem: str = ""


def list_sensors(program: Program, filters: tuple[str, ...] = ()) -> tuple[Sensor, ...]:
    """Return the sensors whose name, kind or device contains one of `filters`, if there are any.

    An id selects as well. Raises `ArgumentError` for a build without sensors, `NotFound` for a
    filter that fits none.
    """
    devices = read_devices(program.archive)
    if not devices.sensors:
        raise ArgumentError(
            f"{program.archive.path} has no sensors: its app.toml describes none ([config.i2c], "
            "[config.sensor])"
        )
    sensors = tuple(_sensor(devices, i, found) for i, found in enumerate(devices.sensors))
    for text in filters:
        if not any(_fits(sensor, text) for sensor in sensors):
            hint = "`idoldbg sensors --list` shows all"
            raise NotFound("sensor", text, where=program.archive.path, hint=hint)
    return tuple(s for s in sensors if not filters or any(_fits(s, text) for text in filters))


def _sensor(devices: Devices, number: int, found: SensorInfo) -> Sensor:
    if isinstance(found.device, str):
        return Sensor(number, found.name, found.kind, found.device, None, found.refdes)
    device = devices.i2c_devices[found.device]
    return Sensor(number, found.name, found.kind, device.device, device, found.refdes)


def _fits(sensor: Sensor, text: str) -> bool:
    names = (sensor.name, sensor.kind, sensor.device_name)
    return text == str(sensor.id) or any(text.lower() in name.lower() for name in names)


def read_sensors(program: Program, filters: tuple[str, ...] = ()) -> tuple[Reading, ...]:
    """Read the last readings of the sensors that `list_sensors` returns.

    Raises `NotFound` where the build's sensor task keeps none, `FaultError` where its memory cannot
    be read.
    """
    sensors = list_sensors(program, filters)
    columns = _Columns(program, len(read_devices(program.archive).sensors))
    return tuple(columns.reading(sensor) for sensor in sensors)


class _Columns:
    """The arrays of the sensor task, each read once."""

    def __init__(self, program: Program, count: int) -> None:
        self.program = program
        self.count = count
        self.task = self._find_task()
        self.last = self._read(LAST_READING)
        self.values = self._read(DATA_VALUE)
        self.times = self._read(DATA_TIME)
        self.errors = self._read(ERR_VALUE)
        self.counts = self._read(NERRORS)

    def _find_task(self) -> str:
        hint = (
            "its sensor task keeps no readings in statics of these names; `idoldbg call "
            "Sensor.get` may read them"
        )
        try:
            return self._find(LAST_READING, None).task
        except NotFound as error:
            where = self.program.archive.path
            raise NotFound("static", LAST_READING, where=where, hint=hint) from error

    def _find(self, name: str, task: str | None) -> Static:
        return match_statics(self.program, name, task)[0]

    def _read(self, name: str) -> tuple[Value, ...]:
        """Read an array; raise `DecodeError` where it is of other sensors than the build's."""
        try:
            variable = self._find(name, self.task).variable
        except NotFound:
            if name in (LAST_READING, DATA_VALUE):
                raise
            return ()
        type_, offset = peel(variable.type)
        if variable.address is None or not isinstance(type_, Array):
            raise DecodeError(f"{self.task}/{variable.full_name} is not an array of readings")
        if type_.count != self.count:
            raise DecodeError(
                f"{self.task}/{variable.full_name} has {type_.count} elements, and app.toml "
                f"{self.count} sensors"
            )
        address = variable.address + offset
        found = image.decode(type_, self.program.memory.read(address, type_.size), address=address)
        if isinstance(found, ArrayValue):
            return tuple(found.elements)
        raise DecodeError(f"{self.task}/{variable.full_name} is not an array of readings")

    def reading(self, sensor: Sensor) -> Reading:
        """Return the last reading of one sensor."""
        i = sensor.id
        last = self.last[i]
        if not isinstance(last, EnumValue):
            return Reading(sensor, problem="its LAST_READING cannot be decoded")
        counts = self._counts(i)
        held = last.as_variant("Some")
        if held is None:
            return Reading(sensor, errors=counts)
        inner = held.only
        state = inner.variant if isinstance(inner, EnumValue) else "?"
        value, error = self.values[i], self.errors[i] if self.errors else None
        is_data = state in WITH_DATA
        has_time = bool(self.times) and state != "ErrorOnly"
        return Reading(
            sensor,
            state,
            value.value if is_data and isinstance(value, Float) else None,
            error.variant if not is_data and isinstance(error, EnumValue) else None,
            find_number(self.times[i]) if has_time else None,
            counts,
        )

    def _counts(self, index: int) -> Mapping[str, int] | None:
        packed = find_number(self.counts[index]) if self.counts else None
        if packed is None:
            return None
        return {name: packed >> i * COUNT_BITS & MOST_ERRORS for i, name in enumerate(ERRORS)}
