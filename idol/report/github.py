"""Findings as annotations of a GitHub Actions run."""

from __future__ import annotations

from idol.findings import github
from idol.findings.region import Region
from idol.report.files import FileReport
from idol.source import Diagnostic


def to_github(reports: tuple[FileReport, ...]) -> str:
    """Render one workflow command per finding."""
    return "".join(
        _annotate(report.name, finding) + "\n" for report in reports for finding in report.findings
    )


def _annotate(name: str, finding: Diagnostic) -> str:
    title: dict[str, str | int] = {"title": f"idol {finding.rule}"}
    place = github.place(name, Region.of(finding.source, finding.span))
    message = finding.message + (f"\nhint: {finding.hint}" if finding.hint else "")
    return github.annotate(finding.severity, message, title | place)
