"""The boards that this user's processes keep running: which there are, and where their sockets are.

In the runtime folder's `boards/`, a board NAME has NAME.sock, NAME.log, NAME.json (its entry) and
NAME.lock, which its process holds as long as it lives. An entry without that lock is stale.
"""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from idol.records import dataclass
from idoldbg.errors import ArgumentError
from idoldbg.target.host_lock import find_holder
from idoldbg.target.runtime_dir import private_dir

__all__ = [
    "BoardEntry",
    "boards_dir",
    "check_name",
    "find_board_entry",
    "lock_path",
    "read_board_entries",
    "remove_board_entry",
    "socket_path",
    "write_board_entry",
]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
ENTRY_LIMIT = 64 << 10
LAST_DAY_S = 1e11  # in Unix time; of later ones the C library has no calendar


@dataclass(frozen=True, slots=True)
class BoardEntry:
    """A board that runs.

    `board` and `chip` are names of board and chip files, `archive` is the build's path, `image_id`
    hexadecimal or ""; `archive` is "" as well where the board was flashed by another program, which
    told nobody with what. `since` in seconds of Unix time. `pyocd_port` is that of its probe server
    on this host, None without one. `probe` is the SPEC of the probe behind which a real board is,
    None for an emulated one; a real one may have no names and no build.
    """

    name: str
    pid: int
    socket: str
    board: str
    chip: str
    archive: str
    image_id: str
    since: float
    log: str
    pyocd_port: int | None = None
    probe: str | None = None

    @property
    def spec(self) -> str:
        """Value of `--probe` that reaches it."""
        return f"{'emu' if self.probe is None else 'board'}:{self.name}"


def check_name(name: str) -> str:
    """Return a name that is fit for a board; raise `ArgumentError` for any other."""
    if not NAME.fullmatch(name):
        raise ArgumentError(
            f"`{name}` cannot name a board: use letters, digits, `.`, `-` and `_`, at most 64",
            name="NAME",
        )
    return name


def boards_dir() -> Path:
    """Return the folder of sockets and entries."""
    return private_dir("boards")


def socket_path(name: str) -> Path:
    """Return where the board of that name listens."""
    return boards_dir() / f"{name}.sock"


def lock_path(name: str) -> Path:
    """Return the file that the board's process keeps locked."""
    return boards_dir() / f"{name}.lock"


def write_board_entry(entry: BoardEntry) -> None:
    """Make a board known, or replace what was known of it. For the holder of its lock."""
    path = boards_dir() / f"{entry.name}.json"
    new = path.with_suffix(".new")
    new.write_text(json.dumps(asdict(entry)), encoding="utf-8")
    new.replace(path)


def remove_board_entry(name: str) -> None:
    """Forget a board, and its socket. For the holder of its lock."""
    for suffix in ("json", "new", "sock"):
        with contextlib.suppress(FileNotFoundError):
            (boards_dir() / f"{name}.{suffix}").unlink()


def find_board_entry(name: str) -> BoardEntry | None:
    """Return the board of that name, None where none runs."""
    if find_holder(lock_path(check_name(name))) is None:
        return None
    return _read(boards_dir() / f"{name}.json")


def read_board_entries() -> tuple[BoardEntry, ...]:
    """Return all boards that run, by name. What dead processes left behind is passed over."""
    found = []
    for path in sorted(boards_dir().glob("*.json")):
        entry = _read(path)
        if entry is not None and find_holder(path.with_suffix(".lock")) is not None:
            found.append(entry)
    return tuple(found)


def _read(path: Path) -> BoardEntry | None:
    try:
        with path.open("rb") as file:
            found: Any = json.loads(file.read(ENTRY_LIMIT))
    except (OSError, ValueError, RecursionError):
        return None  # just going, or cut off by the end of its process
    if not isinstance(found, dict) or found.get("name") != path.stem:
        return None
    known: dict[str, Any] = {f.name: found.get(f.name) for f in fields(BoardEntry)}
    strings = ("name", "socket", "board", "chip", "archive", "image_id", "log")
    if not all(isinstance(known[name], str) for name in strings):
        return None
    if not isinstance(known["pid"], int) or not isinstance(known["since"], float):
        return None
    if not 0 <= known["since"] < LAST_DAY_S or not isinstance(known["pyocd_port"], int | None):
        return None
    if not isinstance(known["probe"], str | None):
        return None
    return BoardEntry(**known)
