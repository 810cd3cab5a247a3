"""Findings as annotations of a GitHub Actions run.

Ref: GitHub docs, "Workflow commands for GitHub Actions" (setting an error message); the escapes are
those of `actions/toolkit`, `packages/core/src/command.ts`.
"""

from __future__ import annotations

from collections.abc import Mapping

from idol.findings import Level
from idol.findings.region import Region
from idol.hints import Final
from idol.printable import printable

__all__ = ["annotate", "place"]

_COMMANDS: Final = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}
_DATA_ESCAPES: Final = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY_ESCAPES: Final = _DATA_ESCAPES | {":": "%3A", ",": "%2C"}


def place(file: str, region: Region) -> dict[str, str | int]:
    """Return the properties that say where a finding is."""
    properties: dict[str, str | int] = {
        "file": file,
        "line": region.line,
        "endLine": region.end_line,
    }
    if region.line == region.end_line:  # columns of a range of lines are refused
        properties |= {"col": region.column, "endColumn": region.end_column}
    return properties


def annotate(level: Level, message: str, properties: Mapping[str, str | int]) -> str:
    """Return a workflow command, one line without its end; `message` may have several."""
    listed = ",".join(
        f"{key}={_escape(str(value), _PROPERTY_ESCAPES)}" for key, value in properties.items()
    )
    return f"::{_COMMANDS[level]} {listed}::{_escape(message, _DATA_ESCAPES)}"


def _escape(text: str, escapes: Mapping[str, str]) -> str:
    return "".join(escapes.get(character, character) for character in printable(text, "\n"))
