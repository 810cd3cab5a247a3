"""Core of every device interface: the session, the classes of the build, calls."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any, Concatenate, NoReturn, ParamSpec, Protocol, TypeVar

from idoldbg.build.program import Program
from idoldbg.call import calls
from idoldbg.call.codec import image
from idoldbg.call.supervisor import Supervisor
from idoldbg.device.board import BoardControl
from idoldbg.device.classes import Classes
from idoldbg.device.failures import Failures
from idoldbg.device.results import Err, LeaseData, Leases, Ok, Reply
from idoldbg.device.uart import Uart
from idoldbg.errors import LinkError, OperationError
from idoldbg.model.values import format_value
from idoldbg.resolver import ResolvedOperation
from idoldbg.session import Session

__all__ = ["Core", "HasCore", "in_turn"]

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S", bound="HasCore")


class HasCore(Protocol):
    """A device, or a part of one."""

    _core: Core


class Core:
    """State shared by all views of a device; `Turns` has the rules between threads."""

    def __init__(self, session: Session, classes: Classes, failures: Failures) -> None:
        self.session = session
        self.classes = classes
        self.failures = failures
        self.turns = session.link.turns
        self.stop: Callable[[], None] = lambda: None
        """Ends what is under way in other threads."""
        self.supervisor = Supervisor(session.program, session.link)
        self.uart = Uart(session)
        self.board = BoardControl(session)
        self.why_closed = "this device was closed"
        self._is_closed = False
        self._process = os.getpid()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a device cannot be copied or pickled, nor what belongs to it: open another with attach"
        )

    def alone(self, action: Callable[[], T]) -> T:
        """Return what `action` does with target and build for this thread alone.

        Raises `LinkError` once the device is closed, and in a process that was forked off: two
        cannot share one connection.
        """
        if os.getpid() != self._process:
            raise LinkError(
                "this device was attached by another process, of which this one is a fork; attach "
                "here", link=self.session.link.spec,
            )  # fmt: skip
        return self.turns.alone(lambda: self._do(action))

    def _do(self, action: Callable[[], T]) -> T:
        if self._is_closed:
            raise LinkError(self.why_closed, link=self.session.link.spec)
        return action()

    def close(self) -> None:
        """Let go of the target; calls that are being made in other threads end first."""
        if os.getpid() != self._process:
            return  # it is the other process's
        self.stop()
        self.turns.alone(self._close)

    def _close(self) -> None:
        self._is_closed = True
        self.session.close()

    @property
    def program(self) -> Program:
        """The build with the target's memory."""
        return self.session.program

    def call(self, call: calls.Call) -> Reply[Any, Leases]:
        """Make a call; raise the class of the error's variant where it answers with one."""
        try:
            reply = self.alone(lambda: self.session.caller.call(call))
        except OperationError as error:
            with self.turns.names:
                specific = self.failures.specific(call.operation, error)
            raise specific from None
        return self.reply(reply)

    def call_all(
        self, prepared: Sequence[calls.Call], done: Callable[[Reply[Any, Leases] | Exception], None]
    ) -> None:
        """Make calls in as few programs as they fit in; `done` gets their answers in order."""

        def make() -> None:
            answers = self.session.caller.call_all(prepared)
            for call, answer in zip(prepared, answers, strict=True):
                if isinstance(answer, OperationError):
                    done(self.failures.specific(call.operation, answer))
                elif isinstance(answer, Exception):
                    done(answer)
                else:
                    done(self.reply(answer))

        self.alone(make)

    def try_call(self, call: calls.Call) -> Ok[Reply[Any, Leases]] | Err[Any]:
        """Make a call; return the operation's error instead of raising it."""
        try:
            return Ok(self.call(call))
        except OperationError as error:
            return Err(getattr(error, "error", None), error)

    def reply(self, reply: calls.Reply) -> Reply[Any, Leases]:
        """Return a reply with Python objects in it."""
        leases = Leases(
            {
                name: LeaseData(data, partial(self._elements, reply.operation, name))
                for name, data in reply.leases.items()
            }
        )
        parts = [format_value(reply.value)]
        parts += [f"{name}: {_shown_lease(reply, name)}" for name in reply.leases]
        text = f"Reply({', '.join(parts)})"
        return Reply(self.classes.to_python(reply.value), leases, text)

    def _elements(self, operation: ResolvedOperation, name: str, data: bytes) -> list[Any]:
        """Decode the elements of a lease."""
        element = next(lease.element for lease in operation.leases if lease.name == name)
        size = 0 if element is None else element.size
        if element is None or size == 0:
            return []
        parts = (data[i : i + size] for i in range(0, len(data), size))
        return [self.classes.to_python(image.decode(element, part)) for part in parts]


def in_turn(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Have a method of a device work as `Core.alone` does."""

    @wraps(method)
    def alone(self: S, /, *arguments: P.args, **keywords: P.kwargs) -> T:
        return self._core.alone(lambda: method(self, *arguments, **keywords))

    return alone


def _shown_lease(reply: calls.Reply, name: str) -> str:
    elements = reply.elements(name)
    if elements is None:
        return f"hex:{reply.leases[name].hex()}"
    return f"[{', '.join(format_value(element) for element in elements)}]"
