"""Growth of running time with the size of the input, on a busy machine."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["grows_linearly"]

ATTEMPTS = 10
FACTOR = 10
ALLOWED = 40  # quadratic growth gives 100


def grows_linearly(work: Callable[[int], object], count: int) -> bool:
    """Return whether ten times as much takes far less than a hundred times as long, in CPU time.

    Whatever else the machine does can only make it longer: the shortest of a few attempts counts.
    """
    work(count)  # the first time, caches are filled
    short_s = long_s = float("inf")
    for _ in range(ATTEMPTS):
        short_s = min(short_s, _cpu_seconds(work, count))
        long_s = min(long_s, _cpu_seconds(work, FACTOR * count))
        if long_s < ALLOWED * short_s:
            return True
    return False


def _cpu_seconds(work: Callable[[int], object], count: int) -> float:
    began = time.process_time()
    work(count)
    return time.process_time() - began
