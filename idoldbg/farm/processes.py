"""Tells a process from a later one with the same number."""

from __future__ import annotations

from pathlib import Path

__all__ = ["start_time"]


def start_time(pid: int) -> int:
    """Return when a process began, in clock ticks since boot (proc(5), stat field 22); 0: never."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[19])
