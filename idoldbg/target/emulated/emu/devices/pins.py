"""Pins of a GPIO port, who drives them from outside, and who listens to them."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Pins"]


class Pins:
    """Levels that a port drives; None is a pin that it leaves alone.

    A pin that both sides drive reads what the port drives: there is no short circuit here.
    """

    def __init__(self) -> None:
        self._driven: dict[int, bool | None] = {}
        self._pulled_up: dict[int, bool] = {}
        self._listeners: dict[int, list[Callable[[bool | None], None]]] = {}
        self.outside: dict[int, bool] = {}

    def listen(self, pin: int, listener: Callable[[bool | None], None]) -> None:
        """Call `listener` with the new level whenever a pin changes."""
        self._listeners.setdefault(pin, []).append(listener)

    def drive(self, pin: int, level: bool | None, *, pull_up: bool = False) -> None:
        """Set what a pin is driven to."""
        self._pulled_up[pin] = pull_up
        if self._driven.get(pin) is level:
            return
        self._driven[pin] = level
        for listener in self._listeners.get(pin, ()):
            listener(level)

    def drive_from_outside(self, pin: int, level: bool | None) -> None:
        """Set what a device on the board drives a pin to; None lets go of it."""
        if level is None:
            self.outside.pop(pin, None)
        else:
            self.outside[pin] = level

    def reads(self, pin: int) -> bool:
        """Return what the port reads of a pin."""
        driven = self._driven.get(pin)
        if driven is None:
            driven = self.outside.get(pin)
        return bool(self._pulled_up.get(pin)) if driven is None else driven

    def level(self, pin: int) -> bool | None:
        """Return what a pin is driven to."""
        return self._driven.get(pin)

    def levels(self, count: int) -> int:
        """Return what the port reads of its first `count` pins."""
        return sum(1 << pin for pin in range(count) if self.reads(pin))
