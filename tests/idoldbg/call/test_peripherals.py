"""Pins and I2C buses: programs that hiffy's interpreter executes, answers, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from idoldbg.call.caller import Caller
from idoldbg.call.functions import Functions
from idoldbg.call.hiffy import Mailbox, drive
from idoldbg.call.hiffy.functions import read_signatures
from idoldbg.call.hiffy.program import HifProgram
from idoldbg.call.peripherals import call_pins, find_bus, scan_bus
from idoldbg.cli import run
from idoldbg.errors import ArgumentError, NotCallable, NotFound
from idoldbg.model.archive import Archive
from idoldbg.render import peripherals as render
from idoldbg.session import demo_archive
from idoldbg.views.source import Source
from tests.idoldbg.call.hif.interpreter import Failure, FunctionFailed, Stack
from tests.idoldbg.call.hiffy.fake import FakeBoard, FakeVariable
from tests.idoldbg.call.hiffy.test_functions import (
    CODE,
    CONTROLLER,
    MUX,
    PORT,
    PORT_INDEX,
    USIZE,
    option_of,
)
from tests.idoldbg.typegen import U8, U32, make_clike, make_tuple

PULL = make_clike("drv_stm32xx_sys_api::Pull", [("None", 0), ("Up", 1)])
PIN = make_clike("drv_lpc55_gpio_api::Pin", [("PIO0_0", 0), ("PIO1_4", 36)])
FUNCTIONS = [
    ("GpioInput", PORT, U32),
    ("GpioSet", make_tuple(PORT, U8), U32),
    ("GpioConfigure", make_tuple(PORT, U8, PULL), U32),
    ("GpioToggle", PIN, U32),
    ("I2cRead", make_tuple(CONTROLLER, PORT_INDEX, MUX, MUX, U8, U8, USIZE), CODE),
]
SIGNATURES = read_signatures(option_of(FUNCTIONS))
DEVICES = {0x48: 0x11, 0x70: 0x22}
APP: dict[str, Any] = {
    "config": {
        "i2c": {
            "controllers": [
                {"controller": 3, "ports": {"H": {"name": "front"}, "B": {}}},
                {"controller": 0, "ports": {"B": {"name": "rear"}}},
                {"controller": 1, "target": True, "ports": {"B": {}}},
            ],
            "devices": [
                {"device": "tmp117", "bus": "front", "address": 0x48, "name": "SW"},
                {"device": "tmp117", "bus": "rear", "address": 0x70},
            ],
        }
    }
}


class Board(FakeBoard):
    """A hiffy whose functions move pins and read a bus with two devices."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.names = tuple(SIGNATURES)
        self.variables["HIFFY_FUNCTIONS"] = FakeVariable(None, option_of(FUNCTIONS))
        self.got: list[tuple[int | None, ...]] = []
        self.runs = 0

    def __getattr__(self, name: str) -> Callable[[Stack, bytes, bytearray], int]:
        if not name.startswith("_do_"):
            raise AttributeError(name)
        return self._read if name == "_do_I2cRead" else self._pin(name)

    def _pin(self, name: str) -> Callable[[Stack, bytes, bytearray], int]:
        def move(stack: Stack, data: bytes, scratch: bytearray) -> int:
            self.got.append(tuple(stack))
            if name != "_do_GpioInput":
                return 0
            scratch[:2] = (0x8001 >> (stack[-1] or 0)).to_bytes(2, "little")
            return 2

        return move

    def _read(self, stack: Stack, data: bytes, scratch: bytearray) -> int:
        controller, port, _mux, _segment, address, register, count = stack[-7:]
        self.got.append(tuple(stack[-7:]))
        assert (controller, port, count) == (3, 1, 1)
        assert len(stack) == 7
        if (address or 0) < 8:
            raise FunctionFailed(Failure("FunctionError", datum=5))
        if address not in DEVICES:
            raise FunctionFailed(Failure("FunctionError", datum=4))
        if register is not None and register % 2:
            raise FunctionFailed(Failure("FunctionError", datum=77))
        scratch[0] = DEVICES[address] if register is None else register
        return 1


class Calls:
    """Stands in for a caller on the board."""

    def __init__(self, board: Board, patch: pytest.MonkeyPatch) -> None:
        self.board = board
        self.layout = board.layout(version=(0, 3, 1))
        self.program = SimpleNamespace(archive=SimpleNamespace(app=APP, path="build.zip"))
        functions = Functions(self.layout, tuple(SIGNATURES.values()))
        patch.setattr("idoldbg.call.peripherals.read_functions", lambda _: functions)

    def run(self, program: HifProgram) -> Any:
        self.board.runs += 1
        return drive(Mailbox(self.layout).run(program), self.board, self.board, self.board)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(Board(), monkeypatch)


def caller_of(calls: Calls) -> Caller:
    return cast(Caller, calls)


SOURCE = Source("emulated", "build.zip", "")


def test_pins_are_set_in_one_program(calls: Calls) -> None:
    done = call_pins(caller_of(calls), "GpioSet", ["A:5", "k:0".upper()])
    assert calls.board.got == [(0, 5), (10, 0)]
    assert calls.board.runs == 1
    assert render.pins_text(done, "set") == "A:5  set\nK:0  set"


def test_levels_of_pins_and_ports(calls: Calls) -> None:
    assert render.pins_text(call_pins(caller_of(calls), "GpioInput", ["A:15", "B:15"]), "read") == (
        "A:15  1\nB:15  0"
    )
    whole = call_pins(caller_of(calls), "GpioInput", [])
    assert [each.level for each in whole] == [0x8001, 0x4000, 0x8001 >> 10]
    lines = [line.split() for line in render.pins_text(whole, "read").splitlines()]
    assert lines[0] == ["PORT", *map(str, range(16))]
    assert lines[1] == ["A", "1", *"0" * 14, "1"]
    answer = render.pins_json(whole, "input", SOURCE)
    assert answer["pins"][1] == {"pin": "B", "level": 0x4000, "error": None}


def test_an_enum_with_a_variant_none_takes_it(calls: Calls) -> None:
    call_pins(caller_of(calls), "GpioConfigure", ["A:5"], ["None"])
    call_pins(caller_of(calls), "GpioConfigure", ["A:5"], ["Up"])
    assert calls.board.got == [(0, 5, 0), (0, 5, 1)]


def test_pins_by_name(calls: Calls) -> None:
    call_pins(caller_of(calls), "GpioToggle", ["PIO1_4"])
    assert calls.board.got == [(36,)]


@pytest.mark.parametrize(
    ("function", "pin", "message"),
    [
        ("GpioSet", "A5", "write PORT:PIN, such as A:5"),
        ("GpioToggle", "A:5", "write its name, such as PIO0_5"),
        ("GpioInput", "A:16", "they are numbered from 0 to 15"),
        ("GpioSet", "Q:1", "GpioSet argument 1"),
    ],
)
def test_other_pins_are_refused(calls: Calls, function: str, pin: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        call_pins(caller_of(calls), function, [pin])
    assert not calls.board.runs


def test_a_scan_finds_devices(calls: Calls) -> None:
    bus = find_bus(cast(Archive, calls.program.archive), "front")
    found = scan_bus(caller_of(calls), bus)
    assert [p.number for p in found.probes] == list(range(128))
    assert {p.number: p.value for p in found.probes if p.error is None} == DEVICES
    assert [got[4] for got in calls.board.got] == list(range(128))
    assert all(got[2:4] == (None, None) and got[5] is None for got in calls.board.got)
    assert calls.board.runs == 3  # of 300 bytes of results, five each
    lines = render.scan_text(found).splitlines()
    assert lines[0].startswith("I2C3 port H: 2 devices")
    assert "0x40  -  -  -  -  -  -  -  -  48" in lines[7].replace("   ", "  ")
    assert "0x48  tmp117 SW" in lines
    answer = render.scan_json(found, SOURCE)
    assert answer["probes"][0x48] == {
        "number": 0x48,
        "value": 0x11,
        "error": None,
        "known": "tmp117 SW",
    }


def test_a_scan_of_registers(calls: Calls) -> None:
    bus = find_bus(cast(Archive, calls.program.archive), "3:h")
    found = scan_bus(caller_of(calls), bus, mux=(1, 2), device=0x48)
    assert [got[2:6] for got in calls.board.got] == [(1, 2, 0x48, n) for n in range(256)]
    assert [p.value for p in found.probes[:3]] == [0, None, 2]
    assert found.probes[1].error == "code 77"
    text = render.scan_text(found)
    assert text.startswith("I2C3 port H mux 1:2 device 0x48: 128 registers")
    assert text.endswith("128 × code 77")


def test_a_scan_at_a_register(calls: Calls) -> None:
    bus = find_bus(cast(Archive, calls.program.archive), "front")
    found = scan_bus(caller_of(calls), bus, register=0x20)
    assert {p.number: p.value for p in found.probes if p.error is None} == {0x48: 0x20, 0x70: 0x20}
    assert all(got[5] == 0x20 for got in calls.board.got)


def test_buses_by_name(calls: Calls) -> None:
    archive = cast(Archive, calls.program.archive)
    assert (find_bus(archive, "0").controller, find_bus(archive, "rear").port) == (0, "B")
    with pytest.raises(ArgumentError, match="choose a bus: 3:B, 3:H"):
        find_bus(archive, "3")
    with pytest.raises(NotFound, match="did you mean `front`"):
        find_bus(archive, "frnt")
    with pytest.raises(NotFound):  # on that the image answers, instead of asking
        find_bus(archive, "1")
    with pytest.raises(ArgumentError, match="has no I2C buses"):
        find_bus(cast(Archive, SimpleNamespace(app={}, path="x")), None)


def test_a_function_of_another_version_is_refused(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = read_signatures(option_of([("I2cRead", make_tuple(U8, U8), CODE)]))
    functions = Functions(calls.layout, tuple(other.values()))
    monkeypatch.setattr("idoldbg.call.peripherals.read_functions", lambda _: functions)
    bus = find_bus(cast(Archive, calls.program.archive), "front")
    with pytest.raises(NotCallable, match="different Hubris version"):
        scan_bus(caller_of(calls), bus)


COMMANDS: list[tuple[list[str], int, str]] = [
    (["gpio", "input"], 2, "no function named `GpioInput` in this image's hiffy"),
    (["gpio", "set"], 2, "`gpio set` takes a pin"),
    (["gpio", "blink", "A:1"], 2, "is not one of"),
    (["i2c", "scan"], 2, "has no I2C buses"),
    (["i2c", "scan", "--mux", "1"], 2, "write MUX:SEGMENT"),
    (["i2c", "scan", "--device", "0x80"], 2, "not a number from 0 to 0x7f"),
    (["i2c", "scan", "--device", "1", "--register", "1"], 2, "--register is for scans"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), COMMANDS)
def test_commands_on_an_image_without_them(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-a", str(demo_archive("stm32f4-discovery")), "-p", "emu", *arguments]) == code
    assert message in capsys.readouterr().err
