"""Processes of a farm run: telling them from later ones, ending them, saying how they ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

__all__ = ["POLL_S", "end_group", "start_time", "describe_status"]

POLL_S = 0.1
GRACE_S = 5.0


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and whatever it has started; harmless when all of it has ended."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
    process.wait()


def describe_status(status: int) -> str:
    """Describe how a process ended, from `Popen.returncode`."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:  # a real-time signal has no name
        return f"signal {-status}"


def start_time(pid: int) -> int:
    """Return when a process began, in clock ticks since boot (proc(5), stat field 22); 0: never."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[19])
