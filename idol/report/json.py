"""Findings for programs, in a form of our own that says everything."""

from __future__ import annotations

import json

from idol.findings.region import Region
from idol.hints import Any
from idol.printable import escape_json
from idol.report.files import FileReport
from idol.source import Diagnostic


def to_json(reports: tuple[FileReport, ...]) -> str:
    """Render as `idol.check/1`: lines and columns from 1, columns in characters."""
    shown = {
        "schema": "idol.check/1",
        "files": [
            {"file": report.name, "findings": [_finding(finding) for finding in report.findings]}
            for report in reports
        ],
    }
    return escape_json(json.dumps(shown, indent=2, sort_keys=True)) + "\n"


def _finding(finding: Diagnostic) -> dict[str, Any]:
    region = Region.of(finding.source, finding.span)
    return {
        "rule": finding.rule,
        "severity": str(finding.severity),
        "message": finding.message,
        "line": region.line,
        "column": region.column,
        "end_line": region.end_line,
        "end_column": region.end_column,
        "hint": finding.hint,
        "related": [
            {
                "message": related.message,
                "line": finding.source.get_location(related.span.start).line,
                "column": finding.source.get_location(related.span.start).column,
            }
            for related in finding.related
        ],
    }
