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
from idoldbg.views.tasks import TaskRow, is_before_tasks, is_halted, read_task

__all__ = [
    "SUPERVISOR",
    "Controlled",
    "ExternalControl",
    "Request",
    "Supervisor",
    "Target",
    "find_control",
]

SUPERVISOR = 0  # the task that the kernel notifies of faults
POLL_S = 0.02
PATIENCE_S = 2.0
"""Twenty of the supervisor's intervals; it has the highest priority of all tasks."""
RESTART_S = 0.1
"""Twice the time that a supervisor leaves between two restarts of a task (MIN_RUN_TIME)."""


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


@dataclass(frozen=True, slots=True)
class Controlled:
    """A served request: the task before and after it.

    `kept_fault` is whether the task had faulted before it was to fault or be held, and was left so.
    """

    request: Request
    before: TaskRow
    after: TaskRow
    kept_fault: bool = False


class Supervisor:
    """The supervisor of one image on one running target.

    Raises `NotCallable` where the image has no such control or it refuses, `LinkTimeout` where
    nobody looks at the request.
    """

    def __init__(self, program: Program, target: Target) -> None:
        self.program = program
        self.target = target

    def served(self) -> int:
        """Return how many requests it has answered since it started; 0 where it takes none."""
        control = find_control(self.program)
        return 0 if control is None else sum(self._counters(control))

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
        try:
            self._wait_until(lambda: self._counters(control) != before, "")
        except LinkTimeout:
            self._take_back(control, before, f"the request to {request.name.lower()} `{task}`")
        if self._counters(control)[1] != before[1]:
            raise NotCallable(f"`{name}` refused to {request.name.lower()} task `{task}`")

    def control(self, request: Request, task: str) -> Controlled:
        """Have a request served; return the task before and after.

        A task that has faulted is not made to fault again, which would lose its fault, but held.
        """
        index = self.program.task(task).index
        self._wait_until_started()
        before = read_task(self.program, index)
        keeps = request in (Request.HOLD, Request.FAULT) and before.fault is not None
        self.ask(Request.HOLD if keeps else request, task)
        keeps = keeps and self._stays_faulted(index)
        if request is Request.FAULT:
            if before.fault is not None and not keeps:
                self.ask(request, task)
            self._wait_for_fault(index)
        return Controlled(request, before, read_task(self.program, index), keeps)

    def hold_until_fault(self, task: str, *, timeout_s: float) -> Controlled:
        """Hold a task and wait until it faults; it is held afterwards, also after `LinkTimeout`.

        Returns at once where it has faulted before.
        """
        held = self.control(Request.HOLD, task)
        if held.kept_fault:
            return held
        index = self.program.task(task).index
        try:
            self._wait_for_fault(index, timeout_s)
        except LinkTimeout as error:
            error.add_note(f"it is still held; `idoldbg task release {task}` undoes that")
            raise
        return Controlled(Request.HOLD, held.before, read_task(self.program, index))

    def _wait_for_fault(self, index: int, timeout_s: float = PATIENCE_S) -> None:
        name = self.program.archive.tasks[index].name
        self._wait_until(
            lambda: read_task(self.program, index).fault is not None,
            f"task `{name}` did not fault",
            timeout_s,
        )

    def _stays_faulted(self, index: int) -> bool:
        """Return whether a faulted task is left as it is: its restart may have been due already."""
        first = read_task(self.program, index)
        self.target.wait(RESTART_S)
        second = read_task(self.program, index)
        return second.fault is not None and second.generation == first.generation

    def _wait_until_started(self) -> None:
        """Wait for the kernel to start its tasks: the table before that would read as faults."""
        self._wait_until(
            lambda: not is_before_tasks(self.program), "the kernel did not start its tasks"
        )

    def _take_back(self, control: ExternalControl, before: tuple[int, int], what: str) -> None:
        """Withdraw a request that nobody looked at, and raise `LinkTimeout`; return if served."""
        name = self.program.archive.tasks[SUPERVISOR].name
        is_pending = read_u32(self.target, control.kick) != 0
        if is_pending:
            self._write(control.kick, 0)
        if self._counters(control) != before:
            return
        message = f"`{name}` took {what} and did not answer it within {PATIENCE_S:g} s"
        if is_pending:
            message = (
                f"`{name}` does not run: JEFE_EXTERNAL_KICK was still 1 after {PATIENCE_S:g} s, "
                f"and {what} was taken back"
            )
            if is_halted(self.target):
                message += "; the core is halted (`idoldbg resume` lets it go on)"
            elif epitaph := self.program.epitaph():
                message += f"; the kernel has panicked: {epitaph}"
        raise LinkTimeout(message, timeout_s=PATIENCE_S)

    def _wait_until_ready(self, control: ExternalControl, name: str) -> None:
        self._wait_until(
            lambda: read_u32(self.target, control.ready) != 0, f"`{name}` did not start"
        )

    def _wait_until(
        self, is_so: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S
    ) -> None:
        end_s = self.target.monotonic() + timeout_s
        while True:
            is_late = self.target.monotonic() >= end_s  # asked first: a busy host may stop us here
            if is_so():
                return
            if is_late:
                raise LinkTimeout(f"{what} within {timeout_s:g} s", timeout_s=timeout_s)
            self.target.wait(POLL_S)

    def _counters(self, control: ExternalControl) -> tuple[int, int]:
        return read_u32(self.target, control.requests), read_u32(self.target, control.errors)

    def _write(self, address: int, value: int) -> None:
        self.target.write(address, value.to_bytes(4, "little"))
