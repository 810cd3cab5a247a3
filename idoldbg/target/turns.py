"""One target for one thread at a time: the thread rules of the Python API."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from idoldbg.target.signals import HeldSignals

__all__ = ["Turns"]

T = TypeVar("T")


class Turns:
    """Turns of threads: the second waits; a call can be cancelled at its next wait.

    `names` guards the build's debug information, which is parsed when it is asked for. Whoever has
    the turn holds it too, but not while it waits for the target: names can be looked up meanwhile.
    A program with one thread, such as the command line, needs to take no turn.

    Signals' handlers may raise wherever Python code is being executed: what is held is held by the
    locks alone, which are not.
    """

    def __init__(self) -> None:
        self.names = threading.RLock()
        self.turn: Any = threading.RLock()  # Any: for `_is_owned`, which `Condition` uses as well
        self._should_stop: Callable[[], bool] = lambda: False

    def alone(self, action: Callable[[], T]) -> T:
        """Return what `action` does with target and build for this thread alone; may be nested."""
        with self.turn, self.names:
            return action()

    @contextmanager
    def stopped_by(self, should_stop: Callable[[], bool]) -> Iterator[None]:
        """Keep others from the turn; calls made in it end early once `should_stop` says so.

        For threads to which no signals come, others than the main one.
        """
        with self.turn:
            self._should_stop = should_stop
            try:
                yield
            finally:
                self._should_stop = lambda: False

    @property
    def is_given_up(self) -> bool:
        """Whether what this thread does in its turn is not wanted any more."""
        return bool(self.turn._is_owned()) and self._should_stop()

    def wait(self, wait: Callable[[], None]) -> None:
        """Call `wait`, and let others have `names` meanwhile, if this thread has the turn."""
        if not self.turn._is_owned():
            wait()
            return
        with HeldSignals() as held:
            self.names.release()
            try:
                try:
                    held.let_through()
                    wait()
                finally:
                    held.hold_again()
            finally:
                self.names.acquire()
