"""The scanner of RON: literals, names, white space and brackets, and the errors about them.

`ron_reader` makes values of them.
"""

from __future__ import annotations

import re

from idol.errors import RonError
from idol.findings import Level
from idol.hints import Final, NoReturn
from idol.patterns import compile_late
from idol.ron import (
    ByteString,
    Char,
    Float,
    Integer,
    Node,
    String,
)
from idol.source import Diagnostic, Related, Source, Span

#: Deepest nesting of values, the same as ron's own default limit.
MAX_DEPTH: Final = 128

#: Most errors that are looked for in one text.
MAX_ERRORS: Final = 100

#: Longest number literal, in characters: `int` of a decimal text is quadratic.
MAX_NUMBER_LENGTH: Final = 256

_SPACE = re.compile(r"[ \t\n\r\v\f\x85\u200e\u200f\u2028\u2029]*(?://[^\n]*)?")
_BLOCK_COMMENT_MARK = compile_late(r"/\*|\*/")
_IDENTIFIER = re.compile(r"r#([\w.+\-]+)|([^\W\d]\w*)")
_NUMBER = compile_late(
    r"""(?P<sign>[+-])?
    (?: (?P<special>inf|NaN)\b
      | 0x(?P<hex>[0-9a-fA-F_]*) | 0o(?P<oct>[0-7_]*) | 0b(?P<bin>[01_]*)
      | (?P<float>(?: [0-9][0-9_]*\.[0-9_]* | \.[0-9][0-9_]* | [0-9][0-9_]*(?=[eE]) )
                  (?:[eE][+-]?[0-9_]+)?)
      | (?P<dec>[0-9][0-9_]*)
    )
    (?P<suffix>[A-Za-z_][A-Za-z0-9_]*|[0-9]+)?""",
    re.VERBOSE,
)
_INTEGER_SUFFIX = compile_late(r"[iu](?:8|16|32|64|128)\Z")
_FLOAT_SUFFIX = compile_late(r"f(?:32|64)\Z")
RAW_STRING = re.compile(r'b?r(#*)"')
_PLAIN_TEXT = re.compile(r'[^"\\]*')
_SIMPLE_ESCAPES: Final = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "0": "\0",
    "\\": "\\",
    "'": "'",
    '"': '"',
}
_HEX_ESCAPE = compile_late(r"x([0-9a-fA-F]{2})|u\{([0-9a-fA-F]{1,6})\}")
CLOSERS: Final = {"(": ")", "[": "]", "{": "}"}
#: What it takes to find the end of an item that could not be read.
SKIPPED = compile_late(
    r"""[^()\[\]{},"'/rb]+ | //[^\n]* | (?P<raw>b?r(?P<hashes>\#*)") | "(?:[^"\\\n]|\\.)*"?
    | '(?:\\.[^'\n]*|[^\\\n])' | .""",
    re.VERBOSE | re.DOTALL,
)


#: What can tell where a string without a closing quote should have ended, and what follows then.
_STRING_MARK = compile_late(r"[()\[\]<{}>,\n]")
_KEY = compile_late(r'"[ \t]*\w+[ \t]*(?=:)')
_MORE = compile_late(r"""[ \t\r]*(?:\n|//|\Z|\w+[ \t]*:|["}\])])""")


class ClosedError(Exception):
    """The innermost bracket was taken for closed."""


class EnoughError(Exception):
    """Reading ends: at the end of the text, or after as many errors as anybody reads."""


class RonScanner:
    """Scanner of a text: `_at` is the position, `_open` the brackets that are open there."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._text = source.text
        self._at = 0
        # (bracket, offset) of everything open here: the depth, and the related place of errors.
        self._open: list[tuple[str, int]] = []
        self._errors: list[Diagnostic] = []
        # Brackets that are taken for closed where they are not, and whether a comma came before.
        self._implied = 0
        self._comma_read = False
        # Where the last string begins and ends.
        self._last_string = (0, 0)

    # -- literals --------------------------------------------------------------------------

    def _read_number(self) -> Node:
        start = self._at
        match = _NUMBER.match(self._text, start)
        if match is None:
            self._fail(f"expected a value, found {self._found()}")
        self._at = match.end()
        span = Span(start, self._at)
        if self._at - start > MAX_NUMBER_LENGTH:
            self._fail("this number is too long", span)
        sign = -1 if match["sign"] == "-" else 1
        suffix = match["suffix"]
        if match["special"]:
            if suffix:
                self._fail("this is not a number", span)
            return Float(sign * float(match["special"]), span)
        if match["float"] is not None:
            if suffix and not _FLOAT_SUFFIX.match(suffix):
                self._fail(f"{suffix!r} is not a suffix of a float", span)
            try:
                return Float(sign * float(match["float"].replace("_", "")), span)
            except ValueError:
                self._fail("this is not a number", span)
        return Integer(sign * self._integer(match, span), span)

    def _integer(self, match: re.Match[str], span: Span) -> int:
        suffix = match["suffix"]
        if suffix and not _INTEGER_SUFFIX.match(suffix):
            self._fail(
                f"{suffix!r} is neither a digit of this number's base nor a suffix",
                span,
                hint="number examples: 10, -3, 1_000, 0x1f, 0o17, 0b1010, 1.5, 2e-3",
            )
        for group, base in (("hex", 16), ("oct", 8), ("bin", 2), ("dec", 10)):
            if match[group] is not None:
                digits = match[group].replace("_", "")
                if not digits:
                    self._fail("this number has no digits", span)
                return int(digits, base)
        raise AssertionError("the pattern has no other group")

    def _read_char(self, start: int, quote: int) -> Char:
        text = self._text
        self._at = quote + 1
        if text.startswith("\\", self._at):
            self._at += 1
            value = self._read_escape()
        elif self._at < len(text) and text[self._at] != "'":
            value = text[self._at]
            self._at += 1
        else:
            self._fail("expected a character", Span(start, quote + 1))
        if not text.startswith("'", self._at):
            self._fail(
                "this character has no closing quote",
                Span(start, quote + 1),
                hint='a single quote holds one character; a string is written "like this"',
            )
        self._at += 1
        return Char(value, Span(start, self._at))

    def _read_string(self, start: int) -> String:
        """Read from an opening double quote to the closing one."""
        text = self._text
        content = self._at = self._at + 1
        pieces: list[str] = []
        escaped = False
        while True:
            match = _PLAIN_TEXT.match(text, self._at)
            assert match is not None  # the pattern matches the empty text
            pieces.append(match[0])
            self._at = match.end()
            if self._at >= len(text):
                self._blame_string(start)
                return String("".join(pieces), Span(start, self._at), None)
            if text[self._at] == '"':
                self._at += 1
                value = "".join(pieces)
                self._last_string = (start, self._at)
                return String(value, Span(start, self._at), None if escaped else content)
            escaped = True
            self._at += 1
            pieces.append(self._read_escape())

    def _read_escape(self) -> str:
        """Read what follows a backslash."""
        text, start = self._text, self._at
        character = text[start : start + 1]
        if character in _SIMPLE_ESCAPES:
            self._at = start + 1
            return _SIMPLE_ESCAPES[character]
        match = _HEX_ESCAPE.match(text, start)
        if match is None:
            self._at = min(start + 1, len(text))
            hint = r"escapes: \n \r \t \0 \\ \' \" \x41 \u{1f600}; "
            hint += r'or a raw string: r"no\escapes", r#"with "quotes""#'
            span = Span(start - 1, self._at)
            self._report(self._diagnose(f"unknown escape `\\{character}`", span, hint))
            return ""
        self._at = match.end()
        code = int(match[1] or match[2], 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            span = Span(start - 1, match.end())
            self._report(self._diagnose(f"U+{code:04X} is not a character", span))
            return ""
        return chr(code)

    def _read_raw_string(self) -> String | ByteString:
        text, start = self._text, self._at
        match = RAW_STRING.match(text, start)
        assert match is not None  # the caller looked
        closer = '"' + match[1]
        end = text.find(closer, match.end())
        if end < 0:
            self._fail(f"this raw string is not closed by `{closer}`", Span(start, match.end()))
        self._at = end + len(closer)
        value = text[match.end() : end]
        span = Span(start, self._at)
        if text[start] == "b":
            return ByteString(value.encode(), span)
        return String(value, span, match.end())

    def _read_byte_string(self) -> ByteString:
        start = self._at
        self._at += 1
        string = self._read_string(start)
        try:
            value = string.value.encode("latin-1")
        except UnicodeEncodeError:
            self._fail("a byte string holds bytes, not other characters", string.span)
        return ByteString(value, string.span)

    # -- small steps -----------------------------------------------------------------------

    def _match_identifier(self) -> str | None:
        match = _IDENTIFIER.match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        return match[1] or match[2]

    def _skip_space(self) -> None:
        """Skip white space and comments; block comments nest."""
        text = self._text
        while True:
            before = self._at
            match = _SPACE.match(text, before)
            assert match is not None  # the pattern matches the empty text
            self._at = match.end()
            if text.startswith("/*", self._at):
                self._skip_block_comment()
            if self._at == before:
                return

    def _skip_block_comment(self) -> None:
        start, depth = self._at, 0
        for mark in _BLOCK_COMMENT_MARK.finditer(self._text, start):
            depth += 1 if mark[0] == "/*" else -1
            if depth == 0:
                self._at = mark.end()
                return
        self._fail("this comment is not closed by `*/`", Span(start, start + 2))

    def _take(self, mark: str) -> bool:
        if not self._text.startswith(mark, self._at):
            return False
        self._at += len(mark)
        return True

    def _expect(self, mark: str, hint: str | None = None) -> None:
        """Take a mark and the space after it."""
        if not self._take(mark):
            self._fail_expected(f"`{mark}`", hint)
        self._skip_space()

    def _next_item(self, closer: str) -> bool:  # noqa: RET503  # the last call never returns
        """After an item: take the comma and say whether another item may follow."""
        if self._comma_read:
            self._comma_read = False
            return True
        self._skip_space()
        if self._take(","):
            self._skip_space()
            return True
        if self._text.startswith(closer, self._at):
            return False
        if self._check_string():
            return self._next_item(closer)
        found = self._text[self._at : self._at + 1]
        if found in CLOSERS.values() and found in (CLOSERS[b] for b, _ in self._open[:-1]):
            self._report_unclosed("before this")
            return False
        if found in CLOSERS.values():
            message = f"expected `{closer}`, found `{found}`"
            span = Span(self._at, self._at + 1)
            self._report(self._diagnose(message, span, related=self._inside()))
            self._at += 1
            self._implied = 1
            return False
        self._fail_expected(f"`,` or `{closer}`")

    def _enter(self, bracket: str) -> None:
        if len(self._open) >= MAX_DEPTH:
            self._fail(f"values nest deeper than {MAX_DEPTH} levels", Span(self._at, self._at + 1))
        self._open.append((bracket, self._at))
        self._at += 1
        self._skip_space()

    def _leave(self) -> int:
        """Take the closing bracket of the innermost value and return where it ends."""
        closer = CLOSERS[self._open[-1][0]]
        if self._implied:
            self._implied = 0
        elif not self._take(closer):
            self._fail_expected(f"`{closer}`")
        self._open.pop()
        return self._at

    # -- errors ----------------------------------------------------------------------------

    def _found(self) -> str:
        """Describe the text at the current position."""
        if self._at >= len(self._text):
            return "the end of the text"
        match = _IDENTIFIER.match(self._text, self._at)
        shown = match[0][:40] if match else self._text[self._at]
        return f"`{shown}`" if shown.isprintable() else f"U+{ord(shown[0]):04X}"

    def _fail_expected(self, wanted: str, hint: str | None = None) -> NoReturn:
        if self._at >= len(self._text):
            self._fail_at_end(wanted)
        self._fail(f"expected {wanted}, found {self._found()}", hint=hint, show_open=True)

    def _fail_at_end(self, wanted: str) -> NoReturn:
        if self._open:
            self._report_unclosed("at the end")
            raise EnoughError
        self._fail(f"the text ends where {wanted} should follow")

    def _check_string(self) -> bool:
        """Blame a string whose closing quote is missing, and go on behind its first line.

        It ends at the quote that opens the next one, so that a letter follows which no value can
        be followed by.
        """
        start, end = self._last_string
        follower = self._text[self._at : self._at + 1]
        if end != self._at or not follower or follower in ",:)]}":
            return False
        self._blame_string(start)
        return True

    def _check_key(self, key: String) -> None:
        """Blame a key whose closing quote is missing, and go on at the colon inside of it.

        As in `_check_string` it ends at the quote that opens the next string.
        """
        if self._text.startswith(":", self._at):
            return
        start = key.span.start
        inside = _KEY.match(self._text, start)
        if inside is None or inside.end() >= key.span.end:
            return
        self._report(self._diagnose("this string has no closing quote", Span(start, start + 1)))
        self._at = inside.end()
        self._last_string = (0, 0)

    def _guess_string_end(self, start: int) -> int:
        """Return where the closing quote was forgotten: before what looks like more of RON."""
        depth = 0
        for match in _STRING_MARK.finditer(self._text, start):
            mark = match[0]
            if mark == "\n" or (mark == ")" and depth == 0):
                return match.start()
            if mark in ("(", "[", "<"):
                depth += 1
            elif mark != ",":
                if depth == 0:
                    return match.start()
                depth -= 1
            elif depth == 0 and _MORE.match(self._text, match.end()):
                return match.start()
        return len(self._text)

    def _blame_string(self, start: int) -> None:
        self._report(self._diagnose("this string has no closing quote", Span(start, start + 1)))
        self._at = self._guess_string_end(start + 1)
        self._last_string = (0, 0)
        self._skip_space()
        if not self._text.startswith((",", ")", "]", "}"), self._at):
            self._comma_read = True

    def _fail(
        self,
        message: str,
        span: Span | None = None,
        hint: str | None = None,
        show_open: bool = False,
    ) -> NoReturn:
        related = self._inside() if show_open else ()
        if span is None:
            match = _IDENTIFIER.match(self._text, self._at)
            span = Span(self._at, match.end() if match else self._at + 1)
        raise RonError([self._diagnose(message, span, hint, related)])

    def _inside(self) -> tuple[Related, ...]:
        if not self._open:
            return ()
        bracket, offset = self._open[-1]
        return (Related(f"inside this `{bracket}`", Span(offset, offset + 1)),)

    def _diagnose(
        self,
        message: str,
        span: Span,
        hint: str | None = None,
        related: tuple[Related, ...] = (),
    ) -> Diagnostic:
        return Diagnostic(Level.ERROR, "ron-syntax", message, self._source, span, hint, related)

    def _report(self, diagnostic: Diagnostic) -> None:
        """Note an error after which reading goes on; the second at a place says nothing new."""
        if all(diagnostic.span.start != other.span.start for other in self._errors):
            self._errors.append(diagnostic)
        if len(self._errors) >= MAX_ERRORS:
            raise EnoughError

    def _report_unclosed(self, where: str) -> None:
        """Report the innermost bracket, and take it for closed here."""
        bracket, offset = self._open[-1]
        related = (
            ()
            if self._at >= len(self._text)
            else (
                Related(f"`{CLOSERS[bracket]}` is missing {where}", Span(self._at, self._at + 1)),
            )
        )
        message = f"this `{bracket}` is not closed"
        self._report(self._diagnose(message, Span(offset, offset + 1), related=related))
        self._implied = 1
