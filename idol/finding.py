"""Findings of the rules, not yet attached to a source file."""

from __future__ import annotations

from idol.records import dataclass
from idol.source import Diagnostic, Related, Source, Span


@dataclass(frozen=True, slots=True)
class Finding:
    """A diagnostic without its source; how bad it is stands with the rule."""

    rule: str
    message: str
    span: Span
    hint: str | None = None
    related: tuple[Related, ...] = ()

    def locate(self, source: Source) -> Diagnostic:
        """Attach the source file that the finding is about."""
        from idol.rules import RULES  # most interfaces break none

        severity = RULES[self.rule].level
        return Diagnostic(
            severity, self.rule, self.message, source, self.span, self.hint, self.related
        )
