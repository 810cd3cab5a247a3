"""The tokens of a Rust type.

Ref: The Rust Reference, "Tokens" and "Comments".
"""

from __future__ import annotations

import re

from idol.errors import TypeSyntaxError
from idol.hints import Final
from idol.patterns import compile_late
from idol.printable import find_command
from idol.records import dataclass

#: Longest type text, in characters.
MAX_LENGTH: Final = 4096

#: Literals, so that what looks like a comment in them is none; then comments.
_COMMENT = compile_late(
    r"""((?<!\w)(?:br|cr|r)(?P<hashes>\#*)".*?"(?P=hashes)
       |"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\[^'])')
      |//[^\n]*|/\*""",
    re.DOTALL | re.VERBOSE,
)

_TOKEN = compile_late(
    r"""\s*(?:
      (?P<lifetime>'(?:r\#)?[^\W\d]\w*(?!'))
    | (?P<literal>(?:br|cr|r)(?P<hashes>\#*)".*?"(?P=hashes)
                 |b?'(?:[^'\\]|\\.[^']*)'|[bc]?"(?:[^"\\]|\\.)*")
    | (?P<name>r\#[^\W\d]\w*|[^\W\d]\w*)
    | (?P<float>[0-9][0-9_]*(?:\.[0-9][0-9_]*(?:[eE][+-]?_*[0-9][0-9_]*)?
                              |[eE][+-]?_*[0-9][0-9_]*)(?:f32|f64)?(?!\w)
              |[0-9][0-9_]*_?(?:f32|f64)(?!\w))
    | (?P<number>(?:0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+|[0-9][0-9_]*?)
                 (?:_?[iu](?:8|16|32|64|128|size))?(?![0-9a-zA-Z_]))
    | (?P<mark>::|->|\.\.\.|[^\s\w])
    )""",
    re.VERBOSE | re.DOTALL,
)


#: What nearly all types of interfaces are made of. A text that has anything else is split by
#: `_TOKEN`, whose tokens these are; it takes four times as long to compile.
_PLAIN = re.compile(
    r"\s*(?:(?P<name>[^\W\d]\w*)|(?P<number>[0-9]+)(?!\w)|(?P<mark>::|[<>\[\](),;]))"
)


@dataclass(frozen=True, slots=True)
class Token:
    """One token; `kind` is the name of its group in the pattern, or `end`."""

    kind: str
    text: str
    start: int
    end: int


def blank_comments(text: str) -> str:
    """Replace comments, which may nest, by as many spaces, so that offsets stay."""
    if "/" not in text:
        return text
    kept: list[str] = []
    at = 0
    while match := _COMMENT.search(text, at):
        kept.append(text[at : match.start()])
        end = match.end()
        if match[1] is None:
            if match[0] == "/*":
                end = _find_comment_end(text, match.start())
            kept.append(" " * (end - match.start()))
        else:
            kept.append(match[0])
        at = end
    return "".join(kept) + text[at:]


def _find_comment_end(text: str, start: int) -> int:
    depth = 0
    for mark in re.compile(r"/\*|\*/").finditer(text, start):
        depth += 1 if mark[0] == "/*" else -1
        if not depth:
            return mark.end()
    raise TypeSyntaxError(text, start, "the comment does not end")


def split(original: str, text: str) -> list[Token]:
    """Split a text without comments; the last token is of kind `end`.

    :raises TypeSyntaxError: with the offset of what is not a token, or not printable.
    """
    tokens, at = _match_all(_PLAIN, text)
    if text[at:].strip():
        tokens, at = _match_all(_TOKEN, text)
    for token in tokens:
        if not token.text.isprintable():
            reason = "line breaks and control characters are written as escapes, such as `\\n`"
            raise TypeSyntaxError(original, token.start, reason)
    command = find_command(text)
    if command is not None:
        raise TypeSyntaxError(original, command, "`##[` means nothing in Rust")
    if text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        raise TypeSyntaxError(original, at, f"unexpected `{text[at]}`")
    tokens.append(Token("end", "", len(text.rstrip()), len(text)))
    return tokens


def _match_all(pattern: re.Pattern[str], text: str) -> tuple[list[Token], int]:
    """Return the tokens up to where the pattern does not match, and that offset."""
    tokens = []
    at = 0
    while match := pattern.match(text, at):
        kind = match.lastgroup
        if kind == "hashes":
            kind = "literal"
        assert kind is not None  # every alternative is named
        tokens.append(Token(kind, match[kind], match.start(kind), match.end()))
        at = match.end()
    return tokens, at
