"""Pins and scans of I2C buses as text and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from idoldbg.call.peripherals import PINS, BusProbe, BusScan, PinCall
from idoldbg.render import source as source_of
from idoldbg.render.printable import join_lines
from idoldbg.render.text import table_lines
from idoldbg.views.source import Source

__all__ = ["pins_json", "pins_text", "scan_json", "scan_text"]

ABSENT = ("NoDevice", "NoRegister")
RESERVED = "ReservedAddress"
PER_LINE = 16


def pins_text(done: Sequence[PinCall], verb: str) -> str:
    """Write the level of each pin, a table of whole ports, or `verb` where nothing was read."""
    rows = []
    for each in done:
        port, _, pin = each.pin.partition(":")
        if each.call.error is not None:
            rows.append([each.pin, f"failed with {each.call.error}"])
        elif each.level is None:
            rows.append([each.pin, verb])
        elif pin:
            rows.append([each.pin, str(each.level >> int(pin) & 1)])
        elif each.call.signature.name == "GpioInput" and _has_ports(each):
            rows.append([port, *(str(each.level >> i & 1) for i in range(PINS))])
        else:
            rows.append([each.pin, str(each.level)])
    if any(len(row) > 2 for row in rows):
        rows.insert(0, ["PORT", *map(str, range(PINS))])
    return join_lines(table_lines(rows))


def _has_ports(each: PinCall) -> bool:
    """Return whether what is read is a port of 16 pins (STM32), not a pin by its name (LPC55)."""
    first = each.call.signature.arguments[0]
    return first.name.rsplit("::", 1)[-1] == "Port"


def pins_json(done: Sequence[PinCall], action: str, source: Source) -> dict[str, Any]:
    """Return the object of `gpio`; `level` has a bit a pin where a port was read."""
    return {
        "schema": "idoldbg.gpio/1",
        "source": source_of.json(source),
        "action": action,
        "pins": [{"pin": p.pin, "level": p.level, "error": p.call.error} for p in done],
    }


def scan_text(found: BusScan) -> str:
    """Write a grid of what answered, then each with what the build has there."""
    is_registers = found.device is not None
    what = "register" if is_registers else "device"
    answered = [probe for probe in found.probes if probe.error is None]
    place = f"I2C{found.bus.controller} port {found.bus.port}"
    if found.place.mux is not None:
        place += f" mux {found.place.mux}:{found.place.segment}"
    if is_registers:
        place += f" device 0x{found.device:02x}"
    plural = "" if len(answered) == 1 else "s"
    lines = [f"{place}: {len(answered)} {what}{plural}   - none  R reserved  E error", ""]
    cells = [_cell(probe, is_registers or found.register is not None) for probe in found.probes]
    rows = [["", *(f"{i:x}" for i in range(PER_LINE))]]
    for at in range(0, len(cells), PER_LINE):
        rows.append([f"0x{at:02x}", *cells[at : at + PER_LINE]])
    lines += table_lines(rows)
    names = {} if is_registers else dict(found.names)
    known = [f"0x{p.number:02x}  {names[p.number]}" for p in answered if p.number in names]
    lines += ["", *known] if known else []
    odd = Counter(p.error for p in found.probes if p.error not in (None, *ABSENT, RESERVED))
    lines += ["", *(f"{count} × {error}" for error, count in odd.items())] if odd else []
    return join_lines(lines)


def _cell(probe: BusProbe, shows_value: bool) -> str:
    if probe.error is None:
        return f"{probe.value if shows_value and probe.value is not None else probe.number:02x}"
    return "-" if probe.error in ABSENT else "R" if probe.error == RESERVED else "E"


def scan_json(found: BusScan, source: Source) -> dict[str, Any]:
    """Return the object of `i2c scan`."""
    names = {} if found.device is not None else dict(found.names)
    return {
        "schema": "idoldbg.i2c-scan/1",
        "source": source_of.json(source),
        "controller": found.bus.controller,
        "port": found.bus.port,
        "bus": found.bus.name,
        "mux": found.place.mux,
        "segment": found.place.segment,
        "device": found.device,
        "register": found.register,
        "probes": [
            {"number": p.number, "value": p.value, "error": p.error, "known": names.get(p.number)}
            for p in found.probes
        ],
    }
