"""Asks a running supervisor to start, hold, release or fault a task, without any message.

Hubris's jefe looks at six words of its memory every tenth of a second (`task/jefe/src/external.rs`,
JEFE_EXTERNAL_*): a request and the index of a task, a word that says there is one, and two counters
of which one moves when it is served. This works while hiffy does not.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Protocol

from idol.records import dataclass
from idoldbg.build.program import Program
from idoldbg.errors import IdoldbgError, LinkTimeout, NotCallable
from idoldbg.model.memory import Clock, MemoryReader, MemoryWriter, read_u32

__all__ = ["SUPERVISOR", "ExternalControl", "Request", "Supervisor", "Target", "find_control"]

SUPERVISOR = 0  # the task that the kernel notifies of faults
POLL_S = 0.02
PATIENCE_S = 2.0
"""Twenty of the supervisor's intervals; it has the highest priority of all tasks."""


class Request(IntEnum):
    """Requests to the supervisor; numbers as in jefe."""

    START = 1
    HOLD = 2
    RELEASE = 3
    FAULT = 4


class Target(MemoryReader, MemoryWriter, Clock, Protocol):
    """A target that runs."""


@dataclass(frozen=True, slots=True)
class ExternalControl:
    """Addresses of the words."""

    ready: int
    request: int
    task_index: int
    kick: int
    requests: int
    errors: int


_NAMES = {
    "ready": "JEFE_EXTERNAL_READY",
    "request": "JEFE_EXTERNAL_REQUEST",
    "task_index": "JEFE_EXTERNAL_TASKINDEX",
    "kick": "JEFE_EXTERNAL_KICK",
    "requests": "JEFE_EXTERNAL_REQUESTS",
    "errors": "JEFE_EXTERNAL_ERRORS",
}


def find_control(program: Program) -> ExternalControl | None:
    """Find the words in the debug information; None where this image's supervisor has none."""
    addresses = {}
    try:
        supervisor = program.object(program.archive.tasks[SUPERVISOR].name)
        for field, name in _NAMES.items():
            found = [v for v in supervisor.find_variables(name) if v.address is not None]
            if not found or found[0].address is None:
                return None
            addresses[field] = found[0].address
    except (IdoldbgError, IndexError):
        return None
    return ExternalControl(**addresses)


class Supervisor:
    """The supervisor of one image on one running target.

    Raises `NotCallable` where the image has no such control or it refuses, `LinkTimeout` where
    nobody looks at the request.
    """

    def __init__(self, program: Program, target: Target) -> None:
        self.program = program
        self.target = target

    def ask(self, request: Request, task: str) -> None:
        """Have a request served; returns once it was."""
        index = self.program.task(task).index
        name = self.program.archive.tasks[SUPERVISOR].name
        control = find_control(self.program)
        if control is None:
            raise NotCallable(
                f"this image's supervisor, `{name}`, takes no requests from debuggers (it has no "
                "JEFE_EXTERNAL_KICK)"
            )
        if index == SUPERVISOR:
            raise NotCallable(f"`{name}` is the supervisor, which takes no requests about itself")
        self._wait_until_ready(control, name)
        before = self._counters(control)
        self._write(control.request, request)
        self._write(control.task_index, index)
        self._write(control.kick, 1)
        what = f"`{name}` did not look at the request to {request.name.lower()}"
        self._wait_until(lambda: self._counters(control) != before, what)
        if self._counters(control)[1] != before[1]:
            raise NotCallable(f"`{name}` refused to {request.name.lower()} task `{task}`")

    def _wait_until_ready(self, control: ExternalControl, name: str) -> None:
        self._wait_until(
            lambda: read_u32(self.target, control.ready) != 0, f"`{name}` did not start"
        )

    def _wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        end_s = self.target.monotonic() + PATIENCE_S
        while True:
            is_late = self.target.monotonic() >= end_s  # asked first: a busy host may stop us here
            if is_so():
                return
            if is_late:
                raise LinkTimeout(f"{what} within {PATIENCE_S:g} s", timeout_s=PATIENCE_S)
            self.target.wait(POLL_S)

    def _counters(self, control: ExternalControl) -> tuple[int, int]:
        return read_u32(self.target, control.requests), read_u32(self.target, control.errors)

    def _write(self, address: int, value: int) -> None:
        self.target.write(address, value.to_bytes(4, "little"))
