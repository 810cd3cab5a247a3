"""gdb as a child that has the terminal: found, started, waited for."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from idoldbg.errors import ArgumentError, LinkError

__all__ = ["find_gdb", "run_gdb"]

CANDIDATES = ("gdb-multiarch", "arm-none-eabi-gdb", "gdb")
DEBIAN = "install one (Debian: apt install gdb-multiarch), or name one with --gdb"
ANSWER_LIMIT_S = 20.0
END_LIMIT_S = 5.0
POLL_S = 0.2
ENDING_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # Windows has no SIGHUP
# Before the user's .gdbinit and ours; the build's files hold no scripts anyway.
FIRST_OPTIONS = ("-q", "-iex", "set auto-load off", "-iex", "set pagination off")


def find_gdb(wanted: str | None = None) -> str:
    """Return the path of a gdb that knows Arm.

    Raises `ArgumentError` where `wanted` is none, `LinkError` where there is none at all.
    """
    if wanted is not None:
        path = shutil.which(wanted)
        if path is None:
            raise ArgumentError(f"`{wanted}` is not a program", name="--gdb")
        why = _why_not(path)
        if why:
            raise ArgumentError(f"`{wanted}` {why}", name="--gdb")
        return path
    reasons = []
    for name in CANDIDATES:
        path = shutil.which(name)
        why = "is not installed" if path is None else _why_not(path)
        if path is not None and not why:
            return path
        reasons.append(f"`{name}` {why}")
    raise LinkError(f"no gdb for Arm: {', '.join(reasons)}; {DEBIAN}")


def _why_not(path: str) -> str:
    """Return why a program cannot be used as a gdb for Arm, "" if it can."""
    command = [path, "-nx", "--batch", "-ex", "set architecture armv7", "-ex", "show architecture"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=ANSWER_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"does not start: {error}"
    if "GNU gdb" in done.stdout + done.stderr or "armv7" in done.stdout:
        return "" if "armv7" in done.stdout else "does not know Arm"
    return "does not know Arm" if "rchitecture" in done.stdout + done.stderr else "is not gdb"


def run_gdb(
    gdb: str, arguments: Sequence[str], has_ended: Callable[[], str] = lambda: ""
) -> tuple[int, str]:
    """Run gdb until it ends; return its exit status, 128 + N where signal N ended it.

    Ctrl-C is gdb's alone meanwhile. SIGTERM and SIGHUP end it first, then raise from the handlers
    that were there. `has_ended` says why the server is gone, "" while it is there: gdb notices by
    itself, and the reason is returned as well.
    """
    environment = {k: v for k, v in os.environ.items() if k != "DEBUGINFOD_URLS"}
    with _ctrl_c_for_child() as pending:
        process = subprocess.Popen([gdb, *FIRST_OPTIONS, *arguments], env=environment)
        reason = ""
        try:
            while True:
                try:
                    status = process.wait(POLL_S)
                    break
                except subprocess.TimeoutExpired:
                    reason = reason or has_ended()
                if pending:
                    status = _end(process)
                    break
        except BaseException:
            _end(process)
            raise
    for number in pending:
        signal.raise_signal(number)
    return (128 - status if status < 0 else status), reason


def _end(process: subprocess.Popen[bytes]) -> int:
    """End gdb by SIGTERM, then SIGKILL."""
    process.terminate()
    try:
        return process.wait(END_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


@contextmanager
def _ctrl_c_for_child() -> Iterator[list[int]]:
    """Leave Ctrl-C to the child; give the list of other signals that asked for an end.

    Handlers, and not `SIG_IGN`, which the child would inherit.
    """
    pending: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGINT:
            pending.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, *ENDING_SIGNALS)}
    try:
        yield pending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
