"""Boards for the tests, and who holds which.

A place says where one board is, in the syntax of the command line. Boards that exist once (a probe,
a server, a board that another process keeps) are used by one process at a time: a file lock, which
the kernel takes back when its holder dies, however it dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Self

from idol.near import near_misses
from idol.records import dataclass
from idoldbg.build.load.files import read_regular
from idoldbg.errors import ArgumentError, LinkError
from idoldbg.target.open import Site, find_scheme, spec_forms
from idoldbg.target.runtime_dir import private_dir
from idoldbg.target.spec import Spec

__all__ = [
    "Place",
    "PlaceLock",
    "iter_rotated",
    "parse_board_list",
    "read_environment",
]

MAX_ENVIRONMENT_SIZE = 1 << 20  # bytes
HOLDER_LIMIT = 4096
ENVIRONMENT_KEYS = {"probe", "archive", "description", "cmds"}


@dataclass(frozen=True, slots=True)
class Place:
    """One board; `archive`, `board` and `probe` as for `--archive`, `--board` and `--probe`."""

    name: str
    archive: str | None = None
    board: str | None = None
    probe: str | None = None

    @property
    def is_private(self) -> bool:
        """Whether each process makes it for itself, in its own memory, or only reads a file."""
        if self.probe is None:
            return True
        spec = Spec.parse(self.probe)
        return find_scheme(spec).site(spec) is not Site.ELSEWHERE


def parse_board_list(entries: list[str], known: list[Place], default: Place) -> list[Place]:
    """Read the list of `--idoldbg-boards`.

    An entry is a name of the environment file (`known`), `NAME=SPEC`, or a SPEC alone; archive and
    board of the latter two are the `default`'s. Raises `ArgumentError`.
    """
    by_name = {place.name: place for place in known}
    found = []
    for text in entries:
        name, equals, spec = text.partition("=")
        if not equals and text in by_name:
            found.append(by_name[text])
        elif _is_spec(spec or name):
            found.append(Place(name, default.archive, default.board, spec or name))
        else:
            near = " or ".join(f"`{n}`" for n in near_misses(name, list(by_name)))
            hint = f"; did you mean {near}?" if near else ""
            raise ArgumentError(
                f"`{text}` is neither a target of the environment file nor a SPEC "
                f"({spec_forms()}){hint}",
                name="--idoldbg-boards",
            )
    names = [place.name for place in found]
    shared = [place.probe or "" for place in found if not place.is_private]
    for what in (names, shared):
        for text in what:
            if what.count(text) > 1:
                raise ArgumentError(f"`{text}` is there twice", name="--idoldbg-boards")
    return found


def read_environment(path: Path) -> list[Place]:
    """Read humility's environment file: JSON, from a target's name to its probe and archive.

    Format: humility's README, "Environment file structure". Where a target has several archives,
    there is a place for each, called TARGET:NAME. Raises `ArgumentError`.
    """
    option = "--idoldbg-env"
    try:
        data = json.loads(read_regular(path, MAX_ENVIRONMENT_SIZE))
    except (OSError, ValueError, RecursionError) as error:
        raise ArgumentError(f"{path}: {error}", name=option) from error
    if not isinstance(data, dict) or not data:
        raise ArgumentError(
            f"{path}: expected an object with a member for each target", name=option
        )
    places = []
    for name, target in data.items():
        where = f"{path}: target `{name}`"
        if not isinstance(target, dict):
            raise ArgumentError(f"{where} is not an object", name=option)
        unknown = sorted(target.keys() - ENVIRONMENT_KEYS)
        if unknown:
            raise ArgumentError(f"{where} has an unknown member `{unknown[0]}`", name=option)
        probe = _probe_spec(target.get("probe"), where)
        archives = target.get("archive")
        named = {name: archives} if isinstance(archives, str) else archives
        if not isinstance(named, dict) or not all(isinstance(v, str) for v in named.values()):
            raise ArgumentError(f"{where}: `archive` is a path, or paths by name", name=option)
        for archive_name, archive in named.items():
            full = name if isinstance(archives, str) else f"{name}:{archive_name}"
            places.append(Place(full, _find_file(archive, path.parent), None, probe))
    return places


def _find_file(text: str, folder: Path) -> str:
    """Look where humility does, in the working directory; then beside the environment file."""
    beside = folder / text
    return str(beside) if not Path(text).exists() and beside.exists() else text


def _probe_spec(probe: Any, where: str) -> str:
    """Turn humility's words for a probe into a SPEC; SPECs of our own are fine, too."""
    if isinstance(probe, str):
        if _is_spec(probe):
            return probe
        parts = probe.split(":")
        if parts[0] in ("usb", "auto"):
            return "pyocd"
        if len(parts) == 3 and all(parts):
            return f"pyocd:{parts[2]}"
        if len(parts) == 2 and all(len(p) == 4 for p in parts):
            return "pyocd"
    raise ArgumentError(
        f"{where}: `probe` is {probe!r}; idoldbg uses VID:PID:SERIAL, usb, auto, or a SPEC "
        f"({spec_forms()})",
        name="--idoldbg-env",
    )


def _is_spec(text: str) -> bool:
    try:
        find_scheme(Spec.parse(text))
    except ArgumentError:
        return False
    return True


class PlaceLock:
    """The right to use a place, held until `release` or the end of the process."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    @classmethod
    def try_acquire(cls, place: Place, holder: str, folder: Path | None = None) -> Self | None:
        """Take the lock; None where another process has it. Raises `LinkError`."""
        path = _lock_path(place, folder)
        try:
            # "a+" creates but never empties: the words of who holds it stay readable.
            file = path.open("a+")
        except OSError as error:
            raise LinkError(f"{path}: cannot be locked: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        file.truncate(0)
        json.dump({"holder": holder, "pid": os.getpid(), "since": time.time()}, file)
        file.flush()
        return cls(file)

    @staticmethod
    def describe_holder(place: Place, folder: Path | None = None) -> str:
        """Describe who holds a place, as far as known."""
        with contextlib.suppress(
            OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError
        ):
            with _lock_path(place, folder).open("rb") as file:
                said = json.loads(file.read(HOLDER_LIMIT))
            since = time.strftime("%H:%M:%S", time.localtime(said["since"]))
            return f"{said['holder']} (process {said['pid']}) since {since}"
        return "another process"

    def release(self) -> None:
        """Give the place back; twice is harmless."""
        self._file.close()


def _lock_path(place: Place, folder: Path | None) -> Path:
    key = place.probe or place.name
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    readable = "".join(c if c.isalnum() else "-" for c in key)[:40]
    return (folder or private_dir("places")) / f"{readable}-{digest}.lock"


def iter_rotated(places: list[Place], start: int) -> Iterator[Place]:
    """Go around the list from `start`, so that workers do not all try the same place first."""
    for index in range(len(places)):
        yield places[(start + index) % len(places)]
