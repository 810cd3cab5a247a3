"""The plug-in's options, declared and read as texts; `settings` says what they mean.

Every pytest run where idoldbg is installed loads this module: it imports nothing of the project.
"""

from __future__ import annotations

import os

import pytest

__all__ = ["add_options", "has_options", "read_option"]

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


def add_options(parser: pytest.Parser) -> None:
    """Declare options and ini keys; `--idoldbg-x` and `idoldbg_x` mean the same."""
    group = parser.getgroup("idoldbg", "Hubris firmware on boards (idoldbg)")
    for name, metavar, text in _OPTIONS:
        group.addoption(f"--idoldbg-{name}", metavar=metavar, default=None, help=text)
        parser.addini(f"idoldbg_{name}", text, default=None)
    group.addoption(
        "--idoldbg-results", metavar="FILE", help="write what happens to FILE as JSON lines"
    )


def read_option(config: pytest.Config, name: str) -> str | None:
    """Return what is said first: on the command line, in the environment, in the ini file."""
    value = config.getoption(f"--idoldbg-{name}")
    if value is None and name in _ENVIRONMENT:
        value = os.environ.get(f"IDOLDBG_{name.upper()}") or None  # empty: not set
    if value is not None:
        return str(value)
    value = config.getini(f"idoldbg_{name}")
    if value is None or not str(value).strip():
        return None
    text = str(value).strip()
    # Paths in an ini file count from its folder, as everywhere in pytest.
    return str(config.rootpath / text) if name in _PATHS else text


def has_options(config: pytest.Config) -> bool:
    """Tell whether anything was said at all."""
    return any(read_option(config, name) is not None for name, _, _ in _OPTIONS)
