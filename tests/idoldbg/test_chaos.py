"""Injected faults: each kind does what it says, once, and again when the past is lived again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import idoldbg
from idoldbg.chaos import run_chaos
from idoldbg.cli import run
from idoldbg.device import Device
from idoldbg.errors import IdoldbgError, ServerDied, Unsupported
from idoldbg.target.capability import TimeTravel

Capture = pytest.CaptureFixture[str]
ID = b"\xff\xef\x40\x18"


@pytest.fixture
def dev() -> Iterator[Device]:
    with idoldbg.attach(probe="emu") as device:
        device.tasks()
        yield device


def read_id(dev: Device) -> bytes:
    return bytes(dev.Spi.exchange(device_index=0, source=b"\x9f\0\0\0", sink=4).leases.sink)


def ticks_in(dev: Device, seconds: float) -> int:
    before = dev.source().ticks
    dev.wait(seconds)
    after = dev.source().ticks
    assert before is not None
    assert after is not None
    return after - before


def test_a_task_is_killed_at_a_message_once(dev: Device) -> None:
    dev.board.inject("kill", task="victim", after=2)  # received, and replied
    assert dev["victim"].Victim.ping().value == 1
    with pytest.raises(ServerDied, match="illegal instruction"):
        dev["victim"].Victim.ping()
    assert dev["victim"].Victim.ping().value == 1
    assert dev["victim"].state().generation == 1


def test_a_task_is_killed_in_a_function(dev: Device) -> None:
    dev.board.inject("kill", task="victim", function="die")
    assert dev["victim"].Victim.ping().value == 1
    with pytest.raises(ServerDied, match="illegal instruction"):
        dev["victim"].Victim.die(cause="DivideByZero")


def test_interrupts_get_lost_or_come_twice(dev: Device) -> None:
    assert ticks_in(dev, 0.2) == 200
    dev.board.inject("lose-interrupt", number=15, count=30)
    assert ticks_in(dev, 0.2) == 170
    dev.board.inject("repeat-interrupt", number=15, count=30)
    assert ticks_in(dev, 0.2) == 230
    assert ticks_in(dev, 0.2) == 200


def test_the_clock_is_fast_for_a_while(dev: Device) -> None:
    dev.board.inject("clock", factor=0.5, for_s=0.1)
    assert ticks_in(dev, 0.3) in (249, 250, 251)
    before = dev.session.target.need(TimeTravel).past_of().cycles_per_second
    dev.board.inject("clock", factor=2.0)
    dev.wait(0.01)
    assert dev.session.target.need(TimeTravel).past_of().cycles_per_second == 2 * before


def test_registers_read_wrong_and_accesses_fail(dev: Device) -> None:
    assert read_id(dev) == ID
    dev.board.inject("wrong-read", address="spi1+0xc", mask=0x81, count=2)
    assert read_id(dev) == bytes([ID[0] ^ 0x81, ID[1] ^ 0x81, ID[2], ID[3]])
    assert read_id(dev) == ID
    dev.board.inject("bus-error", address="spi1+0xc")
    with pytest.raises(ServerDied, match="bus fault"):
        read_id(dev)
    assert read_id(dev) == ID


def test_bits_flip_and_power_fails(dev: Device) -> None:
    address = 0x2001_F000
    dev.link.write(address, b"\x10")
    dev.board.inject("flip", address=address, bit=3, at_s=0.01)
    dev.wait(0.009)
    assert dev.link.read(address, 1) == b"\x10"
    dev.wait(0.002)
    assert dev.link.read(address, 1) == b"\x18"
    board = dev.session.target.need(TimeTravel).past_of()
    resets = board.reset_count
    dev.board.inject("reset", at_s=0.001)
    dev.wait(0.01)
    assert board.reset_count == resets + 1
    assert dev.link.read(address, 1) == b"\x18"
    dev.board.inject("brown-out", seed=5)
    dev.wait(0.01)
    noise = dev.link.read(address, 16)
    assert board.reset_count == resets + 2
    assert len(set(noise)) > 8
    assert read_id(dev) == ID


def test_faults_are_part_of_the_past(dev: Device) -> None:
    board = dev.session.target.need(TimeTravel).past_of()
    dev.board.inject("kill", task="victim", at_s=0.02)
    dev.wait(0.03)
    with pytest.raises(ServerDied):
        dev["victim"].Victim.ping()
    dev.wait(0.01)
    end = board.bare_snapshot()
    fault = dev.board.rewind_to("fault of victim")
    assert fault.task == "victim"
    dev.board.forward()
    assert board.bare_snapshot() == end


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("flop", {}, "did you mean `flip`"),
        ("flip", {"adress": 1}, "did you mean `address`"),
        ("flip", {}, "needs it"),
        ("flip", {"address": 0x4000_0000}, "no RAM"),
        ("flip", {"address": 0x2000_0000, "bit": 8}, "out of range"),
        ("kill", {}, "needs the name of a task"),
        ("kill", {"task": "victin"}, "did you mean `victim`"),
        ("kill", {"task": "victim", "function": "dye"}, "did you mean `die`"),
        ("wrong-read", {"address": 0x2000_0000}, "no peripheral"),
        ("clock", {"factor": 0}, "0.01 to 100"),
        ("lose-interrupt", {"irq": -1}, "0 to 495"),
        ("reset", {"at_s": -1}, "seconds from now"),
        ("reset", {"at_s": "x"}, "seconds from now"),
    ],
)
def test_mistakes(kind: str, options: dict[str, Any], message: str, dev: Device) -> None:
    with pytest.raises(IdoldbgError, match=message):
        dev.board.inject(kind, **options)


def test_other_targets_take_no_faults() -> None:
    with idoldbg.attach(probe="pyocd:emu") as dev, pytest.raises(Unsupported, match="injected"):
        dev.board.inject("reset")


# ---- chaos ---------------------------------------------------------------------------------------


def chaos(capsys: Capture, *arguments: str, code: int = 0) -> str:
    assert run(["chaos", *arguments]) == code
    return capsys.readouterr().out


def test_a_seed_is_the_same_to_the_byte(capsys: Capture) -> None:
    wanted = ("--seconds", "4", "--call", "victim/Victim.ping", "--format", "json")
    first = chaos(capsys, "--seed", "3", *wanted)
    assert chaos(capsys, "--seed", "3", *wanted) == first
    assert chaos(capsys, "--seed", "4", *wanted) != first
    report = json.loads(first)
    assert report["failed"] == 0
    assert len(report["rounds"]) == 16
    assert len({each["fault"]["kind"] for each in report["rounds"]}) >= 4


def test_firmware_that_does_not_survive_is_found(
    dev: Device, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that the supervisor was told to leave alone stays dead; the report says so."""
    dev["victim"].hold()
    plan = {"kind": "trap", "address": _waits_at(dev, "victim")}
    choose: Callable[..., Any] = lambda *_: ("kill `victim`", dict(plan))  # noqa: E731
    monkeypatch.setattr("idoldbg.chaos._choose", choose)
    calls = [("victim/Victim.ping", dict[str, str]())]
    report = run_chaos(dev.session, seed=1, seconds=0.5, calls=calls, histories=tmp_path)
    assert len(report.failed) == len(report.rounds) == 2
    assert report.rounds[0].problems[0] == "task `victim` stays dead"
    history = report.rounds[0].history
    assert run(["replay", history, "--to", "fault of victim"]) == 0
    assert dev["victim"].state().fault is None, "the board is as it was"


def _waits_at(dev: Device, task: str) -> int:
    from idoldbg.injecting import plan_fault

    address = plan_fault(dev.program, "kill", {"task": task})["address"]
    assert isinstance(address, int)
    return address


def test_mistakes_on_the_command_line(capsys: Capture) -> None:
    assert run(["chaos", "--seconds", "0"]) == 2
    assert run(["chaos", "--call", "Sensor.got id=0"]) == 2
    assert "did you mean" in capsys.readouterr().err
    assert run(["chaos", "--call", "Sensor.get 0"]) == 2
    assert run(["chaos", "--call", "'"]) == 2
    assert run(["chaos", "-p", "pyocd:emu"]) == 4
