"""Content of the cache of indices, as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from idoldbg.render.printable import join_lines, one_line
from idoldbg.render.text import table_lines

__all__ = ["CachedBuild", "cleared_to_json", "cleared_to_text", "to_json", "to_text"]

_DIGITS = 12  # of a digest: enough to tell archives apart


class CachedBuild(Protocol):
    """One index (an `idoldbg.build.load.CachedBuild`)."""

    @property
    def digest(self) -> str:
        """SHA-256 of the archive."""

    @property
    def size(self) -> int:
        """Size of the index in bytes."""

    @property
    def used_s(self) -> float:
        """Time of the last use, within an hour; seconds since 1970."""

    @property
    def name(self) -> str:
        """The build's name, "" for an index of another version of this program."""

    @property
    def board(self) -> str:
        """The board's name in Hubris."""


def to_text(directory: str | None, builds: Sequence[CachedBuild]) -> str:
    """Write a table of the indices."""
    if not builds:
        return one_line(f"no index in {directory or 'this system: it has no place for a cache'}")
    rows = [["ARCHIVE", "BUILD", "BOARD", "BYTES", "LAST USED"]]
    for build in builds:
        name = build.name or "(of another version)"
        rows.append(
            [build.digest[:_DIGITS], name, build.board, str(build.size), _time(build.used_s)]
        )
    total = sum(build.size for build in builds)
    return join_lines([*table_lines(rows), "", f"{total} bytes in {directory}"])


def to_json(directory: str | None, builds: Sequence[CachedBuild]) -> dict[str, Any]:
    """Return the object of `cache list`."""
    return {
        "schema": "idoldbg.cache/1",
        "directory": None if directory is None else str(directory),
        "indices": [
            {
                "archive_sha256": build.digest,
                "name": build.name,
                "board": build.board,
                "size": build.size,
                "last_used": _time(build.used_s),
            }
            for build in builds
        ],
    }


def cleared_to_text(directory: str | None, count: int, size: int) -> str:
    """Describe what `cache clear` removed."""
    if not count and not size:
        return one_line(f"nothing to remove in {directory or 'this system'}")
    what = "index" if count == 1 else "indices"
    return one_line(f"removed {count} {what}, {size} bytes, from {directory}")


def cleared_to_json(directory: str | None, count: int, size: int) -> dict[str, Any]:
    """Return the object of `cache clear`."""
    return {
        "schema": "idoldbg.cache/1",
        "directory": None if directory is None else str(directory),
        "removed": {"indices": count, "bytes": size},
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%MZ")
