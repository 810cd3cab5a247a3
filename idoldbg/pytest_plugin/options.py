"""The plug-in's options: command line first, then environment, then the ini file."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from idol.records import dataclass
from idoldbg.pytest_plugin.places import Place, parse_board_list, read_environment

__all__ = ["Settings", "add_options", "read_settings"]

_OPTIONS = (
    ("archive", "PATH", "Hubris archive of what the board runs (default: a bundled demo image)"),
    ("board", "NAME", "a board of `idoldbg boards`, or the path of a board file"),
    ("probe", "SPEC", "emu (default), emu:NAME, pyocd, pyocd:UID, pyocd:emu, remote:HOST:PORT"),
    ("timeout", "SECONDS", "how long to wait for the target (default: 5)"),
    ("env", "FILE", "humility's environment file (JSON): targets with probe and archive"),
    ("boards", "LIST", "boards to share out: names of --idoldbg-env, SPECs, or NAME=SPEC"),
    ("wait", "SECONDS", "how long to wait for a board that others use, then skip (default: 60)"),
    ("evidence", "DIR", "where core dumps of failures go (default: pytest's temporary folder)"),
)
_PATHS = frozenset({"archive", "env", "evidence"})
_ENVIRONMENT = frozenset({"archive", "board", "probe", "timeout"})  # as for the command line
DEFAULT_TIMEOUT_S, DEFAULT_WAIT_S = 5.0, 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What the options say; `is_listed` tells boards that were named from the one by default."""

    places: tuple[Place, ...]
    is_listed: bool
    timeout_s: float
    wait_s: float
    evidence: Path | None


def add_options(parser: pytest.Parser) -> None:
    """Declare options and ini keys; `--idoldbg-x` and `idoldbg_x` mean the same."""
    group = parser.getgroup("idoldbg", "Hubris firmware on boards (idoldbg)")
    for name, metavar, text in _OPTIONS:
        group.addoption(f"--idoldbg-{name}", metavar=metavar, default=None, help=text)
        parser.addini(f"idoldbg_{name}", text, default=None)
    group.addoption(
        "--idoldbg-results", metavar="FILE", help="write what happens to FILE as JSON lines"
    )


def _read(config: pytest.Config, name: str) -> str | None:
    value = config.getoption(f"--idoldbg-{name}")
    if value is None and name in _ENVIRONMENT:
        value = os.environ.get(f"IDOLDBG_{name.upper()}")
    if value is not None:
        return str(value)
    value = config.getini(f"idoldbg_{name}")
    if value is None or not str(value).strip():
        return None
    text = str(value).strip()
    # Paths in an ini file count from its folder, as everywhere in pytest.
    return str(config.rootpath / text) if name in _PATHS else text


def _seconds(config: pytest.Config, name: str, default: float) -> float:
    text = _read(config, name)
    try:
        value = default if text is None else float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise pytest.UsageError(f"--idoldbg-{name}: `{text}` is not a number of seconds")
    return value


def read_settings(config: pytest.Config) -> Settings:
    """Read all options; raise `pytest.UsageError` or `ArgumentError` for what makes no sense."""
    archive, board, probe = (_read(config, n) for n in ("archive", "board", "probe"))
    default = Place(probe or board or "emu", archive, board, probe)
    environment = _read(config, "env")
    known = [] if environment is None else read_environment(Path(environment))
    listed = re.split(r"[,\s]+", _read(config, "boards") or "")
    texts = [text for text in listed if text]
    places = parse_board_list(texts, known, default) if texts else known
    evidence = _read(config, "evidence")
    return Settings(
        places=tuple(places) or (default,),
        is_listed=bool(places),
        timeout_s=_seconds(config, "timeout", DEFAULT_TIMEOUT_S),
        wait_s=_seconds(config, "wait", DEFAULT_WAIT_S),
        evidence=None if evidence is None else Path(evidence).absolute(),
    )
