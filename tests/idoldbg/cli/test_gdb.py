"""`idoldbg gdb`: options that do not go together, what is missing, and Visual Studio Code."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from idoldbg.cli import run
from idoldbg.session import demo_archive
from idoldbg.target.emulated import making

Capture = pytest.CaptureFixture[str]
BUILD = str(demo_archive("stm32f4-discovery"))
NO_GDB = "no gdb for Arm: `gdb-multiarch` is not installed"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--server-only", "--vscode", "x.json"], "one of --server-only, --vscode and --output"),
        (["--server-only", "--ex", "bt"], "are for a gdb that is started"),
        (["--vscode", "-", "--task", "spi"], "are for a gdb that is started"),
        (["-o", "x.core", "--batch"], "are for a gdb that is started"),
        (["--format", "json"], "gdb has no JSON"),
        (["--vscode", "-", "--halt"], "--halt is for a target"),
        (["-o", "x.core", "--port", "1"], "--port is for a target"),
        (["--port", "65536"], "--port: 65536 is not in the range"),
        (["--record", "x"], "no use for --record"),
        (["--source", "/nowhere/hubris"], "`/nowhere/hubris` is not a directory"),
        (["--task", "spy"], "did you mean `spi`?"),
        (["--gdb", "no-such-program"], "`no-such-program` is not a program"),
        (["-o", "x.core"], "emu is not a core dump: nothing to convert"),
        (["-p", "archive", "-a", BUILD], "archive is not a running core"),
        (["-p", "nonsense"], "unknown target `nonsense`"),
        (["-x", "/nowhere/script.gdb", "-p", "emu"], "`/nowhere/script.gdb` is not a file"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    options: list[str], message: str, capsys: Capture, fake_gdb: str
) -> None:
    gdb = [] if "--gdb" in options else ["--gdb", fake_gdb]
    assert run(["gdb", *gdb, *options]) in (2, 4)
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err


@pytest.fixture
def fake_gdb(tmp_path: Path) -> str:
    """Return the path of a program that says what a gdb for Arm says, and ends."""
    path = tmp_path / "fake-gdb"
    path.write_text("#!/bin/sh\necho 'The target architecture is set to \"armv7\".'\n")
    path.chmod(0o755)
    return str(path)


def test_without_gdb_nothing_is_attached_to(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(making, "emulate", never)
    assert run(["gdb", "-p", "emu"]) == 4
    err = capsys.readouterr().err
    assert NO_GDB in err
    assert "apt install gdb-multiarch" in err


def never(*_: object) -> None:
    raise AssertionError("a board was made")


def test_without_unicorn_the_extra_is_named(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, fake_gdb: str
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "idoldbg.target.emulated.emu", None)
    assert run(["gdb", "-p", "emu", "--gdb", fake_gdb]) == 4
    assert "pip install 'idoldbg[emu]'" in capsys.readouterr().err


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work space"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_vscode_gets_a_configuration_whose_files_are_there(
    workspace: Path, capsys: Capture, fake_gdb: str
) -> None:
    assert run(["gdb", BUILD, "--vscode", "--gdb", fake_gdb]) == 0
    assert "written to .vscode/launch.json" in capsys.readouterr().out
    (found,) = json.loads((workspace / ".vscode" / "launch.json").read_text())["configurations"]
    assert found["gdbPath"] == fake_gdb
    files = [each.replace("${workspaceFolder}", str(workspace)) for each in found["symbolFiles"]]
    assert len(files) == 9
    assert all(Path(each).read_bytes()[:4] == b"\x7fELF" for each in files)
    command = ["gdb", BUILD, "--vscode", "--gdb", fake_gdb, "--port", "4000", "--format", "json"]
    assert run(command) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["schema"], facts["merged"]) == ("idoldbg.gdb-vscode/1", True)
    (found,) = json.loads((workspace / ".vscode" / "launch.json").read_text())["configurations"]
    assert found["gdbTarget"] == "localhost:4000"


def test_vscode_with_comments_keeps_its_file_and_the_entry_is_printed(
    workspace: Path, capsys: Capture, fake_gdb: str
) -> None:
    path = workspace / ".vscode" / "launch.json"
    path.parent.mkdir()
    path.write_text("{ // mine\n}")
    assert run(["gdb", BUILD, "--vscode", "--gdb", fake_gdb]) == 2
    assert "has comments, or is not JSON, and is left as it is" in capsys.readouterr().err
    assert path.read_text() == "{ // mine\n}"
    assert run(["gdb", BUILD, "--vscode", "-", "--gdb", fake_gdb]) == 0
    assert json.loads(capsys.readouterr().out)["type"] == "cortex-debug"


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch], ids=["directory", "empty"])
def test_vscode_where_a_file_is_something_else(
    workspace: Path, capsys: Capture, fake_gdb: str, make: Callable[[Path], None]
) -> None:
    path = workspace / ".vscode" / "launch.json"
    path.parent.mkdir()
    make(path)
    assert run(["gdb", BUILD, "--vscode", "--gdb", fake_gdb]) in (2, 4)
    assert "launch.json" in capsys.readouterr().err


def test_other_files_are_refused(tmp_path: Path, capsys: Capture, fake_gdb: str) -> None:
    truncated = tmp_path / "cut.zip"
    shutil.copy(BUILD, truncated)
    truncated.write_bytes(truncated.read_bytes()[:1000])
    for path in (str(truncated), fake_gdb, "/nowhere.zip", str(tmp_path)):
        assert run(["gdb", path, "--gdb", fake_gdb]) == 4
        assert "error: " in capsys.readouterr().err
