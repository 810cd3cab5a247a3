"""One text that an editor has open, with everything that is read from it once."""

from __future__ import annotations

from functools import cached_property

from idol.checks import check
from idol.editor.places import Encoding, Lines, Position
from idol.errors import DiagnosedError, RonError
from idol.findings import Level
from idol.hints import Final
from idol.reader import parse
from idol.ron import Document as Tree
from idol.ron_reader import parse_ron
from idol.source import Diagnostic, Source, Span
from idol.syntax import Interface

#: Longest text that is read at each pause in typing, in characters; Hubris's longest has 20,000.
MAX_LENGTH: Final = 128 * 1024

#: Most findings that are shown for one text.
MAX_FINDINGS: Final = 300


class Document:
    """A text and its version; an edit makes a new one."""

    def __init__(
        self, name: str, text: str, version: int = 0, encoding: Encoding = Encoding.UTF16
    ) -> None:
        self.name = name
        self.text = text
        self.version = version
        self.encoding = encoding

    @property
    def is_too_long(self) -> bool:
        """Whether the text is not read, because that could take longer than anybody waits."""
        return len(self.text) > MAX_LENGTH

    @cached_property
    def lines(self) -> Lines:
        """The lines as the editor counts them."""
        return Lines(self.text, self.encoding)

    @cached_property
    def source(self) -> Source:
        """The text for readers."""
        return Source(self.name, self.text)

    @cached_property
    def tree(self) -> Tree | None:
        """The text as RON, or None where it is not."""
        if self.is_too_long:
            return None
        try:
            return parse_ron(self.source)
        except RonError:
            return None

    @cached_property
    def interface(self) -> Interface | None:
        """The interface, as far as there is one."""
        if self.tree is None:
            return None
        try:
            return parse(self.source)
        except DiagnosedError:
            return None

    def find(self, *, strict: bool) -> tuple[Diagnostic, ...]:
        """Return the findings, errors first if there are more than anybody reads."""
        if self.is_too_long:
            return ()
        try:
            found = check(parse(self.source), strict=strict)
        except DiagnosedError as error:
            found = error.diagnostics
        if len(found) > MAX_FINDINGS:
            found = tuple(sorted(found, key=lambda d: (d.severity.rank, d.span.start)))
        return found[:MAX_FINDINGS]

    def edit(self, start: Position, end: Position, text: str) -> Document:
        """Return the document with a range replaced; a range that ends before it begins is turned.

        The version stays: the editor says the new one.
        """
        first, last = sorted((self.lines.get_offset(start), self.lines.get_offset(end)))
        return self.replace(self.text[:first] + text + self.text[last:])

    def replace(self, text: str) -> Document:
        """Return the document with another text."""
        return Document(self.name, text, self.version, self.encoding)

    def get_range(self, span: Span) -> tuple[Position, Position]:
        """Return a span as the editor counts."""
        return self.lines.get_range(span)


def has_errors(found: tuple[Diagnostic, ...]) -> bool:
    """Return whether any finding is an error."""
    return any(finding.severity is Level.ERROR for finding in found)
