"""Calls in turn, where several clients share an emulated board through pyOCD.

Two calls through hiffy at once would spoil each other's. A board that is kept running has a lock
for that, which our probe (`idoldbg.target.emulated.pyocd_probe`) and our probe server offer beside
what pyOCD asks of them. Debug probes have one user, and need none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TypeVar, runtime_checkable

from idoldbg.errors import IdoldbgError
from idoldbg.target.probe.errors import Attempt
from idoldbg.target.signals import hold_lock

__all__ = ["CallLock", "LocksCalls", "calls_locked"]

T = TypeVar("T")

LIMIT_S = 60.0
BUSY = "another client of the board is making calls and does not come to an end"
SLICE_S = 2.0  # what one request may wait: less than any answer may take


@runtime_checkable
class LocksCalls(Protocol):
    """A probe, or a probe server, of a board that may have several users. Opening twice is once."""

    def open(self) -> None: ...

    def lock_calls(self, limit_s: float) -> bool: ...

    def unlock_calls(self) -> None: ...


@contextmanager
def calls_locked(probe: LocksCalls, spec: str, should_stop: Callable[[], bool]) -> Iterator[None]:
    """Keep others from making calls through an open probe that has the lock for that.

    Raises `LinkTimeout` if they do so for too long, and for what `should_stop` asks.
    """
    attempt = Attempt(spec, "keep others from making calls")
    end = time.monotonic() + LIMIT_S
    try:
        while not probe.lock_calls(SLICE_S):
            if should_stop() or time.monotonic() >= end:
                raise attempt.time_out(BUSY, "end that one, or try again")
    except NotImplementedError:  # a board of this process, or another implementation's server
        yield
        return
    try:
        yield
    finally:
        with suppress(Exception):  # the connection is lost, and the lock with it
            probe.unlock_calls()


class CallLock:
    """The lock of the probe behind a link. May be taken again by who has it.

    `ask` runs a function of pyOCD's probe object under the link's limits.
    """

    def __init__(self, spec: str, ask: Callable[[Attempt, Callable[[Any], Any]], Any]) -> None:
        self._spec = spec
        self._ask = ask
        self._depth = 0
        self._exists = True

    def hold(self, action: Callable[[], T]) -> T:
        """Do something while others make no calls; raise `LinkTimeout` if they do for too long."""
        return hold_lock(self._enter, action, self._leave)

    def _enter(self) -> None:
        self._depth += 1
        if self._depth == 1:
            self._take()

    def _leave(self) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._give_back()

    def _take(self) -> None:
        attempt = Attempt(self._spec, "make a call")
        end = time.monotonic() + LIMIT_S
        # Interrupted, or in vain: it may be ours all the same, and is given back.
        while self._exists and not self._ask(attempt, self._try):
            if time.monotonic() >= end:
                raise attempt.time_out(BUSY, "end that one, or try again")

    def _try(self, probe: Any) -> bool:
        try:
            return bool(probe.lock_calls(SLICE_S))
        except (AttributeError, NotImplementedError):  # a probe, or another implementation's server
            self._exists = False
            return False

    def _give_back(self) -> None:
        if self._exists:
            with suppress(IdoldbgError):  # the connection is lost, and the lock with it
                attempt = Attempt(self._spec, "let others make calls")
                self._ask(attempt, lambda probe: probe.unlock_calls())
