"""Measuring and printing of the benchmarks: figures beside something to compare with."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

__all__ = ["Cost", "Inside", "child_cost", "inside", "least_cpu_s", "median_s", "process", "row"]


def median_s(action: Callable[[], object], repeat: int) -> float:
    """Return the median of `repeat` runs, after one that warms the caches."""
    action()
    times = []
    for _ in range(repeat):
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def least_cpu_s(commands: Sequence[Sequence[str]], repeat: int) -> list[float]:
    """Return the least processor time of each of some commands, run in turns after a first time.

    Of short processes on a busy machine, elapsed times and medians say how busy it is.
    """
    least = [float("inf")] * len(commands)
    for turn in range(repeat + 1):
        for index, argv in enumerate(commands):
            seconds = _run_child(argv, None)
            if turn:
                least[index] = min(least[index], seconds)
    return least


def _run_child(argv: Sequence[str], environment: dict[str, str] | None) -> float:
    """Run a command, which must succeed, and return its processor time."""
    child = subprocess.Popen(
        argv, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=environment
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{' '.join(argv)} ended with {child.returncode}")
    return usage.ru_utime + usage.ru_stime


def process(argv: Sequence[str]) -> None:
    """Run a command; it must succeed."""
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def row(label: str, seconds: float, beside: float, what: str) -> None:
    """Print one line: the time and its ratio to something that was run beside it."""
    print(f"  {label:<46} {seconds * 1000:9.2f} ms   {seconds / beside:7.2f} × {what}")


class Cost(NamedTuple):
    """Cost of whole processes, medians: seconds until the last ended, seconds of CPU."""

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
        for argv in commands:
            cpu += _run_child(argv, environment)
        walls.append(time.perf_counter() - begin)
        cpus.append(cpu)
    return Cost(statistics.median(walls), statistics.median(cpus))


class Inside(NamedTuple):
    """Cost that a script reports: seconds of CPU after its imports, most memory in MB."""

    cpu_s: float
    peak_mb: float


def inside(
    argv: Sequence[str],
    repeat: int,
    *,
    before: Callable[[], object] = lambda: None,
    extra: dict[str, str] | None = None,
) -> Inside:
    """Run a script that prints these two figures, the memory in kB; return medians.

    Whoever waits for a process learns neither: `wait4` counts the imports, and the memory that the
    parent had before `exec`.
    """
    environment = {**os.environ, **(extra or {})}
    found = []
    for _ in range(repeat):
        before()
        done = subprocess.run(argv, check=True, capture_output=True, text=True, env=environment)
        seconds, kilobytes = done.stdout.split()
        found.append((float(seconds), int(kilobytes) / 1024))
    return Inside(*(statistics.median(column) for column in zip(*found, strict=True)))
