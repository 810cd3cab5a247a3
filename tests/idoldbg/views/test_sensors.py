"""Sensors of builds, and their readings from the arrays of a sensor task."""

from __future__ import annotations

import json
import struct
from types import SimpleNamespace
from typing import Any, cast

import pytest

from idoldbg.build.program import Program
from idoldbg.cli import run
from idoldbg.errors import ArgumentError, DecodeError, FaultError, NotFound
from idoldbg.model.memory import MemoryImage, Segment
from idoldbg.model.types import Member, Scalar, ScalarKind, Type, Union
from idoldbg.render import sensors as render
from idoldbg.session import demo_archive
from idoldbg.views import sensors
from idoldbg.views.sensors import list_sensors, read_sensors
from idoldbg.views.source import Source
from tests.idoldbg.typegen import U32, make_array, make_clike, make_option, make_struct

F32 = Scalar("f32", 4, ScalarKind.FLOAT)
U64 = Scalar("u64", 8, ScalarKind.UNSIGNED)
LAST = make_clike(
    "task_sensor::LastReading", [("DataOnly", 0), ("ErrorOnly", 1), ("Data", 2), ("Error", 3)]
)
NO_DATA = make_clike("task_sensor_api::NoData", [("DeviceOff", 0), ("DeviceTimeout", 4)])
UNIT = make_struct("()", [])
COUNT = 5
APP: dict[str, Any] = {
    "config": {
        "i2c": {
            "controllers": [{"controller": 2, "ports": {"F": {"name": "front"}}}],
            "devices": [
                {
                    "device": "tmp117",
                    "bus": "front",
                    "address": 0x48,
                    "name": "Southwest",
                    "description": "a thermometer",
                    "sensors": {"temperature": 1},
                },
                {
                    "device": "max5970",
                    "controller": 2,
                    "address": 0x38,
                    "mux": 1,
                    "segment": 2,
                    "description": "a switch",
                    "power": {"rails": ["V12", "V3P3"]},
                    "sensors": {"current": 2, "voltage": 1},
                    "refdes": "U7",
                },
            ],
        },
        "sensor": {"devices": [{"name": "xcvr30", "device": "qsfp", "sensors": {"speed": 1}}]},
    }
}


def maybe_uninit(type_: Type) -> Type:
    """Wrap an array as `mutable_statics!` does."""
    held = make_struct("core::mem::ManuallyDrop", [("value", type_)])
    members = (Member("uninit", 0, UNIT), Member("value", 0, held))
    return Union("core::mem::MaybeUninit", type_.size, members)


OPTION = make_option(LAST)
ARRAYS: dict[str, Type] = {
    "LAST_READING": OPTION,
    "DATA_VALUE": F32,
    "DATA_TIME": U64,
    "ERR_VALUE": NO_DATA,
    "NERRORS": U32,
}


class Board:
    """A sensor task's memory."""

    def __init__(self, patch: pytest.MonkeyPatch, *, count: int = COUNT) -> None:
        self.at = {name: 0x2000_0000 + i * 0x100 for i, name in enumerate(ARRAYS)}
        self.types = {name: maybe_uninit(make_array(t, count)) for name, t in ARRAYS.items()}
        self.missing: set[str] = set()
        patch.setattr(sensors, "match_statics", self.match)
        values = (18.875, 0.02, float("nan"), 3.3, 0.0)
        some = [self.some(n) for n in (0, 2, 3, 1)]  # DataOnly, Data, Error, ErrorOnly
        self.memory = {
            "LAST_READING": b"".join([*some, self.none()]),
            "DATA_VALUE": struct.pack("<5f", *values),
            "DATA_TIME": struct.pack("<5Q", 100, 200, 300, 0, 0),
            "ERR_VALUE": bytes([0, 0, 4, 0, 0]),
            "NERRORS": struct.pack("<5I", 0, 1 << 6 | 2, 63 << 24, 1, 0),
        }

    @staticmethod
    def some(number: int) -> bytes:
        tag = next(v for v in OPTION.variants if v.name == "Some")
        data = bytearray(OPTION.size)
        data[OPTION.tag.offset : OPTION.tag.offset + OPTION.tag.type.size] = int(
            tag.discriminant or 0
        ).to_bytes(OPTION.tag.type.size, "little")
        data[tag.offset + tag.type.members[0].offset] = number
        return bytes(data)

    @staticmethod
    def none() -> bytes:
        return bytes(OPTION.size)

    def match(self, _: Program, name: str, task: str | None = None) -> tuple[Any, ...]:
        assert task in (None, "sensor")
        if name in self.missing:
            raise NotFound("static", name)
        full = f"task_sensor::main::{name}"
        variable = SimpleNamespace(address=self.at[name], type=self.types[name], full_name=full)
        return (SimpleNamespace(task="sensor", variable=variable),)

    def program(self, app: dict[str, Any] | None = None) -> Program:
        segments = [Segment(self.at[name], data) for name, data in self.memory.items()]
        found = SimpleNamespace(
            archive=SimpleNamespace(app=APP if app is None else app, path="build.zip"),
            memory=MemoryImage(segments),
        )
        return cast(Program, found)


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Board:
    return Board(monkeypatch)


def test_ids_are_in_the_order_of_the_build(board: Board) -> None:
    found = list_sensors(board.program())
    assert [(s.id, s.name, s.kind, s.device_name) for s in found] == [
        (0, "Southwest", "temperature", "tmp117"),
        (1, "V12", "current", "max5970"),
        (2, "V3P3", "current", "max5970"),
        (3, "V12", "voltage", "max5970"),
        (4, "xcvr30", "speed", "qsfp"),
    ]


@pytest.mark.parametrize(
    ("filters", "ids"),
    [((), [0, 1, 2, 3, 4]), (("v12",), [1, 3]), (("current", "4"), [1, 2, 4]), (("tmp",), [0])],
)
def test_filters(board: Board, filters: tuple[str, ...], ids: list[int]) -> None:
    assert [sensor.id for sensor in list_sensors(board.program(), filters)] == ids
    assert [reading.sensor.id for reading in read_sensors(board.program(), filters)] == ids


def test_a_value_counts_where_the_last_reading_was_data(board: Board) -> None:
    found = read_sensors(board.program())
    states = ["DataOnly", "Data", "Error", "ErrorOnly", None]
    assert [reading.state for reading in found] == states
    assert found[0].value == 18.875
    assert found[1].value == pytest.approx(0.02)
    assert [reading.value for reading in found[2:]] == [None, None, None]
    errors = [None, None, "DeviceTimeout", "DeviceOff", None]
    assert [reading.error for reading in found] == errors
    assert [reading.time_ms for reading in found] == [100, 200, 300, None, None]
    counts = found[1].errors
    assert counts is not None
    assert (counts["DeviceOff"], counts["DeviceError"], counts["DeviceTimeout"]) == (2, 1, 0)


def test_text(board: Board) -> None:
    lines = [line.split() for line in render.text(read_sensors(board.program())).splitlines()]
    assert lines[1] == ["0", "Southwest", "temperature", "18.88", "°C", *"00000"]
    assert lines[3] == ["2", "V3P3", "current", "DeviceTimeout", *"0000", "63+"]
    assert lines[5] == ["4", "xcvr30", "speed", "-", *"00000"]
    listed = render.list_text(list_sensors(board.program())).splitlines()
    assert listed[2].split() == ["1", "current", "I2C2:F", "1:2", "0x38", "max5970", "V12", "U7"]
    assert listed[5].split() == ["4", "speed", "-", "-", "-", "qsfp", "xcvr30"]


def test_json_holds_what_is_not_finite(board: Board) -> None:
    board.memory["DATA_VALUE"] = struct.pack("<5f", float("inf"), 1, 1, 1, 1)
    found = render.json(read_sensors(board.program()), Source("dump", "build.zip", ""))
    assert json.loads(json.dumps(found, allow_nan=False))["sensors"][0]["value"] == "inf"


def test_old_tasks_without_counts_have_values(board: Board) -> None:
    board.missing = {"NERRORS", "ERR_VALUE", "DATA_TIME"}
    found = read_sensors(board.program())[1]
    assert (found.value, found.errors, found.time_ms) == (pytest.approx(0.02), None, None)


def test_arrays_of_another_build_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    other = Board(monkeypatch, count=4)
    with pytest.raises(DecodeError, match="has 4 elements, and app"):
        read_sensors(other.program())
    plain = Board(monkeypatch)
    plain.types["DATA_VALUE"] = F32
    with pytest.raises(DecodeError, match="is not an array of readings"):
        read_sensors(plain.program())
    plain = Board(monkeypatch)
    del plain.memory["DATA_VALUE"]
    with pytest.raises(FaultError):
        read_sensors(plain.program())
    plain = Board(monkeypatch)
    plain.missing = {"LAST_READING"}
    with pytest.raises(NotFound, match="keeps no readings in statics of these names"):
        read_sensors(plain.program())
    with pytest.raises(ArgumentError, match="has no sensors: its app"):
        list_sensors(plain.program({}))
    with pytest.raises(NotFound, match="--list` shows all"):
        list_sensors(plain.program(), ("V13",))


def test_the_command_on_an_image_without_sensors(capsys: pytest.CaptureFixture[str]) -> None:
    archive = str(demo_archive("stm32f4-discovery"))
    assert run(["-a", archive, "sensors", "--list"]) == 2
    assert "has no sensors: its app.toml describes none" in capsys.readouterr().err
    assert run(["-a", archive, "sensors", "--list", "--read"]) == 2
