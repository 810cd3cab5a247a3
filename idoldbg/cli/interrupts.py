"""Ctrl-C, and the signals that ask a process to end."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Ended", "ending_tidily", "hearing_ctrl_c"]

ENDING_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # Windows has no SIGHUP


class Ended(KeyboardInterrupt):
    """A signal other than Ctrl-C ended what was being done."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def hearing_ctrl_c() -> Iterator[None]:
    """Send Ctrl-C once more where it came to a finalizer, whose exceptions Python drops."""
    outer = sys.unraisablehook
    again: list[threading.Timer] = []

    def hear(lost: sys.UnraisableHookArgs) -> None:
        if not isinstance(lost.exc_value, KeyboardInterrupt):
            outer(lost)
            return
        # Later: sent from here, it would come to this function, and be dropped once more.
        again.append(threading.Timer(0.01, signal.raise_signal, [signal.SIGINT]))
        again[-1].start()

    sys.unraisablehook = hear
    try:
        yield
    finally:
        sys.unraisablehook = outer
        for timer in again:
            timer.cancel()


@contextmanager
def ending_tidily() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does, by `Ended`, at most once.

    For whoever has a target: it is let go of, and does not stay halted. A second signal ends the
    process at once.
    """
    heard: list[int] = []

    def hear(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        heard.append(number)
        # By way of Ctrl-C, which the emulation knows to hold back while it cannot be raised.
        if not callable(signal.getsignal(signal.SIGINT)):  # ignored, as in the background of `sh`
            signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.raise_signal(signal.SIGINT)

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in ENDING_SIGNALS:
            if signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, hear)
    try:
        yield
    except KeyboardInterrupt as interrupt:
        if not heard:
            raise
        raise Ended(heard[0]) from interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
