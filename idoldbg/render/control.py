"""Requests that the supervisor served, as text and JSON."""

from __future__ import annotations

from typing import Any

from idol.records import dataclass
from idoldbg.call.supervisor import Controlled, Request
from idoldbg.render import source as source_of
from idoldbg.render import stacks
from idoldbg.render.json import task_row
from idoldbg.render.printable import join_lines
from idoldbg.render.tasks import describe_state
from idoldbg.views.backtrace import Backtrace
from idoldbg.views.saved import SavedTask
from idoldbg.views.source import Source

__all__ = ["AtFault", "json", "text"]

PER_LINE = 4  # registers
CORE = (*(f"r{i}" for i in range(13)), "sp", "lr", "pc", "xpsr")

NAMES = {
    Request.START: "restart",
    Request.HOLD: "hold",
    Request.RELEASE: "release",
    Request.FAULT: "fault",
}
"""Requests as the command line calls them."""


@dataclass(frozen=True, slots=True)
class AtFault:
    """State of a task where it faulted; `dump` is the path of a core dump."""

    stack: Backtrace
    saved: SavedTask
    dump: str | None = None


def text(done: Controlled, found: AtFault | None = None) -> str:
    """Write what became of a task; with stack and registers where it was waited for to fault."""
    before, after = done.before, done.after
    lines = [f"{after.name}: {_outcome(done)}", f"  before  {describe_state(before)}"]
    lines.append(f"  now     {describe_state(after)}")
    if found is not None:
        lines += ["  stack", *(f"    {line}" for line in stacks.lines(found.stack, sources=True))]
        lines += ["  registers", *(f"    {line}" for line in _registers(found.saved))]
        if found.dump is not None:
            lines.append(f"  core dump: {found.dump}")
    return join_lines(lines)


def _registers(saved: SavedTask) -> list[str]:
    """Write the registers of the core, and of the floating point unit those that are not zero."""
    core = [name for name in CORE if name in saved.registers]
    floats = [name for name, value in saved.registers.items() if value and name not in CORE]
    shown = [f"{name:>5} 0x{saved.registers[name]:08x}" for name in [*core, *floats]]
    lines = ["  ".join(shown[i : i + PER_LINE]) for i in range(0, len(shown), PER_LINE)]
    return [*lines, f"({saved.problem})"] if saved.problem else lines


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


def json(done: Controlled, source: Source, found: AtFault | None = None) -> dict[str, Any]:
    """Return the object of `task`; `found` is None unless it was waited for a fault."""
    return {
        "schema": "idoldbg.task/1",
        "source": source_of.json(source),
        "request": NAMES[done.request],
        "task": done.after.name,
        "before": task_row(done.before),
        "after": task_row(done.after),
        "kept_fault": done.kept_fault,
        "stack": None if found is None else stacks.json(found.stack),
        "registers": None if found is None else dict(found.saved.registers),
        "dump": None if found is None else found.dump,
    }
