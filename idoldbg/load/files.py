"""Reads the files that users name."""

from __future__ import annotations

from pathlib import Path

from idoldbg.errors import ArchiveError

__all__ = ["read_file"]

MAX_FILE_SIZE = 256 << 20  # bytes of any file that is opened


def read_file(path: Path, shown: str) -> bytes:
    """Read a whole file of bounded size; raise `ArchiveError` saying why it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_SIZE + 1)
    except OSError as e:
        reason = e.strerror or type(e).__name__
        raise ArchiveError(f"{shown}: cannot be read: {reason}", path=shown) from e
    if len(data) > MAX_FILE_SIZE:
        raise ArchiveError(f"{shown}: larger than any build ({MAX_FILE_SIZE} bytes)", path=shown)
    return data
