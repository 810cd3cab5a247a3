"""The commands that a desk with a board needs, over each kind of probe, as a user types them.

Calls of every kind are in `tests/idoldbg/test_calls_on_boards.py`, over the same probes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from idoldbg.cli import run
from idoldbg.session import TargetOptions, open_session
from tests.bench.bench import Bench, Probe
from tests.bench.stlink import StLink
from tests.conftest import ARCHIVES

Capture = pytest.CaptureFixture[str]
PLACES = {
    "stlink-v2-1": "stm32f4-discovery",
    "stlink-v3": "nucleo-g031",
    "mcu-link": "lpcxpresso55s69",
    "daplink-hid": "lpcxpresso55s69",
}


@pytest.fixture(scope="module", params=PLACES)
def desk(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Desk]:
    with Bench(tmp_path_factory.mktemp("bench")) as bench, bench.here():
        board = PLACES[request.param]
        yield Desk(bench, bench.plug(request.param, board), ARCHIVES / f"{board}.zip")


class Desk:
    """A board on a probe, and the build that runs on it."""

    def __init__(self, bench: Bench, probe: Probe, archive: Path) -> None:
        self.bench, self.probe, self.archive = bench, probe, archive
        self.options = ["-p", "pyocd", "-a", str(archive)]

    @property
    def board(self) -> str:
        """The board's name."""
        name: str = self.probe.board.board.name
        return name

    def run(self, *command: str) -> int:
        """Run a command in this process; afterwards nothing may be claimed."""
        code = run([*self.options, *command])
        assert not self.probe.device.claims
        assert not self.bench.bus.users
        return code

    def child(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command in a process of its own."""
        return subprocess.run(
            [sys.executable, *command],
            env=self.bench.env,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=300,
        )


def test_probes_lists_it(desk: Desk, capsys: Capture) -> None:
    assert run(["probes", "--format", "json"]) == 0
    probes = json.loads(capsys.readouterr().out)["probes"]
    (found,) = [p for p in probes if p["unique_id"].startswith("BENCH")]
    assert found["unique_id"] == desk.probe.device.serial
    is_stlink = isinstance(desk.probe.firmware, StLink)
    assert (desk.board in json.dumps(found)) == is_stlink, "it can say what board it is part of"


READERS = {
    "tasks": ["jefe", "RUNNING"],
    "call Sensor.get --id 0": ["21.5"],
    "call Spi.exchange --device-index 0 --source hex:9f000000 --sink 4": ["ff ef 40 18"],
    "ringbuf": [],
    "counters": [],
    "readmem 0x20000000 16": ["20000000"],
    "stackmargin": ["idle"],
    "diagnose": [],
}


@pytest.mark.parametrize("command", READERS)
def test_reading_commands_leave_the_target_undisturbed(
    desk: Desk, command: str, capsys: Capture
) -> None:
    before = desk.probe.disturbances()
    assert desk.run(*command.split()) == 0
    output = capsys.readouterr()
    for text in READERS[command]:
        assert text in output.out
    assert output.err == ""
    assert desk.probe.disturbances() == before


def test_without_a_spec_the_probe_is_found(desk: Desk, capsys: Capture) -> None:
    assert run(["-a", str(desk.archive), "tasks"]) == 0
    output = capsys.readouterr()
    assert "jefe" in output.out
    assert "note: using the attached " in output.err
    assert desk.probe.counts.round_trips


@pytest.mark.parametrize("how", [[], ["--hard"]])
def test_reset(desk: Desk, how: list[str], capsys: Capture) -> None:
    resets = desk.probe.board.reset_count
    assert desk.run("reset", *how) == 0
    assert desk.probe.board.reset_count == resets + 1
    assert not desk.probe.board.is_halted
    assert desk.run("call", "Sensor.get", "--id", "0") == 0
    assert "21.5" in capsys.readouterr().out


def test_reset_halt_and_resume(desk: Desk) -> None:
    assert desk.run("reset", "--halt") == 0
    assert desk.probe.board.is_halted
    assert desk.run("resume") == 0
    assert not desk.probe.board.is_halted
    assert desk.run("halt") == 0
    assert desk.probe.board.is_halted
    assert desk.run("registers") == 0
    assert desk.probe.board.is_halted
    assert desk.run("resume") == 0
    assert desk.run("tasks") == 0


def test_flash(desk: Desk, capsys: Capture) -> None:
    assert desk.run("flash", "--check", str(desk.archive)) == 0
    capsys.readouterr()
    code, message = desk.run("flash", str(desk.archive)), capsys.readouterr().err
    if desk.board == "lpcxpresso55s69":
        assert code == 0, message
        assert desk.run("call", "Sensor.get", "--id", "0") == 0
    else:
        assert code == 4
        assert "pyocd pack install" in message, "pyOCD needs a CMSIS pack for this chip"
        assert desk.run("tasks") == 0, "nothing was changed"


def test_dump(desk: Desk, tmp_path: Path, capsys: Capture) -> None:
    assert desk.run("dump", "--task", "sensor", "-o", str(tmp_path / "core")) == 0
    assert run(["-p", f"dump:{tmp_path / 'core'}", "-a", str(tmp_path / "core"), "tasks"]) == 0
    assert "sensor" in capsys.readouterr().out
    assert not desk.probe.board.is_halted


def test_shell_in_a_process_of_its_own(desk: Desk) -> None:
    code = "print(dev.Sensor.get(id=0).value, dev.Jefe.get_state().value)"
    done = desk.child("-m", "idoldbg", *desk.options, "shell", "-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("21.5 ")
    assert not desk.probe.device.claims


TESTS = """
def test_temperature(idol):
    assert idol.Sensor.get(id=0).value == 21.5

def test_that_fails(idol):
    assert idol.Sensor.get(id=0).value == 99
"""


def test_pytest_in_a_process_of_its_own(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "test_board.py").write_text(TESTS)
    options = [f"--idoldbg-archive={desk.archive}", "--idoldbg-probe=pyocd"]
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *options]
    done = desk.child(*command, cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 1 passed" in done.stdout
    assert desk.probe.device.serial in done.stdout
    assert not desk.probe.device.claims
    assert not desk.probe.board.is_halted


def test_a_second_user_gets_the_name_of_the_first(desk: Desk, capsys: Capture) -> None:
    with open_session(TargetOptions(archive=str(desk.archive), probe="pyocd")):
        done = desk.child("-m", "idoldbg", *desk.options, "tasks")
        assert done.returncode == 4
        assert f"in use by process {os.getpid()}" in done.stderr
    assert desk.run("tasks") == 0
