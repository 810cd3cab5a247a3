"""The notation of values: what Rust's and JSON's notations have, in one grammar.

::

    value  = number | string | char | "hex:" digits | "null"
           | path [ "(" values ")" | "{" fields "}" ]     Some(3), Reading { id: 3 }, Color::Red
           | "{" fields "}" | "(" values ")"
           | "[" values "]" | "[" value ";" number "]"
    field  = ( name | string ) ":" value
    path   = name { "::" name } [ "<" … ">" ]

Commas separate, a last one may follow. Text is bounded: `DEPTH_LIMIT`, `LENGTH_LIMIT`.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from idol.records import dataclass

__all__ = [
    "DEPTH_LIMIT",
    "LENGTH_LIMIT",
    "Bytes",
    "Call",
    "CharNode",
    "ListNode",
    "Name",
    "Node",
    "Null",
    "Number",
    "Record",
    "Repeat",
    "SyntaxFault",
    "TextNode",
    "TupleNode",
    "describe",
    "parse",
]

DEPTH_LIMIT = 64
LENGTH_LIMIT = 4_000_000


class SyntaxFault(Exception):
    """Text outside the grammar; `offset` is where, in characters."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was written."""

    text: str


@dataclass(frozen=True, slots=True)
class TextNode:
    """A string in double quotes."""

    text: str


@dataclass(frozen=True, slots=True)
class CharNode:
    """A char in single quotes."""

    text: str


@dataclass(frozen=True, slots=True)
class Bytes:
    """`hex:…`, and bytes that came from elsewhere."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Null:
    """JSON's null."""


@dataclass(frozen=True, slots=True)
class Name:
    """A path without anything behind it; generic arguments are dropped."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A path and values in parentheses."""

    path: tuple[str, ...]
    values: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """Named fields, with or without a path before them."""

    path: tuple[str, ...]
    fields: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, slots=True)
class TupleNode:
    """Values in parentheses; one value alone has a comma behind it."""

    values: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class ListNode:
    """Values in brackets."""

    values: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`[value; count]`."""

    value: Node
    count: int


Node: TypeAlias = (
    Number
    | TextNode
    | CharNode
    | Bytes
    | Null
    | Name
    | Call
    | Record
    | TupleNode
    | ListNode
    | Repeat
)


def describe(node: Node) -> str:
    """Return what a node is, for messages."""
    match node:
        case Number(text=text):
            return f"the number {text}"
        case TextNode(text=text):
            return f'the string "{text:.40}"'
        case CharNode(text=text):
            return f"the char '{text}'"
        case Bytes(data=data):
            return f"{len(data)} bytes"
        case Null():
            return "null"
        case Name(path=path):
            return f"`{'::'.join(path)}`"
        case Call(path=path):
            return f"`{'::'.join(path)}(…)`"
        case Record(path=path):
            return f"`{'::'.join(path)} {{…}}`".replace("` ", "`")
        case TupleNode(values=values):
            return f"a tuple of {len(values)}" if values else "`()`"
        case ListNode(values=values):
            return f"a list of {len(values)}"
        case Repeat(count=count):
            return f"a list of {count}"


_SPACE = re.compile(r"\s*")
_NUMBER = re.compile(
    r"""(?:[+-]?(?:
        0[xX][0-9a-fA-F_]+ | 0[bB][01_]+ | 0[oO][0-7_]+
        | [0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]+)?
        | \.[0-9][0-9_]*(?:[eE][+-]?[0-9_]+)?
    ) | [+-](?:inf|infinity|nan)(?![A-Za-z0-9_])  # without a sign they are names
    )(?:[iuf](?:8|16|32|64|128|size))?""",
    re.VERBOSE | re.IGNORECASE,
)
_NAME = re.compile(r"(?:r#)?[^\W\d]\w*")
_HEX = re.compile(r"hex:([0-9a-fA-F_]*)")
_ESCAPES = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "0": "\0",
    "b": "\b",
    "f": "\f",
    "/": "/",
    "\\": "\\",
    "'": "'",
    '"': '"',
}


def parse(text: str) -> Node:
    """Read one value, the whole of `text`; raise `SyntaxFault`."""
    if len(text) > LENGTH_LIMIT:
        raise SyntaxFault(f"more than {LENGTH_LIMIT} characters", LENGTH_LIMIT)
    parser = _Parser(text)
    node = parser.value(0)
    parser.skip()
    if parser.at < len(text):
        raise SyntaxFault(f"`{text[parser.at :][:20]}` is left over", parser.at)
    return node


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def skip(self) -> None:
        found = _SPACE.match(self.text, self.at)
        if found:
            self.at = found.end()

    def peek(self) -> str:
        self.skip()
        return self.text[self.at : self.at + 1]

    def accept(self, char: str) -> bool:
        if self.peek() != char:
            return False
        self.at += 1
        return True

    def expect(self, char: str) -> None:
        if not self.accept(char):
            found = self.text[self.at : self.at + 1]
            got = f"not `{found}`" if found else "but the text ends"
            raise SyntaxFault(f"`{char}` expected, {got}", self.at)

    def value(self, depth: int) -> Node:
        if depth > DEPTH_LIMIT:
            raise SyntaxFault(f"nested more than {DEPTH_LIMIT} deep", self.at)
        char = self.peek()
        if not char:
            raise SyntaxFault("a value expected, but the text ends", self.at)
        if char == "{":
            return Record((), self.fields(depth))
        if char == "[":
            return self.brackets(depth)
        if char == "(":
            return self.parentheses(depth)
        if char == '"':
            return TextNode(self.quoted('"'))
        if char == "'":
            return self.char()
        found = _HEX.match(self.text, self.at)
        if found:
            return self.hex(found)
        found = _NUMBER.match(self.text, self.at)
        if found:
            return self.number(found)
        return self.named(depth)

    def hex(self, found: re.Match[str]) -> Bytes:
        digits = found[1].replace("_", "")
        if len(digits) % 2:
            raise SyntaxFault("hex: needs two digits for each byte", found.end())
        self.at = found.end()
        return Bytes(bytes.fromhex(digits))

    def number(self, found: re.Match[str]) -> Number:
        self.at = found.end()
        if _NAME.match(self.text, self.at) or self.text[self.at : self.at + 1].isdigit():
            raise SyntaxFault(f"`{self.text[found.start() :][:20]}` is not a number", found.start())
        if len(found[0]) > 400:
            raise SyntaxFault("a number of more than 400 characters", found.start())
        return Number(found[0])

    def path(self) -> tuple[str, ...]:
        names: list[str] = []
        while True:
            self.skip()
            found = _NAME.match(self.text, self.at)
            if not found:
                near = self.text[self.at : self.at + 20]
                raise SyntaxFault(
                    f"`{near}` is not a value" if near else "expected a name", self.at
                )
            names.append(found[0].removeprefix("r#"))
            self.at = found.end()
            if self.peek() == "<":
                self.generics()
            if not self.text.startswith("::", self.at):
                return tuple(names)
            self.at += 2

    def generics(self) -> None:
        start, depth = self.at, 0
        for index in range(self.at, len(self.text)):
            if self.text[index] == "<":
                depth += 1
            elif self.text[index] == ">" and self.text[index - 1] != "-":
                depth -= 1
                if not depth:
                    self.at = index + 1
                    return
        raise SyntaxFault("`<` without `>`", start)

    def named(self, depth: int) -> Node:
        path = self.path()
        if self.peek() == "(":
            self.at += 1
            values, _ = self.list(")", depth)
            return Call(path, values)
        if self.peek() == "{":
            return Record(path, self.fields(depth))
        return Null() if path == ("null",) else Name(path)

    def list(self, end: str, depth: int) -> tuple[tuple[Node, ...], bool]:
        """Read values up to `end`; also return whether a comma came last."""
        values: list[Node] = []
        comma = False
        while not self.accept(end):
            if values and not comma:
                self.expect(",")
            values.append(self.value(depth + 1))
            comma = self.accept(",")
        return tuple(values), comma

    def parentheses(self, depth: int) -> Node:
        self.expect("(")
        values, comma = self.list(")", depth)
        return values[0] if len(values) == 1 and not comma else TupleNode(values)

    def brackets(self, depth: int) -> Node:
        self.expect("[")
        if self.accept("]"):
            return ListNode(())
        first = self.value(depth + 1)
        if self.accept(";"):
            self.skip()
            found = re.compile(r"[0-9_]{1,12}").match(self.text, self.at)
            if not found or not found[0].strip("_"):
                raise SyntaxFault("a count expected behind `;`", self.at)
            self.at = found.end()
            self.expect("]")
            return Repeat(first, int(found[0].replace("_", "")))
        if not self.accept(","):
            self.expect("]")
            return ListNode((first,))
        rest, _ = self.list("]", depth)
        return ListNode((first, *rest))

    def fields(self, depth: int) -> tuple[tuple[str, Node], ...]:
        self.expect("{")
        fields: list[tuple[str, Node]] = []
        seen: set[str] = set()
        comma = True
        while not self.accept("}"):
            if not comma:
                self.expect(",")
            at = self.at
            name = self.quoted('"') if self.peek() == '"' else self.field_name()
            if name in seen:
                raise SyntaxFault(f"`{name}` stands twice", at)
            seen.add(name)
            self.expect(":")
            fields.append((name, self.value(depth + 1)))
            comma = self.accept(",")
        return tuple(fields)

    def field_name(self) -> str:
        found = _NAME.match(self.text, self.at)
        if not found:
            raise SyntaxFault("the name of a field expected", self.at)
        self.at = found.end()
        return found[0].removeprefix("r#")

    def quoted(self, quote: str) -> str:
        start = self.at
        self.expect(quote)
        out: list[str] = []
        while True:
            char = self.text[self.at : self.at + 1]
            if not char:
                raise SyntaxFault(f"{quote} without its end", start)
            self.at += 1
            if char == quote:
                break
            out.append(self.escape() if char == "\\" else char)
        # JSON writes chars beyond 16 bits as two escapes.
        try:
            return "".join(out).encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise SyntaxFault("half of a surrogate pair", start) from None

    def char(self) -> CharNode:
        start = self.at
        text = self.quoted("'")
        if len(text) != 1:
            raise SyntaxFault(f"a char is one character, not {len(text)}", start)
        return CharNode(text)

    def escape(self) -> str:
        start = self.at - 1
        char = self.text[self.at : self.at + 1]
        self.at += 1
        if char in _ESCAPES:
            return _ESCAPES[char]
        for pattern in (r"x([0-9a-fA-F]{2})", r"u\{([0-9a-fA-F_]{1,8})\}", r"u([0-9a-fA-F]{4})"):
            found = re.compile(pattern).match(self.text, start + 1)
            if found:
                self.at = found.end()
                code = int(found[1].replace("_", "") or "0", 16)
                if code <= 0x10FFFF:
                    return chr(code)
        raise SyntaxFault(f"`{self.text[start : start + 6]}` is not an escape sequence", start)
