"""Calls in turn, where several clients share an emulated board through pyOCD.

Two calls through hiffy at once would spoil each other's. A board that is kept running has a lock
for that, which our probe (`idoldbg.pyocd_plugin`) and our probe server offer beside what pyOCD
asks of them. Debug probes have one user, and need none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from idoldbg.errors import IdoldbgError
from idoldbg.link.pyocd_errors import Attempt

__all__ = ["CallLock"]

LIMIT_S = 60.0
SLICE_S = 2.0  # what one request may wait: less than any answer may take


class CallLock:
    """The lock of the probe behind a link. May be taken again by who has it.

    `ask` runs a function of pyOCD's probe object under the link's limits.
    """

    def __init__(self, spec: str, ask: Callable[[Attempt, Callable[[Any], Any]], Any]) -> None:
        self._spec = spec
        self._ask = ask
        self._depth = 0
        self._exists = True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others from making calls; raise `LinkTimeout` if they do so for too long."""
        if self._depth == 0:
            self._take()
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._give_back()

    def _take(self) -> None:
        attempt = Attempt(self._spec, "make a call")
        end = time.monotonic() + LIMIT_S
        try:
            while self._exists and not self._ask(attempt, self._try):
                if time.monotonic() >= end:
                    raise attempt.time_out(
                        "another client of the board is making calls and does not come to an end",
                        "end that one, or try again",
                    )
        except BaseException:
            self._give_back()  # interrupted: it may be ours all the same
            raise

    def _try(self, probe: Any) -> bool:
        try:
            return bool(probe.lock_calls(SLICE_S))
        except (AttributeError, NotImplementedError):  # a probe, or a server of another make
            self._exists = False
            return False

    def _give_back(self) -> None:
        if self._exists:
            with suppress(IdoldbgError):  # the connection is lost, and the lock with it
                attempt = Attempt(self._spec, "let others make calls")
                self._ask(attempt, lambda probe: probe.unlock_calls())
