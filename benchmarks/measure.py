"""How the benchmarks measure, and how they print: figures beside something to compare them with."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

__all__ = ["Cost", "child_cost", "median_s", "peak_memory", "process", "row"]


def median_s(action: Callable[[], object], repeat: int) -> float:
    """Return the median of `repeat` runs, after one that warms the caches."""
    action()
    times = []
    for _ in range(repeat):
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def process(words: Sequence[str]) -> None:
    """Run a command; it must succeed."""
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def row(label: str, seconds: float, beside: float, what: str) -> None:
    """Print one line: the time and its ratio to something that was run beside it."""
    print(f"  {label:<46} {seconds * 1000:9.2f} ms   {seconds / beside:7.2f} × {what}")


class Cost(NamedTuple):
    """What whole processes took, medians: seconds until the last ended, seconds of processors."""

    wall_s: float
    cpu_s: float


def child_cost(
    commands: Sequence[Sequence[str]],
    repeat: int,
    *,
    before: Callable[[], object] = lambda: None,
    extra: dict[str, str] | None = None,
) -> Cost:
    """Run commands one after another, all of it `repeat` times; `before` each is not counted.

    `extra` are environment variables. What the commands print is thrown away.
    """
    environment = {**os.environ, **(extra or {})}
    walls, cpus = [], []
    for _ in range(repeat):
        before()
        begin, cpu = time.perf_counter(), 0.0
        for words in commands:
            child = subprocess.Popen(
                words, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=environment
            )
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode:
                raise RuntimeError(f"{' '.join(words)} ended with {child.returncode}")
            cpu += usage.ru_utime + usage.ru_stime
        walls.append(time.perf_counter() - begin)
        cpus.append(cpu)
    return Cost(statistics.median(walls), statistics.median(cpus))


def peak_memory(words: Sequence[str], extra: dict[str, str] | None = None) -> float:
    """Return the most memory in MB that a Python script had, which prints it as its last word.

    `wait4` would count what the parent had before `exec`.
    """
    environment = {**os.environ, **(extra or {})}
    done = subprocess.run(words, check=True, capture_output=True, text=True, env=environment)
    return float(done.stdout.split()[-1]) / 1024
