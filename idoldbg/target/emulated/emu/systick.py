"""SysTick: a 24-bit down counter (Arm v7-M ARM, B3.3)."""

from __future__ import annotations

from collections.abc import Callable

from idol.records import dataclass
from idoldbg.target.emulated.emu.clock import Clock

__all__ = ["SysTick", "SysTickState"]

_ENABLE, _TICKINT, _CLKSOURCE, _COUNTFLAG = 1, 2, 4, 1 << 16
_REFERENCE_DIVISOR = 8
"""Core clock cycles per tick of the external reference (CLKSOURCE = 0), as on an STM32."""


@dataclass(frozen=True, slots=True)
class SysTickState:
    """Saved state; the deadline is the clock's."""

    control: int
    reload: int
    value: int
    frozen: bool


class SysTick:
    """Counts while enabled and not frozen; calls `on_wrap` when it reaches 0 with TICKINT set."""

    def __init__(self, clock: Clock, on_wrap: Callable[[], None]) -> None:
        self._clock = clock
        self._on_wrap = on_wrap
        self._timer = clock.timer(self._expired)
        self.reset()

    def reset(self) -> None:
        """Stop the counter."""
        self._control = 0
        self._reload = 0
        self._value = 0
        self._frozen = False
        self._timer.stop()

    def read(self, offset: int) -> int:
        """Return CSR (0x10), RVR (0x14), CVR (0x18) or CALIB (0x1c)."""
        if offset == 0x10:
            value = self._control
            self._control &= ~_COUNTFLAG
            return value
        if offset == 0x14:
            return self._reload
        return self._current() if offset == 0x18 else 0

    def write(self, offset: int, value: int) -> None:
        """Write CSR, RVR or CVR."""
        if offset == 0x10:
            current = self._current()
            self._control = self._control & _COUNTFLAG | value & 7
            self._count_from(current)
        elif offset == 0x14:
            starts = not self._reload and not self._current()
            self._reload = value & 0xFFFFFF
            if starts:
                self._count_from(0)
        elif offset == 0x18:
            self._control &= ~_COUNTFLAG
            self._count_from(0)

    def freeze(self, frozen: bool) -> None:
        """Stop or go on counting, as when the core is halted by a debugger."""
        if frozen != self._frozen:
            current = self._current()
            self._frozen = frozen
            self._count_from(current)

    def _scale(self) -> int:
        return 1 if self._control & _CLKSOURCE else _REFERENCE_DIVISOR

    def _current(self) -> int:
        if self._timer.deadline is None:
            return self._value
        left = -(-(self._timer.deadline - self._clock.now) // self._scale())
        return min(max(left, 0), self._reload) if self._reload else 0

    def _count_from(self, value: int) -> None:
        """Go on from a counter value; from 0 the first step loads the reload value."""
        self._value = value
        self._timer.stop()
        if not self._control & _ENABLE or self._frozen:
            return
        if value or self._reload:
            self._timer.start((value or self._reload + 1) * self._scale())

    def _expired(self) -> None:
        self._control |= _COUNTFLAG
        self._value = 0
        if self._reload:
            self._timer.start_at(self._timer.fired_at + (self._reload + 1) * self._scale())
        if self._control & _TICKINT:
            self._on_wrap()

    def save(self) -> SysTickState:
        """Return the state for a snapshot."""
        return SysTickState(self._control, self._reload, self._value, self._frozen)

    def restore(self, state: SysTickState) -> None:
        """Go back to a snapshot."""
        self._control, self._reload = state.control, state.reload
        self._value, self._frozen = state.value, state.frozen
