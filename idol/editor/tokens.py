"""The brackets and names around a cursor, also in a half-typed text.

The reader of RON is exact and gives up at errors; a text under an editor is wrong most of the time.
This looks at brackets, names and commas alone, in one pass up to the cursor.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from enum import StrEnum

from idol.records import dataclass
from idol.source import Span


class Kind(StrEnum):
    """Kind of a token."""

    MARK = "mark"
    STRING = "string"
    WORD = "word"
    COMMENT = "comment"


@dataclass(frozen=True, slots=True)
class Token:
    """A token as written, with its offsets."""

    kind: Kind
    start: int
    end: int
    text: str
    #: Of strings: whether the closing quote is there.
    is_closed: bool = True

    @property
    def span(self) -> Span:
        """The place of the token."""
        return Span(self.start, self.end)

    @property
    def value(self) -> str:
        """The text between the quotes of a string, else the token itself."""
        if self.kind is not Kind.STRING:
            return self.text
        inside = self.content
        return self.text[inside.start - self.start : inside.end - self.start]

    @property
    def content(self) -> Span:
        """The place of the text between the quotes, or of the token."""
        if self.kind is not Kind.STRING:
            return self.span
        quote = self.text.index('"')
        hashes = self.text[:quote].count("#")
        tail = 1 + hashes if self.is_closed else 0
        return Span(self.start + quote + 1, max(self.start + quote + 1, self.end - tail))


_SPACE = re.compile(r"[ \t\n\r\v\f\x85\u200e\u200f\u2028\u2029\ufeff]*")
_TOKEN = re.compile(
    r"""
      (?P<comment>//[^\n]*|/\*)
    | (?P<raw>b?r(?P<hashes>\#*)")
    | (?P<string>b?"(?:[^"\\]|\\.)*(?P<quote>")?)
    | (?P<mark>[()\[\]{},:])
    | (?P<word>[^\s()\[\]{},:"/]+|.)
    """,
    re.VERBOSE | re.DOTALL,
)
#: Deepest nesting that means anything: the reader of RON takes no more either.
MAX_DEPTH = 128
_COMMENT_MARK = re.compile(r"/\*|\*/")
CLOSERS = {"(": ")", "[": "]", "{": "}"}


def iter_tokens(text: str) -> Iterator[Token]:
    """Split any text; what is not closed reaches to the end."""
    at = 0
    while True:
        space = _SPACE.match(text, at)
        at = space.end() if space else at
        if at >= len(text):
            return
        token = _read_token(text, at)
        yield token
        at = token.end


def _read_token(text: str, at: int) -> Token:
    match = _TOKEN.match(text, at)
    assert match is not None  # the last alternative matches any character
    end = match.end()
    if match["comment"]:
        if match["comment"] == "/*":
            end = _find_comment_end(text, at)
        return Token(Kind.COMMENT, at, end, text[at:end])
    if match["raw"]:
        closer = f'"{match["hashes"]}'
        found = text.find(closer, end)
        end = len(text) if found < 0 else found + len(closer)
        return Token(Kind.STRING, at, end, text[at:end], found >= 0)
    if match["string"]:
        return Token(Kind.STRING, at, end, match[0], match["quote"] is not None)
    return Token(Kind.MARK if match["mark"] else Kind.WORD, at, end, match[0])


def _find_comment_end(text: str, start: int) -> int:
    depth = 0
    for mark in _COMMENT_MARK.finditer(text, start):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(text)


@dataclasses.dataclass(slots=True)
class Frame:
    """A bracket that is open at the cursor."""

    bracket: str
    start: int
    #: The name before it, such as `Result`.
    head: str | None = None
    #: Keys with a colon behind them, the last one before the cursor included.
    keys: list[Token] = dataclasses.field(default_factory=list)
    #: The key whose value the cursor is in.
    key: Token | None = None
    #: Number of commas before the cursor.
    commas: int = 0


@dataclass(frozen=True, slots=True)
class Context:
    """The structure around a cursor, the innermost bracket last."""

    frames: tuple[Frame, ...]
    #: The name or string that the cursor is in or at the end of.
    token: Token | None
    in_comment: bool = False
    #: The token before the cursor that is not a comment.
    before: Token | None = None

    @property
    def frame(self) -> Frame | None:
        """The innermost bracket."""
        return self.frames[-1] if self.frames else None


def find_context(text: str, offset: int) -> Context:
    """Return what stands around an offset."""
    frames: list[Frame] = []
    before: Token | None = None
    for token in iter_tokens(text):
        if token.start > offset:
            break
        if _holds(token, offset):
            if token.kind is Kind.COMMENT:
                return Context(tuple(frames), None, True, before)
            if token.kind in (Kind.STRING, Kind.WORD):
                follower = _peek(text, token.end)
                if token.kind is Kind.STRING and follower == ":":
                    _recover(frames)
                return Context(tuple(frames), token, before=before)
            if token.start == offset:
                break
        if token.kind is not Kind.COMMENT:
            _advance(frames, token, before)
            if len(frames) > MAX_DEPTH:
                return Context((), None)
            before = token
    return Context(tuple(frames), None, before=before)


def _holds(token: Token, offset: int) -> bool:
    if token.start <= offset < token.end:
        return True
    reaches = token.kind is Kind.WORD or not token.is_closed
    line_comment = token.kind is Kind.COMMENT and token.text.startswith("//")
    return offset == token.end and (reaches or line_comment)


def _peek(text: str, at: int) -> str:
    space = _SPACE.match(text, at)
    end = space.end() if space else at
    return text[end : end + 1]


def _advance(frames: list[Frame], token: Token, before: Token | None) -> None:
    if token.kind is not Kind.MARK:
        return
    frame = frames[-1] if frames else None
    if token.text in CLOSERS:
        is_head = before is not None and before.kind is Kind.WORD
        frames.append(Frame(token.text, token.start, before.text if before and is_head else None))
    elif token.text == ",":
        if frame:
            frame.key = None
            frame.commas += 1
    elif token.text == ":":
        if before is not None and before.kind is Kind.STRING:
            _recover(frames)
            frame = frames[-1] if frames else None
        if frame and before is not None and before.kind in (Kind.STRING, Kind.WORD):
            frame.key = before
            frame.keys.append(before)
    else:
        opener = next(b for b, closer in CLOSERS.items() if closer == token.text)
        if any(frame.bracket == opener for frame in frames[-8:]):
            while frames.pop().bracket != opener:
                pass


def _recover(frames: list[Frame]) -> None:
    """Close the round bracket that a key in quotes shows to have been left open."""
    if len(frames) > 1 and frames[-1].bracket == "(" and frames[-2].bracket == "{":
        frames.pop()
        frames[-1].key = None
