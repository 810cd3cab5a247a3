"""`idoldbg halt` and `resume`: the core stays as they leave it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from idoldbg.cli import run
from idoldbg.session import demo_archive
from idoldbg.target.emulated.server import BoardEntry, running_board
from idoldbg.target.emulated.socket import connect_board

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def desk() -> Iterator[BoardEntry]:
    with running_board("halted-desk", board="stm32f4-discovery", pyocd_port=0) as entry:
        yield entry


@pytest.mark.parametrize("spec", ["emu:halted-desk", "pyocd:board-halted-desk"])
def test_the_core_stays_as_it_was_left(desk: BoardEntry, spec: str, capsys: Capture) -> None:
    expected = [("halt", True), ("halt", True), ("resume", False), ("resume", False)]
    was = False
    for command, halted in expected:
        assert run(["-p", spec, command, "--format", "json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["schema"] == f"idoldbg.{command}/1"
        assert (found["was_halted"], found["halted"]) == (was, halted)
        assert (found["pc"] is not None) is halted
        was = halted
        with connect_board(desk.name) as remote:
            dhcsr = int.from_bytes(remote.read(0xE000EDF0, 4), "little")
        assert bool(dhcsr >> 17 & 1) is halted


def test_text_has_the_place_and_the_earlier_state(desk: BoardEntry, capsys: Capture) -> None:
    said = []
    for command in ("halt", "halt", "resume", "resume"):
        assert run(["-p", desk.spec, command]) == 0
        said.append(capsys.readouterr().out.strip())
    assert said[0].startswith("emu:halted-desk: halted at pc 0x")
    assert said[1] == f"{said[0]} as before"
    assert said[2:] == ["emu:halted-desk: running", "emu:halted-desk: running as before"]


@pytest.mark.parametrize("command", ["halt", "resume"])
def test_others_are_refused_with_the_reason(command: str, capsys: Capture) -> None:
    assert run(["-p", "emu", command]) == 4
    assert "`idoldbg board start NAME` keeps one running" in capsys.readouterr().err
    archive = str(demo_archive("stm32f4-discovery"))
    assert run(["-a", archive, "-p", "archive", command]) == 4
    assert "it does not run" in capsys.readouterr().err
