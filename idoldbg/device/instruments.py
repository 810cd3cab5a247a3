"""Instruments of the emulated board, for Python: trace, coverage, profile."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from idoldbg.device.core import Core, in_turn
from idoldbg.model.seconds import check_seconds

if TYPE_CHECKING:  # each loads when it is used: calls do without
    from idoldbg.instruments import Covering, Tracing
    from idoldbg.views.coverage import Coverage
    from idoldbg.views.profile import Profile
    from idoldbg.views.task_trace import IdolCall, TaskEvent

__all__ = ["CoverageBlock", "Instrumented", "TraceBlock"]

PROFILE_HZ = 9973.0


class TraceBlock:
    """A trace for the length of a `with` block; `events` has what happened until now.

    Events come in the order in which they were over; `calls` are those that are calls.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._tracing: Tracing | None = None
        self._events: list[TaskEvent] = []

    def __enter__(self) -> Self:
        from idoldbg.instruments import Tracing

        self._tracing = self._core.alone(lambda: Tracing(self._core.session))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        tracing, self._tracing = self._tracing, None
        if tracing is not None:
            self._events += self._core.alone(tracing.stop)

    @property
    def events(self) -> tuple[TaskEvent, ...]:
        """Events since the block began."""
        if self._tracing is not None:
            self._events += self._core.alone(self._tracing.take)
        return tuple(self._events)

    @property
    def calls(self) -> tuple[IdolCall, ...]:
        """The calls among the events, those to the kernel too."""
        return tuple(event.call for event in self.events if event.call is not None)


class CoverageBlock:
    """Coverage for the length of a `with` block; `result` has what was executed until now."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._covering: Covering | None = None
        self._result: Coverage | None = None

    def __enter__(self) -> Self:
        from idoldbg.instruments import Covering

        self._covering = self._core.alone(lambda: Covering(self._core.session))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        covering, self._covering = self._covering, None
        if covering is not None:
            self._result = self._core.alone(covering.stop)

    @property
    def result(self) -> Coverage:
        """Lines, functions and operations; raise `ValueError` before the block has begun."""
        if self._covering is not None:
            return self._core.alone(self._covering.result)
        if self._result is None:
            raise ValueError("coverage begins with the `with` block")
        return self._result


class Instrumented:
    """Instruments of an emulated board; other targets raise `Unsupported`."""

    _core: Core

    def trace(self) -> TraceBlock:
        """Return a `with` block in which everything that tasks say to each other is recorded."""
        return TraceBlock(self._core)

    def coverage(self) -> CoverageBlock:
        """Return a `with` block in which it is noted which lines and operations are executed."""
        return CoverageBlock(self._core)

    @in_turn
    def profile(self, seconds: float = 1.0, *, rate_hz: float = PROFILE_HZ) -> Profile:
        """Let the board run, and sample where its time goes; `rate_hz` is of the board's time."""
        from idoldbg.instruments import profile_board
        from idoldbg.views.profile import read_profile

        check_seconds("seconds", seconds)
        session = self._core.session
        data = profile_board(session, seconds, rate_hz)
        return read_profile(session.program, data, rate_hz)
