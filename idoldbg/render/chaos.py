"""Reports of injected faults as text and JSON."""

from __future__ import annotations

from typing import Any

from idoldbg.model.chaos import ChaosReport, Round
from idoldbg.render.printable import join_lines, one_line

__all__ = ["json", "text"]


def text(report: ChaosReport) -> str:
    """Return a line for each round, and what failed below."""
    lines = []
    for each in report.rounds:
        verdict = "FAILED" if each.problems else "ok"
        after = f" ({', '.join(each.notes)})" if each.notes else ""
        lines.append(one_line(f"{each.number:4}  {verdict:6}  {each.title}{after}"))
        lines += [one_line(f"              {problem}") for problem in each.problems]
        if each.history:
            lines.append(one_line(f"              idoldbg replay {each.history}"))
    failed = len(report.failed)
    lines.append(
        f"seed {report.seed}: {len(report.rounds)} faults in {report.seconds:g} s, "
        + (f"{failed} not survived" if failed else "all survived")
    )
    return join_lines(lines)


def json(report: ChaosReport) -> dict[str, Any]:
    """Return the report as JSON."""
    return {
        "schema": "idoldbg.chaos/1",
        "seed": report.seed,
        "seconds": report.seconds,
        "failed": len(report.failed),
        "rounds": [_round(each) for each in report.rounds],
    }


def _round(each: Round) -> dict[str, Any]:
    return {
        "number": each.number,
        "title": each.title,
        "fault": dict(each.plan),
        "problems": list(each.problems),
        "notes": list(each.notes),
        "history": each.history or None,
    }
