"""Signals while the emulated board runs: held back, and delivered where the board is whole.

Python calls a signal's handler at the next line of Python, and here that is most often the first
line of a callback. ctypes cannot carry what the handler raises through C: it prints and drops it.
Elsewhere the exception would leave a device or the core half-way through a change.

Only handlers that are Python functions are held: what the kernel or C code does (SIG_DFL, SIG_IGN,
faulthandler, the file descriptor of `signal.set_wakeup_fd`) happens at once and harms nothing.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from types import FrameType, TracebackType
from typing import Any, Protocol, Self, TypeVar

__all__ = ["HeldSignals", "Interruptible", "hold_lock", "let_through"]

T = TypeVar("T")

# The functions behind those of `signal`, which turn all numbers into enumerations: 62 look-ups take
# 3 µs instead of 80, and there is one for each run.
_native: Any = import_module("_signal")
_get, _set = _native.getsignal, _native.signal
_NUMBERS = sorted(int(number) for number in signal.valid_signals())

_Handler = Callable[[int, FrameType | None], object]


class Interruptible(Protocol):
    """Protocol of an engine that runs while signals are held."""

    @property
    def is_in_callback(self) -> bool:
        """Whether C code is on the stack, which exceptions cannot cross."""

    def hurry(self) -> None:
        """Reach the next place where signals can be delivered soon."""


class HeldSignals:
    """Holds signals back inside one `with`; `deliver`, or the end of it, calls their handlers.

    Blocks may be nested, also those of several boards. In other threads than the main one, in which
    alone Python calls handlers, nothing is held.
    """

    __slots__ = ("_depth", "_has_taken", "_runner")

    def __init__(self, runner: Interruptible | None = None) -> None:
        self._runner = runner
        self._depth = 0
        self._has_taken = False

    def __enter__(self) -> Self:
        if _is_main_thread():
            self._depth = len(_hold.runners)
            self._has_taken = not _hold.is_holding
            if self._has_taken:
                _hold.take()
            if self._runner is not None:
                _hold.runners.append(self._runner)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not _is_main_thread():
            return
        del _hold.runners[self._depth :]
        if self._has_taken:
            _hold.let_go()

    def deliver(self) -> None:
        """Call the handlers of the signals that came; what they raise ends the run."""
        if _hold.pending and _is_main_thread() and not _hold.is_in_callback():
            _hold.let_go()
            _hold.take()

    def let_through(self) -> None:
        """Call the handlers of the signals that came, and let others through at once.

        Pairs with `hold_again` in a `finally`. The two are not a context manager: a handler that
        raises inside of one of Python's leaves the rest of it to the garbage collector.
        """
        if _is_main_thread() and not _hold.is_in_callback():
            _hold.let_go()

    def hold_again(self) -> None:
        """Hold signals back, after `let_through`."""
        if _is_main_thread() and not _hold.is_holding:
            _hold.take()


def hold_lock(
    take: Callable[[], None], action: Callable[[], T], give_back: Callable[[], None]
) -> T:
    """Return what `action` does between two others, wherever a signal's handler raises.

    `give_back` follows also where `take` ended half-way. Signals are held in both, and let through
    in `action`, and where the two wait by `let_through`.
    """
    with HeldSignals() as held:
        try:
            try:
                take()
                held.let_through()
                return action()
            finally:
                held.hold_again()
        finally:
            give_back()


def let_through(wait: Callable[[], T]) -> T:
    """Return what a function does that waits; held signals are let through meanwhile."""
    if not _hold.is_holding or not _is_main_thread() or _hold.is_in_callback():
        return wait()
    held = HeldSignals()
    try:
        held.let_through()
        return wait()
    finally:
        held.hold_again()


def _is_main_thread() -> bool:
    return threading.get_ident() == threading.main_thread().ident


class _Hold:
    """Held signals of this process; only the main thread uses it.

    While `is_holding`, no handler runs. At other times one may run, and raise, between any two
    lines: a handler that is not back in its place is called by `keep`, so that nothing is lost
    wherever that happens.
    """

    def __init__(self) -> None:
        self.is_holding = False
        self.pending: dict[int, None] = {}
        """The signals that came, in that order; one that comes twice is called once, as always."""
        self.runners: list[Interruptible] = []
        self._handlers: dict[int, _Handler] = {}
        self._seen: list[object] = []
        self._held: list[int] = []

    def take(self) -> None:
        """Put `_keep` in the place of all handlers that are Python's."""
        handlers = list(map(_get, _NUMBERS))
        if handlers != self._seen:
            pairs = zip(_NUMBERS, handlers, strict=True)
            self._held = [number for number, handler in pairs if callable(handler)]
            self._seen = handlers
        try:
            for number in self._held:
                handler = _get(number)
                if handler is not _keep:
                    self._handlers[number] = handler
                    _set(number, _keep)
            self.is_holding = True
        except BaseException:
            self._put_back()
            raise

    def let_go(self) -> None:
        """Put the handlers back, and call those of the signals that came."""
        try:
            self._put_back()
        finally:
            self._call_pending()

    def _put_back(self) -> None:
        """Put the handlers back, except where somebody has put another one meanwhile."""
        self.is_holding = False
        try:
            for number in self._held:
                if _get(number) is _keep:
                    _set(number, self._handlers[number])
        except BaseException:  # raised by one that is back already: the others as well
            self._put_back()
            raise

    def _call_pending(self) -> None:
        try:
            while self.pending:
                number = next(iter(self.pending))
                del self.pending[number]
                self._handlers[number](number, sys._getframe(1))
        except BaseException:
            self._call_pending()  # Python calls the others as well
            raise

    def is_in_callback(self) -> bool:
        """Return whether a board that is running has called what runs now."""
        return any(runner.is_in_callback for runner in self.runners)

    def keep(self, number: int, frame: FrameType | None) -> None:
        if not self.is_holding:
            self._handlers[number](number, frame)
            return
        self.pending[number] = None
        for runner in self.runners:
            runner.hurry()


_hold = _Hold()


def _keep(number: int, frame: FrameType | None) -> None:
    _hold.keep(number, frame)
