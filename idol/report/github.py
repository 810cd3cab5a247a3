"""Findings as annotations of a GitHub Actions run.

Ref: GitHub docs, "Workflow commands for GitHub Actions" (setting an error message); the escapes are
those of `actions/toolkit`, `packages/core/src/command.ts`.
"""

from __future__ import annotations

from typing import Final

from idol.printable import printable
from idol.report.files import FileReport
from idol.source import Diagnostic, Severity

_COMMANDS: Final = {
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
    Severity.NOTE: "notice",
}
_DATA_ESCAPES: Final = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY_ESCAPES: Final = _DATA_ESCAPES | {":": "%3A", ",": "%2C"}


def to_github(reports: tuple[FileReport, ...]) -> str:
    """Render one workflow command per finding."""
    return "".join(
        _annotation(report.name, finding) + "\n"
        for report in reports
        for finding in report.findings
    )


def _annotation(name: str, finding: Diagnostic) -> str:
    start = finding.location
    end = finding.source.get_location(finding.span.end)
    properties: dict[str, str | int] = {
        "title": f"idol {finding.rule}",
        "file": name,
        "line": start.line,
        "endLine": end.line,
    }
    if start.line == end.line:  # columns of a range of lines are refused
        properties |= {"col": start.column, "endColumn": end.column}
    listed = ",".join(
        f"{key}={_escape(str(value), _PROPERTY_ESCAPES)}" for key, value in properties.items()
    )
    message = finding.message + (f"\nhint: {finding.hint}" if finding.hint else "")
    return f"::{_COMMANDS[finding.severity]} {listed}::{_escape(message, _DATA_ESCAPES)}"


def _escape(text: str, escapes: dict[str, str]) -> str:
    text = printable(text, "\n")
    return "".join(escapes.get(character, character) for character in text)
