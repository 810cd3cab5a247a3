"""Devices of `app.toml`: buses, names and ids of sensors, sockets; configurations of any shape."""

from __future__ import annotations

import tomllib
from types import SimpleNamespace
from typing import Any

import pytest

from idoldbg.views.devices import AuxFlash, Devices, I2cBus, Socket, read_devices

CONFIG = """
[[i2c.controllers]]
controller = 2
[i2c.controllers.ports.F]
name = "main"
description = "Main bus"
[i2c.controllers.ports.B]
[[i2c.controllers]]
controller = 1
target = true
ports.C = {}

[[i2c.devices]]
device = "tmp117"
bus = "main"
address = 0x48
mux = 1
segment = 4
description = "North"
sensors = { temperature = 2 }
refdes = ["J44", "U1"]
[[i2c.devices]]
device = "raa229618"
name = "CPU"
controller = 1
address = 0x5a
description = "power"
power = { rails = ["V1", "V2"], sensors = ["voltage"] }
sensors = { voltage = 2, temperature = 1, current = 1, names = ["a"] }
[[i2c.devices]]
device = "pmic"
controller = 2
port = "b"
address = 1
description = ""
pmbus = { rails = ["R"] }
sensors = { power = 1 }
[[i2c.devices]]
device = "lost"
bus = "nowhere"
address = 2
description = ""

[[sensor.devices]]
name = "xcvr"
device = "qsfp"
sensors = { temperature = 1, speed = 2 }

[net.sockets.echo]
kind = "udp"
owner = { name = "udpecho", notification = "socket" }
port = 7
tx = { packets = 3, bytes = 1024 }
rx = { packets = 4, bytes = 512 }

[auxflash]
memory-size = 1024
slot-count = 2
"""


def read(config: Any) -> Devices:
    archive: Any = SimpleNamespace(app={"config": config})
    return read_devices(archive)


def test_devices() -> None:
    found = read(tomllib.loads(CONFIG))
    assert found.buses == (
        I2cBus(2, "B", None, None, False),
        I2cBus(2, "F", "main", "Main bus", False),
        I2cBus(1, "C", None, None, True),
    )
    assert [(d.device, d.controller, d.port, d.refdes) for d in found.i2c_devices] == [
        ("tmp117", 2, "F", "J44/U1"),
        ("raa229618", 1, "C", None),
        ("pmic", 2, "B", None),
        ("lost", None, None, None),
    ]
    assert [(s.name, s.kind, s.device) for s in found.sensors] == [
        ("tmp117", "temperature", 0),
        ("tmp117#1", "temperature", 0),
        ("a", "temperature", 1),
        ("a", "current", 1),
        ("V1", "voltage", 1),
        ("V2", "voltage", 1),
        ("R", "power", 2),
        ("xcvr", "speed", "qsfp"),
        ("xcvr", "speed", "qsfp"),
        ("xcvr", "temperature", "qsfp"),
    ]
    assert found.sockets == (Socket("echo", "udp", 7, "udpecho", "socket", 4, 512, 3, 1024),)
    assert found.aux_flash == AuxFlash(1024, 2)
    assert found.problems == ("the bus of lost at 0x02 (I2C) is unknown",)


@pytest.mark.parametrize(
    "config",
    [
        None,
        [],
        {"i2c": 3, "sensor": "x", "net": [], "auxflash": {"memory-size": 1, "slot-count": 0}},
        {"i2c": {"controllers": [1, {"ports": 3}], "devices": {"device": 1}}},
        {"i2c": {"devices": [{}, {"device": "a", "address": "b"}]}},
        {"net": {"sockets": {"a": 3, "b": {"owner": [], "port": "x"}}}},
        {"sensor": {"devices": [{"sensors": {"x": 1 << 60}}, {"sensors": {"x": True}}]}},
        {"i2c": {"devices": [{"device": "a", "address": 1, "sensors": {"speed": 1 << 60}}]}},
    ],
)
def test_any_configuration_is_read(config: Any) -> None:
    found = read(config)
    assert len(found.sensors) < 5000
    assert found.aux_flash is None
