"""How serde sees a type that DWARF describes, for the three encodings that build on it.

`derive(Serialize)` walks a value as its declaration reads: a struct is its fields, a newtype its
one field, an enum the index of the variant in declaration order (not its discriminant) and the
variant's fields, an array or tuple its elements without a length, `()` nothing. `usize` and `isize`
count as 64-bit (serde's data model has no pointer-sized integers). An encoding adds how single
items are written: a `Writer` and a `Reader`.

A type with a hand-written `Serialize` cannot be told from its DWARF; the standard library's own
(`Option`, `Result`, `NonZero`, `Duration`, ranges, `Ipv4Addr`) agree with the walk. Pointers,
unions and types of which only the name is known have no encoding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from idol.records import dataclass
from idoldbg.errors import DecodeError, EncodeError
from idoldbg.types import (
    Array,
    CEnum,
    Encoding,
    Enum,
    Member,
    Opaque,
    Pointer,
    Scalar,
    Struct,
    Subroutine,
    Type,
    Union,
    is_byte_array,
    is_nonzero,
    type_size,
)
from idoldbg.values import (
    ArrayValue,
    Bool,
    Char,
    EnumValue,
    Float,
    Int,
    Raw,
    StructValue,
    Unit,
    Unreadable,
    Value,
    make_enum,
)

__all__ = [
    "DEPTH_LIMIT",
    "NODE_LIMIT",
    "Format",
    "Reader",
    "SerdeCodec",
    "WireError",
    "Writer",
    "fit_member",
    "kind_of",
]

DEPTH_LIMIT = 64
NODE_LIMIT = 65_536  # values in one value; more than that take seconds, and no board has them


class WireError(Exception):
    """An item that an encoding cannot write, or bytes that are no such item."""


class Writer(Protocol):
    """Appends single items."""

    @property
    def data(self) -> bytes:
        """What was written so far."""

    def put_int(self, value: int, size: int, *, signed: bool) -> None:
        """Append an integer of `size` bytes."""

    def put_float(self, value: float, size: int) -> None:
        """Append an f32 or f64."""

    def put_bool(self, value: bool) -> None:
        """Append a bool."""

    def put_char(self, value: str) -> None:
        """Append a char."""

    def put_variant(self, index: int) -> None:
        """Append the index of a variant."""

    def put_bytes(self, data: bytes) -> None:
        """Append an array of u8."""


class Reader(Protocol):
    """Takes single items from the front; `offset` is where the next one starts."""

    @property
    def offset(self) -> int:
        """Offset of the next item, in bytes from the start."""

    def take_int(self, size: int, *, signed: bool) -> int:
        """Take an integer of `size` bytes."""

    def take_float(self, size: int) -> float:
        """Take an f32 or f64."""

    def take_bool(self) -> bool:
        """Take a bool."""

    def take_char(self) -> str:
        """Take a char."""

    def take_variant(self, count: int) -> int:
        """Take the index of one of `count` variants."""

    def take_bytes(self, size: int) -> bytes:
        """Take an array of u8."""


@dataclass(frozen=True, slots=True)
class Format:
    """An encoding's items and their sizes.

    `errors` are the exceptions that its writer and reader raise. `max_char_size` is None where the
    encoding has no char, `int_sizes` the sizes of integers that it has.
    """

    name: str
    make_writer: Callable[[], Writer]
    make_reader: Callable[[bytes], Reader]
    errors: tuple[type[Exception], ...]
    int_sizes: frozenset[int]
    max_char_size: int | None
    max_variant_size: Callable[[int], int]


def kind_of(type_: Type) -> str:
    """Return what a type is, in a word or two, for messages."""
    match type_:
        case Pointer():
            return "a pointer"
        case Union():
            return "a union"
        case Subroutine():
            return "a function"
        case Opaque(reason=reason):
            return f"unknown ({reason})"
        case _:
            return "no serde type"


def fit_member(value: Value, type_: Type) -> Value:
    """Return `value` as a field of `type_` holds it.

    Idol passes a bool, and an enum that is received by `FromPrimitive`, as a plain integer: the
    field of the ARGS struct is then a `u8` (or so) while the argument is not. Our generator passes
    an `Option` of such an enum as a struct of a byte `is_some` and the integer, see
    docs/idol-stubs.md.
    """
    if isinstance(type_, Struct) and isinstance(value, EnumValue):
        return _fit_option(value, type_)
    if not isinstance(type_, Scalar) or type_.encoding not in (Encoding.UNSIGNED, Encoding.SIGNED):
        return value
    if isinstance(value, Bool):
        return Int(type_, int(value.value))
    if isinstance(value, EnumValue) and value.payload is None and value.code is not None:
        return Int(type_, value.code)
    return value


def _fit_option(value: EnumValue, type_: Struct) -> Value:
    if [member.name for member in type_.members] != ["is_some", "value"]:
        return value
    if value.variant not in ("None", "Some"):
        return value
    tag, number = (member.type for member in type_.members)
    if not isinstance(tag, Scalar) or not isinstance(number, Scalar):
        return value
    held = Int(number, 0) if value.payload is None else value.payload["__0"]
    is_some = Int(tag, int(value.variant == "Some"))
    return StructValue(type_, (("is_some", is_some), ("value", fit_member(held, number))))


class SerdeCodec:
    """`encode`, `decode` and `max_size` of whole values in one `Format`."""

    def __init__(self, form: Format, reply_size: Callable[[Type], int] | None = None) -> None:
        self._form = form
        self.name = form.name
        self._reply_size = reply_size

    def encode(self, value: Value) -> bytes:
        """Return the encoding of `value`; raise `EncodeError` naming what has none."""
        return self._encode((value,))

    def encode_arguments(self, members: Sequence[Member], values: Sequence[Value]) -> bytes:
        """Return the message of a call: the fields of its ARGS struct in order."""
        return self._encode(fit_member(v, m.type) for m, v in zip(members, values, strict=True))

    def _encode(self, values: Iterable[Value]) -> bytes:
        writer = self._form.make_writer()
        for value in values:
            _Encoder(self._form, writer).put(value, 0)
        return writer.data

    def decode(self, type_: Type, data: bytes) -> Value:
        """Return the value at the front of `data`; what follows it is left alone.

        The encodings are self-delimiting, and hiffy returns a reply's whole buffer. Raise
        `DecodeError` for bytes that are no `type_`.
        """
        return self.decode_prefix(type_, data)[0]

    def decode_prefix(self, type_: Type, data: bytes) -> tuple[Value, int]:
        """Return the value at the front of `data` and how many bytes it took."""
        reader = self._form.make_reader(data)
        value = _Decoder(self._form, reader).take(type_, 0)
        return value, reader.offset

    def decode_arguments(self, members: Sequence[Member], data: bytes) -> tuple[Value, ...]:
        """Return the fields of an ARGS struct from a message."""
        reader = self._form.make_reader(data)
        return tuple(_Decoder(self._form, reader).take(m.type, 0) for m in members)

    def max_size(self, type_: Type) -> int:
        """Return the size of the longest encoding; raise `EncodeError` naming what has none."""
        return _max_size(self._form, type_, 0, {})

    def reply_size(self, type_: Type) -> int:
        """Return how large a reply buffer the server demands for a `type_`.

        A smaller one earns the caller a reply fault, which kills it.
        """
        return (self._reply_size or self.max_size)(type_)


def _check_int(form: Format, type_: Scalar) -> int:
    """Return the size of an integer on the wire."""
    size = 8 if type_.name in ("usize", "isize") else type_.size
    if size not in form.int_sizes:
        raise EncodeError(f"{form.name} has no {size * 8}-bit integers", type=type_.name)
    return size


def _fits(number: int, type_: Scalar) -> bool:
    signed = type_.encoding is Encoding.SIGNED
    bits = type_.size * 8 - signed
    return (-(1 << bits) if signed else 0) <= number < 1 << bits


def _refuse(form: Format, type_: Type) -> EncodeError:
    return EncodeError(
        f"`{type_.name}` is {kind_of(type_)}: it has no {form.name} encoding", type=type_.name
    )


class _Encoder:
    def __init__(self, form: Format, writer: Writer) -> None:
        self.form = form
        self.writer = writer

    def put(self, value: Value, depth: int) -> None:
        if depth > DEPTH_LIMIT:
            raise EncodeError(f"nested more than {DEPTH_LIMIT} deep", type=value.type.name)
        try:
            self._put(value, depth)
        except self.form.errors as error:
            raise EncodeError(f"`{value.type.name}`: {error}", type=value.type.name) from None

    def _put(self, value: Value, depth: int) -> None:
        type_, writer = value.type, self.writer
        match value, type_:
            case Unit(), _:
                pass
            case Int(value=number), Scalar(encoding=encoding):
                size = _check_int(self.form, type_)
                if not _fits(number, type_):
                    raise EncodeError(f"{number} does not fit in `{type_.name}`", type=type_.name)
                writer.put_int(number, size, signed=encoding is Encoding.SIGNED)
            case Float(value=real), Scalar(size=size) if size in (4, 8):
                writer.put_float(real, size)
            case Bool(value=truth), _:
                writer.put_bool(truth)
            case Char(value=char), _:
                writer.put_char(char)
            case Raw(data=data), _ if is_byte_array(type_):
                _check_size(len(data), type_)
                writer.put_bytes(data)
            case ArrayValue(elements=elements), Array(count=count):
                if len(elements) != count:
                    raise EncodeError(
                        f"{len(elements)} elements for `{type_.name}`", type=type_.name
                    )
                for element in elements:
                    self.put(element, depth + 1)
            case StructValue(), Struct():
                self._put_fields(value, type_, depth)
            case EnumValue(variant=name), CEnum(enumerators=names):
                writer.put_variant(_index([n.name for n in names], name, type_))
            case EnumValue(variant=name, payload=payload), Enum(variants=variants):
                index = _index([v.name for v in variants], name, type_)
                writer.put_variant(index)
                if payload is not None:
                    self._put_fields(payload, variants[index].type, depth)
                elif variants[index].type.members:
                    raise EncodeError(f"`{name}` of `{type_.name}` lacks its data", type=type_.name)
            case Unreadable(reason=reason), _:
                raise EncodeError(f"`{type_.name}` could not be read: {reason}", type=type_.name)
            case _:
                raise _refuse(self.form, type_)

    def _put_fields(self, value: StructValue, type_: Struct, depth: int) -> None:
        if [n for n, _ in value.fields] != [m.name for m in type_.members]:
            raise EncodeError(f"the fields are not those of `{type_.name}`", type=type_.name)
        for _, field in value.fields:
            self.put(field, depth + 1)


def _check_size(size: int, type_: Type) -> None:
    if size != type_size(type_):
        raise EncodeError(f"{size} bytes for `{type_.name}`", type=type_.name)


def _index(names: list[str], name: str, type_: Type) -> int:
    if name not in names:
        raise EncodeError(f"`{type_.name}` has no variant `{name}`", type=type_.name)
    return names.index(name)


class _Decoder:
    def __init__(self, form: Format, reader: Reader) -> None:
        self.form = form
        self.reader = reader
        self.nodes = 0

    def take(self, type_: Type, depth: int) -> Value:
        self.nodes += 1
        if depth > DEPTH_LIMIT or self.nodes > NODE_LIMIT:
            raise DecodeError("too deep or too large", type=type_.name, offset=self.reader.offset)
        at = self.reader.offset
        try:
            return self._take(type_, depth)
        except self.form.errors as error:
            raise DecodeError(
                f"`{type_.name}` at offset {at}: {error}", type=type_.name, offset=at
            ) from None
        except EncodeError as error:
            raise DecodeError(error.message, type=error.type, offset=at) from None

    def _take(self, type_: Type, depth: int) -> Value:
        reader = self.reader
        match type_:
            case Scalar(size=0, name="()"):
                return Unit(type_)
            case Scalar(encoding=Encoding.BOOL):
                return Bool(type_, reader.take_bool())
            case Scalar(encoding=Encoding.CHAR):
                return Char(type_, reader.take_char())
            case Scalar(encoding=Encoding.FLOAT, size=(4 | 8) as size):
                return Float(type_, reader.take_float(size))
            case Scalar(encoding=Encoding.UNSIGNED | Encoding.SIGNED) if type_.size:
                return self._take_int(type_)
            case Array(element=element, count=count):
                if is_byte_array(type_):
                    return Raw(type_, reader.take_bytes(count))
                return ArrayValue(type_, tuple(self.take(element, depth + 1) for _ in range(count)))
            case Struct():
                return self._take_fields(type_, depth)
            case CEnum(enumerators=names):
                return make_enum(type_, names[reader.take_variant(len(names))].name)
            case Enum(variants=variants):
                variant = variants[reader.take_variant(len(variants))]
                payload = self._take_fields(variant.type, depth) if variant.type.members else None
                return make_enum(type_, variant.name, payload)
            case _:
                raise _refuse(self.form, type_)

    def _take_int(self, type_: Scalar) -> Int:
        signed = type_.encoding is Encoding.SIGNED
        at = self.reader.offset
        value = self.reader.take_int(_check_int(self.form, type_), signed=signed)
        if not _fits(value, type_):
            raise DecodeError(f"{value} does not fit in {type_.name}", type=type_.name, offset=at)
        return Int(type_, value)

    def _take_fields(self, type_: Struct, depth: int) -> StructValue:
        at = self.reader.offset
        fields = tuple((m.name, self.take(m.type, depth + 1)) for m in type_.members)
        value = StructValue(type_, fields)
        if is_nonzero(type_) and not _is_nonzero_value(value):
            raise DecodeError(f"0 is no `{type_.name}`", type=type_.name, offset=at)
        return value


def _is_nonzero_value(value: Value) -> bool:
    while isinstance(value, StructValue):
        value = value.fields[0][1]
    return not isinstance(value, Int) or value.value != 0


def _max_size(form: Format, type_: Type, depth: int, memo: dict[int, int]) -> int:
    # By identity: types are shared, and a chain of pairs of pairs would take for ever otherwise.
    if id(type_) not in memo:
        if depth > DEPTH_LIMIT:
            raise EncodeError(f"nested more than {DEPTH_LIMIT} deep", type=type_.name)
        memo[id(type_)] = _max_size_of(form, type_, depth, memo)
    return memo[id(type_)]


def _max_size_of(form: Format, type_: Type, depth: int, memo: dict[int, int]) -> int:
    match type_:
        case Scalar(encoding=Encoding.CHAR):
            if form.max_char_size is None:
                raise EncodeError(f"{form.name} has no `char`", type=type_.name)
            return form.max_char_size
        case Scalar(encoding=Encoding.UNSIGNED | Encoding.SIGNED) if type_.size:
            return _check_int(form, type_)
        case Scalar(encoding=Encoding.FLOAT, size=size) if size not in (4, 8):
            raise _refuse(form, type_)
        case Scalar(size=size):
            return size
        case Array(element=element, count=count):
            return _max_size(form, element, depth + 1, memo) * count
        case Struct(members=members):
            return sum(_max_size(form, m.type, depth + 1, memo) for m in members)
        case CEnum(enumerators=names):
            return form.max_variant_size(len(names))
        case Enum(variants=variants):
            sizes = (_max_size(form, v.type, depth + 1, memo) for v in variants)
            return form.max_variant_size(len(variants)) + max(sizes, default=0)
        case _:
            raise _refuse(form, type_)
