"""The kinds of results that an index keeps of an audit.

What the ELF files decide is kept: facts of the image, and findings about types and code. What
`app.toml` and hiffy's limits decide is worked out again, which takes no time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from idol.findings import Level
from idol.findings.region import Region
from idol.records import dataclass
from idoldbg.audit.finding import Finding, Role
from idoldbg.audit.hiffy import Hiffy
from idoldbg.audit.rules import RULES
from idoldbg.build.index import Field, IndexDamaged, Kind
from idoldbg.build.index.fields import (
    BOOL,
    INT,
    TEXT,
    Source,
    choice,
    inline,
    many,
    optional,
    pair,
)
from idoldbg.build.kept import CANDIDATE, HIFFY_LAYOUT

__all__ = ["IMAGE", "OPERATION_FINDINGS", "SERVER_FINDINGS", "ImageFacts", "OperationFindings"]


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """hiffy (None where it cannot be used), and the findings about it and about the image."""

    hiffy: Hiffy | None
    hiffy_findings: tuple[Finding, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class OperationFindings:
    """Findings about an operation's types; `is_damaged` where these cannot be read."""

    is_damaged: bool
    findings: tuple[Finding, ...]


_FINDING_FIELD = inline(
    Finding,
    rule=TEXT,
    level=choice(Level),
    message=TEXT,
    fix=TEXT,
    task=TEXT,
    interface=TEXT,
    operation=TEXT,
    role=optional(choice(Role)),
    name=TEXT,
    type=TEXT,
    place=optional(inline(Region, line=INT, column=INT, end_line=INT, end_column=INT)),
    candidates=many(CANDIDATE),
)


def _get_finding(source: Source, row: Sequence[int], at: int) -> tuple[Any, int]:
    found, at = _FINDING_FIELD.get(source, row, at)
    if found.rule not in RULES:
        raise IndexDamaged("a finding of no rule")
    return found, at


_FINDINGS = many(Field(_FINDING_FIELD.put, _get_finding))
_HIFFY = inline(Hiffy, layout=HIFFY_LAYOUT, version=optional(pair(INT, INT, INT)))

#: The image as a whole.
IMAGE: Kind[ImageFacts] = Kind(
    "audit image",
    inline(ImageFacts, hiffy=optional(_HIFFY), hiffy_findings=_FINDINGS, findings=_FINDINGS),
)
#: By `operation_key`, without overrides of types.
OPERATION_FINDINGS: Kind[OperationFindings] = Kind(
    "audit operation", inline(OperationFindings, is_damaged=BOOL, findings=_FINDINGS)
)
#: By task: the findings about its server's code; None where it has no debug information.
SERVER_FINDINGS: Kind[tuple[Finding, ...] | None] = Kind("audit server", optional(_FINDINGS))
