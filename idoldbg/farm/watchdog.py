"""Gives places back and ends test processes when a farm run is killed.

A process of its own, in a session of its own, that ignores what would end it. It hears from the
farm run through a pipe, a JSON list on each line; when the pipe ends and something is still open,
the run has died, by SIGKILL perhaps, and this cleans up. It imports labgrid only then.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable

from idoldbg.errors import LinkError

__all__ = ["Watchdog", "main"]

GRACE_S, POLL_S = 5.0, 0.1
ATTEMPTS, PAUSE_S = 10, 3.0
# Longer than cleaning up takes with a coordinator that answers. One that is gone is asked again for
# half a minute, which the report of the run does not wait for.
CLOSE_LIMIT_S = 3.0
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)


class Watchdog:
    """The farm run's end of the pipe."""

    def __init__(self, coordinator: str, host: str, user: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "idoldbg.farm.watchdog", coordinator, host, user],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )

    def tell(self, event: str, what: str | int) -> None:
        """Report `acquire`, `released` (a place), `started`, `ended` (a process group).

        `acquire` comes before the place is asked for: dying in between must not lose it.
        """
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # the run goes on without
            self._process.stdin.write(json.dumps([event, what]) + "\n")
            self._process.stdin.flush()

    def close(self) -> None:
        """Let the watchdog clean up what is left; it goes on by itself where that takes long."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(CLOSE_LIMIT_S)


def main(arguments: list[str], lines: Iterable[str]) -> None:
    """Follow a run to its end; `arguments` are coordinator, host and user."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    places: set[str] = set()
    groups: set[int] = set()
    for line in lines:
        try:
            event, what = json.loads(line)
        except ValueError:
            break  # cut in the middle: the run died writing it
        if event == "acquire":
            places.add(what)
        elif event == "released":
            places.discard(what)
        elif event == "started":
            groups.add(what)
        elif event == "ended":
            groups.discard(what)
    _end(groups)
    if places:
        _release(places, *arguments)


def _end(groups: set[int]) -> None:
    """End process groups, first kindly."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        end_s = time.monotonic() + GRACE_S
        left = {group for group in groups if _signal(group, number)}
        while left and time.monotonic() < end_s:
            time.sleep(POLL_S)
            left = {group for group in left if _signal(group, 0)}
        groups = left


def _signal(group: int, number: int) -> bool:
    """Tell whether there was anybody to signal."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def _release(places: set[str], address: str, host: str, user: str) -> None:
    from idoldbg.farm.coordinator import Coordinator, Holder

    coordinator = Coordinator(address, Holder(host, user))
    for _ in range(ATTEMPTS):
        for name in sorted(places):
            try:
                coordinator.release(name)
            except LinkError:
                continue
            places.discard(name)
        if not places:
            return
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    main(sys.argv[1:], sys.stdin)
