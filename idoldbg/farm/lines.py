"""Follows a file that another process writes, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

__all__ = ["LINE_LIMIT", "LineFollower"]

LINE_LIMIT = 16 << 20  # bytes: the ids of 100,000 tests
CHUNK_SIZE = 1 << 20


class LineFollower:
    """Cuts what a file holds so far into lines; a line over `line_limit` is left out.

    `line_limit` and `chunk_size`, of one read, are in bytes.
    """

    def __init__(
        self, file: BinaryIO, *, line_limit: int = LINE_LIMIT, chunk_size: int = CHUNK_SIZE
    ) -> None:
        self._file = file
        self._line_limit = line_limit
        self._chunk_size = chunk_size
        self._rest = bytearray()
        self._skips = False  # the rest of a line that is too long

    def read(self, *, is_last: bool) -> Iterator[str]:
        """Yield the lines that are complete by now; at the end also one that is not."""
        while chunk := self._file.read(self._chunk_size):
            *lines, rest = chunk.split(b"\n")
            for line in lines:
                yield from self._end(line)
            self._add(rest)
        if is_last:
            yield from self._end(b"")

    def _end(self, data: bytes) -> Iterator[str]:
        self._add(data)
        if self._rest and not self._skips:
            yield self._rest.decode(errors="replace")
        self._rest.clear()
        self._skips = False

    def _add(self, data: bytes) -> None:
        if len(self._rest) + len(data) > self._line_limit:
            self._skips = True
            self._rest.clear()
        if not self._skips:
            self._rest += data
