"""A target whose operations are attributes."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from idoldbg.device.aio import AioDevice, Worker
from idoldbg.device.batch import Batch
from idoldbg.device.classes import Classes
from idoldbg.device.core import Core
from idoldbg.device.failures import Failures
from idoldbg.device.operation import Operation, Space
from idoldbg.link import Link
from idoldbg.program import Program
from idoldbg.resolver import ResolvedOperation
from idoldbg.session import Session, TargetOptions, open_program, open_session
from idoldbg.supervisor import Request
from idoldbg.views.tasks import TaskRow, TaskTable, read_task, read_tasks

__all__ = ["Device", "TaskSpace", "attach"]


def attach(
    archive: str | os.PathLike[str] | None = None,
    *,
    board: str | os.PathLike[str] | None = None,
    probe: str | None = None,
    timeout_s: float = 5.0,
    type_overrides: Mapping[str, str] | None = None,
    uart: str | os.PathLike[str] | None = None,
    recover: bool = True,
    notify: Callable[[str], None] | None = None,
) -> Device:
    """Open a build and the link to its target.

    The options are those of the command line: `archive` is a path (default: a bundled demo image),
    `board` a name or the path of a board file, `probe` a SPEC such as `emu`, `pyocd`, `pyocd:UID`,
    `remote:HOST:PORT`. `timeout_s` bounds the wait for each call. `type_overrides` settles types
    that are ambiguous, from the name in the interface to the full path. `recover` lets a hiffy that
    waits for ever be restarted through the supervisor.

    `notify` gets sentences for a person: notices of the link, and what was done to the target
    besides calls. Without it they go to the logger `idoldbg`, at the levels INFO and WARNING.

    Raises what opening files and links raises (`idoldbg.errors`), and `MismatchError` when the
    target runs another image.
    """
    options = TargetOptions(
        archive=None if archive is None else os.fspath(archive),
        board=None if board is None else os.fspath(board),
        probe=probe,
        timeout_s=timeout_s,
        uart=None if uart is None else os.fspath(uart),
        notify=notify or _log.info,
    )
    program = open_program(options)
    program.type_overrides.update(type_overrides or {})
    session = open_session(options, notify=notify or _log.info, program=program)
    session.caller.notify = notify or _log.warning
    session.caller.recovers = recover
    try:
        session.check_image()
    except BaseException:
        session.close()
        raise
    return Device(session)


_log = logging.getLogger("idoldbg")


class TaskSpace(Space[Operation]):
    """The interfaces of one task, and how it is."""

    def _operation(self, resolved: ResolvedOperation) -> Operation:
        return Operation(self._core, resolved)

    def state(self) -> TaskRow:
        """Read the task's entry in the kernel's table."""
        with self._core.exclusive():
            return read_task(self._core.program, self._core.program.task(self._task or "").index)

    def start(self) -> None:
        """Have the supervisor start the task, or restart it; as `hold` otherwise."""
        self._ask(Request.START)

    def hold(self) -> None:
        """Have the supervisor leave the task alone when it faults next.

        Raises `NotCallable` where the image's supervisor takes no requests from debuggers,
        `LinkTimeout` where it does not look at them.
        """
        self._ask(Request.HOLD)

    def release(self) -> None:
        """Undo `hold`: a task that has faulted meanwhile is restarted; errors as `hold`."""
        self._ask(Request.RELEASE)

    def fault(self) -> None:
        """Have the supervisor make the task fault, and hold it; errors as `hold`."""
        self._ask(Request.FAULT)

    def _ask(self, request: Request) -> None:
        with self._core.exclusive():
            self._core.session.check_image()
            self._core.supervisor.ask(request, self._task or "")

    def __repr__(self) -> str:
        return f"<task `{self._task}`: {', '.join(self._interface_names()) or 'no interface'}>"


class Device(Space[Operation]):
    """A target: `dev.Spi.exchange(…)` makes a call, `dev["task"].Iface` chooses among servers.

    A context manager that lets go of the target at its end. May be used from several threads; calls
    wait for each other. `known_classes` and `known_errors` are those of stubs, by full type names.
    """

    def __init__(
        self,
        session: Session,
        *,
        known_classes: Mapping[str, Any] | None = None,
        known_errors: Mapping[str, Any] | None = None,
    ) -> None:
        classes = Classes(known_classes)
        super().__init__(Core(session, classes, Failures(classes, known_errors)))
        self._worker = Worker(self._core)

    def _operation(self, resolved: ResolvedOperation) -> Operation:
        return Operation(self._core, resolved)

    def __getitem__(self, task: str) -> TaskSpace:
        self.program.task(task)
        return TaskSpace(self._core, task)

    @property
    def session(self) -> Session:
        """What is below: build, link, and calls as texts."""
        return self._core.session

    @property
    def program(self) -> Program:
        """The build, with the target's memory."""
        return self._core.program

    @property
    def link(self) -> Link:
        """The way to the target: memory, registers, halt, resume."""
        return self.session.link

    @property
    def timeout_s(self) -> float:
        """How long a call may wait for hiffy to be ready, and for the answer, each."""
        return self.session.caller.timeout_s

    @timeout_s.setter
    def timeout_s(self, seconds: float) -> None:
        self.session.caller.timeout_s = seconds

    @property
    def aio(self) -> AioDevice:
        """The same operations for `await`."""
        return AioDevice(self._core, self._worker)

    def batch(self) -> Batch:
        """Return a `with` block that records calls and makes them together at its end."""
        return Batch(self._core)

    def tasks(self) -> TaskTable:
        """Read the task table, once a target that just began to run has started its tasks."""
        with self._core.exclusive():
            self.session.settle()
            return read_tasks(self.program)

    def reset(self) -> None:
        """Reset the target and let it run."""
        with self._core.exclusive():
            self.session.reset()

    def wait(self, seconds: float) -> None:
        """Let the target run for that long: its own seconds on an emulated board."""
        with self._core.exclusive():
            self.link.wait(seconds)

    def close(self) -> None:
        """Let go of the target; calls that are being made in other threads end first."""
        self._worker.close()
        with self._core.exclusive():
            self.session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<device {self.link.description} (`{self.link.spec}`)>"
