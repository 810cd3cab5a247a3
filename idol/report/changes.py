"""The changes between two versions of an interface, as text and as JSON."""

from __future__ import annotations

import json

from idol.diff import Change, Comparison, Level
from idol.hints import Any, Final
from idol.printable import escape_json, join_lines
from idol.source import Source, Span

#: Changes whose message says what was and what is.
_SAID: Final = frozenset(
    {"operation-added", "operation-removed", "operation-renamed", "operation-renumbered"}
    | {"encoding-changed", "idempotency-lost", "idempotency-gained"}
    | {"argument-renamed", "lease-renamed"}
)
_VERDICTS: Final = {
    Level.BREAKING: "breaking",
    Level.UNSURE: "perhaps breaking: types are named otherwise",
    Level.SOURCE: "same on the wire",
    Level.COMPATIBLE: "compatible",
}


def changes_to_text(comparison: Comparison) -> str:
    """Render operation by operation, and a verdict below."""
    lines = []
    operation: str | None = None
    for change in comparison.changes:
        if change.operation is not None and change.operation != operation:
            operation = change.operation
            lines.append(f"{comparison.new.name}.{operation}")
        place = _show_place(comparison, change)
        lines.append(f"  {place}: {change.level}: {change.message}{_show_values(change)}")
    return join_lines([*lines, _verdict(comparison)]) + "\n"


def changes_to_json(comparison: Comparison) -> str:
    """Render as `idol.diff/1`."""
    shown = {
        "schema": "idol.diff/1",
        "old": comparison.old.source.name,
        "new": comparison.new.source.name,
        "breaking": comparison.is_breaking,
        "changes": [_change(comparison, change) for change in comparison.changes],
    }
    return escape_json(json.dumps(shown, indent=2, sort_keys=True)) + "\n"


def _show_values(change: Change) -> str:
    if change.kind in _SAID:
        return ""
    return f": {change.old or 'nothing'} -> {change.new or 'nothing'}"


def _show_place(comparison: Comparison, change: Change) -> str:
    if change.new_span is not None:
        return _place(comparison.new.source, change.new_span)
    if change.old_span is not None:
        return _place(comparison.old.source, change.old_span)
    return comparison.new.source.name


def _place(source: Source, span: Span) -> str:
    location = source.get_location(span.start)
    return f"{source.name}:{location.line}:{location.column}"


def _verdict(comparison: Comparison) -> str:
    counts = {level: sum(change.level is level for change in comparison.changes) for level in Level}
    parts = [f"{count} {level}" for level, count in counts.items() if count]
    if not parts:
        return "no difference that callers or servers could notice"
    worst = next(level for level, count in counts.items() if count)
    return f"{', '.join(parts)} - {_VERDICTS[worst]}"


def _change(comparison: Comparison, change: Change) -> dict[str, Any]:
    return {
        "level": str(change.level),
        "kind": change.kind,
        "operation": change.operation,
        "message": change.message,
        "old": change.old,
        "new": change.new,
        "old_place": _position(comparison.old.source, change.old_span),
        "new_place": _position(comparison.new.source, change.new_span),
    }


def _position(source: Source, span: Span | None) -> dict[str, int] | None:
    if span is None:
        return None
    location = source.get_location(span.start)
    return {"line": location.line, "column": location.column}
