"""Observers of an emulated core: what instruments are made of.

An observer is told of exceptions, of blocks of code that are translated, of resets, and is asked to
look at times of its choice. It reads the core and changes nothing, so that a program runs the same
with it and without. A core without observers pays for none.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["Observer", "Observers"]


class Observer:
    """Base of observers: every hook does nothing."""

    wants_blocks = False
    """Whether `translated` is to be called. Adding or removing such an observer makes the core
    translate all its code anew."""

    next_look: int | None = None
    """Absolute cycle from which on `look` is to be called, None for never."""

    def entered(self, number: int) -> None:
        """An exception was entered. r0 to r12 still hold what the interrupted code had in them."""

    def returned(self) -> None:
        """An exception returned to thread mode; all registers are those of the task."""

    def translated(self, address: int, size: int, previous: tuple[int, int] | None) -> None:
        """A block of code is translated, and will be executed next.

        `previous` has address and size of the last block that was executed to its end, None where
        there was none. The first block of a board's life is seen in this way alone.
        """

    def faulted(self, number: int, bits: int) -> None:
        """The instruction at PC faults, with these bits of CFSR; its exception is entered next."""

    def look(self) -> None:
        """The clock has come to `next_look`, or gone past it in sleep; set the next one.

        Called between slices of execution, when the registers may be read.
        """

    def reset(self) -> None:
        """The core was reset."""

    def restored(self) -> None:
        """The board went back to a snapshot: time went back, too."""


class Observers:
    """The observers of one core, told in the order in which they were added."""

    def __init__(self) -> None:
        self._all: tuple[Observer, ...] = ()
        self._for_returns: tuple[Observer, ...] = ()
        self.next_look: int | None = None
        """The first of the observers' `next_look`; kept up to date by `look` and `update`."""

    def __iter__(self) -> Iterator[Observer]:
        return iter(self._all)

    def __bool__(self) -> bool:
        return bool(self._all)

    @property
    def wants_returns(self) -> bool:
        """Whether any of them does anything at a return."""
        return bool(self._for_returns)

    @property
    def wants_blocks(self) -> bool:
        """Whether any of them wants to be told of translated blocks."""
        return any(each.wants_blocks for each in self._all)

    def add(self, observer: Observer) -> None:
        """Add an observer, if it is not there already."""
        if observer not in self._all:
            self._all += (observer,)
        self.update()

    def discard(self, observer: Observer) -> None:
        """Take an observer away, if it is there."""
        self._all = tuple(each for each in self._all if each is not observer)
        self.update()

    def update(self) -> None:
        """Ask all of them when to look next, and who is told of the many returns."""
        self._for_returns = tuple(o for o in self._all if type(o).returned is not Observer.returned)
        times = [each.next_look for each in self._all if each.next_look is not None]
        self.next_look = min(times, default=None)

    def entered(self, number: int) -> None:
        """Pass on `Observer.entered`."""
        for each in self._all:
            each.entered(number)

    def returned(self) -> None:
        """Pass on `Observer.returned`."""
        for each in self._for_returns:
            each.returned()

    def translated(self, address: int, size: int, previous: tuple[int, int] | None) -> None:
        """Pass on `Observer.translated` to those that want blocks."""
        for each in self._all:
            if each.wants_blocks:
                each.translated(address, size, previous)

    def faulted(self, number: int, bits: int) -> None:
        """Pass on `Observer.faulted`."""
        for each in self._all:
            each.faulted(number, bits)

    def look(self, cycles: int) -> None:
        """Let those look whose time has come."""
        for each in self._all:
            if each.next_look is not None and each.next_look <= cycles:
                each.look()
        self.update()

    def reset(self) -> None:
        """Pass on `Observer.reset`."""
        for each in self._all:
            each.reset()
        self.update()

    def restored(self) -> None:
        """Pass on `Observer.restored`."""
        for each in self._all:
            each.restored()
        self.update()
