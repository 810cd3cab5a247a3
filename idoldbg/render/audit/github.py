"""An audit as annotations of a GitHub Actions run.

Ref: GitHub docs, "Workflow commands for GitHub Actions"; escapes as in `actions/toolkit`,
`packages/core/src/command.ts`. GitHub shows the first ten of each kind, so the worst come first.
"""

from __future__ import annotations

from idoldbg.audit import Finding, Level
from idoldbg.audit.verdict import Verdict
from idoldbg.render.audit.files import Files
from idoldbg.render.printable import printable

__all__ = ["to_github"]

_COMMANDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}
_DATA_ESCAPES = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY_ESCAPES = _DATA_ESCAPES | {":": "%3A", ",": "%2C"}


def to_github(verdict: Verdict, files: Files) -> str:
    """Write a workflow command for each open finding; suppressed and known ones are not shown."""
    return "".join(_annotation(finding, files) + "\n" for finding in verdict.open)


def _annotation(finding: Finding, files: Files) -> str:
    properties: dict[str, str | int] = {}
    file, place = files.of(finding), finding.place
    if file is not None and place is not None:
        properties = {"file": file, "line": place.line, "endLine": place.end_line}
        if place.line == place.end_line:  # columns of a range of lines are refused
            properties |= {"col": place.column, "endColumn": place.end_column}
    properties["title"] = f"{finding.rule}: {finding.subject}"
    listed = ",".join(
        f"{key}={_escape(str(value), _PROPERTY_ESCAPES)}" for key, value in properties.items()
    )
    message = _escape(f"{finding.message}\nfix: {finding.fix}", _DATA_ESCAPES)
    return f"::{_COMMANDS[finding.level]} {listed}::{message}"


def _escape(text: str, escapes: dict[str, str]) -> str:
    return "".join(escapes.get(character, character) for character in printable(text, "\n"))
