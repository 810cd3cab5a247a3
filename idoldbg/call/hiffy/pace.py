"""Pauses between reads of hiffy's state, and checks that the kernel's clock runs."""

from __future__ import annotations

from idoldbg.call.hiffy.actions import Machine, Wait

__all__ = ["KernelClock", "Pace"]

FIRST_WAIT_S = 0.001
LONGEST_WAIT_S = 0.02
WAIT_GROWTH = 1.25  # looks too late by a quarter of the program's own time at most

# Of the kernel's clock: how long it may seem to stand still, in seconds of the link's own clock.
SAME_TICK_S = 0.003
UNWATCHED_S = 0.5
SLOWDOWN = 4  # of an emulated board beside the host


class Pace:
    """Waits that begin short and grow, and the time since `begin_s`.

    What was asked for counts even when the clock does not say so: no loop depends on it alone.
    """

    def __init__(self, begin_s: float) -> None:
        self._begin_s = begin_s
        self._asked_s = 0.0
        self._next_s = FIRST_WAIT_S
        self.elapsed_s = 0.0

    @property
    def now_s(self) -> float:
        return self._begin_s + self.elapsed_s

    def wait(self, limit_s: float) -> Machine[None]:
        """Wait a little, not much beyond `limit_s` since the beginning."""
        wait_s = min(self._next_s, max(limit_s - self.elapsed_s, FIRST_WAIT_S))
        now_s = yield Wait(wait_s)
        self._asked_s += wait_s
        self._next_s = min(self._next_s * WAIT_GROWTH, LONGEST_WAIT_S)
        self.elapsed_s = max(now_s - self._begin_s, self._asked_s)


class KernelClock:
    """Judges by the kernel's clock whether what RAM says is about a kernel that runs."""

    def __init__(self) -> None:
        self._ticks: int | None = None
        self._at_s = 0.0
        self._is_live = False

    def is_live(self, ticks: int | None, now_s: float) -> bool:
        """Take one reading; True for a kernel that runs, or whose clock cannot be read."""
        if ticks is None:
            return True
        before, elapsed_s = self._ticks, now_s - self._at_s
        self._is_live = self._judge(before, ticks, elapsed_s)
        self._ticks, self._at_s = ticks, now_s
        return self._is_live

    def _judge(self, before: int | None, ticks: int, elapsed_s: float) -> bool:
        if before is None:
            return False  # it takes two readings
        if ticks == before:
            return self._is_live and elapsed_s < SAME_TICK_S
        if ticks < before:
            return ticks > 0  # reset, and running again
        # A clock that lags was stopped for a while: it may stand still now.
        is_lagging = elapsed_s > UNWATCHED_S and (ticks - before) * SLOWDOWN < elapsed_s * 1000
        return not (self._is_live and is_lagging)
