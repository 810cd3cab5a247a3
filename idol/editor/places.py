"""Lines and columns as editors count them.

Ref: Language Server Protocol 3.17, "Position". Both count from 0. A line ends at `\\n`, `\\r\\n` or
`\\r` and nowhere else (`str.splitlines` also splits at U+2028 and others); columns count the code
units of the encoding that both sides agreed on, UTF-16 unless they agreed on another.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from enum import StrEnum

from idol.records import dataclass
from idol.source import Span

_LINE_END = re.compile(r"\r\n|\n|\r")


class Encoding(StrEnum):
    """Code units of columns; the value is the name in the protocol."""

    UTF8 = "utf-8"
    UTF16 = "utf-16"
    UTF32 = "utf-32"


#: Bytes of a code unit, and the codec that makes them.
_CODECS = {
    Encoding.UTF8: (1, "utf-8"),
    Encoding.UTF16: (2, "utf-16-le"),
    Encoding.UTF32: (4, "utf-32-le"),
}


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two characters."""

    line: int
    column: int


class Lines:
    """The lines of one text."""

    def __init__(self, text: str, encoding: Encoding) -> None:
        self._text = text
        self._size, self._codec = _CODECS[encoding]
        self._starts = [0]
        self._ends: list[int] = []
        for match in _LINE_END.finditer(text):
            self._ends.append(match.start())
            self._starts.append(match.end())
        self._ends.append(len(text))

    def get_offset(self, position: Position) -> int:
        """Return the offset of a position, in characters; what lies outside counts as the edge.

        Inside of a character, as between the two units of a surrogate pair, it is the one before.
        """
        if position.line < 0:
            return 0
        if position.line >= len(self._starts):
            return len(self._text)
        start, end = self._starts[position.line], self._ends[position.line]
        if position.column <= 0:
            return start
        line = self._text[start:end]
        if self._size == 4 or line.isascii():
            return min(start + position.column, end)
        units = line.encode(self._codec, "surrogatepass")[: position.column * self._size]
        return start + len(units.decode(self._codec, "ignore"))

    def get_position(self, offset: int) -> Position:
        """Return the position of an offset in characters; past the end counts as the end."""
        offset = min(max(offset, 0), len(self._text))
        line = bisect_right(self._starts, offset) - 1
        before = self._text[self._starts[line] : min(offset, self._ends[line])]
        if self._size == 4 or before.isascii():
            return Position(line, len(before))
        return Position(line, len(before.encode(self._codec, "surrogatepass")) // self._size)

    def get_range(self, span: Span) -> tuple[Position, Position]:
        """Return where a span begins and ends."""
        return self.get_position(span.start), self.get_position(span.end)
