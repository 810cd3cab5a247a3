"""LPC55 standard counter/timers (NXP UM11126, chapter "CTIMER"): counting and matching, no pins.

They get the core's clock, which is the main clock that firmware selects for them undivided.
"""

from __future__ import annotations

from collections.abc import Callable

from idoldbg.target.emulated.emu.clock import Clock
from idoldbg.target.emulated.emu.devices.up_counter import UpCounter

__all__ = ["Lpc55Ctimer"]

_IR, _TCR, _TC, _PR, _MCR, _MR0 = 0x00, 0x04, 0x08, 0x0C, 0x14, 0x18
_MATCHES = 4
_ENABLE, _HOLD_IN_RESET = 1 << 0, 1 << 1
_INTERRUPT, _RESET, _STOP = 1 << 0, 1 << 1, 1 << 2


class Lpc55Ctimer(UpCounter):
    """A counter of 32 bits with four match registers."""

    STATE = (*UpCounter.STATE, "_words", "_flags")

    def __init__(self, clock: Clock, interrupt: Callable[[bool], None]) -> None:
        super().__init__(clock)
        self._interrupt = interrupt
        self._timer = clock.timer(self._matched)
        self._words: dict[int, int] = {}
        self._flags = 0

    def reset(self) -> None:
        self._stop_counting(0)
        self._timer.stop()
        self._words = {}
        self._set_flags(0)

    def read_word(self, offset: int) -> int:
        if offset == _IR:
            return self._flags
        return self._settle() if offset == _TC else self._words.get(offset, 0)

    def write_word(self, offset: int, value: int) -> None:
        if offset == _IR:
            self._set_flags(self._flags & ~value)
            return
        self._settle()
        if offset == _TC:
            self._count_from(value)
        else:
            self._words[offset] = value
        self._run()

    def _matches(self, action: int) -> list[tuple[int, int]]:
        """Return (number, value) of the match registers that cause any of some actions."""
        control = self._words.get(_MCR, 0)
        return [
            (number, self._words.get(_MR0 + 4 * number, 0))
            for number in range(_MATCHES)
            if control >> 3 * number & action
        ]

    def _run(self) -> None:
        """Count as the registers say."""
        control = self._words.get(_TCR, 0)
        if control & _HOLD_IN_RESET:
            self._count_from(0)
        running = control & (_ENABLE | _HOLD_IN_RESET) == _ENABLE
        if running and not self._running:
            self._count_from(self._value)
        self._running = running
        self._divisor = self._words.get(_PR, 0) + 1
        self._top = min((value for _, value in self._matches(_RESET)), default=0xFFFF_FFFF)
        self._timer.stop()
        # A value above the top is never reached.
        ahead = [value for _, value in self._matches(_INTERRUPT | _STOP) if value <= self._top]
        if running and ahead:
            self._timer.start(min(map(self._cycles_until, ahead)))

    def _matched(self) -> None:
        now = self._settle()
        self._set_flags(
            self._flags | sum(1 << n for n, value in self._matches(_INTERRUPT) if value == now)
        )
        if any(value == now for _, value in self._matches(_STOP)):
            self._words[_TCR] = self._words.get(_TCR, 0) & ~_ENABLE
        self._run()

    def _set_flags(self, flags: int) -> None:
        self._flags = flags
        self._interrupt(bool(flags))
