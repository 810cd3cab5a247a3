"""The plug-in's options, declared and read as strings; `settings` says what they mean.

Every pytest run where idoldbg is installed loads this module: it imports nothing of the project.
"""

from __future__ import annotations

import os

import pytest

__all__ = ["Said", "add_options", "has_options", "read_labgrid", "read_said"]

_OPTIONS = (
    ("archive", "PATH", "Hubris archive of what the board runs (default: a bundled demo image)"),
    ("board", "NAME", "a board of `idoldbg boards`, or the path of a board file"),
    (
        "probe",
        "SPEC",
        "emu (default), board:NAME, pyocd, pyocd:UID, pyocd:emu, openocd:HOST:PORT, …",
    ),
    ("timeout", "SECONDS", "how long to wait for the target (default: 5)"),
    ("speed", "HZ", "debug clock of probes (default: that of the board's file, else 1000000)"),
    ("connect", "HOW", "attach (default), under-reset, awake: how probes attach"),
    ("env", "FILE", "environment file (TOML, or Humility's JSON): targets with probe and archive"),
    ("boards", "LIST", "boards to share out: names of --idoldbg-env, SPECs, or NAME=SPEC"),
    ("wait", "SECONDS", "how long to wait for a board that others use (default: 60)"),
    ("evidence", "DIR", "where core dumps of failures go (default: pytest's temporary folder)"),
    ("hold", "yes|no", "hold tasks at their fault until evidence is taken (default: yes)"),
    ("reset", "WHEN", "never (default), module, test, on-failure: when boards are reset"),
    ("flash", "WHEN", "never (default), if-different, always: flash boards before the first test"),
    ("may-die", "LIST", "tasks that die in normal operation: TASK, or BOARD.TASK"),
)
_COVERAGE = (
    ("include", "GLOB", "source files that count for --idoldbg-cov (default: all but libraries)"),
    ("exclude", "GLOB", "source files that do not"),
    ("map", "FROM=TO", "where sources lie here: replace the front of paths"),
)
_PATHS = frozenset({"archive", "env", "evidence"})


class Said:
    """Value of an option, and where it was set, for messages."""

    def __init__(self, value: str, source: str, is_argument: bool) -> None:
        self.value = value
        self.source = source
        self.is_argument = is_argument
        """Whether it is on pytest's command line, for this run alone."""


def add_options(parser: pytest.Parser) -> None:
    """Declare options and ini keys; `--idoldbg-x` and `idoldbg_x` mean the same."""
    group = parser.getgroup("idoldbg", "Hubris firmware on boards (idoldbg)")
    for name, metavar, text in _OPTIONS:
        group.addoption(f"--idoldbg-{name}", metavar=metavar, default=None, help=text)
        parser.addini(_ini_key(name), text, default=None)
    group.addoption(
        "--hubris-suite",
        metavar="ARCHIVE",
        action="append",
        default=[],
        help="run the cases of Hubris's own test suite in ARCHIVE as tests, besides others (on "
        "--idoldbg-probe; may be given several times)",
    )
    group.addoption(
        "--idoldbg-cov",
        metavar="FILE",
        action="append",
        default=[],
        help="write which lines of the firmware the tests' emulated boards executed: FILE.info "
        "(lcov), FILE.xml (Cobertura) or FILE.json (may be given several times)",
    )
    for name, metavar, text in _COVERAGE:
        group.addoption(
            f"--idoldbg-cov-{name}", metavar=metavar, action="append", default=[], help=text
        )
    group.addoption(
        "--idoldbg-results", metavar="FILE", help="write what happens to FILE as JSON lines"
    )


def _ini_key(name: str) -> str:
    return f"idoldbg_{name.replace('-', '_')}"


def read_said(config: pytest.Config, name: str) -> Said | None:
    """Return what is said first: on the command line, in the environment, in the ini file.

    Raises `pytest.UsageError` for an option that is there and empty, as that of a variable which
    was not set: without it tests would run on another board.
    """
    flag, key = f"--idoldbg-{name}", _ini_key(name)
    value = config.getoption(flag)
    if value is not None:
        if not str(value).strip():
            raise pytest.UsageError(f"{flag} is empty; give a value, or leave it out")
        return Said(str(value), flag, is_argument=True)
    value = os.environ.get(key.upper())
    if value:  # empty: not set
        return Said(value, key.upper(), is_argument=False)
    value = config.getini(key)
    if value is None or not str(value).strip():
        return None
    text = str(value).strip()
    # Paths in an ini file count from its folder, as everywhere in pytest.
    text = str(config.rootpath / text) if name in _PATHS else text
    is_argument = key in _overridden(config)
    where = "-o" if is_argument or config.inipath is None else config.inipath.name
    return Said(text, f"{key} ({where})", is_argument=is_argument)


def _overridden(config: pytest.Config) -> list[str]:
    """Return the ini keys that stand on the command line."""
    return [str(text).partition("=")[0] for text in config.getoption("override_ini") or ()]


def read_labgrid(config: pytest.Config) -> Said | None:
    """Return labgrid's environment file, if tests are to use one."""
    value = getattr(config.option, "lg_env", None)
    if value:
        return Said(str(value), "--lg-env", is_argument=True)
    value = os.environ.get("LG_ENV")
    return Said(value, "LG_ENV", is_argument=False) if value else None


def has_options(config: pytest.Config) -> bool:
    """Return whether anything was said at all; raise `pytest.UsageError` for unknown ini keys."""
    # pytest 9 has no public name for the file's keys, and warns at the one that pytest 8 has.
    keys = config._inicfg if hasattr(config, "_inicfg") else config.inicfg
    for key in (*keys, *_overridden(config)):
        if str(key).startswith("idoldbg_"):
            try:
                config.getini(str(key))
            except (KeyError, ValueError):
                known = ", ".join(sorted(_ini_key(name) for name, _, _ in _OPTIONS))
                raise pytest.UsageError(f"unknown ini key `{key}`; there are {known}") from None
    if config.getoption("--idoldbg-results") == "":
        raise pytest.UsageError("--idoldbg-results is empty; give a file, or leave it out")
    return any(read_said(config, name) is not None for name, _, _ in _OPTIONS)
