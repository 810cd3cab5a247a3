"""Findings for code scanners: SARIF.

Ref: OASIS Static Analysis Results Interchange Format 2.1.0; section numbers stand beside the parts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from idol.printable import escape_json
from idol.report.files import FileReport
from idol.rules import RULES, Rule
from idol.source import Diagnostic, Severity, Source, Span

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"

#: 3.58.6: the words of SARIF are ours.
_LEVELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


#: Characters of a line that tell it from others: all findings may stand on one.
_FINGERPRINTED: Final = 1000


def to_sarif(reports: tuple[FileReport, ...]) -> str:
    """Render as one run of one tool, which describes each rule that it found broken."""
    found = {finding.rule for report in reports for finding in report.findings}
    rules = [rule for rule in RULES.values() if rule.id in found]
    index = {rule.id: number for number, rule in enumerate(rules)}
    run = {
        "tool": {"driver": {"name": "idol", "rules": [_rule(rule) for rule in rules]}},
        "columnKind": "unicodeCodePoints",  # 3.14.17: our columns count characters
        "artifacts": [{"location": {"uri": _uri(name)}} for name in _names(reports)],
        "results": [
            _result(finding, index[finding.rule])
            for report in reports
            for finding in report.findings
        ],
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return escape_json(json.dumps(log, indent=2)) + "\n"


def _names(reports: Iterable[FileReport]) -> list[str]:
    return list(dict.fromkeys(report.name for report in reports))  # 3.14.15: no duplicates


def _rule(rule: Rule) -> dict[str, Any]:
    """3.49: a reportingDescriptor."""
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "help": {"text": rule.page, "markdown": rule.page},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(finding: Diagnostic, rule_index: int) -> dict[str, Any]:
    """3.27: a result. The hint belongs to the message, for there is no place for advice alone."""
    message = finding.message + (f"\nhint: {finding.hint}" if finding.hint else "")
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": _LEVELS[finding.severity],
        "message": {"text": message},
        "locations": [_location(finding.source, finding.span)],
        # 3.27.17: survives lines that are added above.
        "partialFingerprints": {"idolLine/v1": _fingerprint(finding)},
    }
    if finding.related:
        result["relatedLocations"] = [
            {
                "id": number,
                **_location(finding.source, related.span),
                "message": {"text": related.message},
            }
            for number, related in enumerate(finding.related)
        ]
    return result


def _location(source: Source, span: Span) -> dict[str, Any]:
    """3.28: a location; its region (3.30) ends before `endColumn`."""
    start, end = source.get_location(span.start), source.get_location(span.end)
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(source.name)},
            "region": {
                "startLine": start.line,
                "startColumn": start.column,
                "endLine": end.line,
                "endColumn": end.column,
            },
        }
    }


def _uri(name: str) -> str:
    """3.10: relative names stay relative, to whatever the reader takes for the root."""
    path = Path(name)
    if path.is_absolute():
        return path.as_uri()
    return quote(path.as_posix(), errors="surrogateescape")


def _fingerprint(finding: Diagnostic) -> str:
    span = finding.source.get_line_span(finding.location.line)
    line = finding.source.text[span.start : min(span.end, span.start + _FINGERPRINTED)].strip()
    text = f"{finding.rule}\0{line}"
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
