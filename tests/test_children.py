"""Processes of our own run our modules, whatever lies in the current directory."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from idoldbg.errors import LinkError
from idoldbg.farm.child import child_command
from idoldbg.farm.watchdog import Watchdog
from idoldbg.target.emulated.server import start_board, stop_board
from tests.conftest import ROOT, wait_until

SOURCES = [
    *(ROOT / "idoldbg").rglob("*.py"),
    *(ROOT / "tests").rglob("*.py"),
    *(ROOT / "idol").rglob("*.py"),
    *(ROOT / "fixtures" / "firmware").rglob("*.py"),
]
LOADED = ("json", "asyncio", "select", "logging", "tomllib", "bz2", "grpc", "elftools", "yaml")


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Go to a folder whose modules say that they were run."""
    sprung = tmp_path / "sprung"
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in LOADED:
        (folder / f"{name}.py").write_text(f"open({str(sprung)!r}, 'w').write({name!r})\n")
    (folder / "pyocd_user.py").write_text(f"open({str(sprung)!r}, 'w').write('pyocd_user')\n")
    monkeypatch.chdir(folder)
    yield sprung
    assert not sprung.exists(), sprung.read_text()


def _python_commands(tree: ast.AST) -> Iterator[list[str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.List | ast.Tuple):
            elements = [ast.unparse(element) for element in node.elts]
            if "sys.executable" in elements:
                yield elements[elements.index("sys.executable") :]


def test_every_python_that_is_started_leaves_out_the_current_directory() -> None:
    found = [
        (path, argv)
        for path in SOURCES
        for argv in _python_commands(ast.parse(path.read_text()))
        if "'-m'" in argv
    ]
    assert len(found) >= 4
    assert [(path, argv) for path, argv in found if argv[1] != "'-P'"] == []


def test_a_board_starts_in_any_folder(trap: Path) -> None:
    name = f"trap-{os.getpid()}"
    start_board(name)
    stop_board(name)


def test_a_child_starts_in_any_folder(trap: Path) -> None:
    done = subprocess.run(child_command("pyocd", "--version"), capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_shell_prefers_pythons_own_modules(trap: Path) -> None:
    argv = [sys.executable, "-P", "-m", "idoldbg", "shell", "-c", "import tomllib, bz2"]
    assert subprocess.run(argv, timeout=60).returncode == 0
    Path("helper.py").write_text("VALUE = 7\n")
    argv[-1] = "import helper; helper.VALUE"
    assert subprocess.run(argv, capture_output=True, timeout=60).stdout == b"7\n"


def test_the_watchdog_starts_in_any_folder(trap: Path) -> None:
    dog = Watchdog("127.0.0.1:1", "host", "user")
    dog.close()
    assert dog.problem == ""


def test_a_watchdog_that_does_not_come_up_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho oh dear >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(LinkError, match="gives places back when this run is killed: oh dear"):
        Watchdog("127.0.0.1:1", "host", "user")


def test_a_watchdog_that_dies_is_restarted_with_all_open_places() -> None:
    dog = Watchdog("127.0.0.1:1", "host", "user")
    group = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        dog.tell("started", group.pid)
        _kill(dog)
        dog.check()
        assert dog.problem == ""
        _kill(dog)
        dog.tell("started", group.pid)  # what is written finds that out as well
        dog.close()  # cleans up: the group of the dead run ends
        wait_until(lambda: group.poll() is not None, "the group has ended")
        dog._process.wait(60)
    finally:
        group.kill()
        group.wait()


def test_a_watchdog_that_cannot_be_started_again_is_not_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dog = Watchdog("127.0.0.1:1", "host", "user")
    _kill(dog)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(LinkError, match="gives places back"):
        dog.tell("acquire", "place")
    dog.tell("released", "place")  # needs nobody
    assert "gives places back" in dog.problem


def _kill(dog: Watchdog) -> None:
    dog._process.send_signal(signal.SIGKILL)
    dog._process.wait()
