"""Pauses between reads of hiffy's state, and checks that the kernel's clock runs."""

from __future__ import annotations

from idoldbg.call.hiffy.actions import Machine, Wait

__all__ = ["Continuity", "KernelClock", "Pace"]

FIRST_WAIT_S = 0.001
LONGEST_WAIT_S = 0.02
WAIT_GROWTH = 1.25  # looks too late by a quarter of the program's own time at most

# Of the kernel's clock: how long it may seem to stand still, in seconds of the link's own clock.
SAME_TICK_S = 0.003
UNWATCHED_S = 0.5
SLOWDOWN = 4  # of an emulated board beside the host

# Of a kernel that went on as it was: by how much its clock may differ from the link's.
YOUNG_TICKS = 300
LONGEST_LOOK_S = 0.1
LONGEST_GAP_S = 1.0
DRIFT = 0.02
SLACK_TICKS = 10


class Pace:
    """Waits that begin short and grow, and the time since `begin_s`.

    What was asked for counts even when the clock does not say so: no loop depends on it alone.
    """

    def __init__(self, begin_s: float) -> None:
        self.begin_s = begin_s
        self._asked_s = 0.0
        self._next_s = FIRST_WAIT_S
        self.elapsed_s = 0.0

    @property
    def now_s(self) -> float:
        return self.begin_s + self.elapsed_s

    def wait(self, limit_s: float) -> Machine[None]:
        """Wait a little, not much beyond `limit_s` since the beginning."""
        wait_s = min(self._next_s, max(limit_s - self.elapsed_s, FIRST_WAIT_S))
        now_s = yield Wait(wait_s)
        self._asked_s += wait_s
        self._next_s = min(self._next_s * WAIT_GROWTH, LONGEST_WAIT_S)
        self.elapsed_s = max(now_s - self.begin_s, self._asked_s)


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


class Continuity:
    """Judges by the kernel's clock whether the board was reset since a moment.

    After a reset the clock begins at zero, or stands still where the new kernel has not begun. So
    the board was not reset, save in the last `SLACK_TICKS` milliseconds, if the clock, old by then,
    has gone on by the time that has passed.
    """

    def __init__(self) -> None:
        self._begin: tuple[int, float] | None = None

    def forget(self) -> None:
        self._begin = None

    def begin(self, ticks: int, at_s: float) -> None:
        """Take a reading of the moment, for which `at_s` was the time just before it was read."""
        self._begin = ticks, at_s

    def is_unbroken(self, ticks: int | None, begin_s: float, end_s: float) -> bool:
        """Return whether it was not reset until a reading between two times; False if unsure."""
        if self._begin is None or ticks is None or end_s - begin_s > LONGEST_LOOK_S:
            return False
        before, at_s = self._begin
        gap_s = begin_s - at_s
        expected = gap_s * 1000
        slack = SLACK_TICKS + expected * DRIFT
        # Old enough that not even a clock that goes three times as fast could be there again.
        is_old = before > YOUNG_TICKS + 2 * expected and 0 <= gap_s <= LONGEST_GAP_S
        return is_old and abs(ticks - before - expected) <= slack
