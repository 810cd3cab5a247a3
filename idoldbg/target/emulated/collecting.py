"""Collects what instruments record on all boards of a command and of its children.

A folder, named by an environment variable, says which instruments are wanted. Every emulated board
that is made while the variable is set records into files of its own there, and whoever set it reads
them: `Collection`. What a board has recorded is written whenever it has run for a while, so that
nothing is lost when its process is killed.
"""

from __future__ import annotations

import atexit
import hashlib
import itertools
import json
import logging
import os
import shutil
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idol.records import dataclass
from idoldbg.build.program import Program
from idoldbg.errors import DecodeError, FaultError, IdoldbgError
from idoldbg.model.archive import Archive
from idoldbg.views.kernel_layout import find_kernel_layout

if TYPE_CHECKING:
    from idoldbg.target.emulated.emu import EmulatedBoard

__all__ = ["VARIABLE", "Collected", "Collection", "collect"]

VARIABLE = "IDOLDBG_COLLECT"
_WANTED = "wanted.json"
_COPIED = 64 << 20  # bytes of an archive
_numbers = itertools.count(1)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Collected:
    """Record of one board by one instrument.

    `archive` is a path that opens the build, `copied_from` where the build was. `problem` says why
    there is nothing, or not all.
    """

    instrument: str
    archive: str
    copied_from: str
    board: str
    data: bytes
    problem: str = ""


class Collection:
    """A folder for what boards record."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def want(self, instruments: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
        """Name the instruments to start, with their settings.

        Returns the environment variables that a command needs for it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / _WANTED).write_text(json.dumps(instruments))
        return {VARIABLE: str(self.folder)}

    def read(self) -> tuple[Collected, ...]:
        """Return what was recorded until now, in the order of the files' names.

        Raises `DecodeError` for files that no board wrote.
        """
        found = []
        for path in sorted(self.folder.glob("*.facts")):
            try:
                facts = json.loads(path.read_text())
                data_file = path.with_suffix(".data")
                data = data_file.read_bytes() if data_file.exists() else b""
                found.append(
                    Collected(
                        instrument=str(facts["instrument"]),
                        archive=str(facts["archive"]),
                        copied_from=str(facts["copied_from"]),
                        board=str(facts["board"]),
                        data=data,
                        problem=str(facts["problem"]),
                    )
                )
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise DecodeError(f"{path}: not a record of a board: {error}") from error
        return tuple(found)


def collect(board: EmulatedBoard, archive: Archive) -> None:
    """Start what is wanted of this board, if anything is."""
    named = os.environ.get(VARIABLE)
    if not named:
        return
    folder = Path(named)
    try:
        wanted = json.loads((folder / _WANTED).read_text())
        instruments = {str(name): dict(settings) for name, settings in wanted.items()}
        _Collector(board, archive, folder, instruments)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        log.warning("%s=%s: nothing is collected there: %s", VARIABLE, named, error)


class _Collector:
    """Writes what the instruments of one board record, as long as it runs its first image."""

    def __init__(
        self,
        board: EmulatedBoard,
        archive: Archive,
        folder: Path,
        instruments: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self._board = board
        self._segments = [(s.address, s.data) for s in archive.flash_segments()]
        self._writes = board.flash_writes
        self._files: dict[str, Path] = {}
        self._facts = {
            "archive": _keep(archive.path, folder),
            "copied_from": archive.path,
            "board": board.board.name,
        }
        layout, why = _layout(archive)
        for name, settings in instruments.items():
            path = folder / f"{os.getpid()}-{next(_numbers)}"
            problem = ""
            try:
                board.instruments.start(name, {**settings, "layout": layout}, owner=self)
                self._files[name] = path
            except IdoldbgError as error:
                problem = why or error.message
            self._say(path, name, problem)
        board.on_pause = self.write
        _collectors.add(self)

    def write(self) -> None:
        """Write what is new; stop where the board's flash holds another image now."""
        if not self._files:
            return
        is_other = self._board.flash_writes != self._writes and not self._runs_image()
        try:
            for name, path in list(self._files.items()):
                data = self._board.instruments.take(name, owner=self)
                if is_other:
                    self._board.instruments.stop(name, owner=self)
                    del self._files[name]
                    self._say(path, name, "the board was flashed with another image meanwhile")
                elif data:
                    with path.with_suffix(".data").open("ab") as file:
                        file.write(data)
        except OSError as error:  # the folder has gone: whoever wanted this has gone, too
            log.warning("%s: no more is collected: %s", VARIABLE, error)
            self._files.clear()
            self._board.instruments.stop_all(self)

    def _runs_image(self) -> bool:
        self._writes = self._board.flash_writes
        return all(self._board.read(at, len(data)) == data for at, data in self._segments)

    def _say(self, path: Path, name: str, problem: str) -> None:
        facts = {**self._facts, "instrument": name, "problem": problem}
        path.with_suffix(".facts").write_text(json.dumps(facts))


def _keep(path: str, folder: Path) -> str:
    """Copy a build, which may be gone when it is needed; not folders, nor large files."""
    source = Path(path).absolute()
    if not source.is_file() or source.stat().st_size > _COPIED:
        return str(source)
    with source.open("rb") as file:
        name = hashlib.file_digest(file, "sha256").hexdigest()
    kept = folder / f"{name}{source.suffix}"
    if not kept.exists():
        part = folder / f"{name}.{os.getpid()}.part"
        shutil.copyfile(source, part)
        part.rename(kept)
    return str(kept)


_collectors: weakref.WeakSet[_Collector] = weakref.WeakSet()


@atexit.register
def _write_all() -> None:
    """Write what boards have recorded that never paused: those that live a history again."""
    for collector in list(_collectors):
        collector.write()


class _NoMemory:
    def read(self, address: int, size: int) -> bytes:
        raise FaultError("no memory yet", address=address, size=size)


def _layout(archive: Archive) -> tuple[dict[str, Any] | None, str]:
    try:
        return find_kernel_layout(Program(archive, _NoMemory())).to_json(), ""
    except IdoldbgError as error:
        return None, error.message
