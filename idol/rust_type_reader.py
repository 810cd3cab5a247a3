"""Texts of Rust types to their structure.

Ref: The Rust Reference, "Types", "Paths" and "Comments".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from idol.errors import TypeSyntaxError
from idol.rust_type import (
    UNIT,
    Array,
    Binding,
    Constant,
    Expression,
    Function,
    GenericArgument,
    Lifetime,
    Never,
    Path,
    Pointer,
    QualifiedPath,
    Reference,
    RustType,
    Segment,
    Slice,
    TraitObject,
    Tuple,
    is_identifier,
)

#: Deepest nesting of types in types.
MAX_DEPTH: Final = 64

#: Longest type text, in characters.
MAX_LENGTH: Final = 4096

#: Keywords that stand for a module or type in a path.
_PATH_KEYWORDS: Final = frozenset({"crate", "self", "super", "Self"})


def read_type(text: str) -> RustType:
    """Read a whole text.

    :raises TypeSyntaxError: with the offset of the first character that does not fit.
    """
    return _TypeReader(text).read_whole()


#: Literals, so that what looks like a comment in them is none; then comments.
_COMMENT = re.compile(
    r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\[^'])')|//[^\n]*|/\*(?:[^*]|\*(?!/))*\*/""", re.DOTALL
)


def _blank_comments(text: str) -> str:
    """Replace comments by as many spaces, so that offsets stay."""
    return _COMMENT.sub(lambda match: match[1] or " " * len(match[0]), text)


_TOKEN = re.compile(
    r"""\s*(?:
      (?P<lifetime>'[A-Za-z_]\w*(?!'))
    | (?P<name>r\#[^\W\d]\w*|[^\W\d]\w*)
    | (?P<number>(?:0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+|[0-9][0-9_]*?)
                 (?:_?[iu](?:8|16|32|64|128|size))?(?![0-9a-zA-Z_]))
    | (?P<literal>'(?:[^'\\]|\\.[^']*)'|"[^"\\]*")
    | (?P<mark>::|->|[^\s\w])
    )""",
    re.VERBOSE,
)
_INTEGER = re.compile(r"0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+|[0-9][0-9_]*")
_CLOSERS: Final = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


class _TypeReader:
    """Recursive descent over the tokens of one type."""

    def __init__(self, text: str) -> None:
        self._original = text
        self._index = 0
        self._depth = 0
        if len(text) > MAX_LENGTH:
            raise TypeSyntaxError(text[:40] + "…", MAX_LENGTH, "it is too long")
        self._text = _blank_comments(text)
        self._tokens = self._split()

    def _split(self) -> list[_Token]:
        tokens = []
        at = 0
        while match := _TOKEN.match(self._text, at):
            kind = match.lastgroup
            assert kind is not None  # every alternative is named
            tokens.append(_Token(kind, match[kind], match.start(kind), match.end()))
            at = match.end()
        if self._text[at:].strip():
            at += len(self._text[at:]) - len(self._text[at:].lstrip())
            raise TypeSyntaxError(self._original, at, f"unexpected `{self._text[at]}`")
        tokens.append(_Token("end", "", len(self._text.rstrip()), len(self._text)))
        return tokens

    def read_whole(self) -> RustType:
        result = self._read_type()
        if self._token.kind != "end":
            self._fail(f"unexpected `{self._token.text}` after the type")
        return result

    # -- types -----------------------------------------------------------------------------

    def _read_type(self) -> RustType:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(f"types nest deeper than {MAX_DEPTH} levels")
        readers: dict[str, Callable[[], RustType]] = {
            "(": self._read_tuple,
            "[": self._read_bracket,
            "&": self._read_reference,
            "*": self._read_pointer,
            "<": self._read_qualified_path,
            "!": self._read_never,
            "dyn": self._read_trait_object,
            "fn": self._read_function,
            "unsafe": self._read_function,
            "extern": self._read_function,
        }
        result = readers.get(self._token.text, self._read_path)()
        self._depth -= 1
        return result

    def _read_tuple(self) -> RustType:
        self._take("(")
        items, trailing = self._read_types(")")
        if len(items) == 1 and not trailing:
            return items[0]  # only parentheses
        return Tuple(items)

    def _read_types(self, closer: str) -> tuple[tuple[RustType, ...], bool]:
        """Read types up to a closing mark; also tell whether a comma stood before it."""
        items: list[RustType] = []
        trailing = False
        while self._token.text != closer:
            items.append(self._read_type())
            trailing = self._skip(",")
            if not trailing:
                break
        self._take(closer)
        return tuple(items), trailing

    def _read_bracket(self) -> RustType:
        self._take("[")
        element = self._read_type()
        if self._skip("]"):
            return Slice(element)
        self._take(";")
        length = self._read_expression()
        self._take("]")
        return Array(element, length)

    def _read_reference(self) -> RustType:
        self._take("&")
        lifetime = self._skip_lifetime()
        is_mutable = self._skip("mut")
        return Reference(self._read_type(), is_mutable, lifetime)

    def _read_pointer(self) -> RustType:
        self._take("*")
        is_mutable = self._skip("mut")
        if not is_mutable:
            self._take("const")
        return Pointer(self._read_type(), is_mutable)

    def _read_never(self) -> RustType:
        self._take("!")
        return Never()

    def _read_function(self) -> RustType:
        qualifiers = []
        if self._skip("unsafe"):
            qualifiers.append("unsafe")
        if self._skip("extern"):
            qualifiers.append("extern")
            if self._token.kind == "literal":
                qualifiers.append(self._advance().text)
        self._take("fn")
        self._take("(")
        parameters, _ = self._read_types(")")
        result = self._read_type() if self._skip("->") else UNIT
        return Function(parameters, result, " ".join(qualifiers))

    def _read_trait_object(self) -> RustType:
        self._take("dyn")
        bounds: list[Path | Lifetime] = []
        while True:
            bounds.append(self._skip_lifetime() or self._read_path())
            if not self._skip("+"):
                return TraitObject(tuple(bounds))

    # -- paths -----------------------------------------------------------------------------

    def _read_path(self) -> Path:
        is_global = self._skip("::")
        if self._token.kind != "name":
            self._fail_expected("a type")
        return Path(self._read_segments(), is_global)

    def _read_segments(self) -> tuple[Segment, ...]:
        segments = [self._read_segment(first=True)]
        while self._skip("::"):
            segments.append(self._read_segment(first=False))
        return tuple(segments)

    def _read_segment(self, first: bool) -> Segment:
        token = self._token
        if token.kind != "name":
            self._fail_expected("a name")
        allowed = token.text in _PATH_KEYWORDS and (first or token.text == "super")
        if not allowed and not is_identifier(token.text) and not token.text.startswith("r#"):
            self._fail(f"`{token.text}` is a keyword and cannot name a type")
        self._advance()
        if self._token.text == "::" and self._tokens[self._index + 1].text == "<":
            self._advance()  # the turbofish of expressions is allowed in types too
        if self._token.text == "(":
            self._fail(f"`{token.text}(…)` is not a type that a message can carry")
        if self._token.text == "!":
            self._fail(f"the macro `{token.text}!` cannot be expanded here")
        if not self._skip("<"):
            return Segment(token.text)
        arguments = []
        while self._token.text != ">":
            arguments.append(self._read_argument())
            if not self._skip(","):
                break
        self._take(">")
        return Segment(token.text, tuple(arguments))

    def _read_argument(self) -> GenericArgument:
        token, following = self._token, self._tokens[min(self._index + 1, len(self._tokens) - 1)]
        if token.kind == "lifetime":
            self._advance()
            return Lifetime(token.text[1:])
        if token.kind == "number":
            return Constant(self._read_integer())
        if token.kind == "literal" or token.text in ("true", "false"):
            self._advance()
            return Constant(Expression(token.text))
        if token.text == "-" and following.kind == "number":
            self._advance()
            return Constant(-self._read_integer())
        if token.text == "{":
            start = token.start
            self._skip_group()
            return Constant(Expression(self._written(start)))
        if token.kind == "name" and following.text == "=":
            self._advance()
            self._advance()
            return Binding(token.text, self._read_type())
        return self._read_type()

    def _read_qualified_path(self) -> RustType:
        self._take("<")
        inner = self._read_type()
        trait = self._read_path() if self._skip("as") else None
        self._take(">")
        self._take("::")
        return QualifiedPath(inner, trait, self._read_segments())

    # -- constants -------------------------------------------------------------------------

    def _read_expression(self) -> int | Expression:
        """Read an array length: an integer, or any other text with balanced brackets."""
        start = self._token.start
        if self._token.kind == "number" and self._tokens[self._index + 1].text == "]":
            return self._read_integer()
        while self._token.text not in ("]", ";", ",", "") or self._token.kind == "literal":
            if self._token.text in _CLOSERS:
                self._skip_group()
            elif self._token.text in _CLOSERS.values():
                self._fail(f"`{self._token.text}` closes nothing")
            else:
                self._advance()
        if self._token.start == start:
            self._fail_expected("a length")
        return Expression(self._written(start))

    def _skip_group(self) -> None:
        """Pass over a bracket and everything up to the one that closes it."""
        open_closers: list[str] = []
        while True:
            token = self._token
            if token.kind == "end":
                self._fail_expected(f"`{open_closers[-1]}`")
            self._advance()
            if token.kind != "mark":
                continue
            if token.text in _CLOSERS:
                open_closers.append(_CLOSERS[token.text])
            elif token.text in _CLOSERS.values() and token.text != open_closers.pop():
                self._index -= 1
                self._fail(f"`{token.text}` closes nothing")
            if not open_closers:
                return

    def _written(self, start: int) -> str:
        """Return the text from an offset to the last token taken, white space collapsed."""
        return " ".join(self._text[start : self._tokens[self._index - 1].end].split())

    def _read_integer(self) -> int:
        token = self._token
        match = _INTEGER.match(token.text)
        assert match is not None  # the token pattern begins the same way
        digits = match[0].replace("_", "")
        if len(digits) > 40:
            self._fail("this number is too large")
        self._advance()
        return int(digits, {"0x": 16, "0o": 8, "0b": 2}.get(digits[:2], 10))

    # -- small steps -----------------------------------------------------------------------

    @property
    def _token(self) -> _Token:
        return self._tokens[self._index]

    def _advance(self) -> _Token:
        token = self._token
        if token.kind != "end":
            self._index += 1
        return token

    def _skip(self, text: str) -> bool:
        if self._token.text != text or self._token.kind == "end":
            return False
        self._index += 1
        return True

    def _skip_lifetime(self) -> Lifetime | None:
        if self._token.kind != "lifetime":
            return None
        return Lifetime(self._advance().text[1:])

    def _take(self, text: str) -> None:
        if not self._skip(text):
            self._fail_expected(f"`{text}`")

    def _fail_expected(self, wanted: str) -> NoReturn:
        token = self._token
        found = "the end of the text" if token.kind == "end" else f"`{token.text}`"
        self._fail(f"expected {wanted}, found {found}")

    def _fail(self, message: str) -> NoReturn:
        raise TypeSyntaxError(self._original, self._token.start, message)
