"""Calls that get no answer: what is said about it, and how calls become possible again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner

import idoldbg
from idoldbg import cli, errors
from idoldbg.call import supervisor
from idoldbg.call.supervisor import Request
from idoldbg.device import Device
from idoldbg.render.tasks import post_mortem_sentences

BOARD = "lpcxpresso55s69"


@pytest.fixture
def dev() -> Iterator[Device]:
    with idoldbg.attach(board=BOARD, timeout_s=0.6) as device:
        device.Sensor.get(id=0)
        yield device


def test_a_held_task_wedges_hiffy_which_is_restarted(dev: Device) -> None:
    victim = dev["victim"]
    victim.hold()
    with pytest.raises(errors.CallTimeout, match="waiting for `victim` to reply") as caught:
        victim.Victim.panic(code=3)
    found = caught.value.post_mortem
    assert found is not None
    assert [row.name for row in found.waits] == ["hiffy", "victim"]
    assert found.is_wedged
    assert found.waits[1].fault is not None
    assert "told to panic with code 3" in str(found.waits[1].fault.panic_message)
    notes = caught.value.__notes__
    assert notes == post_mortem_sentences(found)
    assert "hiffy was restarted through `jefe`, so that calls can be made again" in notes
    assert dev.Sensor.get(id=0).value == 21.5
    victim.release()
    assert victim.Victim.ping().value == 1


def test_the_next_call_recovers_from_an_abandoned_one(
    dev: Device, caplog: pytest.LogCaptureFixture
) -> None:
    dev["victim"].fault()
    dev.session.caller.recovers = False
    with pytest.raises(errors.CallTimeout) as caught:
        dev["victim"].Victim.ping()
    assert not any("restarted" in note for note in caught.value.__notes__)
    with pytest.raises(errors.CallTimeout, match="not ready"):
        dev.Sensor.get(id=0)
    dev.session.caller.recovers = True
    assert dev.Sensor.get(id=0).value == 21.5
    (record,) = caplog.records
    assert "hiffy was restarted through `jefe`" in record.getMessage()


@pytest.mark.slow
def test_a_busy_task_starves_hiffy_and_is_named() -> None:
    """On the slowest of the boards, which is the fastest to emulate while it is busy."""
    with idoldbg.attach(board="nucleo-g031", timeout_s=0.3) as dev:
        victim = dev["victim"]
        with pytest.raises(errors.CallTimeout) as caught:
            victim.Victim.hang(milliseconds=5000)
        notes = "\n".join(caught.value.__notes__)
        assert "task `victim`, priority 4: RUNNING" in notes
        assert "`victim` stands in " in notes
        assert "main" in notes
        assert "restarted through `jefe`, which did not help" in notes
        assert caught.value.post_mortem.starving_task.name == "victim"
        victim.start()
        assert victim.Victim.ping().value == 1


def test_an_emulation_that_takes_too_long_names_the_busy_task(
    dev: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idoldbg.target.emulated.link.REAL_LIMIT_S", 0.2)
    dev.timeout_s = 3600  # which this firmware would take far longer for
    victim = dev["victim"]
    with pytest.raises(errors.LinkTimeout, match="the firmware is busy") as caught:
        victim.Victim.hang(milliseconds=86_400_000)
    assert any(note.startswith("task `") for note in caught.value.__notes__)
    monkeypatch.undo()
    dev.reset()
    assert victim.Victim.ping().value == 1


@pytest.mark.parametrize("probe", ["emu", "pyocd:emu"])
def test_a_halted_core_is_distinguished_from_a_stuck_one(probe: str) -> None:
    with idoldbg.attach(board=BOARD, probe=probe, timeout_s=60) as dev:
        dev.Sensor.get(id=0)
        dev.link.halt()
        dev.timeout_s = 0.3
        with pytest.raises(errors.CallTimeout) as caught:
            dev.Sensor.get(id=0)
        dev.timeout_s = 60
        assert caught.value.__notes__[0].startswith("the core is halted by a debugger")
        dev.link.resume()
        assert dev.Sensor.get(id=0).value == 21.5


def test_a_task_that_is_not_started_can_be(dev: Device) -> None:
    sleeper = dev["sleeper"]
    assert not sleeper.state().is_started
    with pytest.raises(errors.NotCallable, match="not started"):
        sleeper.Victim.ping()
    sleeper.start()
    assert sleeper.Victim.ping().value == 1


def test_limits_of_the_supervisor_are_reported(
    dev: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(errors.NotCallable, match="is the supervisor"):
        dev["jefe"].start()
    asked = dev._core.supervisor
    control = supervisor.find_control(dev.program)
    assert control is not None
    # A request that jefe does not know counts as an error.
    with pytest.raises(errors.NotCallable, match="refused to start"):
        monkeypatch.setattr(asked, "_write", _write_wrong_request(dev, control.request))
        dev._core.alone(lambda: asked.ask(Request.START, "victim"))
    monkeypatch.undo()
    # A jefe that does not look: its word says that it never began.
    dev.link.write(control.ready, bytes(4))
    with pytest.raises(errors.LinkTimeout, match="did not start"):
        dev["victim"].start()
    dev.link.write(control.ready, b"\1\0\0\0")
    dev["victim"].fault()
    monkeypatch.setattr(supervisor, "_NAMES", {"ready": "NO_SUCH_WORD"})
    with pytest.raises(errors.NotCallable, match="takes no requests from debuggers"):
        dev["victim"].start()
    with pytest.raises(errors.CallTimeout) as caught:
        dev["victim"].Victim.ping()
    assert any("until the board is reset" in note for note in caught.value.__notes__)


def _write_wrong_request(dev: Device, address: int) -> Callable[[int, int], None]:
    def write(where: int, value: int) -> None:
        dev.link.write(where, (77 if where == address else value).to_bytes(4, "little"))

    return write


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_command_line_agrees(form: str) -> None:
    argv = ["-b", BOARD, "--timeout", "0.3", "--format", form, "call", "Victim.hang"]
    argv += ["--task", "victim", "--milliseconds", "100000", "--no-recover"]
    with CliRunner().isolation() as (_, stderr, _all):
        assert cli.run(argv) == 3
        text = stderr.getvalue().decode() if stderr else ""
    if form == "text":
        lines = text.splitlines()
        assert lines[0].startswith("error: Victim.hang: no answer within 0.3 s: it is waiting for ")
        assert "  task `victim`, priority 4: RUNNING" in lines
        assert not any("restarted" in line for line in lines)
        return
    error = json.loads(text)["error"]
    assert error["kind"] == "CallTimeout"
    assert error["timeout_s"] == 0.3
    assert [row["name"] for row in error["post_mortem"]["waits"]] == ["hiffy", "victim"]
