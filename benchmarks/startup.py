"""What it takes to be ready for one call, and to audit a build: whole processes, cold and warm."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.archives import Subject, grow, subjects, unpack
from benchmarks.measure import Cost, child_cost, peak_memory

__all__ = ["bench_audit", "bench_growth", "bench_setup"]

HERE = Path(__file__).resolve().parent
COLUMNS = "processor time; times that of `python -c pass`; elapsed time; peak memory"
BARE = [[sys.executable, "-c", "pass"]]


def bench_setup(repeat: int) -> None:
    """Everything that one call needs, board excepted: plain pyelftools, cold, warm."""
    print(f"set-up of one call, whole process ({COLUMNS})")
    with tempfile.TemporaryDirectory() as folder:
        bare = child_cost(BARE, repeat)
        _line("`python -c pass`", bare, bare, bare, None)
        for subject in subjects():
            print(f" {subject.name}: {subject.operation}")
            path = _settled(subject.path, Path(folder))
            words = [sys.executable, str(HERE / "plain_pyelftools.py"), str(path)]
            plain = child_cost([words], max(repeat // 3, 1))
            _line("plain pyelftools over the archive", plain, plain, bare, peak_memory(words))
            cache = Path(folder) / "cache"
            words = _setup(path, subject.operation)
            place = {"XDG_CACHE_HOME": str(cache)}
            _line(
                "cold, nothing kept",
                child_cost([[*words, "--no-cache"]], repeat),
                plain,
                bare,
                peak_memory([*words, "--no-cache"]),
            )
            cold = child_cost([words], repeat, before=lambda c=cache: _remove(c), extra=place)
            _remove(cache)
            _line("cold, and the index written", cold, plain, bare, peak_memory(words, place))
            warm = child_cost([words], repeat, extra=place)
            _line("warm", warm, plain, bare, peak_memory(words, place))


def bench_growth(repeat: int) -> None:
    """How the set-up grows with the number of tasks."""
    print(f"set-up of one call as the archive grows ({COLUMNS})")
    demo = subjects()[0]
    with tempfile.TemporaryDirectory() as folder:
        bare = child_cost(BARE, repeat)
        for count in (8, 10, 40):
            path = Path(folder) / f"{count}.zip"
            grow(demo.path, path, count)
            path = _settled(path, Path(folder))
            words = [sys.executable, str(HERE / "plain_pyelftools.py"), str(path)]
            plain = child_cost([words], max(repeat // 3, 1))
            cache = Path(folder) / f"cache{count}"
            place = {"XDG_CACHE_HOME": str(cache)}
            words = _setup(path, demo.operation)
            _line(f"{count} tasks, plain pyelftools", plain, plain, bare, None)
            cold = child_cost([words], repeat, before=lambda c=cache: _remove(c), extra=place)
            _remove(cache)
            _line(f"{count} tasks, cold", cold, plain, bare, peak_memory(words, place))
            warm = child_cost([words], repeat, extra=place)
            _line(f"{count} tasks, warm", warm, plain, bare, peak_memory(words, place))


def bench_audit(repeat: int) -> None:
    """Audit the largest archive at hand, beside what only dumps the same ELF files."""
    subject: Subject = subjects()[-1]
    print(f"audit of {subject.name}, whole process ({COLUMNS})")
    with tempfile.TemporaryDirectory() as folder:
        path = _settled(subject.path, Path(folder))
        elves = Path(folder) / "elf"
        elves.mkdir()
        files = unpack(path, elves)
        bare = child_cost(BARE, repeat)
        dumps = {
            "llvm-dwarfdump --debug-info": "--debug-info",
            "readelf --debug-dump=info": "--debug-dump=info",
        }
        beside: Cost | None = None
        for label, option in dumps.items():
            tool = label.split()[0]
            if shutil.which(tool) is None:
                print(f"  {label}: not installed")
                continue
            cost = child_cost([[tool, option, file] for file in files], repeat)
            beside = beside or cost
            _line(f"{label} > /dev/null", cost, beside, bare, None)
        words = [sys.executable, str(HERE / "plain_pyelftools.py"), str(path)]
        plain = child_cost([words], max(repeat // 3, 1))
        beside = beside or plain
        _line("plain pyelftools over the archive", plain, beside, bare, None)
        words = [sys.executable, "-m", "idoldbg", "-a", str(path), "audit", "--fail-on", "none"]
        place = {"XDG_CACHE_HOME": str(Path(folder) / "cache")}
        uncached = child_cost([[*words, "--no-cache"]], repeat)
        _line("audit, cold, nothing kept", uncached, beside, bare, None)
        cold = child_cost(
            [words], repeat, before=lambda: _remove(Path(folder) / "cache"), extra=place
        )
        _line("audit, cold, and the index written", cold, beside, bare, None)
        warm = child_cost([words], repeat, extra=place)
        _line("audit, warm", warm, beside, bare, None)


def _setup(path: Path, operation: str) -> list[str]:
    return [sys.executable, str(HERE / "setup_call.py"), str(path), operation]


def _settled(path: Path, folder: Path) -> Path:
    """Copy an archive and wait until its digest may be kept (see `idoldbg.load.cache`)."""
    copy = folder / f"settled-{path.name}"
    shutil.copy(path, copy)
    os.utime(copy, (1_600_000_000, 1_600_000_000))
    time.sleep(2.1)
    return copy


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _line(label: str, cost: Cost, beside: Cost, bare: Cost, peak_mb: float | None) -> None:
    memory = "" if peak_mb is None else f"   {peak_mb:5.1f} MB"
    print(
        f"  {label:<36} {cost.cpu_s * 1000:7.0f} ms {100 * cost.cpu_s / beside.cpu_s:6.1f} %"
        f" {cost.cpu_s / bare.cpu_s:6.1f} × bare  {cost.wall_s * 1000:7.0f} ms"
        f" {100 * cost.wall_s / beside.wall_s:6.1f} %{memory}"
    )
