"""Pins of a GPIO port and who listens to them."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Pins"]


class Pins:
    """Levels that a port drives; None is a pin that it leaves alone."""

    def __init__(self) -> None:
        self._driven: dict[int, bool | None] = {}
        self._pulled_up: dict[int, bool] = {}
        self._listeners: dict[int, list[Callable[[bool | None], None]]] = {}

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

    def level(self, pin: int) -> bool | None:
        """Return what a pin is driven to."""
        return self._driven.get(pin)

    def levels(self, count: int) -> int:
        """Return what the port reads of its first `count` pins."""
        value = 0
        for pin in range(count):
            driven = self._driven.get(pin)
            if driven or (driven is None and self._pulled_up.get(pin)):
                value |= 1 << pin
        return value
