"""`make demo` and `make test` on a machine that is not ready for them."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import setup_venv
from tests.tools import need

ROOT = Path(__file__).resolve().parent.parent
HOME = Path(setup_venv.BASE).parent
VERSION = platform.python_version()


def run_make(*argv: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")}
    return subprocess.run(
        [need("make", of="make"), "--no-print-directory", *argv],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def fake_python(path: Path, version: tuple[int, int, int]) -> Path:
    """Make an interpreter that says it has another version."""
    prologue = f"import sys; sys.version_info = {(*version, 'final', 0)!r}"
    path.write_text(
        f'#!/bin/sh\n[ "$1" = -c ] && exec {sys.executable} -c "{prologue}\n$2"\nexit 9\n'
    )
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 6, 15), (3, 10, 13)], ids=str)
@pytest.mark.parametrize("target", ["demo", "test", "lint"])
def test_an_old_python_is_refused_in_one_line(
    target: str, version: tuple[int, int, int], tmp_path: Path
) -> None:
    python, venv = fake_python(tmp_path / "python3", version), tmp_path / "venv"
    done = run_make(target, f"PYTHON={python}", f"VENV={venv}")
    assert done.returncode == 2
    said = done.stderr.splitlines()
    assert said[0] == (
        f"idoldbg needs Python 3.11 or later, and `{python}` is {'.'.join(map(str, version))}; "
        "choose another, as in: make demo PYTHON=python3.11"
    )
    assert len(said) == 2 and said[1].startswith("make: ***")
    assert done.stdout == ""
    assert not venv.exists()


def test_a_new_python_goes_on(tmp_path: Path) -> None:
    python = fake_python(tmp_path / "python3", (3, 11, 0))
    done = run_make("demo", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}")
    assert "needs Python" not in done.stderr  # the fake has nothing more to give


def make_venv(folder: Path, *, home: Path = HOME, version: str = VERSION, **stamp: object) -> Path:
    """Make what looks like a virtual environment, with an interpreter that has pip."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    version_info = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    pip = folder / "lib" / version_info / "site-packages" / "pip"
    pip.mkdir(parents=True)
    (pip / "__init__.py").touch()
    (folder / "pyvenv.cfg").write_text(f"home = {home}\nversion = {version}\n")
    if stamp:
        facts = {"checkout": str(ROOT), "pyproject": setup_venv.digest(), **stamp}
        (folder / ".installed").write_text(json.dumps(facts))
    return folder


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record what would be made and installed."""
    done: list[str] = []
    monkeypatch.setattr(setup_venv, "create", lambda folder: done.append("create"))
    monkeypatch.setattr(
        setup_venv, "install", lambda folder, extras, **_: done.append(" ".join(extras))
    )
    return done


def complete(folder: Path) -> None:
    make_venv(folder, extras=["emu", "test"])


def demo_only(folder: Path) -> None:
    make_venv(folder, extras=["emu"])


def older_project(folder: Path) -> None:
    make_venv(folder, extras=["emu", "test"], pyproject="0" * 64)


def made_by_hand(folder: Path) -> None:
    make_venv(folder, extras=[], pyproject="")
    (folder / ".installed").write_text("")


def without_stamp(folder: Path) -> None:
    make_venv(folder)


def without_config(folder: Path) -> None:
    (folder / "bin").mkdir(parents=True)


def of_another_version(folder: Path) -> None:
    make_venv(folder, version="3.10.13", extras=["emu", "test"])


def of_another_place(folder: Path) -> None:
    make_venv(folder, home=Path("/elsewhere/bin"), extras=["emu", "test"])


def of_another_checkout(folder: Path) -> None:
    make_venv(folder, extras=["emu", "test"], checkout="/elsewhere")


def without_interpreter(folder: Path) -> None:
    complete(folder)
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").symlink_to("/elsewhere/bin/python3")


def absent(_folder: Path) -> None:
    pass


CASES: tuple[tuple[Callable[[Path], None], str, tuple[str, ...]], ...] = (
    (complete, "", ()),
    (demo_only, "", ("emu test",)),
    (older_project, "", ("emu test",)),
    (made_by_hand, "", ("emu test",)),
    (absent, "", ("create", "emu test")),
    (without_stamp, "is half-made", ("create", "emu test")),
    (without_config, "is half-made", ("create", "emu test")),
    (of_another_version, f"is of Python 3.10.13 in {HOME}", ("create", "emu test")),
    (of_another_place, f"is of Python {VERSION} in /elsewhere/bin", ("create", "emu test")),
    (of_another_checkout, "is from another checkout", ("create", "emu test")),
    (without_interpreter, "does not work", ("create", "emu test")),
)


@pytest.mark.parametrize(
    ("prepare", "says", "wanted"), CASES, ids=lambda c: getattr(c, "__name__", "")
)
def test_an_environment_is_kept_or_made_anew(
    prepare: Callable[[Path], None],
    says: str,
    wanted: tuple[str, ...],
    steps: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / ".venv"
    prepare(folder)
    setup_venv.set_up(folder, ["emu", "test"])
    assert tuple(steps) == wanted
    said = capsys.readouterr().out
    assert said.startswith(f"`{folder}` {says}" if says else "")
    assert said.count("\n") == bool(says)
    assert folder.exists() is (not says and prepare is not absent)


def test_the_demo_uses_the_images_of_the_tests(steps: list[str], tmp_path: Path) -> None:
    complete(tmp_path / ".venv")
    setup_venv.set_up(tmp_path / ".venv", ["emu"])
    assert steps == []


def test_nothing_else_is_removed(steps: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "cat.jpg").write_text("")
    with pytest.raises(SystemExit, match="not a virtual environment"):
        setup_venv.set_up(folder, ["emu"])
    assert (folder / "cat.jpg").exists() and steps == []


def test_a_pip_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / ".venv"
    demo_only(folder)
    before = (folder / ".installed").read_text()
    monkeypatch.setattr(setup_venv, "run_pip", lambda *_: (1, ["no network\n"]))
    with pytest.raises(SystemExit, match="pip could not install"):
        setup_venv.set_up(folder, ["emu", "test"])
    assert "no network" in capsys.readouterr().err
    assert (folder / ".installed").read_text() == before
    monkeypatch.setattr(setup_venv, "run_pip", lambda *_: (0, []))
    setup_venv.set_up(folder, ["emu", "test"])
    assert setup_venv.read_stamp(folder)["extras"] == ["emu", "test"]


def test_a_pip_that_is_killed_leaves_nothing_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ".venv"
    demo_only(folder)

    def killed(*_: object) -> tuple[int, list[str]]:
        raise KeyboardInterrupt

    monkeypatch.setattr(setup_venv, "run_pip", killed)
    with pytest.raises(KeyboardInterrupt):
        setup_venv.set_up(folder, ["emu", "test"])
    assert setup_venv.find_fault(folder) == "is half-made"
