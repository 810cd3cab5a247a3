"""Serde's view of a DWARF type, for the three encodings that build on it.

`derive(Serialize)` walks a value as its declaration reads: a struct is its fields, a newtype its
one field, an enum the index of the variant in declaration order (not its discriminant) and the
variant's fields, an array or tuple its elements without a length, `()` nothing. `usize` and `isize`
count as 64-bit (serde's data model has no pointer-sized integers). An encoding adds how single
items are written: a `Writer` and a `Reader`.

DWARF does not show that a type's `Serialize` is written by hand, but for the standard
library's: `std_types` has the form of each. Arrays of more than 32 elements, for which serde has no
impl, are sent as shorter ones by the crates that are used for it (`serde-big-array`). Pointers,
unions and types of which only the name is known have no encoding.

Where an image shows that derived code leaves variants out (`skipped` of the type), the two ends
number them differently: `Serialize` counts all of them, `Deserialize` those that are not left out.
`encode` is for what a server reads, `decode` for what it writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from idoldbg.call.codec.format import Format, Reader, WireError, Writer
from idoldbg.call.codec.std_types import StdForm, StdKind
from idoldbg.call.codec.std_values import (
    WHOLE,
    carry,
    check_fields,
    check_form,
    complete,
    fields_to_send,
    innermost,
    is_part,
    members_to_send,
    read_index,
    variant_struct,
    with_innermost,
    written_variants,
)
from idoldbg.errors import DecodeError, EncodeError
from idoldbg.model.types import (
    Array,
    CEnum,
    Enum,
    Member,
    Opaque,
    Pointer,
    Scalar,
    ScalarKind,
    Struct,
    Subroutine,
    Type,
    Union,
)
from idoldbg.model.values import (
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
    if not isinstance(type_, Scalar) or type_.encoding not in (
        ScalarKind.UNSIGNED,
        ScalarKind.SIGNED,
    ):
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
        `DecodeError` for bytes that are not a `type_`.
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
    signed = type_.encoding is ScalarKind.SIGNED
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
        form = check_form(self.form, type_)
        match value, type_:
            case Unit(), _:
                pass
            case Int(value=number), Scalar(encoding=encoding):
                size = _check_int(self.form, type_)
                if not _fits(number, type_):
                    raise EncodeError(f"{number} does not fit in `{type_.name}`", type=type_.name)
                writer.put_int(number, size, signed=encoding is ScalarKind.SIGNED)
            case Float(value=real), Scalar(size=size) if size in (4, 8):
                writer.put_float(real, size)
            case Bool(value=truth), _:
                writer.put_bool(truth)
            case Char(value=char), _:
                writer.put_char(char)
            case Raw(data=data), _ if type_.is_byte_array:
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
                check_fields(value, type_)
                if form is None:
                    self._put_fields(value, depth)
                else:
                    self._put_std(value, type_, form, depth)
            case EnumValue(variant=name), CEnum():
                writer.put_variant(read_index(type_, name))
            case EnumValue(variant=name, payload=payload), Enum(variants=variants):
                writer.put_variant(read_index(type_, name))
                declared = next(v.type for v in variants if v.name == name)
                if payload is not None:
                    check_fields(payload, declared)
                    self._put_fields(payload, depth)
                elif declared.members:
                    raise EncodeError(f"`{name}` of `{type_.name}` lacks its data", type=type_.name)
            case Unreadable(reason=reason), _:
                raise EncodeError(f"`{type_.name}` could not be read: {reason}", type=type_.name)
            case _:
                raise _refuse(self.form, type_)

    def _put_fields(self, value: StructValue, depth: int) -> None:
        for _, field in value.fields:
            self.put(field, depth + 1)

    def _put_std(self, value: StructValue, type_: Struct, form: StdForm, depth: int) -> None:
        if form.kind is StdKind.BOOL:
            self.writer.put_bool(innermost(value) == 1)
            return
        for field in fields_to_send(value, type_, form):
            inner = field.type
            if isinstance(field, StructValue) and isinstance(inner, Struct) and is_part(inner):
                check_fields(field, inner)
                self._put_std(field, inner, WHOLE, depth + 1)
            else:
                self.put(field, depth + 1)


def _check_size(size: int, type_: Type) -> None:
    if size != type_.size:
        raise EncodeError(f"{size} bytes for `{type_.name}`", type=type_.name)


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
        form = check_form(self.form, type_)
        match type_:
            case Scalar(size=0, name="()"):
                return Unit(type_)
            case Scalar(encoding=ScalarKind.BOOL):
                return Bool(type_, reader.take_bool())
            case Scalar(encoding=ScalarKind.CHAR):
                return Char(type_, reader.take_char())
            case Scalar(encoding=ScalarKind.FLOAT, size=(4 | 8) as size):
                return Float(type_, reader.take_float(size))
            case Scalar(encoding=ScalarKind.UNSIGNED | ScalarKind.SIGNED) if type_.size:
                return self._take_int(type_)
            case Array(element=element, count=count):
                if type_.is_byte_array:
                    return Raw(type_, reader.take_bytes(count))
                return ArrayValue(type_, tuple(self.take(element, depth + 1) for _ in range(count)))
            case Struct():
                if form is None:
                    return self._take_fields(type_, depth)
                return self._take_std(type_, form, depth)
            case CEnum() | Enum():
                names = written_variants(type_)
                name = names[reader.take_variant(len(names))]
                declared = variant_struct(type_, name)
                payload = None
                if declared is not None and declared.members:
                    payload = self._take_fields(declared, depth)
                return make_enum(type_, name, payload)
            case _:
                raise _refuse(self.form, type_)

    def _take_int(self, type_: Scalar) -> Int:
        signed = type_.encoding is ScalarKind.SIGNED
        at = self.reader.offset
        value = self.reader.take_int(_check_int(self.form, type_), signed=signed)
        if not _fits(value, type_):
            raise DecodeError(f"{value} does not fit in {type_.name}", type=type_.name, offset=at)
        return Int(type_, value)

    def _take_fields(self, type_: Struct, depth: int) -> StructValue:
        fields = tuple((m.name, self.take(m.type, depth + 1)) for m in type_.members)
        return StructValue(type_, fields)

    def _take_std(self, type_: Struct, form: StdForm, depth: int) -> StructValue:
        at = self.reader.offset
        if form.kind is StdKind.BOOL:
            return with_innermost(type_, int(self.reader.take_bool()))
        sent: dict[str, Value] = {}
        for member in members_to_send(type_, form):
            inner = member.type
            if isinstance(inner, Struct) and is_part(inner):
                sent[member.name] = self._take_std(inner, WHOLE, depth + 1)
            else:
                sent[member.name] = self.take(inner, depth + 1)
        value = complete(type_, sent)
        if type_.is_nonzero and innermost(value) == 0:
            raise DecodeError(f"0 is not a `{type_.name}`", type=type_.name, offset=at)
        return carry(value, type_) if form.kind is StdKind.DURATION else value


def _max_size(form: Format, type_: Type, depth: int, memo: dict[int, int]) -> int:
    # By identity: types are shared, and a chain of pairs of pairs would take for ever otherwise.
    if id(type_) not in memo:
        if depth > DEPTH_LIMIT:
            raise EncodeError(f"nested more than {DEPTH_LIMIT} deep", type=type_.name)
        memo[id(type_)] = _max_size_of(form, type_, depth, memo)
    return memo[id(type_)]


def _max_size_of(form: Format, type_: Type, depth: int, memo: dict[int, int]) -> int:
    std = check_form(form, type_)
    if std is not None and isinstance(type_, Struct):
        return _max_size_of_std(form, type_, std, depth, memo)
    match type_:
        case Scalar(encoding=ScalarKind.CHAR):
            if form.max_char_size is None:
                raise EncodeError(f"{form.name} has no `char`", type=type_.name)
            return form.max_char_size
        case Scalar(encoding=ScalarKind.UNSIGNED | ScalarKind.SIGNED) if type_.size:
            return _check_int(form, type_)
        case Scalar(encoding=ScalarKind.FLOAT, size=size) if size not in (4, 8):
            raise _refuse(form, type_)
        case Scalar(size=size):
            return size
        case Array(element=element, count=count):
            return _max_size(form, element, depth + 1, memo) * count
        case Struct():
            return _max_size_of_fields(form, type_, depth, memo)
        case CEnum(enumerators=names):
            return form.max_variant_size(len(names))
        case Enum(variants=variants):
            sizes = (_max_size_of_fields(form, v.type, depth + 1, memo) for v in variants)
            return form.max_variant_size(len(variants)) + max(sizes, default=0)
        case _:
            raise _refuse(form, type_)


def _max_size_of_fields(form: Format, type_: Struct, depth: int, memo: dict[int, int]) -> int:
    return sum(_max_size(form, m.type, depth + 1, memo) for m in type_.members)


def _max_size_of_std(
    form: Format, type_: Struct, std: StdForm, depth: int, memo: dict[int, int]
) -> int:
    if std.kind is StdKind.BOOL:
        return 1
    size = 0
    for member in members_to_send(type_, std):
        inner = member.type
        if isinstance(inner, Struct) and is_part(inner):
            size += _max_size_of_std(form, inner, WHOLE, depth + 1, memo)
        else:
            size += _max_size(form, inner, depth + 1, memo)
    return size
