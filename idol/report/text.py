"""Findings for people: each with its line and carets, and a summary below."""

from __future__ import annotations

from idol.findings import Level
from idol.report.files import FileReport, count_severities


def to_text(reports: tuple[FileReport, ...]) -> str:
    """Render all findings, and how many there are."""
    shown = [finding.format() + "\n\n" for report in reports for finding in report.findings]
    counts = count_severities(reports)
    parts = [_count(len(reports), "file")]
    parts += [_count(counts[kind], str(kind)) for kind in Level if counts[kind]]
    return "".join(shown) + ", ".join(parts) + ("" if counts else ": nothing to report") + "\n"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
