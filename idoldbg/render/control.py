"""Requests that the supervisor served, as text and JSON."""

from __future__ import annotations

from typing import Any

from idoldbg.call.supervisor import Controlled, Request
from idoldbg.render import source as source_of
from idoldbg.render import stacks
from idoldbg.render.json import task_row
from idoldbg.render.printable import join_lines
from idoldbg.render.tasks import describe_state
from idoldbg.views.backtrace import Backtrace
from idoldbg.views.source import Source

__all__ = ["json", "text"]

NAMES = {
    Request.START: "restart",
    Request.HOLD: "hold",
    Request.RELEASE: "release",
    Request.FAULT: "fault",
}
"""Requests as the command line calls them."""


def text(done: Controlled, stack: Backtrace | None = None) -> str:
    """Write what became of a task; with its stack where it was waited for to fault."""
    before, after = done.before, done.after
    lines = [f"{after.name}: {_outcome(done)}", f"  before  {describe_state(before)}"]
    lines.append(f"  now     {describe_state(after)}")
    if stack is not None:
        lines += ["  stack", *(f"    {line}" for line in stacks.lines(stack, sources=True))]
    return join_lines(lines)


def _outcome(done: Controlled) -> str:
    generation = f"generation {done.after.generation}"
    match done.request:
        case Request.START:
            return (
                f"restarted, {generation}" if done.before.is_started else f"started, {generation}"
            )
        case Request.RELEASE if done.before.fault is not None:
            return f"released and restarted, {generation}"
        case Request.RELEASE:
            return "released; it is restarted when it faults"
    if done.kept_fault:
        return f"had faulted before, and is held, {generation}"
    if done.after.fault is not None:
        return f"faulted, and is held, {generation}"
    return "held; it is not restarted when it faults next"


def json(done: Controlled, source: Source, stack: Backtrace | None = None) -> dict[str, Any]:
    """Return the object of `task`; `stack` is None unless it was waited for a fault."""
    return {
        "schema": "idoldbg.task/1",
        "source": source_of.json(source),
        "request": NAMES[done.request],
        "task": done.after.name,
        "before": task_row(done.before),
        "after": task_row(done.after),
        "kept_fault": done.kept_fault,
        "stack": None if stack is None else stacks.json(stack),
    }
