"""One target for one thread at a time: the thread rules of the Python API."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from idoldbg.target.signals import HeldSignals

__all__ = ["Turns"]


class Turns:
    """Turns of threads: the second waits; a call can be cancelled at its next wait.

    `names` guards the build's debug information, which is parsed when it is asked for. Whoever has
    the turn holds it too, but not while it waits for the target: names can be looked up meanwhile.
    A program with one thread, such as the command line, needs to take no turn.
    """

    def __init__(self) -> None:
        self.names = threading.RLock()
        self._turn = threading.RLock()
        self._holder = 0
        self._should_stop: Callable[[], bool] = lambda: False

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Have target and build for this thread alone; may be nested."""
        with self._turn, self.names:
            outer, self._holder = self._holder, threading.get_ident()
            try:
                yield
            finally:
                self._holder = outer

    @contextmanager
    def stopped_by(self, should_stop: Callable[[], bool]) -> Iterator[None]:
        """Keep others from the turn; calls made in it end early once `should_stop` says so."""
        with self._turn:
            self._should_stop = should_stop
            try:
                yield
            finally:
                self._should_stop = lambda: False

    @property
    def is_given_up(self) -> bool:
        """Whether what this thread does in its turn is not wanted any more."""
        return self._holder == threading.get_ident() and self._should_stop()

    def wait(self, wait: Callable[[], None]) -> None:
        """Call `wait`, and let others have `names` meanwhile, if this thread has the turn."""
        if self._holder != threading.get_ident():
            wait()
            return
        with HeldSignals() as held:
            self.names.release()
            try:
                held.let_through()
                wait()
            finally:
                try:
                    held.hold_again()
                finally:
                    self.names.acquire()
