"""Input of the reports: files, each with its findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from idol.findings import Level
from idol.records import dataclass
from idol.source import Diagnostic


@dataclass(frozen=True, slots=True)
class FileReport:
    """The findings about one file, in the order of the text."""

    name: str
    findings: tuple[Diagnostic, ...]


def count_severities(reports: Iterable[FileReport]) -> Counter[Level]:
    """Return how many findings there are of each severity."""
    return Counter(finding.severity for report in reports for finding in report.findings)
