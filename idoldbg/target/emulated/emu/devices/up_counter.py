"""Base of the timers: a counter that goes up, and starts over at 0 behind its top."""

from __future__ import annotations

from typing import ClassVar

from idoldbg.target.emulated.emu.clock import Clock
from idoldbg.target.emulated.emu.devices.device import Device

__all__ = ["UpCounter"]

_FULL = 1 << 32


class UpCounter(Device):
    """Counts once every `_divisor` cycles of the core clock while `_running`.

    The count is worked out when somebody asks for it: `_settle` first, then change what it depends
    on.
    """

    STATE: ClassVar[tuple[str, ...]] = ("_running", "_top", "_divisor", "_value", "_since")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stop_counting(0)

    def _stop_counting(self, value: int) -> None:
        self._running = False
        self._top = _FULL - 1
        self._divisor = 1
        self._value = value
        self._since = self._clock.now

    def _settle(self) -> int:
        """Bring the count up to now, and return it. What is left of a count is not lost."""
        if self._running:
            steps, rest = divmod(self._clock.now - self._since, self._divisor)
            self._value = (self._value + steps) % self._period()
            self._since = self._clock.now - rest
        return self._value

    def _count_from(self, value: int) -> None:
        self._value = value
        self._since = self._clock.now

    def _period(self) -> int:
        # A counter that is above its top already goes all the way round.
        return self._top + 1 if self._value <= self._top else _FULL

    def _cycles_until(self, value: int) -> int:
        """Return how long it takes from now until the counter steps to `value`."""
        distance = (value - self._settle() - 1) % self._period() + 1
        return distance * self._divisor - (self._clock.now - self._since)
