"""Changes between two builds, as text and as `idoldbg.audit-diff/1`."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from idoldbg.audit import Audit, Level
from idoldbg.audit.compare import BuildComparison
from idoldbg.render.audit.text import Paint, plain
from idoldbg.render.printable import one_line

__all__ = ["to_json", "to_text"]


def to_text(comparison: BuildComparison, fail_on: str, paint: Paint | None = None) -> str:
    """Write the changes, those of an operation together, and a verdict in one line."""
    paint = paint or plain
    lines = [f"{_name(comparison.old)} -> {_name(comparison.new)}", ""]
    for subject, group in groupby(comparison.changes, key=lambda c: (c.level, c.subject)):
        lines.append(paint("strong", one_line(subject[1])))
        lines += [
            f"  {paint(str(c.level), str(c.level))}: {one_line(f'{c.kind}: {c.message}')}"
            for c in group
        ]
    if comparison.changes:
        lines.append("")
    has_failed = comparison.has_failed(fail_on)
    head = paint("bad", "FAIL") if has_failed else paint("good", "PASS")
    counts = (
        f"{comparison.count(Level.ERROR)} breaking, {comparison.count(Level.WARNING)} perhaps, "
        f"{comparison.count(Level.NOTE)} harmless"
        if comparison.changes
        else "no difference that callers or servers could notice"
    )
    return "\n".join([*lines, f"{head}  {counts}"])


def _name(audit: Audit) -> str:
    parts = (audit.name or audit.archive, audit.image_name, audit.image_id)
    return one_line(" ".join(part for part in parts if part))


def to_json(comparison: BuildComparison, fail_on: str) -> dict[str, Any]:
    """Return the object of a comparison."""
    return {
        "schema": "idoldbg.audit-diff/1",
        "old": _build(comparison.old),
        "new": _build(comparison.new),
        "fail_on": fail_on,
        "failed": comparison.has_failed(fail_on),
        "summary": {f"{level}s": comparison.count(level) for level in Level},
        "changes": [
            {
                "level": str(change.level),
                "kind": change.kind,
                "task": change.task,
                "interface": change.interface,
                "operation": change.operation or None,
                "message": change.message,
            }
            for change in comparison.changes
        ],
    }


def _build(audit: Audit) -> dict[str, Any]:
    return {
        "archive": audit.archive,
        "name": audit.name,
        "image_name": audit.image_name,
        "image_id": audit.image_id or None,
    }
