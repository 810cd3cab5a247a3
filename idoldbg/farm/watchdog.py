"""Gives places back and ends test processes when a farm run is killed.

A process of its own, in a session of its own, that ignores what would end it. It hears from the
farm run through a pipe, a JSON list on each line; when the pipe ends and something is still open,
the run has died, by SIGKILL perhaps, and this cleans up. It imports labgrid only then.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable

from idoldbg.errors import LinkError

__all__ = ["Watchdog", "main"]

GRACE_S, POLL_S = 5.0, 0.1
ATTEMPTS, PAUSE_S = 10, 3.0
# Longer than cleaning up takes with a coordinator that answers. One that is gone is asked again for
# half a minute, which the report of the run does not wait for.
CLOSE_LIMIT_S = 3.0
START_LIMIT_S = 60.0  # a Python that imports one module, on a machine with much else to do
ERROR_LIMIT = 4096
READY = "ready\n"
ENDS = {"released": "acquire", "ended": "started"}
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)


class Watchdog:
    """The farm run's end of the pipe; for several threads.

    Raises `LinkError` where the process does not come up: then nobody would give places back.
    """

    def __init__(self, coordinator: str, host: str, user: str) -> None:
        self._arguments = (coordinator, host, user)
        self._guarded: dict[tuple[str, str | int], None] = {}  # what it was told to undo
        self.problem = ""  # why nobody guards what is open
        self._lock = threading.Lock()
        self._process = self._start()

    def tell(self, event: str, what: str | int) -> None:
        """Report `acquire`, `released` (a place), `started`, `ended` (a process group).

        `acquire` comes before the place is asked for: dying in between must not lose it. A process
        that has died is started again, and told what is open. Where that fails, what begins raises
        `LinkError`; what ends needs none any more.
        """
        with self._lock:
            if event in ENDS:
                self._guarded.pop((ENDS[event], what), None)
            else:
                self._guarded[event, what] = None
            if self._write([(event, what)]):
                return
            try:
                self._restart()
            except LinkError as error:
                self.problem = error.message
                if event not in ENDS:
                    del self._guarded[event, what]
                    raise

    def check(self) -> None:
        """Start a process that has died again; where that fails, `problem` says why."""
        with self._lock:
            if self._process.poll() is not None and not self.problem:
                try:
                    self._restart()
                except LinkError as error:
                    self.problem = error.message

    def close(self) -> None:
        """Let the watchdog clean up what is left; it goes on by itself where that takes long."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(CLOSE_LIMIT_S)

    def _start(self) -> subprocess.Popen[str]:
        """Start the process and hear from it that it listens."""
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "idoldbg.farm.watchdog", *self._arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                text=True,
            )
            assert process.stdout is not None
            with process.stdout:
                is_there, _, _ = select.select([process.stdout], [], [], START_LIMIT_S)
                if is_there and process.stdout.readline() == READY:
                    return process
            _end_process(process)
            errors.seek(0)
            last = errors.read(ERROR_LIMIT).decode(errors="replace").strip().splitlines()[-1:]
        raise self._dead("".join(last) or f"did not start within {START_LIMIT_S:g} s")

    def _write(self, events: list[tuple[str, str | int]]) -> bool:
        """Return whether the process could be told."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.writelines(json.dumps(event) + "\n" for event in events)
            self._process.stdin.flush()
        except (OSError, ValueError):  # ValueError: it was closed when the process died
            return False
        return True

    def _restart(self) -> None:
        _end_process(self._process)
        self._process = self._start()
        if not self._write(list(self._guarded)):
            raise self._dead("ended at once")
        self.problem = ""

    @staticmethod
    def _dead(why: str) -> LinkError:
        return LinkError(
            f"the process that gives places back when this run is killed: {why}", link="labgrid"
        )


def _end_process(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdin is not None
    with contextlib.suppress(OSError):  # what it was still to be told
        process.stdin.close()


def main(
    arguments: list[str], lines: Iterable[str], ready: Callable[[], None] = lambda: None
) -> None:
    """Follow a run to its end; `arguments` are coordinator, host and user.

    `ready` is called once nothing but the end of `lines` ends it.
    """
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    ready()
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


def _say_ready() -> None:
    """Signal that the watchdog is ready; later output is not read."""
    sys.stdout.write(READY)
    sys.stdout.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.dup2(nowhere, sys.stderr.fileno())


def _end(groups: set[int]) -> None:
    """End process groups: SIGTERM, then SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        end_s = time.monotonic() + GRACE_S
        left = {group for group in groups if _signal(group, number)}
        while left and time.monotonic() < end_s:
            time.sleep(POLL_S)
            left = {group for group in left if _signal(group, 0)}
        groups = left


def _signal(group: int, number: int) -> bool:
    """Return whether there was a process to signal."""
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
    main(sys.argv[1:], sys.stdin, _say_ready)
