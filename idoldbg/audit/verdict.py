"""Findings that remain after a baseline and suppressions are applied."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from enum import StrEnum
from functools import cached_property

from idol.findings import Level
from idol.records import dataclass
from idoldbg.audit.baseline import Known
from idoldbg.audit.finding import Finding
from idoldbg.audit.rules import RULES
from idoldbg.audit.run import Audit
from idoldbg.audit.suppressions import Suppression

__all__ = ["FAIL_ON", "Judged", "Standing", "Verdict", "judge", "reaches"]

FAIL_ON: tuple[str, ...] = ("error", "warning", "none")
"""What `--fail-on` takes, in the order of strictness."""


class Standing(StrEnum):
    """Status of a finding."""

    OPEN = "open"
    BASELINE = "baseline"
    SUPPRESSED = "suppressed"


@dataclass(frozen=True, slots=True)
class Judged:
    """A finding and its standing; `reason` is that of the suppression."""

    finding: Finding
    standing: Standing
    reason: str = ""


@dataclass(frozen=True)
class Verdict:
    """An audit, judged. `remarks` are about the baseline and the suppressions themselves."""

    audit: Audit
    judged: tuple[Judged, ...]
    remarks: tuple[str, ...]
    fail_on: str

    @cached_property
    def open(self) -> tuple[Finding, ...]:
        """The findings that count, worst first, those of a rule together."""
        order = {rule: number for number, rule in enumerate(RULES)}
        found = [j.finding for j in self.judged if j.standing is Standing.OPEN]
        return tuple(sorted(found, key=lambda f: (f.level.rank, order[f.rule])))

    def count(self, level: Level) -> int:
        """Count the open findings of a level."""
        return sum(f.level is level for f in self.open)

    def count_standing(self, standing: Standing) -> int:
        """Count the findings of a standing."""
        return sum(j.standing is standing for j in self.judged)

    @property
    def has_failed(self) -> bool:
        """Return whether an open finding is as bad as `fail_on`."""
        return any(reaches(f.level, self.fail_on) for f in self.open)


def reaches(level: Level, fail_on: str) -> bool:
    """Return whether a level is as bad as what `--fail-on` names, or worse."""
    return fail_on != "none" and level.rank <= Level(fail_on).rank


def judge(
    audit: Audit,
    *,
    fail_on: str = "error",
    baseline: Sequence[Known] = (),
    suppressions: Sequence[Suppression] = (),
    today: datetime.date | None = None,
) -> Verdict:
    """Sort findings into open, known from the baseline, and suppressed.

    `today` is what `expires` is compared with; without it nothing expires.
    """
    known = {entry.fingerprint: entry for entry in baseline}
    used: set[int] = set()
    judged = []
    for finding in audit.findings:
        covering = [s for s in suppressions if s.covers(finding)]
        used |= {s.number for s in covering}
        valid = [s for s in covering if today is None or not s.has_expired(today)]
        if valid:
            judged.append(Judged(finding, Standing.SUPPRESSED, valid[0].reason))
        elif finding.fingerprint in known:
            judged.append(Judged(finding, Standing.BASELINE))
        else:
            judged.append(Judged(finding, Standing.OPEN))
    remarks = [
        f"suppression {s.description} has expired on {s.expires}"
        for s in suppressions
        if today is not None and s.has_expired(today) and s.number in used
    ]
    remarks += [
        f"suppression {s.description} matches nothing: take it out"
        for s in suppressions
        if s.number not in used
    ]
    there = {finding.fingerprint for finding in audit.findings}
    remarks += [
        f"gone since the baseline: {entry.rule}, {entry.subject}"
        for fingerprint, entry in known.items()
        if fingerprint not in there
    ]
    return Verdict(audit, tuple(judged), tuple(remarks), fail_on)
