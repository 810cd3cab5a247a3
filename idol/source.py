"""Source text, places in it, and diagnostics that point at those places."""

from __future__ import annotations

from collections.abc import Iterable

from idol.findings import Level
from idol.printable import join_lines
from idol.records import dataclass, field

#: Longest excerpt of a source line that a diagnostic shows, in characters.
EXCERPT_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of character offsets into one source text."""

    start: int
    end: int

    def to(self, other: Span) -> Span:
        """Return the range from the start of this one to the end of `other`."""
        return Span(self.start, other.end)


@dataclass(frozen=True, slots=True)
class Location:
    """Line and column of an offset, both from 1; the column counts characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Source:
    """A text with the name that messages call it by (a path, or `<stdin>`)."""

    name: str
    text: str
    _line_starts: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts = [0]
        position = self.text.find("\n")
        while position >= 0:
            starts.append(position + 1)
            position = self.text.find("\n", position + 1)
        object.__setattr__(self, "_line_starts", tuple(starts))

    def get_location(self, offset: int) -> Location:
        """Return the line and column of a character offset; past the end counts as the end."""
        from bisect import bisect_right  # most interfaces have no finding to place

        offset = min(max(offset, 0), len(self.text))
        line = bisect_right(self._line_starts, offset)
        return Location(line, offset - self._line_starts[line - 1] + 1)

    def get_line(self, line: int) -> str:
        """Return the text of a line (from 1) without its line ending."""
        span = self.get_line_span(line)
        return self.text[span.start : span.end]

    def get_line_span(self, line: int) -> Span:
        """Return where a line (from 1) lies, without its line ending."""
        starts = self._line_starts
        end = starts[line] - 1 if line < len(starts) else len(self.text)
        if end > starts[line - 1] and self.text[end - 1] == "\r":
            end -= 1
        return Span(starts[line - 1], end)


#: How bad a diagnostic is, by its name in the Python API; only errors stop the generators.
Severity = Level


@dataclass(frozen=True, slots=True)
class Related:
    """A second place that explains a diagnostic, such as the first of two duplicates."""

    message: str
    span: Span


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding about one place in one source.

    `rule` is stable (scripts may filter on it), the wording of the messages is not.
    """

    severity: Level
    rule: str
    message: str
    source: Source
    span: Span
    hint: str | None = None
    related: tuple[Related, ...] = ()

    @property
    def location(self) -> Location:
        """Start of the finding."""
        return self.source.get_location(self.span.start)

    def __str__(self) -> str:
        place = self.location
        return (
            f"{self.source.name}:{place.line}:{place.column}: "
            f"{self.severity}: {self.message} [{self.rule}]"
        )

    def format(self) -> str:
        """Render as text: headline, source line with carets, related places, hint.

        Nothing of the source begins a line of it, or means anything to a terminal.
        """
        lines = [str(self), *_excerpt(self.source, self.span)]
        for related in self.related:
            place = self.source.get_location(related.span.start)
            lines.append(f"{self.source.name}:{place.line}:{place.column}: note: {related.message}")
            lines += _excerpt(self.source, related.span)
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return join_lines(lines)


def format_diagnostics(diagnostics: Iterable[Diagnostic]) -> str:
    """Render several diagnostics, a blank line between them."""
    return "\n\n".join(diagnostic.format() for diagnostic in diagnostics)


def _excerpt(source: Source, span: Span) -> list[str]:
    """Show the line that a span starts on and a row of carets below it."""
    place = source.get_location(span.start)
    line = source.get_line_span(place.line)
    column, width = place.column - 1, line.end - line.start
    length = max(1, min(span.end - span.start, width - column))
    start = 0
    if width > EXCERPT_LENGTH:
        start = max(0, min(column - EXCERPT_LENGTH // 3, width - EXCERPT_LENGTH))
        length = min(length, start + EXCERPT_LENGTH - column) or 1
    shown = source.text[line.start + start : min(line.end, line.start + start + EXCERPT_LENGTH)]
    # A tab becomes one space, so that the carets below stand under the right characters.
    text = "".join(c if c.isprintable() else " " for c in shown)
    number = str(place.line)
    gutter = " " * len(number)
    return [
        f" {number} | {text.rstrip()}".rstrip(),
        f" {gutter} | {' ' * (column - start)}{'^' * length}",
    ]
