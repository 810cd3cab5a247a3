"""Stack use as text and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from idoldbg.render import source as source_object
from idoldbg.render.printable import join_lines, one_line
from idoldbg.render.text import table_lines
from idoldbg.views.source import Source
from idoldbg.views.stack_use import StackUse

__all__ = ["json", "stack", "text"]

UNKNOWN = "?"
BOUND = "TOUCHED is a lower bound: memory that a function reserves may stay unwritten"


def text(uses: Sequence[StackUse]) -> str:
    """Write a line a task, and what makes its numbers doubtful below."""
    has_depth = any(use.touched is not None or use.current is not None for use in uses)
    head = ["TASK", "BASE", "SIZE"]
    if has_depth:
        head += ["NOW", "TOUCHED", "MARGIN", "RESTARTS"]
    rows = [head]
    for use in uses:
        row = [use.task, f"0x{use.base:08x}", str(use.size)]
        if has_depth:
            depths = (use.current, use.touched, use.margin, use.restarts)
            row += [UNKNOWN if depth is None else str(depth) for depth in depths]
        rows.append(row)
    lines = table_lines(rows, right=range(2, len(head)))
    if any(use.touched is not None for use in uses):
        lines += ["", BOUND]
    notes = [one_line(note) for note in [*_problems(uses), *(n for u in uses for n in _notes(u))]]
    return join_lines([*lines, *([""] if notes else []), *notes])


def _problems(uses: Sequence[StackUse]) -> list[str]:
    tasks: dict[str, list[str]] = {}
    for use in uses:
        if use.problem:
            tasks.setdefault(use.problem, []).append(use.task)
    return [f"{', '.join(names)}: {problem}" for problem, names in tasks.items()]


def _notes(use: StackUse) -> list[str]:
    notes = []
    if use.declared is not None and use.declared != use.size:
        notes.append(f"{use.task}: {use.size} bytes, where app.toml declares {use.declared}")
    if use.current is not None and use.current > use.size:
        notes.append(f"{use.task}: its stack pointer is below its stack: overflow")
    if use.holes:
        sizes = ", ".join(f"{size} at 0x{address:08x}" for address, size in use.holes)
        notes.append(f"{use.task}: reserved, and not written: {sizes}")
    return notes


def json(uses: Sequence[StackUse], source: Source) -> dict[str, Any]:
    """Return the object of `stackmargin`."""
    return {
        "schema": "idoldbg.stackmargin/1",
        "source": source_object.json(source),
        "stacks": [stack(use) for use in uses],
    }


def stack(use: StackUse) -> dict[str, Any]:
    """Return one stack."""
    return {
        "task": use.task,
        "base": use.base,
        "size": use.size,
        "declared": use.declared,
        "restarts": use.restarts,
        "current": use.current,
        "touched": use.touched,
        "margin": use.margin,
        "filled": use.is_filled,
        "holes": [{"address": address, "size": size} for address, size in use.holes],
        "problem": use.problem or None,
    }
