"""Virtual time: cycles of the core clock, and the timers that wait for them.

One instruction takes one cycle. Nothing here looks at the wall clock, so that two runs of the same
program see the same time at the same instruction.
"""

from __future__ import annotations

from collections.abc import Callable

from idol.records import dataclass

__all__ = ["Clock", "ClockState", "Timer"]


class Timer:
    """Calls back once when its deadline (an absolute cycle) has come."""

    def __init__(self, clock: Clock, callback: Callable[[], None]) -> None:
        self._clock = clock
        self._callback = callback
        self.deadline: int | None = None
        self.fired_at = 0

    def start(self, delay: int) -> None:
        """Fire `delay` cycles from now; a running timer is started again."""
        self.start_at(self._clock.now + max(delay, 1))

    def start_at(self, deadline: int) -> None:
        """Fire at an absolute cycle."""
        self.deadline = deadline
        self._clock.timer_started(deadline)

    def stop(self) -> None:
        """Forget the deadline."""
        self.deadline = None

    def fire(self) -> None:
        """Run the callback; it may start the timer again, counting from `fired_at`."""
        self.fired_at = self.deadline or 0
        self.deadline = None
        self._callback()


@dataclass(frozen=True, slots=True)
class ClockState:
    """Snapshot of the clock; deadlines in the order in which timers were made."""

    cycles: int
    hz: int
    seconds: float
    since: int
    deadlines: tuple[int | None, ...]


class Clock:
    """Counts cycles. While the core runs, `executed` adds what it did since `cycles`."""

    def __init__(self, hz: int) -> None:
        self.cycles = 0
        self.executed: Callable[[], int] = lambda: 0
        self.on_deadline: Callable[[int], None] = lambda _deadline: None
        self._hz = hz
        self._seconds = 0.0
        self._since = 0
        self._timers: list[Timer] = []

    @property
    def now(self) -> int:
        """The current cycle."""
        return self.cycles + self.executed()

    @property
    def hz(self) -> int:
        """Cycles per second."""
        return self._hz

    @hz.setter
    def hz(self, hz: int) -> None:
        if hz != self._hz:
            self._seconds = self.time_s
            self._since = self.now
            self._hz = hz

    @property
    def time_s(self) -> float:
        """Virtual seconds since the machine was made."""
        return self._seconds + (self.now - self._since) / self._hz

    def cycles_until(self, time_s: float) -> int:
        """Return how many cycles of the present clock there are until a virtual time."""
        return max(0, round((time_s - self.time_s) * self._hz))

    def timer(self, callback: Callable[[], None]) -> Timer:
        """Make a timer. Timers are made once, in a fixed order: snapshots rely on it."""
        timer = Timer(self, callback)
        self._timers.append(timer)
        return timer

    def timer_started(self, deadline: int) -> None:
        """Make the running core check whether it must stop sooner."""
        self.on_deadline(deadline)

    def next_deadline(self) -> int | None:
        """Return the first deadline of all timers."""
        first: int | None = None
        for timer in self._timers:
            deadline = timer.deadline
            if deadline is not None and (first is None or deadline < first):
                first = deadline
        return first

    def fire_due(self) -> None:
        """Run the callbacks of all deadlines up to now, the earliest first."""
        while True:
            first: Timer | None = None
            for timer in self._timers:
                deadline = timer.deadline
                if (
                    deadline is not None
                    and deadline <= self.cycles
                    and (first is None or deadline < (first.deadline or 0))
                ):
                    first = timer
            if first is None:
                return
            first.fire()

    def save(self) -> ClockState:
        """Return the state for a snapshot."""
        deadlines = tuple(t.deadline for t in self._timers)
        return ClockState(self.cycles, self._hz, self._seconds, self._since, deadlines)

    def restore(self, state: ClockState) -> None:
        """Go back to a snapshot of this clock."""
        self.cycles, self._hz = state.cycles, state.hz
        self._seconds, self._since = state.seconds, state.since
        for timer, deadline in zip(self._timers, state.deadlines, strict=True):
            timer.deadline = deadline
