"""Region of a text that a finding is about."""

from __future__ import annotations

from idol.records import dataclass
from idol.source import Source, Span

__all__ = ["Region"]


@dataclass(frozen=True, slots=True)
class Region:
    """A range of a text; lines and columns (in characters) count from 1, the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int

    @classmethod
    def of(cls, source: Source, span: Span) -> Region:
        """Return where a span lies."""
        start, end = source.get_location(span.start), source.get_location(span.end)
        return cls(start.line, start.column, end.line, end.column)
