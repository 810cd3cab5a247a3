"""Runs the instruments of an emulated board: trace, coverage, profile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from idoldbg.errors import DebugInfoError
from idoldbg.model.coverage_records import read_coverage_records
from idoldbg.model.trace_records import whole_size
from idoldbg.session import Session
from idoldbg.target.capability import Instruments
from idoldbg.views.coverage import Coverage, measure_coverage
from idoldbg.views.kernel_layout import find_kernel_layout
from idoldbg.views.task_trace import TaskEvent, TaskTracer

__all__ = ["Covering", "Tracing", "profile_board"]

PROFILE_STEP_S = 0.25
STEP_S = 0.02  # of board time, between two looks at what was recorded


class Tracing:
    """A trace of a session's board, from now on; `stop` ends it.

    Calls that are under way seem to begin now.

    Raises `Unsupported` for a target whose core is not watched, `DebugInfoError` where the kernel's
    debug information does not describe its tasks.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._instruments = session.target.need(Instruments)
        layout = find_kernel_layout(session.program)
        self._tracer = TaskTracer(session.program, layout)
        self._rest = b""
        self._instruments.start_instrument("trace", {"layout": layout.to_json()})

    def take(self) -> list[TaskEvent]:
        """Return the events that are over since the last time."""
        return self._decode(self._instruments.take_instrument("trace"))

    def follow(self, seconds: float | None) -> Iterator[TaskEvent]:
        """Let board time pass, and return events as they come; for ever with None."""
        link = self._session.link
        end_s = None if seconds is None else link.monotonic() + seconds
        while end_s is None or link.monotonic() < end_s:
            left_s = STEP_S if end_s is None else min(STEP_S, end_s - link.monotonic())
            link.wait(left_s)
            yield from self.take()

    def stop(self) -> list[TaskEvent]:
        """End the trace; return the rest, with the calls that have no answer yet."""
        events = self._decode(self._instruments.stop_instrument("trace"))
        return [*events, *self._tracer.finish()]

    def _decode(self, data: bytes) -> list[TaskEvent]:
        whole = self._rest + data
        size = whole_size(whole)
        self._rest = whole[size:]
        return self._tracer.feed(whole[:size])


class Covering:
    """Coverage of a session's board, from now on; `stop` ends it. Raises `Unsupported`."""

    def __init__(self, session: Session) -> None:
        self._program = session.program
        self._instruments = session.target.need(Instruments)
        self._data = b""
        self._instruments.start_instrument("coverage", {"layout": _layout(session)})

    def result(self) -> Coverage:
        """Return what was executed until now."""
        self._data += self._instruments.take_instrument("coverage")
        return measure_coverage(self._program, read_coverage_records(self._data))

    def stop(self) -> Coverage:
        """End it, and return what was executed."""
        self._data += self._instruments.stop_instrument("coverage")
        return measure_coverage(self._program, read_coverage_records(self._data))


def _layout(session: Session) -> dict[str, Any] | None:
    """Return the layout of the kernel's tables; without, tasks are told by their code alone."""
    try:
        return find_kernel_layout(session.program).to_json()
    except DebugInfoError:
        return None


def profile_board(session: Session, seconds: float, rate_hz: float) -> bytes:
    """Let board time pass, and return the samples that were taken meanwhile.

    Raises `Unsupported` for a target whose core is not watched.
    """
    instruments = session.target.need(Instruments)
    settings = {"rate_hz": rate_hz, "layout": _layout(session)}
    instruments.start_instrument("profile", settings)
    data = [b""]
    link = session.link
    end_s = link.monotonic() + seconds
    try:
        while link.monotonic() < end_s:
            link.wait(min(PROFILE_STEP_S, end_s - link.monotonic()))
            data.append(instruments.take_instrument("profile"))
    finally:
        data.append(instruments.stop_instrument("profile"))
    return b"".join(data)
