"""Rusty Object Notation as plain nodes that know their place; `ron_reader` makes them of text.

Ref: RON 0.8, `docs/grammar.md` and `docs/extensions.md` of ron-rs/ron. Knows nothing of Idol.
"""

from __future__ import annotations

from idol.records import dataclass
from idol.source import Source, Span


@dataclass(frozen=True, slots=True)
class Bool:
    """`true` or `false`."""

    value: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Integer:
    """An integer of any base, or a byte literal `b'x'`."""

    value: int
    span: Span


@dataclass(frozen=True, slots=True)
class Float:
    """A number with a point or exponent, `inf` or `NaN`."""

    value: float
    span: Span


@dataclass(frozen=True, slots=True)
class Char:
    """A single character in single quotes."""

    value: str
    span: Span


@dataclass(frozen=True, slots=True)
class String:
    """A string; `offsets[i]` is where character i of the value stands in the source."""

    value: str
    span: Span
    #: Source offset of the first character, when the value stands in the source as it is.
    verbatim_at: int | None = None

    def get_span(self, start: int, end: int) -> Span:
        """Return the place of `value[start:end]`; the whole literal when it has escapes."""
        if self.verbatim_at is None:
            return self.span
        return Span(self.verbatim_at + start, self.verbatim_at + end)


@dataclass(frozen=True, slots=True)
class ByteString:
    """`b"..."`."""

    value: bytes
    span: Span


@dataclass(frozen=True, slots=True)
class Option:
    """`Some(value)`, or `None` when value is None."""

    value: Node | None
    span: Span


@dataclass(frozen=True, slots=True)
class List:
    """`[a, b]`."""

    items: tuple[Node, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Map:
    """`{key: value}`; order and duplicates are kept."""

    entries: tuple[tuple[Node, Node], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Unit:
    """A bare name: a unit struct or an enum variant without data."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Tuple:
    """`(a, b)`, `()` or `Name(a, b)`; `head` is the place of the name or opening bracket."""

    name: str | None
    items: tuple[Node, ...]
    span: Span
    head: Span


@dataclass(frozen=True, slots=True)
class Field:
    """`name: value` in a struct."""

    name: str
    name_span: Span
    value: Node


@dataclass(frozen=True, slots=True)
class Struct:
    """`(field: value)` or `Name(field: value)`; order and duplicates are kept."""

    name: str | None
    fields: tuple[Field, ...]
    span: Span
    head: Span


# fmt: off
Node = (
    Bool | Integer | Float | Char | String | ByteString
    | Option | List | Map | Unit | Tuple | Struct
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Document:
    """A whole RON text: the extensions it enables and its one value."""

    source: Source
    extensions: frozenset[str]
    root: Node
