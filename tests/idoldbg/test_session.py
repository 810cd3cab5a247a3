"""Without a probe: what runs on an emulated board says so, what changes a board does not run."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import pytest

from idoldbg import session
from idoldbg.cli import run
from idoldbg.target import chosen_board
from idoldbg.target.emulated.server import running_board
from idoldbg.target.spec import Spec

from .test_cli import repack

ARCHIVE = str(session.demo_archive("stm32f4-discovery"))
NOTE = (
    "note: no debug probe is connected: running on an emulated stm32f4-discovery made for this "
    "command alone (`--probe emu` asks for it)\n"
)
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def no_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ARCHIVE", "PROBE", "BOARD"):
        monkeypatch.delenv(f"IDOLDBG_{name}", raising=False)
    monkeypatch.setattr(session, "attached_probe", lambda: None)


ASKED: list[list[str]] = [
    ["tasks"],
    ["tasks", "--format", "json"],
    ["call", "Sensor.sum"],
    ["call", "Sensor.sum", "--format", "json"],
    ["shell", "-c", "1"],
]


@pytest.mark.parametrize("argv", ASKED, ids=" ".join)
def test_a_build_without_a_probe_reports_its_emulated_board(
    argv: list[str], capsys: Capture
) -> None:
    assert run(["-a", ARCHIVE, *argv]) == 0
    said = capsys.readouterr()
    assert said.err == NOTE
    if "json" in argv:
        assert json.loads(said.out)


@pytest.mark.parametrize("argv", ASKED, ids=" ".join)
@pytest.mark.parametrize("asked", [["-a", ARCHIVE, "-p", "emu"], ["-p", "emu"], []], ids=str)
def test_explicit_emulation_has_no_notice(
    asked: list[str], argv: list[str], capsys: Capture
) -> None:
    assert run([*asked, *argv]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "argv",
    [
        ["flash", ARCHIVE],
        ["-a", ARCHIVE, "flash"],
        ["-b", "stm32f4-discovery", "flash"],
        ["flash"],
        ["flash", "--force", ARCHIVE],
        ["reset"],
        ["-a", ARCHIVE, "reset"],
        ["-a", ARCHIVE, "reset", "--halt"],
    ],
    ids=" ".join,
)
def test_nothing_else_is_flashed_or_reset(argv: list[str], capsys: Capture) -> None:
    assert run(argv) == 4
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: no debug probe is connected, and nothing was changed; ")
    assert "--probe board:NAME" in said.err


def test_the_requested_image_is_flashed_and_reset(capsys: Capture) -> None:
    assert run(["-p", "emu", "flash", ARCHIVE]) == 0
    assert run(["-p", "emu", "reset"]) == 0
    assert "up, image id" in capsys.readouterr().out


def test_commands_that_change_a_board_use_an_attached_probe(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(session, "attached_probe", lambda: "STLINK-V3")
    assert run(["flash"]) == 2
    assert "give the build to flash" in capsys.readouterr().err
    assert session.choose_spec(session.TargetOptions(), falls_back=False) == Spec("pyocd")
    assert session.choose_spec(session.TargetOptions()) == Spec("emu")
    assert session.choose_spec(session.TargetOptions(archive=ARCHIVE)) == Spec("pyocd")


@pytest.mark.parametrize("argv", [["-a", ARCHIVE, "tasks"], ["tasks"]], ids=" ".join)
def test_without_emulation_the_probe_is_missed_first(
    argv: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    for name in [
        n for n in sys.modules if n.startswith(("idoldbg.target.emulated.emu", "unicorn"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "unicorn", None)
    assert run(argv) == 4
    said = capsys.readouterr().err
    assert said.startswith("error: no debug probe is connected, and none can be emulated: ")
    assert "pip install 'idoldbg[emu]'" in said


def test_a_build_for_an_unknown_board_misses_the_probe_first(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chosen_board, "find_board_for_archive", lambda _: None)
    assert run(["-a", ARCHIVE, "tasks"]) == 4
    said = capsys.readouterr().err
    assert said.startswith("error: no debug probe is connected, and none can be emulated: ")
    assert "--board NAME (`stm32f4-discovery` has the same chip, stm32f4)" in said


def test_a_build_does_not_run_on_another_chip(capsys: Capture) -> None:
    assert run(["-a", ARCHIVE, "-p", "emu", "-b", "gimlet-c", "tasks"]) == 2
    said = capsys.readouterr().err
    assert "gimlet-c has a stm32h7, and the build is for a stm32f4 (board `stm32f4-disc" in said


def test_a_build_that_claims_another_chip_does_not_run(tmp_path: Path, capsys: Capture) -> None:
    """Its chip.toml still has the peripherals of its own chip, at their addresses."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        app = archive.read("app.toml").replace(b"chips/stm32f4", b"chips/stm32h7")
    app = app.replace(b'board = "stm32f4-discovery"', b'board = "nucleo-h743zi2"')
    path = repack(tmp_path / "build.zip", **{"app.toml": app})
    assert run(["-a", str(path), "-p", "emu", "tasks"]) == 2
    said = capsys.readouterr().err
    assert "nucleo-h743zi2 has a stm32h7 with `rcc` at 0x58024400; the build is for a" in said
    assert "chip that has it at 0x40023800" in said


# ---------------------------------------------------------------------- options that do nothing


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["-p", "pyocd", "list"], "pyocd says where a target is, not what it runs"),
        (["-p", "pyocd:0669", "types", "u8"], "not what it runs: give its build"),
        (["-p", "remote:localhost:1", "audit"], "not what it runs: give its build"),
        (["stubs", "-o", "nowhere", "-p", "pyocd"], "not what it runs: give its build"),
        (["-p", "jlink", "list"], "unknown target `jlink`"),
        (["-p", "jlink", "-a", ARCHIVE, "list"], "unknown target `jlink`"),
        (["list", "--timeout", "3"], "`idoldbg list` has no use for --timeout"),
        (["--uart", "file", "list"], "`idoldbg list` has no use for --uart"),
        (["audit", "--wait", "3"], "`idoldbg audit` has no use for --wait"),
        (["-p", "pyocd", "boards"], "`idoldbg boards` has no use for --probe"),
        (["probes", "-a", ARCHIVE], "`idoldbg probes` has no use for --archive"),
        (["-b", "gimlet-c", "cache", "list"], "`idoldbg cache list` has no use for --board"),
        (["board", "list", "-p", "emu"], "`idoldbg board list` has no use for --probe"),
        (["-a", ARCHIVE, "demo"], "`idoldbg demo` has no use for --archive"),
        (["-p", "pyocd", "--uart", "file", "tasks"], "--uart: `pyocd` has no serial port"),
    ],
    ids=str,
)
def test_an_option_that_would_be_ignored_is_refused(
    argv: list[str], message: str, capsys: Capture
) -> None:
    assert run(argv) == 2
    assert message in capsys.readouterr().err


def test_the_environment_is_for_all_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("IDOLDBG_PROBE", "pyocd")
    monkeypatch.setenv("IDOLDBG_TIMEOUT", "3")
    assert run(["boards"]) == 0
    assert run(["-a", ARCHIVE, "list"]) == 0
    assert capsys.readouterr().err == ""


def test_another_board_than_the_one_that_runs_is_refused(capsys: Capture) -> None:
    with running_board("fallback", board="stm32f4-discovery") as board:
        assert run(["-p", board.spec, "-b", "stm32f4-discovery", "tasks"]) == 0
        assert run(["-p", board.spec, "-b", "nucleo-g031", "tasks"]) == 2
        assert "emu:fallback is a stm32f4-discovery, not a `nucleo-g031`" in capsys.readouterr().err
