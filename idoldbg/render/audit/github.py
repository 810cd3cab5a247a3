"""An audit as annotations of a GitHub Actions run.

GitHub shows the first ten of each kind, so the worst come first.
"""

from __future__ import annotations

from idol.findings import github
from idoldbg.audit import Finding
from idoldbg.audit.verdict import Verdict
from idoldbg.render.audit.files import Files

__all__ = ["to_github"]


def to_github(verdict: Verdict, files: Files) -> str:
    """Write a workflow command for each open finding; suppressed and known ones are not shown."""
    return "".join(_annotate(finding, files) + "\n" for finding in verdict.open)


def _annotate(finding: Finding, files: Files) -> str:
    file, place = files.of(finding), finding.place
    properties = {} if file is None or place is None else github.place(file, place)
    properties["title"] = f"{finding.rule}: {finding.subject}"
    return github.annotate(finding.level, f"{finding.message}\nfix: {finding.fix}", properties)
