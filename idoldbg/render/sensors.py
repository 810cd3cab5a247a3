"""Sensors and their readings as text and JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from idoldbg.render import source as source_of
from idoldbg.render.printable import join_lines
from idoldbg.render.text import table_lines
from idoldbg.views.sensors import MOST_ERRORS, Reading, Sensor
from idoldbg.views.source import Source

__all__ = ["json", "list_json", "list_text", "text"]

UNITS = {
    "temperature": "°C",
    "power": "W",
    "current": "A",
    "voltage": "V",
    "input-current": "A",
    "input-voltage": "V",
    "speed": "rpm",
}
COLUMNS = {
    "DeviceOff": "off",
    "DeviceError": "error",
    "DeviceNotPresent": "missing",
    "DeviceUnavailable": "unavailable",
    "DeviceTimeout": "timeout",
}
"""Headings of the counts of errors."""


def list_text(sensors: Sequence[Sensor]) -> str:
    """Write each sensor, and where it is on the I2C buses."""
    rows = [["ID", "KIND", "BUS", "MUX", "ADDR", "DEVICE", "NAME", "REFDES"]]
    for sensor in sensors:
        bus, mux, address = _place(sensor)
        where = [bus, mux, address, sensor.device_name, sensor.name, sensor.refdes or ""]
        rows.append([str(sensor.id), sensor.kind, *where])
    return join_lines(table_lines(rows, right=(0,)))


def _place(sensor: Sensor) -> tuple[str, str, str]:
    device = sensor.device
    if device is None:
        return "-", "-", "-"
    bus = "?" if device.controller is None else f"I2C{device.controller}:{device.port}"
    mux = "-" if device.mux is None else f"{device.mux}:{device.segment}"
    return bus, mux, f"0x{device.address:02x}"


def list_json(sensors: Sequence[Sensor], source: Source) -> dict[str, Any]:
    """Return the object of `sensors --list`."""
    return {
        "schema": "idoldbg.sensors-list/1",
        "source": source_of.json(source),
        "sensors": [_sensor(sensor) for sensor in sensors],
    }


def _sensor(sensor: Sensor) -> dict[str, Any]:
    device = sensor.device
    return {
        "id": sensor.id,
        "name": sensor.name,
        "kind": sensor.kind,
        "device": sensor.device_name,
        "refdes": sensor.refdes,
        "i2c": None
        if device is None
        else {
            "controller": device.controller,
            "port": device.port,
            "mux": device.mux,
            "segment": device.segment,
            "address": device.address,
        },
    }


def text(readings: Sequence[Reading]) -> str:
    """Write each reading, and how often there was none, by the reason."""
    rows = [["ID", "NAME", "KIND", "VALUE", "", *COLUMNS.values()]]
    for reading in readings:
        sensor = reading.sensor
        counts = [_count(reading, error) for error in COLUMNS]
        unit = UNITS.get(sensor.kind, "") if reading.value is not None else ""
        rows.append([str(sensor.id), sensor.name, sensor.kind, _value(reading), unit, *counts])
    return join_lines(table_lines(rows, right=(0, 3, *range(5, 5 + len(COLUMNS)))))


def _value(reading: Reading) -> str:
    if reading.problem:
        return f"({reading.problem})"
    if reading.value is not None:
        return f"{reading.value:.2f}"
    return reading.error or ("-" if reading.state is None else f"({reading.state})")


def _count(reading: Reading, error: str) -> str:
    if reading.errors is None:
        return "-"
    count = reading.errors[error]
    return f"{count}+" if count == MOST_ERRORS else str(count)


def json(readings: Sequence[Reading], source: Source) -> dict[str, Any]:
    """Return the object of `sensors`."""
    return {
        "schema": "idoldbg.sensors/1",
        "source": source_of.json(source),
        "sensors": [
            {
                **_sensor(reading.sensor),
                "state": reading.state,
                "value": _number(reading.value),
                "error": reading.error,
                "time_ms": reading.time_ms,
                "errors": None if reading.errors is None else dict(reading.errors),
                "problem": reading.problem,
            }
            for reading in readings
        ],
    }


def _number(value: float | None) -> float | str | None:
    """Return what JSON can hold: infinities and NaN as strings."""
    return value if value is None or math.isfinite(value) else str(value)
