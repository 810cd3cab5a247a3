"""A model of the time that USB takes, for costs in milliseconds where there is no hardware.

A transfer of a full-speed bulk pipe takes its place in a frame of 1 ms, one of high speed in a
micro-frame of 125 us; a HID report waits for the frame in which its interrupt endpoint is polled.
Typical of idle host controllers, measured on none: figures from it are to compare, not to promise.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

__all__ = ["FULL_SPEED", "HID", "HIGH_SPEED", "Latency", "ModelClock"]


@dataclass(frozen=True)
class Latency:
    """Seconds of one transfer each way; `byte_s` for each byte beyond the first packet."""

    out_s: float
    in_s: float
    byte_s: float
    packet: int

    def of_out(self, size: int) -> float:
        """Return the seconds that a transfer to the probe takes."""
        return self.out_s + self.byte_s * max(0, size - self.packet)

    def of_in(self, size: int) -> float:
        """Return the seconds that a transfer from the probe takes, once its data is there."""
        return self.in_s + self.byte_s * max(0, size - self.packet)


FULL_SPEED = Latency(0.0005, 0.0005, 1 / 1_000_000, 64)
HIGH_SPEED = Latency(0.000125, 0.000125, 1 / 30_000_000, 512)
HID = Latency(0.001, 0.001, 0.0, 64)


class ModelClock:
    """Wall time plus what the model says has passed besides; the boards' clock.

    With `is_real` it waits instead, so that a stopwatch sees what a bench with hardware would see.
    """

    def __init__(self, *, is_real: bool = False) -> None:
        self.is_real = is_real
        self.modelled_s = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return time.monotonic() + (0.0 if self.is_real else self.modelled_s)

    def advance(self, seconds: float) -> None:
        """Let modelled time pass."""
        with self._lock:
            self.modelled_s += seconds
        if self.is_real:
            time.sleep(seconds)
