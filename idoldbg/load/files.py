"""Reads the files that users name."""

from __future__ import annotations

import os
from pathlib import Path

from idoldbg.errors import ArchiveError

__all__ = ["read_file"]

MAX_FILE_SIZE = 256 << 20  # bytes of any file that is opened


def read_file(path: Path, shown: str) -> bytes:
    """Read a whole file of bounded size; raise `ArchiveError` saying why it cannot be read."""
    try:
        with path.open("rb") as file:
            # So much memory is set aside for what is read: no more than the file has.
            expected = min(os.fstat(file.fileno()).st_size, MAX_FILE_SIZE)
            data = file.read(expected + 1)
            if len(data) > expected:  # it grew, or has no size, such as a pipe
                data += file.read(MAX_FILE_SIZE + 1 - len(data))
    except OSError as e:
        reason = e.strerror or type(e).__name__
        raise ArchiveError(f"{shown}: cannot be read: {reason}", path=shown) from e
    if len(data) > MAX_FILE_SIZE:
        raise ArchiveError(f"{shown}: larger than any build ({MAX_FILE_SIZE} bytes)", path=shown)
    return data
