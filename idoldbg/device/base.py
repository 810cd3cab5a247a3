"""Features of a device and a task besides calls, for dynamic devices and stubs."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from idoldbg import startup
from idoldbg.call.functions import FunctionCall, call_function
from idoldbg.call.supervisor import Controlled, Request, Supervisor
from idoldbg.device.board import BoardControl
from idoldbg.device.core import Core, in_turn
from idoldbg.device.instruments import Instrumented
from idoldbg.device.shown import shown
from idoldbg.device.state import StateReader
from idoldbg.device.uart import Uart
from idoldbg.diagnosing import examine
from idoldbg.model.seconds import check_seconds
from idoldbg.render import diagnosis
from idoldbg.target.link import Link
from idoldbg.views.diagnosis import Diagnosis
from idoldbg.views.tasks import TaskRow, read_task

__all__ = ["BaseDevice", "BaseTask"]


class BaseTask:
    """A task of the target: how it is, and what the supervisor can do with it."""

    _core: Core
    _task: str | None

    @in_turn
    def state(self) -> TaskRow:
        """Read the task's entry in the kernel's table."""
        return read_task(self._core.program, self._core.program.task(self._task or "").index)

    def start(self) -> Controlled:
        """Have the supervisor start the task, or restart it; as `hold` otherwise."""
        return self._ask(Request.START)

    def hold(self) -> Controlled:
        """Have the supervisor leave the task alone when it faults next.

        Raises `NotCallable` where the image's supervisor takes no requests from debuggers,
        `LinkTimeout` where it does not look at them.
        """
        return self._ask(Request.HOLD)

    def hold_until_fault(self, timeout_s: float | None = None) -> Controlled:
        """Hold the task and wait until it faults; it stays held, also after `LinkTimeout`.

        `timeout_s` is that of the device unless given; other errors as `hold`.
        """
        limit_s = self._core.session.caller.timeout_s if timeout_s is None else timeout_s
        task = self._task or ""
        return self._supervise(lambda found: found.hold_until_fault(task, timeout_s=limit_s))

    def release(self) -> Controlled:
        """Undo `hold`: a task that has faulted meanwhile is restarted; errors as `hold`."""
        return self._ask(Request.RELEASE)

    def fault(self) -> Controlled:
        """Have the supervisor make the task fault, and hold it; errors as `hold`.

        A task that has faulted keeps its fault.
        """
        return self._ask(Request.FAULT)

    def _ask(self, request: Request) -> Controlled:
        return self._supervise(lambda found: found.control(request, self._task or ""))

    @in_turn
    def _supervise(self, action: Callable[[Supervisor], Controlled]) -> Controlled:
        startup.check_image(self._core.session)
        return action(self._core.supervisor)


class BaseDevice(StateReader, Instrumented):
    """A target. A context manager that lets go of it at its end."""

    _core: Core

    if not TYPE_CHECKING:  # it would have checkers accept every name

        def __setattr__(self, name: str, value: object) -> None:
            """Set what can be set; a misspelt `timeout_s` is an error."""
            if not name.startswith("_") and not hasattr(type(self), name):
                raise AttributeError(f"`{name}` is nothing that can be set; `timeout_s` is")
            super().__setattr__(name, value)

    @property
    def link(self) -> Link:
        """The way to the target: memory, registers, halt, resume."""
        return self.session.link

    @property
    def timeout_s(self) -> float:
        """Seconds that a call may wait for hiffy to be ready, and again for the answer."""
        return self.session.caller.timeout_s

    @timeout_s.setter
    def timeout_s(self, seconds: float) -> None:
        check_seconds("timeout_s", seconds)
        self.session.caller.timeout_s = seconds

    @property
    def uart(self) -> Uart:
        """The serial ports of an emulated board: `read`, `send`, `expect`."""
        return self._core.uart

    @property
    def board(self) -> BoardControl:
        """The emulated board around the firmware: its devices, serial ports and time."""
        return self._core.board

    @in_turn
    def diagnose(self, *, seconds: float = 1.0, keep_held: bool = False) -> Diagnosis:
        """Look for what is wrong with the target, as `idoldbg.diagnosing.examine`."""
        found = examine(self.session, seconds=seconds, keep_held=keep_held)
        return shown(found, diagnosis.text)

    @in_turn
    def reset(self) -> None:
        """Reset the target and let it run."""
        startup.reset(self.session)

    @in_turn
    def hiffy(self, function: str, *arguments: str | int | None, data: bytes = b"") -> FunctionCall:
        """Call one of hiffy's own functions, with `data` in HIFFY_DATA; its failure is returned.

        Arguments that are strings are read as `idoldbg hiffy` reads them: variants of enums by
        name, `hex:…` for a buffer. None is an empty entry. Raises `HiffyFailure`, `NotCallable`.
        """
        given = ["None" if each is None else str(each) for each in arguments]
        return call_function(self.session.caller, function, given, data=data)

    @in_turn
    def wait(self, seconds: float) -> None:
        """Let the target run for that long: its own seconds on an emulated board."""
        self.link.wait(seconds)

    def close(self) -> None:
        """Let go of the target; calls that are being made in other threads end first."""
        self._core.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
