"""`sensors --list`: id, kind, place on the buses, device and name of each sensor."""

from __future__ import annotations

from typing import Any

from tests.real.peer import Peer

COMMAND = "sensors"
KINDS = {
    "temp": "temperature",
    "input-current": "input-current",
    "input-voltage": "input-voltage",
}


def parse(text: str) -> dict[str, Any]:
    """Read Humility's table; names are all that follows, and may have blanks."""
    facts: dict[str, Any] = {}
    for line in text.splitlines()[1:]:
        number, _, kind, controller, port, mux, address, device, name = line.split(None, 8)
        place = (controller, port, mux, address)
        facts[number] = (KINDS.get(kind, kind), *place, device, name.strip())
    return facts


def facts_of(answer: Any) -> dict[str, Any]:
    facts = {}
    for sensor in answer["sensors"]:
        bus, place = sensor["i2c"], ("-", "-", "-", "-")
        if bus is not None:
            mux = "-" if bus["mux"] is None else f"{bus['mux']}:{bus['segment']}"
            place = (str(bus["controller"]), bus["port"], mux, f"0x{bus['address']:02x}")
        facts[str(sensor["id"])] = (sensor["kind"], *place, sensor["device"], sensor["name"])
    return facts


def test_sensors(peer: Peer) -> None:
    if peer.failure:
        peer.may_fail(lambda: peer.json("sensors", "--list"))
    theirs = parse(peer.stdout)
    if not theirs:  # ours says that there are none
        peer.may_fail(lambda: peer.json("sensors", "--list"))
    peer.compare(theirs, facts_of(peer.json("sensors", "--list")))
