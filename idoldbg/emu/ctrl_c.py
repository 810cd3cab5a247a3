"""Ctrl-C while Unicorn runs.

Python raises KeyboardInterrupt at the next line of Python, and here that is most often the first
line of a callback. ctypes cannot carry an exception through C: it prints and drops it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

__all__ = ["HeldCtrlC"]


class HeldCtrlC:
    """Holds SIGINT back inside a `with`; `deliver`, or the end of it, passes it on.

    Does nothing in threads other than the main one, which get no signals, nor where the process
    ignores SIGINT or dies of it.
    """

    __slots__ = ("_handler", "_pending")

    def __init__(self) -> None:
        self._pending = False
        self._handler: Callable[[int, FrameType | None], object] | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            handler = signal.getsignal(signal.SIGINT)
            if callable(handler):
                self._handler = handler
                signal.signal(signal.SIGINT, self._hold)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
            self.deliver()

    def deliver(self) -> None:
        """Do what SIGINT does outside, if one came: raise KeyboardInterrupt, as a rule."""
        if self._pending and self._handler is not None:
            self._pending = False
            self._handler(signal.SIGINT, None)

    def _hold(self, _number: int, _frame: FrameType | None) -> None:
        self._pending = True
