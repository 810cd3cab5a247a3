"""A line that says how far long work is: on a terminal alone, and only if it takes a while."""

from __future__ import annotations

import shutil
import sys
import time
from types import TracebackType
from typing import Self

__all__ = ["ProgressLine"]

DELAY_S = 0.5
INTERVAL_S = 0.1


class ProgressLine:
    """Shows `what: done/total item` on standard error, and takes it away at the end."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._next_s = time.monotonic() + DELAY_S
        self._is_shown = False
        self._is_on = sys.stderr is not None and sys.stderr.isatty()

    def update(self, done: float, total: float | None, item: str) -> None:
        """Show the progress, of an unknown total for None; most calls do nothing."""
        if not self._is_on or time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + INTERVAL_S
        of = "" if total is None else f"/{total:g}"
        text = f"{self._what}: {done:g}{of} {item}"
        shown = "".join(c if c.isprintable() else "?" for c in text)
        width = max(20, shutil.get_terminal_size().columns - 1)
        sys.stderr.write(f"\r\x1b[K{shown[:width]}")
        sys.stderr.flush()
        self._is_shown = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._is_shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
