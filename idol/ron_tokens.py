"""RON text as a flat list of tokens and comments, nothing lost but white space.

For text that `ron_reader` has accepted: only as strict as it takes to find where a token ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum

from idol.hints import Final
from idol.records import dataclass


class TokenKind(StrEnum):
    """Kind of a token, for the formatter."""

    OPEN = "open"
    CLOSE = "close"
    COMMA = "comma"
    COLON = "colon"
    #: A name, number, string or character; also the `#!` before an attribute.
    ATOM = "atom"
    LINE_COMMENT = "line comment"
    BLOCK_COMMENT = "block comment"


@dataclass(frozen=True, slots=True)
class Token:
    """A token as written; `lines_before` counts the line breaks since the one before."""

    kind: TokenKind
    text: str
    lines_before: int

    @property
    def is_comment(self) -> bool:
        """Whether readers of RON pass over this."""
        return self.kind in (TokenKind.LINE_COMMENT, TokenKind.BLOCK_COMMENT)


# The white space of `ron_reader`, in two parts: with and without what ends a line.
_SPACE = re.compile(r"[ \t\n\r\v\f\x85\u200e\u200f\u2028\u2029\ufeff]*")
_COMMENT_MARK = re.compile(r"/\*|\*/")
_RAW_STRING = re.compile(r'b?r(#*)"')
_TOKEN = re.compile(
    r"""
      (?P<string>b?"(?:[^"\\]|\\.)*")
    | (?P<char>b?'(?:\\.[^']*|[^\\])')
    | (?P<attribute>\#[ \t\n\r\v\f\x85\u200e\u200f\u2028\u2029]*!)
    | (?P<name>r\#[\w.+\-]+)
    | (?P<mark>[()\[\]{},:])
    | (?P<word>[^\s()\[\]{},:"'/\x85\u200e\u200f\u2028\u2029]+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_MARKS: Final = {
    **dict.fromkeys("([{", TokenKind.OPEN),
    **dict.fromkeys(")]}", TokenKind.CLOSE),
    ",": TokenKind.COMMA,
    ":": TokenKind.COLON,
}


def iter_tokens(text: str) -> Iterator[Token]:
    """Split a well-formed text into its tokens."""
    at = 0
    while True:
        space = _SPACE.match(text, at)
        assert space is not None  # the pattern matches the empty text
        at = space.end()
        if at >= len(text):
            return
        kind, end = _measure(text, at)
        yield Token(kind, text[at:end], space[0].count("\n"))
        at = end


def _measure(text: str, at: int) -> tuple[TokenKind, int]:
    """Return what starts at an offset, and where it ends."""
    if text.startswith("//", at):
        end = text.find("\n", at)
        return TokenKind.LINE_COMMENT, len(text) if end < 0 else end
    if text.startswith("/*", at):
        return TokenKind.BLOCK_COMMENT, _find_comment_end(text, at)
    if raw := _RAW_STRING.match(text, at):
        closer = '"' + raw[1]
        end = text.find(closer, raw.end())
        return TokenKind.ATOM, len(text) if end < 0 else end + len(closer)
    match = _TOKEN.match(text, at)
    assert match is not None  # the last alternative matches any character
    if match["mark"]:
        return _MARKS[match["mark"]], match.end()
    return TokenKind.ATOM, match.end()


def _find_comment_end(text: str, start: int) -> int:
    depth = 0
    for mark in _COMMENT_MARK.finditer(text, start):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(text)
