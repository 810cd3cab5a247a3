"""Bytes that the command line names: files, and standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from idoldbg.errors import ArgumentError

__all__ = ["read_data"]

MAX_DATA = 1 << 20


def read_data(source: str) -> bytes:
    """Read the file of `@FILE`, or standard input for `-`."""
    if source == "-":
        data = sys.stdin.buffer.read(MAX_DATA + 1)
    else:
        with Path(source).open("rb") as file:
            data = file.read(MAX_DATA + 1)
    if len(data) > MAX_DATA:
        raise ArgumentError(f"`{source}` holds more than {MAX_DATA} bytes")
    return data
