"""A time limit for calls into code that has none of its own: vendor libraries, USB, sockets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar

from idoldbg.target.signals import let_through

__all__ = ["NoAnswer", "Watchdog"]

T = TypeVar("T")
SLICE_S = 0.1  # at most so much later is a Ctrl-C noticed


class NoAnswer(Exception):
    """A call did not come back in time; it may still be running in its thread."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"no answer within {limit_s:g} s")
        self.limit_s = limit_s


class Watchdog:
    """Runs calls one after the other in a thread of its own, so that the caller can give up.

    A thread cannot be killed in Python: a call that never ends stays behind in a daemon thread,
    which does not keep the process alive, and every later call is refused at once, until it has
    ended after all. Not for use by several threads at a time.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._given_up: float | None = None
        self._stuck: threading.Lock | None = None

    def call(self, function: Callable[[], T], limit_s: float) -> T:
        """Return what `function` returns, or raise what it raises; `NoAnswer` after the limit.

        An interrupt (Ctrl-C) reaches the caller at once, also while the call blocks; the next call
        then has to wait for that one to end, within its own limit.
        """
        if self._stuck is not None and self._stuck.acquire(blocking=False):
            self._given_up = self._stuck = None
        if self._given_up is not None:
            raise NoAnswer(self._given_up)
        results: list[T] = []
        errors: list[BaseException] = []
        done = threading.Lock()
        done.acquire()

        def job() -> None:
            try:
                results.append(function())
            except BaseException as error:  # noqa: BLE001 - handed over to the calling thread
                errors.append(error)
            finally:
                done.release()

        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        self._jobs.put(job)
        if not _acquired(done, limit_s):
            self._given_up, self._stuck = limit_s, done
            raise NoAnswer(limit_s)
        if errors:
            raise errors[0]
        return results[0]

    def stop(self) -> None:
        """End the thread, unless it is stuck; a later `call` starts a new one."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._jobs.put(None)
            if self._given_up is None:
                thread.join(timeout=1.0)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def _acquired(lock: threading.Lock, limit_s: float) -> bool:
    """Wait for the lock in slices: a signal that comes just before one begins does not end it."""
    end_s = time.monotonic() + limit_s
    while (left_s := end_s - time.monotonic()) > SLICE_S:
        if let_through(lambda: lock.acquire(timeout=SLICE_S)):
            return True
    return let_through(lambda: lock.acquire(timeout=max(left_s, 0.0)))
