"""Log of pytest's output on a place, bounded so that it cannot fill the disk."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import IO

__all__ = ["HEAD_BYTES", "TAIL_BYTES", "BoundedLog"]

HEAD_BYTES = 32 << 20
TAIL_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 16
_POLL_S = 0.2


class BoundedLog:
    """Copies from a pipe to a file: the first `head` bytes as they come, and the last `tail`.

    Give `writer` to a process as its output. Leaving the `with` block waits for what is in the
    pipe, not for processes that still hold it.
    """

    def __init__(self, path: Path, *, head: int = HEAD_BYTES, tail: int = TAIL_BYTES) -> None:
        self._file: IO[bytes] = path.open("wb", buffering=0)
        self._room = head
        self._tail_size = tail
        self._tail: deque[bytes] = deque()
        self._tail_length = 0
        self._left_out = 0
        self._ends = threading.Event()
        self._reader, self.writer = os.pipe()
        self._thread = threading.Thread(target=self._copy, daemon=True)

    def __enter__(self) -> BoundedLog:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self.writer)
        self._ends.set()
        self._thread.join()
        os.close(self._reader)
        with self._file, contextlib.suppress(OSError):  # a full disk must not lose results
            kept = b"".join(self._tail)[-self._tail_size :]
            left_out = self._left_out + self._tail_length - len(kept)
            if left_out:
                self._file.write(f"\n[… {left_out} bytes left out …]\n".encode())
            self._file.write(kept)

    def _copy(self) -> None:
        while True:
            ends = self._ends.is_set()  # asked before: what was written until then is in the pipe
            if select.select([self._reader], [], [], 0 if ends else _POLL_S)[0]:
                if not (chunk := os.read(self._reader, _CHUNK_BYTES)):
                    return
                self._keep(chunk)
            elif ends:
                return

    def _keep(self, chunk: bytes) -> None:
        head, rest = chunk[: self._room], chunk[self._room :]
        if head:
            self._room -= len(head)
            with contextlib.suppress(OSError):  # read on, or pytest would wait for ever
                self._file.write(head)
        if rest:
            self._tail.append(rest)
            self._tail_length += len(rest)
        while self._tail and self._tail_length - len(self._tail[0]) >= self._tail_size:
            dropped = len(self._tail.popleft())
            self._tail_length -= dropped
            self._left_out += dropped
