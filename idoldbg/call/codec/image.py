"""Values as they lie in memory; Idol's Zerocopy encoding is the same bytes without padding between.

Layout comes from DWARF alone. The tag of an enum selects the variant with that discriminant; where
none has it, the one without a discriminant is meant: the rest of a niche (DWARF 5, 5.7.10).

Two ways to meet bytes that make no sense (a bool of 7, a discriminant without a name): `decode`
puts an `Unreadable` at the place and goes on, for looking at memory; `decode_strict` raises
`DecodeError` with the path to it, for replies.
"""

from __future__ import annotations

from collections.abc import Sequence

from idol.records import dataclass
from idoldbg.call.codec.items import decode_float, encode_float
from idoldbg.call.codec.serde import DEPTH_LIMIT, NODE_LIMIT, WireError, fit_member, kind_of
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
    Variant,
    shown_field,
)
from idoldbg.model.values import (
    ArrayValue,
    Bool,
    Char,
    EnumValue,
    Float,
    Int,
    PointerValue,
    Raw,
    StructValue,
    Unit,
    Unreadable,
    Value,
)

__all__ = [
    "PACKED",
    "PackedCodec",
    "decode",
    "decode_arguments",
    "decode_strict",
    "encode",
    "encode_arguments",
    "find_unreadable",
    "initialized_type",
    "max_size",
]


def decode(type_: Type, data: bytes, *, address: int | None = None) -> Value:
    """Read a value from its bytes; what makes no sense becomes `Unreadable` where it is.

    `data` may be longer than the type. Where it is shorter, the missing parts are unreadable.
    `address` is that of the first byte, for the values to carry.
    """
    return _Decoder(data, address).take(type_, 0, 0)


def decode_strict(type_: Type, data: bytes, *, address: int | None = None) -> Value:
    """Read a value of which every part must make sense; raise `DecodeError` with the path."""
    if len(data) < type_.size:
        raise DecodeError(
            f"`{type_.name}` is {type_.size} bytes, there are {len(data)}",
            type=type_.name,
            offset=len(data),
        )
    value = decode(type_, data, address=address)
    bad = find_unreadable(value)
    if bad is not None:
        path, leaf = bad
        where = f"{type_.name}{path}" if path else type_.name
        raise DecodeError(f"`{where}`: {leaf.reason}", type=leaf.type.name)
    return value


def find_unreadable(value: Value) -> tuple[str, Unreadable] | None:
    """Return the first part that could not be read, with its path such as `.state.1[3]`."""
    match value:
        case Unreadable():
            return "", value
        case StructValue(fields=fields):
            for name, field in fields:
                found = find_unreadable(field)
                if found is not None:
                    return f".{shown_field(name)}{found[0]}", found[1]
        case EnumValue(variant=variant, payload=payload) if payload is not None:
            found = find_unreadable(payload)
            if found is not None:
                return f".{variant}{found[0]}", found[1]
        case ArrayValue(elements=elements):
            for index, element in enumerate(elements):
                found = find_unreadable(element)
                if found is not None:
                    return f"[{index}]{found[0]}", found[1]
    return None


_WRAPPERS = ("ManuallyDrop", "MaybeDangling")


def initialized_type(type_: Union) -> Type | None:
    """Return the T of a `MaybeUninit<T>`, None for other unions.

    It is told by its members, `uninit: ()` and `value`. That is a `ManuallyDrop<T>`, which since
    2026 holds a `MaybeDangling<T>`.
    """
    members = {m.name: m for m in type_.members}
    if set(members) != {"uninit", "value"} or members["uninit"].type.size:
        return None
    value = members["value"]
    inner = value.type
    if value.offset or inner.size != type_.size:
        return None
    for _ in range(DEPTH_LIMIT):
        name = inner.name.partition("<")[0].rpartition("::")[2]
        if not isinstance(inner, Struct) or name not in _WRAPPERS or len(inner.members) != 1:
            return inner
        (only,) = inner.members
        if only.offset or only.type.size != type_.size:
            return inner
        inner = only.type
    return inner


class _Decoder:
    def __init__(self, data: bytes, address: int | None) -> None:
        self.data = data
        self.base = address
        self.nodes = 0
        self.failed = 0  # nodes of what turned out not to be initialized

    def take(self, type_: Type, offset: int, depth: int) -> Value:
        address = None if self.base is None else self.base + offset
        self.nodes += 1
        if depth > DEPTH_LIMIT or self.nodes > NODE_LIMIT:
            return Unreadable(type_, "too deep or too large", address)
        match type_:
            case Scalar():
                return self._scalar(type_, offset, address)
            case Pointer(size=size):
                number = self._int(offset, size)
                if number is None:
                    return self._missing(type_, offset, address)
                return PointerValue(type_, number, address)
            case CEnum():
                return self._clike(type_, offset, address)
            case Struct():
                return self._fields(type_, offset, depth, address)
            case Enum():
                return self._enum(type_, offset, depth, address)
            case Array():
                return self._array(type_, offset, depth, address)
            case Union(size=size):
                part = self.data[offset : offset + size]
                if len(part) < size:
                    return self._missing(type_, offset, address)
                return self._initialized(type_, offset, depth) or Raw(type_, part, address)
            case Opaque(reason=reason):
                return Unreadable(type_, reason, address)
            case Subroutine():
                return Unreadable(type_, "it is code", address)

    def _initialized(self, type_: Union, offset: int, depth: int) -> Value | None:
        """Read what a `MaybeUninit` holds; None for other unions, and where it makes no sense."""
        inner = initialized_type(type_)
        if inner is None or self.failed > NODE_LIMIT:
            return None
        before = self.nodes
        value = self.take(inner, offset, depth + 1)
        if find_unreadable(value) is None:
            return value
        # Not initialized: bytes, which cost one node. Only so many attempts are made.
        self.failed += self.nodes - before
        self.nodes = before
        return None

    def _missing(self, type_: Type, offset: int, address: int | None) -> Unreadable:
        left = max(len(self.data) - offset, 0)
        return Unreadable(type_, f"{type_.size} bytes wanted, {left} left", address)

    def _int(self, offset: int, size: int, *, signed: bool = False) -> int | None:
        part = self.data[offset : offset + size]
        return int.from_bytes(part, "little", signed=signed) if len(part) == size else None

    def _scalar(self, type_: Scalar, offset: int, address: int | None) -> Value:
        if type_.size == 0:
            if type_.name == "!":
                return Unreadable(type_, "`!` has no values", address)
            return Unit(type_, address)
        number = self._int(offset, type_.size, signed=type_.encoding is ScalarKind.SIGNED)
        if number is None:
            return self._missing(type_, offset, address)
        match type_.encoding:
            case ScalarKind.BOOL:
                if number > 1:
                    return Unreadable(type_, f"{number} is neither false nor true", address)
                return Bool(type_, number == 1, address)
            case ScalarKind.CHAR:
                if number > 0x10FFFF or 0xD800 <= number < 0xE000:
                    return Unreadable(type_, f"0x{number:x} is not a char", address)
                return Char(type_, chr(number), address)
            case ScalarKind.FLOAT:
                if type_.size not in (4, 8):
                    return Unreadable(type_, f"floats of {type_.size} bytes are not known", address)
                value = decode_float(self.data[offset : offset + type_.size])
                return Float(type_, value, address)
            case _:
                return Int(type_, number, address)

    def _clike(self, type_: CEnum, offset: int, address: int | None) -> Value:
        number = self._int(offset, type_.size)
        if number is None:
            return self._missing(type_, offset, address)
        mask = (1 << type_.size * 8) - 1
        for enumerator in type_.enumerators:
            if enumerator.value & mask == number:
                return EnumValue(type_, enumerator.name, enumerator.value, None, address)
        return Unreadable(type_, f"{number} is none of its variants", address)

    def _array(self, type_: Array, offset: int, depth: int, address: int | None) -> Value:
        if type_.is_byte_array:
            part = self.data[offset : offset + type_.count]
            if len(part) < type_.count:
                return self._missing(type_, offset, address)
            return Raw(type_, part, address)
        size = type_.element.size
        # Whole arrays beyond the data or the limit are one unreadable leaf, not a million.
        if type_.count > NODE_LIMIT - self.nodes:
            return Unreadable(type_, f"{type_.count} elements are too many", address)
        if type_.count and offset >= len(self.data) and size:
            return self._missing(type_, offset, address)
        elements = (
            self.take(type_.element, offset + size * i, depth + 1) for i in range(type_.count)
        )
        return ArrayValue(type_, tuple(elements), address)

    def _fields(self, type_: Struct, offset: int, depth: int, address: int | None) -> StructValue:
        fields = ((m.name, self.take(m.type, offset + m.offset, depth + 1)) for m in type_.members)
        return StructValue(type_, tuple(fields), address)

    def _enum(self, type_: Enum, offset: int, depth: int, address: int | None) -> Value:
        tag: int | None = None
        if type_.tag is not None:
            tag = self._int(offset + type_.tag.offset, type_.tag.type.size)
            if tag is None:
                return self._missing(type_, offset, address)
        variant = _select(type_, tag)
        if variant is None:
            reason = "nothing tells its variants apart"
            if tag is not None:
                reason = f"{tag} is the tag of none of its variants"
            return Unreadable(type_, reason, address)
        payload: StructValue | None = None
        if variant.type.members:
            at = offset + variant.offset
            payload = self._fields(
                variant.type, at, depth + 1, None if self.base is None else self.base + at
            )
        return EnumValue(type_, variant.name, variant.discriminant, payload, address)


def _select(type_: Enum, tag: int | None) -> Variant | None:
    """Return the variant that a tag (read unsigned) selects."""
    if type_.tag is None or tag is None:
        inhabited = [v for v in type_.variants if not _is_uninhabited(v.type, 0)]
        return inhabited[0] if len(inhabited) == 1 else None
    mask = (1 << type_.tag.type.size * 8) - 1
    rest = None
    for variant in type_.variants:
        if variant.discriminant is None:
            rest = rest or variant
        elif variant.discriminant & mask == tag:
            return variant
    return rest


def _is_uninhabited(type_: Type, depth: int) -> bool:
    """Return whether a type has no values: `!`, `Infallible` and what holds one."""
    if depth > DEPTH_LIMIT:
        return False
    match type_:
        case Scalar(name="!"):
            return True
        case CEnum(enumerators=()):
            return True
        case Enum(variants=variants):
            return all(_is_uninhabited(v.type, depth + 1) for v in variants)
        case Struct(members=members):
            return any(_is_uninhabited(m.type, depth + 1) for m in members)
        case _:
            return False


def encode(value: Value) -> bytes:
    """Return the value's bytes in memory; padding is zero. Raise `EncodeError`."""
    size = value.type.size
    if size > NODE_LIMIT:
        raise EncodeError(f"`{value.type.name}` is {size} bytes", type=value.type.name)
    out = bytearray(size)
    _put(out, 0, value)
    return bytes(out)


def _put(out: bytearray, offset: int, value: Value) -> None:
    type_ = value.type
    data: bytes
    match value, type_:
        case Unit(), _:
            return
        case Int(value=number), Scalar(size=size, encoding=encoding):
            data = _int_bytes(number, size, type_, signed=encoding is ScalarKind.SIGNED)
        case Float(value=real), Scalar(size=(4 | 8) as size):
            try:
                data = encode_float(real, size)
            except WireError as error:
                raise EncodeError(str(error), type=type_.name) from None
        case Bool(value=truth), _:
            data = bytes([truth])
        case Char(value=char), _:
            data = ord(char).to_bytes(4, "little")
        case PointerValue(value=number), Pointer(size=size):
            data = _int_bytes(number, size, type_, signed=False)
        case Raw(data=data), _:
            if len(data) != type_.size:
                raise EncodeError(f"{len(data)} bytes for `{type_.name}`", type=type_.name)
        case ArrayValue(elements=elements), Array(element=element_type, count=count):
            if len(elements) != count:
                raise EncodeError(f"{len(elements)} elements for `{type_.name}`", type=type_.name)
            for index, element in enumerate(elements):
                _put(out, offset + index * element_type.size, element)
            return
        case StructValue(), Struct():
            _put_fields(out, offset, value, type_)
            return
        case EnumValue(variant=name), CEnum(size=size, enumerators=enumerators):
            by_name = {e.name: e.value for e in enumerators}
            if name not in by_name:
                raise EncodeError(f"`{type_.name}` has no variant `{name}`", type=type_.name)
            data = (by_name[name] & ((1 << size * 8) - 1)).to_bytes(size, "little")
        case EnumValue(), Enum():
            _put_enum(out, offset, value, type_)
            return
        case Unreadable(reason=reason), _:
            raise EncodeError(f"`{type_.name}` could not be read: {reason}", type=type_.name)
        case _:
            raise EncodeError(
                f"`{type_.name}` is {kind_of(type_)}: it cannot be written", type=type_.name
            )
    if offset + len(data) > len(out):
        raise EncodeError(f"`{type_.name}` lies outside of what holds it", type=type_.name)
    out[offset : offset + len(data)] = data


def _int_bytes(number: int, size: int, type_: Type, *, signed: bool) -> bytes:
    try:
        return number.to_bytes(size, "little", signed=signed)
    except OverflowError:
        raise EncodeError(f"{number} does not fit in `{type_.name}`", type=type_.name) from None


def _put_fields(out: bytearray, offset: int, value: StructValue, type_: Struct) -> None:
    if [n for n, _ in value.fields] != [m.name for m in type_.members]:
        raise EncodeError(f"the fields are not those of `{type_.name}`", type=type_.name)
    for (_, field), member in zip(value.fields, type_.members, strict=True):
        _put(out, offset + member.offset, field)


def _put_enum(out: bytearray, offset: int, value: EnumValue, type_: Enum) -> None:
    variant = next((v for v in type_.variants if v.name == value.variant), None)
    if variant is None:
        raise EncodeError(f"`{type_.name}` has no variant `{value.variant}`", type=type_.name)
    if value.payload is not None:
        _put_fields(out, offset + variant.offset, value.payload, variant.type)
    elif variant.type.members:
        raise EncodeError(f"`{variant.name}` of `{type_.name}` lacks its data", type=type_.name)
    if type_.tag is None:
        return
    at, size = offset + type_.tag.offset, type_.tag.type.size
    if at + size > len(out):
        raise EncodeError(f"the tag of `{type_.name}` lies outside of it", type=type_.name)
    if variant.discriminant is not None:
        mask = (1 << size * 8) - 1
        out[at : at + size] = (variant.discriminant & mask).to_bytes(size, "little")
    elif _select(type_, int.from_bytes(out[at : at + size], "little")) is not variant:
        raise EncodeError(
            f"the data of `{variant.name}` would read as another variant of `{type_.name}`",
            type=type_.name,
        )


def encode_arguments(members: Sequence[Member], values: Sequence[Value]) -> bytes:
    """Return a Zerocopy call's message: the ARGS struct is `repr(C, packed)`."""
    return b"".join(encode(fit_member(v, m.type)) for m, v in zip(members, values, strict=True))


def decode_arguments(members: Sequence[Member], data: bytes) -> tuple[Value, ...]:
    """Return the members' values from a Zerocopy call's message; raise `DecodeError`."""
    values, offset = [], 0
    for member in members:
        size = member.type.size
        values.append(decode_strict(member.type, data[offset : offset + size]))
        offset += size
    return tuple(values)


def max_size(type_: Type) -> int:
    """Return the type's size: in memory, encodings do not vary."""
    return type_.size


@dataclass(frozen=True, slots=True)
class PackedCodec:
    """Idol's Zerocopy encoding as a `Codec`: `decode` is strict here."""

    name: str = "zerocopy"

    def encode(self, value: Value) -> bytes:
        """See `encode`."""
        return encode(value)

    def encode_arguments(self, members: Sequence[Member], values: Sequence[Value]) -> bytes:
        """See `encode_arguments`."""
        return encode_arguments(members, values)

    def decode(self, type_: Type, data: bytes) -> Value:
        """See `decode_strict`."""
        return decode_strict(type_, data)

    def decode_arguments(self, members: Sequence[Member], data: bytes) -> tuple[Value, ...]:
        """See `decode_arguments`."""
        return decode_arguments(members, data)

    def max_size(self, type_: Type) -> int:
        """See `max_size`."""
        return type_.size

    def reply_size(self, type_: Type) -> int:
        """See `max_size`."""
        return type_.size


PACKED = PackedCodec()
