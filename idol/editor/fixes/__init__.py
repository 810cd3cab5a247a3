"""Changes that do away with findings.

A fix is offered only if it was tried: with it the finding is gone and the text has no more errors
than before. So what a maker yields is a proposal, and may be wrong in a case it did not think of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from idol.editor.document import Document
from idol.editor.edits import apply_edits
from idol.editor.fixes import language, strict_rules, structure
from idol.editor.fixes.case import Case, Fix
from idol.findings import Level
from idol.hints import Final
from idol.source import Diagnostic

__all__ = ["MAKERS", "NO_FIX", "Fix", "FixFinder"]

Maker = Callable[[Case], Iterator[Fix]]

#: Who proposes fixes for a rule.
MAKERS: Final[Mapping[str, Maker]] = {
    **structure.MAKERS,
    **language.MAKERS,
    **strict_rules.MAKERS,
}

#: Rules that no change by rote can satisfy, and why.
NO_FIX: Final = {
    "hiffy-leases": "where the parts of one piece of memory begin is a matter of design",
}

#: Most proposals that are tried for one finding: each is a text to check.
_MOST: Final = 8
#: Most characters that all proposals of one request may have together, and the fewest tries.
_MOST_CHARACTERS: Final = 1_000_000
_FEWEST: Final = 3


class FixFinder:
    """Finds the fixes of a document's findings, for one request: what it tries is bounded."""

    def __init__(self, document: Document, *, strict: bool) -> None:
        self._document = document
        self._strict = strict
        self._left = max(_FEWEST, _MOST_CHARACTERS // max(1, len(document.text)))
        self.findings = document.find(strict=strict)
        self._rules = Counter(f.rule for f in self.findings)
        self._levels = Counter(f.severity for f in self.findings)

    def find(self, finding: Diagnostic) -> tuple[Fix, ...]:
        """Return the fixes of a finding, the best first; those that do not work are left out."""
        maker = MAKERS.get(finding.rule)
        if maker is None or self._document.is_too_long:
            return ()
        fixes: list[Fix] = []
        for fix in islice(maker(Case(self._document, finding)), _MOST):
            if self._left <= 0:
                break
            if fix not in fixes and self._works(finding, fix):
                fixes.append(fix)
        return tuple(fixes)

    def _works(self, finding: Diagnostic, fix: Fix) -> bool:
        self._left -= 1
        try:
            text = apply_edits(self._document.text, fix.edits)
        except ValueError:
            return False
        after = self._document.replace(text).find(strict=self._strict)
        if sum(f.rule == finding.rule for f in after) >= self._rules[finding.rule]:
            return False
        if finding.rule == "ron-syntax":
            return True  # nothing else was looked at before
        levels = Counter(f.severity for f in after)
        worse = [Level.ERROR] if finding.severity is Level.ERROR else [Level.ERROR, Level.WARNING]
        return all(levels[level] <= self._levels[level] for level in worse)
