"""Boards for the tests, and who holds which.

A place says where one board is, in the syntax of the command line. Boards that exist once (a probe,
a server, a board that another process keeps) are used by one process at a time: a file lock, which
the kernel takes back when its holder dies, however it dies.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Self

from idol.near import near_misses
from idol.records import dataclass
from idoldbg.environment import YAML, NamedTarget, read_environment, to_spec
from idoldbg.errors import ArgumentError, LinkError, ProbeNotFound, TargetFileError
from idoldbg.target.file_lock import lock_exclusively
from idoldbg.target.open import Site, find_scheme, is_spec, spec_forms
from idoldbg.target.runtime_dir import private_dir
from idoldbg.target.spec import Spec

__all__ = [
    "Place",
    "PlaceLock",
    "iter_rotated",
    "parse_board_list",
    "read_places",
]

HOLDER_LIMIT = 4096


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
        elif is_spec(spec or name):
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


def read_places(path: str) -> list[Place]:
    """Return the targets of an environment file as places.

    Where a target has several archives, there is a place for each, called TARGET:NAME. Raises
    `ArgumentError`.
    """
    option = "--idoldbg-env"
    if path.endswith(YAML):
        raise ArgumentError(f"{path}: give labgrid's environment with --lg-env", name=option)
    try:
        targets = read_environment(path)
    except OSError as error:
        raise ArgumentError(f"{path}: {error.strerror}", name=option) from error
    except TargetFileError as error:
        raise ArgumentError(str(error), name=option) from error
    if not targets:
        raise ArgumentError(f"{path}: no target is in it", name=option)
    return [place for target in targets.values() for place in _places(target, path)]


def _places(target: NamedTarget, path: str) -> Iterator[Place]:
    probe = target.probe
    if probe is not None and not is_spec(probe):
        try:
            probe = to_spec(probe)
        except ProbeNotFound as error:
            raise ArgumentError(f"{path}: target `{target.name}`: {error}") from None
        if not is_spec(probe):
            raise ArgumentError(
                f"{path}: target `{target.name}`: `probe` is {probe!r}; idoldbg uses "
                f"VID:PID:SERIAL, usb, auto, or a SPEC ({spec_forms()})",
                name="--idoldbg-env",
            )
    archives: Mapping[str, str | None] = target.archives or {"": None}
    for name, archive in archives.items():
        yield Place(f"{target.name}:{name}" if name else target.name, archive, target.board, probe)


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
            file = path.open("a+", encoding="utf-8")
        except OSError as error:
            raise LinkError(f"{path}: cannot be locked: {error.strerror}") from error
        if not lock_exclusively(file.fileno()):
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
