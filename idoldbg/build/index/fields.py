"""Values that an index can hold, and their encoding as 32-bit words.

A value is written by its *field*: `INT` takes one word, `TEXT` the number of a text, `many(…)` a
count and the elements, and so on. `NODES` lists the types that get a row of their own, so that
equal ones are stored once for the whole build; all else is written where it stands. What is read
may be anybody's bytes: every number of a text or a row is checked, and wrong ones raise
`IndexDamaged`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from idoldbg.model.types import (
    Array,
    CEnum,
    Enum,
    Enumerator,
    Member,
    Opaque,
    Pointer,
    Scalar,
    ScalarKind,
    Struct,
    Subroutine,
    Type,
    TypeAt,
    Union,
    Variant,
)

__all__ = [
    "BOOL",
    "BYTES",
    "INT",
    "MEMBER",
    "NODES",
    "TEXT",
    "TYPE",
    "Field",
    "IndexDamaged",
    "Sink",
    "Source",
    "choice",
    "inline",
    "many",
    "mapping",
    "numbered",
    "only",
    "optional",
    "pair",
]

_SMALL = 1 << 31  # numbers from here on, and negative ones, are written as strings
_MAX_DIGITS = 40  # of a number of 128 bits, with its sign


class IndexDamaged(Exception):
    """The bytes are not an index of this version: cut short, changed, or made up."""


class Sink(Protocol):
    """Output that fields write to; each method returns the number to write."""

    def text(self, value: bytes) -> int:
        """Store bytes."""

    def node(self, value: Type) -> int:
        """Store a type."""


class Source(Protocol):
    """Input that fields read from; invalid numbers raise `IndexDamaged`."""

    def text(self, number: int) -> bytes:
        """Return the bytes of that number."""

    def node(self, number: int) -> Type:
        """Return the type of that number."""

    def type_at(self, owner: str, die_offset: int) -> TypeAt:
        """Return what finds a type by where its entry is."""


class Field:
    """Encoder and decoder of one kind of value.

    `put` appends words to a row; `get` takes a row and a position, and returns the value and the
    position after it.
    """

    __slots__ = ("get", "put")

    def __init__(
        self,
        put: Callable[[Sink, list[int], Any], None],
        get: Callable[[Source, Sequence[int], int], tuple[Any, int]],
    ) -> None:
        self.put = put
        self.get = get


def _put_int(sink: Sink, row: list[int], value: int) -> None:
    row.append(value if 0 <= value < _SMALL else _SMALL | sink.text(b"%d" % value))


def _get_int(source: Source, row: Sequence[int], at: int) -> tuple[int, int]:
    word = row[at]
    if word < _SMALL:
        return word, at + 1
    digits = source.text(word - _SMALL)
    if len(digits) > _MAX_DIGITS:
        raise IndexDamaged("a number of too many digits")
    return int(digits), at + 1


def _put_text(sink: Sink, row: list[int], value: str) -> None:
    row.append(sink.text(value.encode("utf-8", "surrogatepass")))


def _get_text(source: Source, row: Sequence[int], at: int) -> tuple[str, int]:
    return source.text(row[at]).decode("utf-8", "surrogatepass"), at + 1


def _put_bytes(sink: Sink, row: list[int], value: bytes) -> None:
    row.append(sink.text(value))


def _get_bytes(source: Source, row: Sequence[int], at: int) -> tuple[bytes, int]:
    return source.text(row[at]), at + 1


def _put_bool(_sink: Sink, row: list[int], value: bool) -> None:
    row.append(int(value))


def _get_bool(_source: Source, row: Sequence[int], at: int) -> tuple[bool, int]:
    if row[at] > 1:
        raise IndexDamaged("neither true nor false")
    return bool(row[at]), at + 1


def _put_type(sink: Sink, row: list[int], value: Type) -> None:
    row.append(sink.node(value))


def _get_type(source: Source, row: Sequence[int], at: int) -> tuple[Type, int]:
    return source.node(row[at]), at + 1


INT = Field(_put_int, _get_int)
TEXT = Field(_put_text, _get_text)
BYTES = Field(_put_bytes, _get_bytes)
BOOL = Field(_put_bool, _get_bool)
TYPE = Field(_put_type, _get_type)


def optional(field: Field) -> Field:
    """Make the field of a value that may be None."""

    def put(sink: Sink, row: list[int], value: Any) -> None:
        row.append(int(value is not None))
        if value is not None:
            field.put(sink, row, value)

    def get(source: Source, row: Sequence[int], at: int) -> tuple[Any, int]:
        is_there, at = _get_bool(source, row, at)
        return field.get(source, row, at) if is_there else (None, at)

    return Field(put, get)


def many(field: Field) -> Field:
    """Make the field of a tuple of any length."""

    def put(sink: Sink, row: list[int], value: Sequence[Any]) -> None:
        row.append(len(value))
        for item in value:
            field.put(sink, row, item)

    def get(source: Source, row: Sequence[int], at: int) -> tuple[tuple[Any, ...], int]:
        count, at = row[at], at + 1
        if count > len(row) - at:  # each element takes a word at least
            raise IndexDamaged("a count larger than its row")
        items = []
        for _ in range(count):
            item, at = field.get(source, row, at)
            items.append(item)
        return tuple(items), at

    return Field(put, get)


def pair(*fields: Field) -> Field:
    """Make the field of a tuple of so many values."""

    def put(sink: Sink, row: list[int], value: Sequence[Any]) -> None:
        for field, item in zip(fields, value, strict=True):
            field.put(sink, row, item)

    def get(source: Source, row: Sequence[int], at: int) -> tuple[tuple[Any, ...], int]:
        items = []
        for field in fields:
            item, at = field.get(source, row, at)
            items.append(item)
        return tuple(items), at

    return Field(put, get)


def numbered(field: Field) -> Field:
    """Make the field of a tuple of values with an `index` that is their place in it."""
    items = many(field)

    def get(source: Source, row: Sequence[int], at: int) -> tuple[tuple[Any, ...], int]:
        found, at = items.get(source, row, at)
        if any(item.index != place for place, item in enumerate(found)):
            raise IndexDamaged("an item in the place of another")
        return found, at

    return Field(items.put, get)


def mapping(field: Field, key: Field = TEXT) -> Field:
    """Make the field of a mapping, which keeps its order."""
    pairs = many(pair(key, field))

    def put(sink: Sink, row: list[int], value: Mapping[Any, Any]) -> None:
        pairs.put(sink, row, tuple(value.items()))

    def get(source: Source, row: Sequence[int], at: int) -> tuple[dict[Any, Any], int]:
        items, at = pairs.get(source, row, at)
        return dict(items), at

    return Field(put, get)


def inline(cls: type[Any], **fields: Field) -> Field:
    """Make the field of a dataclass from those of its attributes.

    Raises `TypeError` where these are not all that it has: what is left out would be lost.
    """
    names = tuple(fields)
    if set(names) != set(cls.__match_args__):
        raise TypeError(f"{cls.__name__} has other attributes than {', '.join(names)}")
    values = pair(*fields.values())

    def put(sink: Sink, row: list[int], value: Any) -> None:
        values.put(sink, row, [getattr(value, n) for n in names])

    def get(source: Source, row: Sequence[int], at: int) -> tuple[Any, int]:
        found, at = values.get(source, row, at)
        return cls(**dict(zip(names, found, strict=True))), at

    return Field(put, get)


def only(kind: type) -> Field:
    """Make the field of a type that must be of one kind."""

    def get(source: Source, row: Sequence[int], at: int) -> tuple[Type, int]:
        value = source.node(row[at])
        if not isinstance(value, kind):
            raise IndexDamaged("a type of the wrong kind for its place")
        return value, at + 1

    return Field(_put_type, get)


def choice(values: Iterable[Any]) -> Field:
    """Make the field of a value that is one of a few."""
    known = tuple(values)

    def put(_sink: Sink, row: list[int], value: Any) -> None:
        row.append(known.index(value))

    def get(_source: Source, row: Sequence[int], at: int) -> tuple[Any, int]:
        return known[row[at]], at + 1

    return Field(put, get)


def _put_target(sink: Sink, row: list[int], value: Callable[[], Type] | None) -> None:
    # Two words in any case: the row without them is what equal pointers have in common.
    if isinstance(value, TypeAt):
        row += (1 + sink.text(value.owner.encode()), value.die_offset)
    else:
        row += (0, 0)


def _get_target(source: Source, row: Sequence[int], at: int) -> tuple[TypeAt | None, int]:
    if not row[at]:
        return None, at + 2
    return source.type_at(source.text(row[at] - 1).decode(), row[at + 1]), at + 2


MEMBER = inline(Member, name=TEXT, offset=INT, type=TYPE)
_MEMBERS = many(MEMBER)
_ENUMERATORS = many(inline(Enumerator, name=TEXT, value=INT))
_VARIANT = inline(Variant, name=TEXT, discriminant=optional(INT), offset=INT, type=only(Struct))

#: Position in this table is the first word of a row.
NODES: Mapping[type[Type], Field] = {
    Scalar: inline(Scalar, name=TEXT, size=INT, encoding=choice(ScalarKind)),
    Pointer: inline(
        Pointer,
        name=TEXT,
        size=INT,
        target_name=TEXT,
        resolve_target=Field(_put_target, _get_target),
    ),
    Struct: inline(Struct, name=TEXT, size=INT, members=_MEMBERS),
    Union: inline(Union, name=TEXT, size=INT, members=_MEMBERS),
    CEnum: inline(
        CEnum,
        name=TEXT,
        size=INT,
        signed=BOOL,
        enumerators=_ENUMERATORS,
        skipped=many(TEXT),
    ),
    Enum: inline(
        Enum,
        name=TEXT,
        size=INT,
        tag=optional(MEMBER),
        variants=many(_VARIANT),
        skipped=many(TEXT),
    ),
    Array: inline(Array, name=TEXT, element=TYPE, count=INT),
    Subroutine: inline(Subroutine, name=TEXT, size=INT),
    Opaque: inline(Opaque, name=TEXT, reason=TEXT, size=INT),
}
