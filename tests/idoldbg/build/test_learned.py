"""When index files are written: at moments that are chosen, by nobody's finalizer."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from idoldbg.build import learned
from idoldbg.cli import run
from idoldbg.session import TargetOptions, open_program, open_session
from tests.conftest import ARCHIVES

ARCHIVE = str(ARCHIVES / "stm32f4-discovery.zip")
OPTIONS = TargetOptions(archive=ARCHIVE, probe="emu")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    learned.save_learned()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "idoldbg" / "index"


def test_a_build_that_is_dropped_writes_nothing_by_itself(home: Path) -> None:
    """Ctrl-C in a finalizer would be lost."""
    program = open_program(OPTIONS)
    program.operation("Spi.exchange")
    del program
    gc.collect()
    assert not home.exists()
    open_program(OPTIONS)  # the next one is a moment to do it
    assert len(list(home.iterdir())) == 1


def test_the_end_of_a_session_and_of_a_command_write(home: Path) -> None:
    with open_session(OPTIONS, notify=lambda _: None) as session:
        session.program.operation("Spi.exchange")
        assert not home.exists()
    (path,) = home.iterdir()
    before = path.stat()
    session.close()
    assert path.stat() == before  # nothing was learned since
    assert run(["-a", ARCHIVE, "list", "Jefe"]) == 0
    assert path.stat().st_mtime_ns > before.st_mtime_ns


def test_open_results_are_written_at_exit(home: Path) -> None:
    code = (
        "from idoldbg.session import TargetOptions, open_program\n"
        f"program = open_program(TargetOptions(archive={ARCHIVE!r}))\n"
        "program.operation('Spi.exchange')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert len(list(home.iterdir())) == 1


def test_ctrl_c_while_writing_is_heard(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("idoldbg.build.cache.Cache.store_index", interrupt)
    assert run(["-a", ARCHIVE, "list", "Spi"]) == 130
    assert capsys.readouterr().err.strip() == "interrupted"
    monkeypatch.undo()
    learned.save_learned()
