"""Schemas: what a value looks like, and whole values by them.

| schema | Python value |
| --- | --- |
| `U8` … `I128` | int |
| `F32`, `F64` | float |
| `BOOL` | bool |
| `UNIT` | None |
| `Tuple` | tuple |
| `Struct` | dict, in the order of the fields |
| `Array` | list; of `U8`: bytes |
| `Option` | None or `Some(value)` |
| `Enum` | `Variant(name, value)`; the value of a variant without data is None |

Nesting is limited to `DEPTH_LIMIT`, the number of items in one value to `ITEM_LIMIT`: a schema that
comes from outside (debug information, a file) cannot exhaust the machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from .wire import DecodeError, EncodeError, Reader, Writer

__all__ = [
    "BOOL",
    "DEPTH_LIMIT",
    "F32",
    "F64",
    "I8",
    "I16",
    "I32",
    "I64",
    "I128",
    "ITEM_LIMIT",
    "U8",
    "U16",
    "U32",
    "U64",
    "U128",
    "UNIT",
    "Array",
    "Enum",
    "Option",
    "Primitive",
    "Result",
    "Schema",
    "Some",
    "Struct",
    "Tuple",
    "Variant",
    "decode",
    "encode",
    "max_size",
]

DEPTH_LIMIT = 64
ITEM_LIMIT = 250_000


@dataclass(frozen=True, slots=True)
class Primitive:
    """An integer (`kind` "u" or "i"), float ("f") or bool ("b") of `size` bytes."""

    kind: str
    size: int

    def __str__(self) -> str:
        return "bool" if self.kind == "b" else f"{self.kind}{self.size * 8}"


@dataclass(frozen=True, slots=True)
class Tuple:
    """Elements one after the other. The empty tuple is `()`, see `UNIT`."""

    elements: tuple[Schema, ...]


@dataclass(frozen=True, slots=True)
class Struct:
    """Named fields one after the other."""

    name: str
    fields: tuple[tuple[str, Schema], ...]


@dataclass(frozen=True, slots=True)
class Array:
    """`count` elements of one schema, without a length."""

    element: Schema
    count: int


@dataclass(frozen=True, slots=True)
class Option:
    """One byte, then the content if there is one."""

    content: Schema


@dataclass(frozen=True, slots=True)
class Enum:
    """Variants in declaration order; None for a variant without data."""

    name: str
    variants: tuple[tuple[str, Schema | None], ...]


Schema: TypeAlias = Primitive | Tuple | Struct | Array | Option | Enum

U8, U16, U32, U64, U128 = (Primitive("u", size) for size in (1, 2, 4, 8, 16))
I8, I16, I32, I64, I128 = (Primitive("i", size) for size in (1, 2, 4, 8, 16))
F32, F64 = Primitive("f", 4), Primitive("f", 8)
BOOL = Primitive("b", 1)
UNIT = Tuple(())


def Result(ok: Schema, err: Schema) -> Enum:  # noqa: N802 (it stands for a type)
    """Return the schema of `Result<ok, err>`."""
    return Enum("Result", (("Ok", ok), ("Err", err)))


@dataclass(frozen=True, slots=True)
class Some:
    """The value of an Option that is not None."""

    value: Any


@dataclass(frozen=True, slots=True)
class Variant:
    """The value of an Enum."""

    name: str
    value: Any = None


def encode(schema: Schema, value: Any) -> bytes:
    """Return the encoding of `value`; raise `EncodeError` where it does not fit the schema."""
    writer = Writer()
    _put(writer, schema, value, 0)
    return writer.data


def _put(writer: Writer, schema: Schema, value: Any, depth: int) -> None:
    if depth > DEPTH_LIMIT:
        raise EncodeError(f"the schema is nested more than {DEPTH_LIMIT} deep")
    match schema:
        case Primitive():
            _put_primitive(writer, schema, value)
        case Tuple(elements=()):
            _expect(value is None or value == (), "None", value)
        case Tuple(elements=elements):
            _expect_sequence(value, len(elements))
            for element, item in zip(elements, value, strict=True):
                _put(writer, element, item, depth + 1)
        case Struct(fields=fields):
            _expect(
                isinstance(value, Mapping) and set(value) == {n for n, _ in fields},
                f"a dict with the fields of {schema.name}",
                value,
            )
            for name, field in fields:
                _put(writer, field, value[name], depth + 1)
        case Array(element=element, count=count):
            if element == U8:
                _expect(isinstance(value, bytes) and len(value) == count, f"{count} bytes", value)
                writer.put_bytes(value)
            else:
                _expect_sequence(value, count)
                for item in value:
                    _put(writer, element, item, depth + 1)
        case Option(content=content):
            writer.put_bool(value is not None)
            if value is not None:
                _expect(isinstance(value, Some), "None or Some(…)", value)
                _put(writer, content, value.value, depth + 1)
        case Enum(variants=variants):
            names = [n for n, _ in variants]
            _expect(
                isinstance(value, Variant) and value.name in names,
                f"a Variant of {schema.name} ({', '.join(names)})",
                value,
            )
            index = names.index(value.name)
            writer.put_variant(index)
            inner = variants[index][1]
            if inner is None:
                _expect(value.value is None, f"no value in {value.name}", value.value)
            else:
                _put(writer, inner, value.value, depth + 1)


def _put_primitive(writer: Writer, schema: Primitive, value: Any) -> None:
    if schema.kind == "b":
        _expect(isinstance(value, bool), "a bool", value)
        writer.put_bool(value)
    elif schema.kind == "f":
        _expect(isinstance(value, (float, int)) and not isinstance(value, bool), "a float", value)
        writer.put_float(float(value), schema.size)
    else:
        _expect(isinstance(value, int) and not isinstance(value, bool), "an int", value)
        writer.put_int(value, schema.size, signed=schema.kind == "i")


def _expect_sequence(value: Any, count: int) -> None:
    _expect(
        isinstance(value, Sequence) and not isinstance(value, (str, bytes)) and len(value) == count,
        f"{count} elements",
        value,
    )


def _expect(holds: bool, wanted: str, value: Any) -> None:
    if not holds:
        raise EncodeError(f"{wanted} expected, not {value!r:.80}")


def decode(schema: Schema, data: bytes) -> tuple[Any, int]:
    """Return the value at the front of `data` and how many bytes it took.

    The format is self-delimiting: whatever follows is left to the caller.
    """
    decoder = _Decoder(data)
    value = decoder.take(schema, 0)
    return value, decoder.reader.offset


class _Decoder:
    def __init__(self, data: bytes) -> None:
        self.reader = Reader(data)
        self.items = 0

    def take(self, schema: Schema, depth: int) -> Any:
        self.items += 1
        if depth > DEPTH_LIMIT or self.items > ITEM_LIMIT:
            raise DecodeError("the schema is too deep or too large", self.reader.offset)
        match schema:
            case Primitive(kind="b"):
                return self.reader.take_bool()
            case Primitive(kind="f", size=size):
                return self.reader.take_float(size)
            case Primitive(kind=kind, size=size):
                return self.reader.take_int(size, signed=kind == "i")
            case Tuple(elements=()):
                return None
            case Tuple(elements=elements):
                return tuple(self.take(e, depth + 1) for e in elements)
            case Struct(fields=fields):
                return {name: self.take(field, depth + 1) for name, field in fields}
            case Array(element=element, count=count):
                if element == U8:
                    return self.reader.take_bytes(count)
                return [self.take(element, depth + 1) for _ in range(count)]
            case Option(content=content):
                return Some(self.take(content, depth + 1)) if self.reader.take_bool() else None
            case Enum(variants=variants):
                name, inner = variants[self.reader.take_variant(len(variants))]
                return Variant(name, None if inner is None else self.take(inner, depth + 1))


def max_size(schema: Schema) -> int:
    """Return the size of the longest encoding, as the crate's `SerializedSize::MAX_SIZE`."""
    match schema:
        case Primitive(size=size):
            return size
        case Tuple(elements=elements):
            return sum(max_size(e) for e in elements)
        case Struct(fields=fields):
            return sum(max_size(f) for _, f in fields)
        case Array(element=element, count=count):
            return max_size(element) * count
        case Option(content=content):
            return 1 + max_size(content)
        case Enum(variants=variants):
            return 1 + max((max_size(v) for _, v in variants if v is not None), default=0)
