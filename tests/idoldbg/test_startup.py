"""Resets of kernels that wait to be measured: they find the token that says not to."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

import idoldbg
from idoldbg.cli import run
from idoldbg.flashing import flash_board
from idoldbg.session import TargetOptions, open_session
from idoldbg.startup import SKIP_TOKEN, TOKEN_ADDRESS, has_handoff, reset_with
from idoldbg.target.emulated.link import EmulatedLink
from tests.conftest import ARCHIVES

FULL = ARCHIVES / "stm32f4-discovery.zip"
TOKEN = SKIP_TOKEN.to_bytes(4, "little")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo image, with a description that says its kernel has the feature."""
    path = tmp_path_factory.mktemp("measured") / "measured.zip"
    with zipfile.ZipFile(FULL) as old, zipfile.ZipFile(path, "w") as new:
        for info in old.infolist():
            data = old.read(info)
            if info.filename == "app.toml":
                features = b'features = ["panic-messages"'
                data = data.replace(features, features + b', "measurement-handoff"', 1)
            new.writestr(info, data)
        new.comment = old.comment
    return path


class Board:
    """Record of what a link did to its board, in order."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        write, reset = EmulatedLink.write, EmulatedLink.reset_with
        resume = EmulatedLink.resume

        def logged_write(link: EmulatedLink, address: int, data: bytes) -> None:
            if address == TOKEN_ADDRESS:
                self.log.append(f"token {data == TOKEN}")
            write(link, address, data)

        def logged_reset(link: EmulatedLink, *, halt: bool, line: bool) -> None:
            self.log.append("reset, halted" if halt else "reset")
            reset(link, halt=halt, line=line)

        def logged_resume(link: EmulatedLink) -> None:
            self.log.append("resume")
            resume(link)

        patch.setattr(EmulatedLink, "write", logged_write)
        patch.setattr(EmulatedLink, "reset_with", logged_reset)
        patch.setattr(EmulatedLink, "resume", logged_resume)


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Board:
    return Board(monkeypatch)


WITH_TOKEN = ["reset, halted", "token True", "resume"]


def test_only_some_kernels_wait_to_be_measured(measured: Path) -> None:
    for path, waits in ((measured, True), (FULL, False)):
        with open_session(TargetOptions(archive=str(path), probe="archive")) as session:
            assert has_handoff(session.program.archive) is waits


def test_the_token_is_there_before_the_first_instruction(measured: Path, board: Board) -> None:
    with idoldbg.attach(measured, probe="emu") as dev:
        dev.reset()  # what the plug-in for pytest uses, too
        assert board.log[-3:] == WITH_TOKEN
        assert dev.Sensor.get(id=0).value == 21.5
    board.log.clear()
    with idoldbg.attach(FULL, probe="emu") as dev:
        dev.reset()
    assert "reset" in board.log
    assert not any(each.startswith("token") for each in board.log)


def test_a_core_that_stays_halted_has_its_token(measured: Path, board: Board) -> None:
    with open_session(TargetOptions(archive=str(measured), probe="emu")) as session:
        assert reset_with(session, halt=True, line=False)
        assert board.log[-2:] == WITH_TOKEN[:2]
        assert session.link.read(TOKEN_ADDRESS, 4) == TOKEN


def test_a_flashed_board_is_reset_with_the_token(measured: Path, board: Board) -> None:
    flash_board(TargetOptions(archive=str(measured), probe="emu", timeout_s=60))
    assert board.log[-3:] == WITH_TOKEN


@pytest.mark.parametrize(("options", "has_token"), [([], True), (["--no-token"], False)])
def test_the_command_reports_whether_there_was_one(
    measured: Path, options: list[str], has_token: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-a", str(measured), "-p", "emu", "reset", "--format", "json", *options]) == 0
    assert json.loads(capsys.readouterr().out)["token"] is has_token
    assert run(["-a", str(measured), "-p", "emu", "reset", *options]) == 0
    assert ("told not to wait to be measured" in capsys.readouterr().out) is has_token
