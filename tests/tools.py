"""Programs that some tests need and that nobody must have: `need("readelf", of="binutils")`.

On a developer's machine a test without its program is skipped, by name. Where `CI` is set the gate
has installed everything, and a program that is missing there would hide tests: they fail.
"""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from typing import NoReturn

import pytest

__all__ = ["lacking", "need", "need_localhost", "need_sysfs"]


def need(program: str, *more: str, of: str) -> str:
    """Return the path of a program, whose Debian packages are `of`; `more` must be there too."""
    missing = [name for name in (program, *more) if shutil.which(name) is None]
    if missing:
        lacking(f"needs {' and '.join(missing)} (Debian: apt install {of})")
    return shutil.which(program) or ""


def need_sysfs() -> None:
    """Skip where /sys is not mounted: pyOCD looks there for the drives of some ST-Links."""
    if not Path("/sys/class/block").is_dir():
        lacking("needs /sys, where pyOCD looks for the drives of ST-Links")


def need_localhost() -> None:
    """Skip where the name `localhost`, on which pyOCD's own servers listen, means nothing."""
    try:
        socket.getaddrinfo("localhost", None)
    except OSError:
        lacking("needs the name `localhost` (in /etc/hosts), on which pyOCD's servers listen")


def lacking(why: str) -> NoReturn:
    """Skip the test, or fail it where everything should be there."""
    if os.environ.get("CI", "").lower() in ("", "0", "false"):
        pytest.skip(why)
    pytest.fail(f"{why}; CI is set, so it is not skipped")
