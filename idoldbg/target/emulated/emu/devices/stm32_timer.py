"""STM32 timers that count up (ST RM0090 chapter 18, RM0444 chapter 22): the time base, no channels.

They get the core's clock, as with the bus prescalers that reset selects. The counter of a stopped
core goes on, as it does unless DBGMCU says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable

from idoldbg.target.emulated.emu.clock import Clock
from idoldbg.target.emulated.emu.devices.up_counter import UpCounter

__all__ = ["Stm32Timer"]

_CR1, _DIER, _SR, _EGR, _CNT, _PSC, _ARR = 0x00, 0x0C, 0x10, 0x14, 0x24, 0x28, 0x2C
_CEN, _UDIS, _URS, _OPM = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_UPDATE = 1 << 0


class Stm32Timer(UpCounter):
    """A counter of 32 bits. An update, when it starts over, sets a flag that may interrupt."""

    STATE = (*UpCounter.STATE, "_words", "_updated")

    def __init__(self, clock: Clock, interrupt: Callable[[bool], None]) -> None:
        super().__init__(clock)
        self._interrupt = interrupt
        self._timer = clock.timer(self._overflowed)
        self._words: dict[int, int] = {}
        self._updated = False

    def reset(self) -> None:
        self._stop_counting(0)
        self._timer.stop()
        self._words = {_ARR: 0xFFFF_FFFF}
        self._set_flag(False)

    def read_word(self, offset: int) -> int:
        if offset == _SR:
            return _UPDATE if self._updated else 0
        return self._settle() if offset == _CNT else self._words.get(offset, 0)

    def write_word(self, offset: int, value: int) -> None:
        if offset == _SR:
            # Zeros clear; ones leave a flag as it is.
            self._set_flag(self._updated and bool(value & _UPDATE))
            return
        self._settle()
        if offset == _EGR:
            if value & _UPDATE:
                self._count_from(0)
                self._update(by_software=True)
        elif offset == _CNT:
            self._count_from(value)
        else:
            self._words[offset] = value
            self._set_flag(self._updated)  # DIER may have been what changed
        self._run()

    def _run(self) -> None:
        """Count as the registers say."""
        top = self._words[_ARR]
        running = bool(self._words.get(_CR1, 0) & _CEN) and top > 0
        if running and not self._running:
            self._count_from(self._value)
        self._running, self._top = running, top
        self._timer.stop()
        if running:
            self._timer.start(self._cycles_until(0))

    def _overflowed(self) -> None:
        self._settle()
        if self._words.get(_CR1, 0) & _OPM:
            self._words[_CR1] &= ~_CEN
        self._update(by_software=False)
        self._run()

    def _update(self, *, by_software: bool) -> None:
        control = self._words.get(_CR1, 0)
        # The prescaler is taken over now, and not when it is written.
        self._divisor = self._words.get(_PSC, 0) + 1
        if not control & _UDIS and not (by_software and control & _URS):
            self._set_flag(True)

    def _set_flag(self, updated: bool) -> None:
        self._updated = updated
        self._interrupt(updated and bool(self._words.get(_DIER, 0) & _UPDATE))
