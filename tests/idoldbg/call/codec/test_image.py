"""Values in memory: one table for both directions, layouts that rustc makes, hostile ones."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idoldbg.call.codec import image
from idoldbg.errors import DecodeError, EncodeError
from idoldbg.model.types import (
    Array,
    CEnum,
    Enum,
    Enumerator,
    Member,
    Opaque,
    Pointer,
    Scalar,
    Struct,
    Subroutine,
    Type,
    Union,
    Variant,
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
    format_value,
)
from tests.idoldbg.typegen import (
    BOOL,
    CHAR,
    F32,
    F64,
    I8,
    I32,
    I128,
    U8,
    U16,
    U32,
    UNIT,
    make_array,
    make_clike,
    make_niche_option,
    make_option,
    make_struct,
    make_tuple,
    same,
    typed_values,
    types,
)

COLOR = make_clike("app::Color", [("Red", 0), ("Blue", -2)])
READING = Struct(  # reordered by rustc: the float first in memory, the id first in the source
    "app::Reading", 8, (Member("id", 4, U16), Member("celsius", 0, F32))
)
OPTION_BOOL = make_niche_option(BOOL, Member("", 0, U8), 2)
# The niche of a char starts behind the last one: Option<char>, as DWARF gives it.
OPTION_CHAR = make_niche_option(CHAR, Member("", 0, U32), 0x110000)
# abi::TaskState: Healthy(SchedState) | Faulted {…}, with the tag inside Healthy's data.
SCHED = Enum(
    "abi::SchedState",
    4,
    Member("", 0, U8),
    (
        Variant("Stopped", 0, 0, Struct("Stopped", 4, ())),
        Variant("InSend", 1, 0, Struct("InSend", 4, (Member("__0", 2, U16),))),
    ),
)
STATE = Enum(
    "abi::TaskState",
    4,
    Member("", 0, U8),
    (
        Variant("Healthy", None, 0, Struct("Healthy", 4, (Member("__0", 0, SCHED),))),
        Variant("Faulted", 5, 0, Struct("Faulted", 4, (Member("fault", 1, U8),))),
    ),
)
NEVER = Enum("core::convert::Infallible", 0, None, ())
OPTION_NEVER = Enum(
    "core::option::Option<core::convert::Infallible>",
    0,
    None,
    (
        Variant("None", None, 0, Struct("None", 0, ())),
        Variant("Some", None, 0, Struct("Some", 0, (Member("__0", 0, NEVER),))),
    ),
)


def option(type_: Enum, variant: str, *fields: Value) -> EnumValue:
    chosen = next(v for v in type_.variants if v.name == variant)
    payload = None
    if chosen.type.members:
        names = [m.name for m in chosen.type.members]
        payload = StructValue(chosen.type, tuple(zip(names, fields, strict=True)))
    return EnumValue(type_, variant, chosen.discriminant, payload)


TABLE: list[tuple[Value, str]] = [
    (Unit(UNIT), ""),
    (Int(U8, 255), "ff"),
    (Int(I8, -1), "ff"),
    (Int(I32, -2), "feffffff"),
    (Int(I128, -(1 << 127)), "00" * 15 + "80"),
    (Bool(BOOL, True), "01"),
    (Char(CHAR, "€"), "ac200000"),
    (Float(F32, 21.5), "0000ac41"),
    (Float(F64, -0.0), "0000000000000080"),
    (Float(F32, float("inf")), "0000807f"),
    (EnumValue(COLOR, "Blue", -2), "fe"),
    (Raw(make_array(U8, 3), b"\1\2\3"), "010203"),
    (ArrayValue(make_array(U16, 2), (Int(U16, 1), Int(U16, 2))), "01000200"),
    (
        StructValue(READING, (("id", Int(U16, 3)), ("celsius", Float(F32, 21.5)))),
        "0000ac4103000000",
    ),
    (PointerValue(Pointer("*const u8", 4, "u8"), 0x20001000), "00100020"),
    (option(OPTION_BOOL, "None"), "02"),
    (option(OPTION_BOOL, "Some", Bool(BOOL, False)), "00"),
    (option(OPTION_CHAR, "None"), "00001100"),
    (option(OPTION_CHAR, "Some", Char(CHAR, "a")), "61000000"),
    (option(STATE, "Healthy", option(SCHED, "InSend", Int(U16, 0x4003))), "01000340"),
    (option(STATE, "Faulted", Int(U8, 7)), "05070000"),
    (option(OPTION_NEVER, "None"), ""),
    (Raw(Union("MaybeUninit<u16>", 2, (Member("value", 0, U16),)), b"\xaa\xbb"), "aabb"),
]


@pytest.mark.parametrize(("value", "hexadecimal"), TABLE, ids=lambda v: str(v)[:40])
def test_layouts_both_ways(value: Value, hexadecimal: str) -> None:
    data = bytes.fromhex(hexadecimal)
    assert image.encode(value) == data
    assert same(image.decode_strict(value.type, data + b"\xff"), value)


def test_a_nan_keeps_its_payload() -> None:
    for bits in ("0100807f", "0100a07f", "efbeedff"):
        value = image.decode(F32, bytes.fromhex(bits))
        assert image.encode(value).hex() == bits


def test_nodes_carry_their_addresses() -> None:
    value = image.decode(READING, bytes(8), address=0x2000_0000)
    assert isinstance(value, StructValue)
    assert (value.address, value["id"].address) == (0x2000_0000, 0x2000_0004)
    inner = image.decode(make_option(U16), bytes.fromhex("010000000700"), address=0x100)
    assert isinstance(inner, EnumValue)
    assert inner.payload is not None
    assert inner.payload["__0"].address == 0x104


BAD: list[tuple[Type, str, str]] = [
    (BOOL, "07", "7 is neither"),
    (CHAR, "00d80000", "not a char"),
    (CHAR, "00001100", "not a char"),
    (COLOR, "05", "5 is none of its variants"),
    (SCHED, "09000000", "9 is the tag of none"),
    (NEVER, "", "nothing tells"),
    (Scalar("!", 0, U8.encoding), "", "no values"),
    (Scalar("f16", 2, F32.encoding), "0000", "2 bytes"),
    (Opaque("app::Secret", "declaration only"), "", "declaration only"),
    (Subroutine("fn()"), "", "code"),
]


@pytest.mark.parametrize(("type_", "hexadecimal", "reason"), BAD, ids=lambda v: str(v)[:30])
def test_senseless_bytes(type_: Type, hexadecimal: str, reason: str) -> None:
    """A leaf for those who look at memory, an error with the path for those who want a reply."""
    outer = make_struct("app::Outer", [("first", U8), ("second", make_tuple(U8, type_))])
    data = b"\1\2" + bytes.fromhex(hexadecimal)
    value = image.decode(outer, data)
    found = image.find_unreadable(value)
    assert found is not None
    assert found[0] == ".second.1"
    assert reason in found[1].reason
    assert isinstance(value, StructValue)
    assert value["first"] == Int(U8, 1)
    with pytest.raises(DecodeError, match=reason) as error:
        image.decode_strict(outer, data)
    assert "app::Outer.second.1" in str(error.value)
    with pytest.raises(EncodeError):
        image.encode(value)


def test_short_data_loses_only_the_missing_part() -> None:
    value = image.decode(READING, bytes.fromhex("0000ac41"))
    assert format_value(value) == (
        "Reading { id: <unreadable: 2 bytes wanted, 0 left>, celsius: 21.5 }"
    )
    with pytest.raises(DecodeError, match="is 8 bytes, there are 4"):
        image.decode_strict(READING, bytes(4))


def test_a_payload_that_reads_as_a_niche_is_refused() -> None:
    """`Some(2)` of a bool cannot be; here the bytes of a u8 hide it from the type check."""
    hidden = make_niche_option(U8, Member("", 0, U8), 2)
    with pytest.raises(EncodeError, match="another variant"):
        image.encode(option(hidden, "Some", Int(U8, 2)))


def test_packed_arguments() -> None:
    """Idol passes a bool and a C-like enum as the integer that its ARGS struct has."""
    members = make_struct(
        "Spi_exchange_ARGS", [("index", U8), ("raw_on", U8), ("raw_color", I8), ("limit", U32)]
    ).members
    values: list[Value] = [
        Int(U8, 3), Bool(BOOL, True), EnumValue(COLOR, "Blue", -2), Int(U32, 7),
    ]  # fmt: skip
    data = image.encode_arguments(members, values)
    assert data.hex() == "0301fe07000000"
    assert image.decode_arguments(members, data) == (
        Int(U8, 3), Int(U8, 1), Int(I8, -2), Int(U32, 7),
    )  # fmt: skip
    with pytest.raises(DecodeError):
        image.decode_arguments(members, data[:-1])


@settings(max_examples=150)
@given(value=typed_values())
def test_round_trip(value: Value) -> None:
    data = image.encode(value)
    assert len(data) == image.max_size(value.type)
    assert same(image.decode_strict(value.type, data), value)
    for size in range(len(data)):
        with pytest.raises(DecodeError):
            image.decode_strict(value.type, data[:size])


@settings(max_examples=150)
@given(type_=types(), data=st.binary(max_size=80))
def test_any_bytes_give_a_value(type_: Type, data: bytes) -> None:
    value = image.decode(type_, data)
    if image.find_unreadable(value) is None and len(data) >= image.max_size(type_):
        assert same(image.decode(type_, image.encode(value)), value)


def test_hostile_types_are_bounded() -> None:
    deep: Type = U8
    for _ in range(200):
        deep = Struct("Deep", 1, (Member("inner", 0, deep),))
    found = image.find_unreadable(image.decode(deep, b"\0"))
    assert found is not None
    assert "deep" in found[1].reason
    huge = Array("[u16; N]", U16, 1 << 40)
    assert isinstance(image.decode(huge, bytes(64)), Unreadable)
    nested = make_array(make_array(UNIT, 1 << 20), 1 << 20)
    assert image.find_unreadable(image.decode(nested, b"")) is not None
    with pytest.raises(EncodeError, match="bytes"):
        image.encode(Raw(make_array(U8, 1 << 40), b""))
    outside = Struct("Outside", 1, (Member("far", 100, U8),))
    with pytest.raises(EncodeError, match="outside"):
        image.encode(StructValue(outside, (("far", Int(U8, 1)),)))


def test_a_c_like_enum_is_compared_by_its_bits() -> None:
    """rustc 1.67 wrote `Ordering::Less` as 255, newer ones as -1."""
    for less in (255, -1):
        ordering = CEnum("core::cmp::Ordering", 1, True, (Enumerator("Less", less),))
        assert image.decode(ordering, b"\xff") == EnumValue(ordering, "Less", less)


def maybe_uninit(inner: Type, *wrappers: str) -> Union:
    """`MaybeUninit` over `ManuallyDrop`, and since 2026 `MaybeDangling` in that."""
    size = inner.size
    for name in wrappers:
        member = Member("__0" if name == "MaybeDangling" else "value", 0, inner)
        inner = Struct(f"core::mem::{name.lower()}::{name}<{inner.name}>", size, (member,))
    return Union(
        f"MaybeUninit<{inner.name}>", size, (Member("uninit", 0, UNIT), Member("value", 0, inner))
    )


@pytest.mark.parametrize(
    "wrappers", [(), ("ManuallyDrop",), ("MaybeDangling", "ManuallyDrop")], ids=len
)
def test_maybe_uninit_values_are_decoded(wrappers: tuple[str, ...]) -> None:
    number = maybe_uninit(U16, *wrappers)
    value = image.decode(number, b"\x34\x12", address=0x20000000)
    assert value == Int(U16, 0x1234, 0x20000000)
    assert image.encode(value) == b"\x34\x12"
    # Of what is not initialized, the bytes are shown: `true` is 1.
    flag = maybe_uninit(BOOL, *wrappers)
    assert image.decode(flag, b"\x01") == Bool(BOOL, True)
    assert image.decode(flag, b"\xaa") == Raw(flag, b"\xaa")
    assert isinstance(image.decode(number, b"\x34"), Unreadable)
    # A newtype of one's own inside stays.
    meters = Struct("Meters", 2, (Member("__0", 0, U16),))
    held = image.decode(maybe_uninit(meters, *wrappers), b"\x34\x12")
    assert isinstance(held, StructValue)
    assert held.type is meters
    # Elements of a buffer.
    cells = image.decode(make_array(flag, 3), b"\x00\x07\x01")
    assert isinstance(cells, ArrayValue)
    assert cells.elements == (Bool(BOOL, False), Raw(flag, b"\x07"), Bool(BOOL, True))


def test_other_unions_are_bytes() -> None:
    for members in (
        (Member("value", 0, U16),),
        (Member("uninit", 0, U16), Member("value", 0, U16)),  # `uninit` is `()`
        (Member("uninit", 0, UNIT), Member("value", 0, U8)),
    ):
        union = Union("Of two", 2, members)
        assert image.decode(union, b"\x34\x12") == Raw(union, b"\x34\x12")
