"""Tasks with their stacks, registers and values, as text and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from idol.records import replace
from idoldbg.model.values import format_value, to_json
from idoldbg.render import source as source_of
from idoldbg.render import stack_use, stacks
from idoldbg.render.json import task_row
from idoldbg.render.printable import join_lines
from idoldbg.render.text import table_lines, task_lines
from idoldbg.views.saved import FLOATS, GENERAL
from idoldbg.views.source import Source
from idoldbg.views.stack_use import StackUse
from idoldbg.views.task_details import TaskDetail, TaskReport

__all__ = ["json", "register_lines", "text"]

PER_LINE = 4
WIDTH = 94
INDENT = " " * 6


def text(report: TaskReport, *, sources: bool = False) -> str:
    """Write the task table; what else was read of a task stands below its row."""
    rows = tuple(detail.row for detail in report.details)
    lines, table = task_lines(replace(report.table, rows=rows))
    for line, detail in zip(table, report.details, strict=True):
        below = _below(detail, sources=sources)
        lines += [line, *(f"{INDENT}{each}" for each in below), *([""] if below else [])]
    return join_lines(lines).rstrip("\n")


def _below(detail: TaskDetail, *, sources: bool) -> list[str]:
    lines = []
    if detail.stack is not None:
        lines += stacks.lines(detail.stack, sources=sources)
    if detail.registers is not None:
        lines += register_lines(detail.registers)
        if detail.register_problem:
            lines.append(f"({detail.register_problem})")
    if detail.use is not None:
        lines.append(_describe_use(detail.use))
    if detail.address is not None:
        value = (
            "unreadable" if detail.value is None else format_value(detail.value, hexadecimal=True)
        )
        lines += textwrap.wrap(
            f"0x{detail.address:08x} {value}", 94, subsequent_indent="  ", break_on_hyphens=False
        )
    return lines


def register_lines(registers: Mapping[str, int | None]) -> list[str]:
    """Write four registers a line; of those for floating point, only what is not zero."""
    shown = [name for name in GENERAL if name in registers]
    floats = [name for name in (*FLOATS, "fpscr") if name in registers]
    known = [name for name in floats if registers[name]]
    rows = []
    for start in range(0, len(shown + known), PER_LINE):
        row = (shown + known)[start : start + PER_LINE]
        cells = [cell for name in row for cell in (name, _hexadecimal(registers[name]))]
        rows.append([*cells, *[""] * (2 * PER_LINE - len(cells))])
    lines = table_lines(rows)
    if len(known) < len(floats):
        lines.append("all other registers of floating point are 0")
    return lines


def _hexadecimal(value: int | None) -> str:
    return "unknown" if value is None else f"0x{value:08x}"


def _describe_use(use: StackUse) -> str:
    if use.touched is None:
        return f"stack of {use.size} bytes ({use.problem})"
    now = "" if use.current is None else f", {use.current} now"
    return f"stack of {use.size} bytes: {use.touched} used at least{now}, {use.margin} left"


def json(report: TaskReport, source: Source) -> dict[str, Any]:
    """Return the object of `tasks`."""
    return {
        "schema": "idoldbg.tasks/1",
        "source": source_of.json(source),
        "time_ms": report.table.time_ms,
        "epitaph": report.table.epitaph,
        "core": {"exception": report.exception, "task": report.running},
        "tasks": [_detail(detail) for detail in report.details],
    }


def _detail(detail: TaskDetail) -> dict[str, Any]:
    found = {
        **task_row(detail.row),
        "registers": None if detail.registers is None else dict(detail.registers),
        "stack": None if detail.stack is None else stacks.json(detail.stack),
        "stack_use": None if detail.use is None else stack_use.stack(detail.use),
    }
    if detail.address is not None:
        value = None if detail.value is None else to_json(detail.value)
        found["value"] = {"address": detail.address, "value": value}
    return found
