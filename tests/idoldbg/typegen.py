"""Types and values for tests: from the vectors' JSON, and at random."""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import strategies as st

from idol.records import replace
from idoldbg.call.codec.items import decode_float
from idoldbg.model.types import (
    Array,
    CEnum,
    Enum,
    Enumerator,
    Member,
    Scalar,
    ScalarKind,
    Struct,
    Type,
    Variant,
)
from idoldbg.model.values import (
    ArrayValue,
    Bool,
    Char,
    Float,
    Int,
    Raw,
    StructValue,
    Unit,
    Value,
    make_enum,
)

UNIT = Scalar("()", 0, ScalarKind.UNSIGNED)
BOOL = Scalar("bool", 1, ScalarKind.BOOL)
CHAR = Scalar("char", 4, ScalarKind.CHAR)
F32 = Scalar("f32", 4, ScalarKind.FLOAT)
F64 = Scalar("f64", 8, ScalarKind.FLOAT)
U8, U16, U32, U64, U128 = (Scalar(f"u{n * 8}", n, ScalarKind.UNSIGNED) for n in (1, 2, 4, 8, 16))
I8, I16, I32, I64, I128 = (Scalar(f"i{n * 8}", n, ScalarKind.SIGNED) for n in (1, 2, 4, 8, 16))
USIZE = Scalar("usize", 4, ScalarKind.UNSIGNED)
ISIZE = Scalar("isize", 4, ScalarKind.SIGNED)

INTEGERS = (U8, U16, U32, U64, U128, I8, I16, I32, I64, I128, USIZE, ISIZE)
SCALARS = {t.name: t for t in (UNIT, BOOL, CHAR, F32, F64, *INTEGERS)}
# The vectors come from a 64-bit machine.
_VECTOR_SCALARS = {
    **SCALARS,
    "usize": Scalar("usize", 8, ScalarKind.UNSIGNED),
    "isize": Scalar("isize", 8, ScalarKind.SIGNED),
}


def make_struct(name: str, fields: list[tuple[str, Type]], start: int = 0, gap: int = 0) -> Struct:
    """Lay fields out one after the other, `gap` bytes apart, from offset `start`."""
    members, offset = [], start
    for field_name, type_ in fields:
        members.append(Member(field_name, offset, type_))
        offset += type_.size + gap
    return Struct(name, offset, tuple(members))


def make_tuple(*types: Type, gap: int = 0) -> Struct:
    comma = "," if len(types) == 1 else ""
    name = f"({', '.join(t.name for t in types)}{comma})"
    return make_struct(name, [(f"__{i}", t) for i, t in enumerate(types)], gap=gap)


def make_array(element: Type, count: int) -> Array:
    return Array(f"[{element.name}; {count}]", element, count)


def make_tagged(name: str, variants: list[tuple[str, list[tuple[str, Type]]]]) -> Enum:
    """Lay an enum out as a u8 tag and, from offset 4, the fields."""
    types = [make_struct(f"{name}::{n}", fields, start=4) for n, fields in variants]
    size = max((t.size for t in types), default=1)
    return Enum(
        name,
        size,
        Member("", 0, U8),
        tuple(
            Variant(n, index, 0, Struct(t.name, size, t.members))
            for index, ((n, _), t) in enumerate(zip(variants, types, strict=True))
        ),
    )


def make_option(content: Type) -> Enum:
    return make_tagged(
        f"core::option::Option<{content.name}>", [("None", []), ("Some", [("__0", content)])]
    )


def make_niche_option(content: Type, tag: Member, niche: int) -> Enum:
    """Lay an Option out where a value that `content` cannot have means None."""
    name = f"core::option::Option<{content.name}>"
    size = content.size
    return Enum(
        name,
        size,
        tag,
        (
            Variant("None", niche, 0, Struct(f"{name}::None", size, ())),
            Variant("Some", None, 0, Struct(f"{name}::Some", size, (Member("__0", 0, content),))),
        ),
    )


def make_clike(name: str, variants: list[tuple[str, int]], size: int = 1) -> CEnum:
    signed = any(v < 0 for _, v in variants)
    return CEnum(name, size, signed, tuple(Enumerator(n, v) for n, v in variants))


def type_from_json(desc: Any) -> Type:
    """Read a type as `fixtures/vectors/generator/src/described.rs` writes it."""
    if isinstance(desc, str):
        return _VECTOR_SCALARS[desc]
    if "array" in desc:
        return make_array(type_from_json(desc["array"]), desc["count"])
    if "struct" in desc:
        return make_struct(desc["struct"], [(n, type_from_json(t)) for n, t in desc["fields"]])
    if "clike" in desc:
        return make_clike(desc["clike"], [(n, v) for n, v in desc["variants"]])
    enum = make_tagged(
        desc["enum"],
        [(n, [(f, type_from_json(t)) for f, t in fields]) for n, fields in desc["variants"]],
    )
    return replace(enum, skipped=tuple(desc.get("skipped", ())))


def value_from_json(type_: Type, json: Any) -> Value:
    """Read a value as the generator of the vectors writes it."""
    match type_:
        case Scalar(encoding=ScalarKind.FLOAT, size=size):
            return Float(type_, decode_float(bytes.fromhex(json.rjust(size * 2, "0"))[::-1]))
        case Scalar(encoding=ScalarKind.BOOL):
            return Bool(type_, json)
        case Scalar(encoding=ScalarKind.CHAR):
            return Char(type_, json)
        case Scalar():
            return Unit(type_) if type_.is_unit else Int(type_, json)
        case Array(element=element):
            if type_.is_byte_array:
                return Raw(type_, bytes(json))
            return ArrayValue(type_, tuple(value_from_json(element, v) for v in json))
        case Struct():
            return _fields(type_, json)
        case CEnum():
            return make_enum(type_, json[0])
        case Enum(variants=variants):
            variant = next(v for v in variants if v.name == json[0])
            payload = _fields(variant.type, json[1]) if variant.type.members else None
            return make_enum(type_, variant.name, payload)
    raise AssertionError(type_)


def _fields(type_: Struct, json: list[Any]) -> StructValue:
    pairs = zip(type_.members, json, strict=True)
    return StructValue(type_, tuple((m.name, value_from_json(m.type, v)) for m, v in pairs))


def same(one: Value, other: Value) -> bool:
    """Compare values; floats by their bits, so that a NaN equals itself."""
    match one, other:
        case Float(), Float():
            return one.type == other.type and _bits(one.value) == _bits(other.value)
        case StructValue(), StructValue():
            return one.type == other.type and all(
                a == b and same(v, w)
                for (a, v), (b, w) in zip(one.fields, other.fields, strict=True)
            )
        case ArrayValue(), ArrayValue():
            return one.type == other.type and all(map(same, one.elements, other.elements))
    if hasattr(one, "payload") and one.payload is not None and hasattr(other, "payload"):
        return (
            other.payload is not None
            and (one.type, one.variant, one.code) == (other.type, other.variant, other.code)
            and same(one.payload, other.payload)
        )
    return one == other


def _bits(value: float) -> bytes:
    return struct.pack("<d", value)


# At random.

_NAMES = ("alpha", "beta", "gamma", "delta", "r#type".removeprefix("r#"), "x_1")
_VARIANTS = ("Red", "Green", "Blue", "NotFound", "Busy", "X9")


def scalars(*, char: bool = True, wide: bool = True) -> st.SearchStrategy[Type]:
    usable = [t for t in SCALARS.values() if (char or t != CHAR) and (wide or t.size < 16)]
    return st.sampled_from(usable)


def clikes() -> st.SearchStrategy[Type]:
    numbers = st.lists(st.integers(-128, 127), min_size=1, max_size=5, unique=True)
    return numbers.map(
        lambda values: make_clike("app::Color", list(zip(_VARIANTS, values, strict=False)))
    )


@st.composite
def _structs(draw: st.DrawFn, inner: st.SearchStrategy[Type]) -> Type:
    names = draw(st.lists(st.sampled_from(_NAMES), max_size=4, unique=True))
    gap = draw(st.integers(0, 3))
    return make_struct("app::Reading", [(n, draw(inner)) for n in names], gap=gap)


@st.composite
def _tuples(draw: st.DrawFn, inner: st.SearchStrategy[Type]) -> Type:
    types = draw(st.lists(inner, min_size=1, max_size=3))
    if draw(st.booleans()):
        return make_tuple(*types)
    return make_struct("app::Pair<u8>", [(f"__{i}", t) for i, t in enumerate(types)])


@st.composite
def _enums(draw: st.DrawFn, inner: st.SearchStrategy[Type]) -> Type:
    names = draw(st.lists(st.sampled_from(_VARIANTS), min_size=1, max_size=4, unique=True))
    variants = []
    for name in names:
        fields = draw(st.lists(inner, max_size=3))
        numbered = draw(st.booleans())
        variants.append(
            (name, [(f"__{i}" if numbered else _NAMES[i], t) for i, t in enumerate(fields)])
        )
    return make_tagged("app::Shape", variants)


def types(*, char: bool = True, wide: bool = True) -> st.SearchStrategy[Type]:
    """Draw types with an encoding, nested a few deep."""
    niche = st.sampled_from(
        [
            make_niche_option(BOOL, Member("", 0, U8), 2),
            make_niche_option(make_clike("app::Two", [("A", 0), ("B", 1)]), Member("", 0, U8), 7),
        ]
    )
    return st.recursive(
        scalars(char=char, wide=wide) | clikes() | niche,
        lambda inner: st.one_of(
            _structs(inner),
            _tuples(inner),
            _enums(inner),
            inner.map(make_option),
            st.builds(make_array, inner, st.integers(0, 4)),
            st.builds(make_array, st.just(U8), st.integers(0, 40)),
        ),
        max_leaves=8,
    )


def values(type_: Type, *, nan: bool = True) -> st.SearchStrategy[Value]:
    """Draw values of one type."""
    return _value(type_, nan)


@st.composite
def _value(draw: st.DrawFn, type_: Type, nan: bool) -> Value:
    return draw_value(draw, type_, nan)


def draw_value(draw: st.DrawFn, type_: Type, nan: bool = True) -> Value:
    match type_:
        case Scalar(encoding=ScalarKind.BOOL):
            return Bool(type_, draw(st.booleans()))
        case Scalar(encoding=ScalarKind.CHAR):
            return Char(type_, draw(_CHARS))
        case Scalar(encoding=ScalarKind.FLOAT, size=size):
            return Float(type_, draw(st.floats(width=32 if size == 4 else 64, allow_nan=nan)))
        case Scalar(size=0):
            return Unit(type_)
        case Scalar(size=size, encoding=encoding):
            signed = encoding is ScalarKind.SIGNED
            bits = size * 8 - signed
            return Int(type_, draw(st.integers(-(1 << bits) if signed else 0, (1 << bits) - 1)))
        case Array(element=element, count=count):
            if type_.is_byte_array:
                return Raw(type_, draw(st.binary(min_size=count, max_size=count)))
            return ArrayValue(type_, tuple(draw_value(draw, element, nan) for _ in range(count)))
        case Struct():
            return _draw_fields(draw, type_, nan)
        case CEnum(enumerators=names):
            return make_enum(type_, draw(st.sampled_from(names)).name)
        case Enum(variants=variants):
            variant = draw(st.sampled_from(variants))
            if not variant.type.members:
                return make_enum(type_, variant.name)
            return make_enum(type_, variant.name, _draw_fields(draw, variant.type, nan))
    raise AssertionError(type_)


_CHARS = st.characters(exclude_categories=["Cs"])


def _draw_fields(draw: st.DrawFn, type_: Struct, nan: bool) -> StructValue:
    return StructValue(type_, tuple((m.name, draw_value(draw, m.type, nan)) for m in type_.members))


@st.composite
def _typed_value(draw: st.DrawFn, kinds: st.SearchStrategy[Type], nan: bool) -> Value:
    return draw_value(draw, draw(kinds), nan)


def typed_values(
    *, char: bool = True, wide: bool = True, nan: bool = True
) -> st.SearchStrategy[Value]:
    """Draw a type and a value of it."""
    return _typed_value(types(char=char, wide=wide), nan)
