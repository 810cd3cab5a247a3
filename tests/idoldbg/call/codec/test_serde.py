"""hubpack, ssmarshal and postcard against the original crates, and against themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from idoldbg.call.codec import Codec, for_encoding, hubpack, postcard, ssmarshal
from idoldbg.call.codec.serde import DEPTH_LIMIT
from idoldbg.errors import DecodeError, EncodeError, NotFound
from idoldbg.model.types import (
    Enum,
    Member,
    Opaque,
    Pointer,
    Struct,
    Type,
    Union,
    Variant,
)
from idoldbg.model.values import Bool, EnumValue, Int, StructValue, Value, make_enum
from tests.idoldbg.typegen import (
    BOOL,
    CHAR,
    U8,
    U16,
    U32,
    U64,
    U128,
    UNIT,
    USIZE,
    make_array,
    make_clike,
    make_option,
    make_struct,
    make_tagged,
    make_tuple,
    same,
    type_from_json,
    typed_values,
    types,
    value_from_json,
)

VECTORS = Path(__file__).resolve().parents[4] / "fixtures" / "vectors" / "serde.json"
SKIPPED: dict[str, Any] = json.loads(VECTORS.with_name("skipped.json").read_text())
TYPES: list[dict[str, Any]] = json.loads(VECTORS.read_text())
FORMATS: dict[str, Any] = {"hubpack": hubpack, "ssmarshal": ssmarshal, "postcard": postcard}


def test_vectors_are_there() -> None:
    assert len(TYPES) > 60
    assert sum(len(t["encoded"]) for t in TYPES) > 200


def encoded() -> Iterator[Any]:
    for case in TYPES:
        type_ = type_from_json(case["type"])
        for name in FORMATS:
            yield pytest.param(name, type_, case["encoded"], id=f"{name}-{type_.name}")


@pytest.mark.parametrize(("name", "type_", "cases"), list(encoded()))
def test_crates_encode_the_same(name: str, type_: Type, cases: list[dict[str, Any]]) -> None:
    codec = FORMATS[name]
    if any(case[name] is None for case in cases):
        with pytest.raises(EncodeError, match=name):
            codec.max_size(type_)
    for case in cases:
        value = value_from_json(type_, case["value"])
        if case[name] is None:
            with pytest.raises(EncodeError, match=name):
                codec.encode(value)
            continue
        data = bytes.fromhex(case[name])
        assert codec.encode(value) == data, case["value"]
        back, used = codec.decode_prefix(type_, data + b"\x01\xff")
        assert same(back, value), case["value"]
        assert used == len(data)
        if all(case[name] for case in cases):
            assert used <= codec.max_size(type_)


@pytest.mark.parametrize("case", TYPES, ids=lambda c: type_from_json(c["type"]).name)
def test_crates_decode_the_same(case: dict[str, Any]) -> None:
    """Random bytes: whatever the crate refuses we refuse, and the rest gives the same value."""
    type_ = type_from_json(case["type"])
    for item in case["decoded"]:
        codec, data = FORMATS[item["format"]], bytes.fromhex(item["data"])
        if item["used"] is None:
            with pytest.raises(DecodeError):
                codec.decode(type_, data)
            continue
        value, used = codec.decode_prefix(type_, data)
        assert same(value, value_from_json(type_, item["value"])), item
        assert used == item["used"], item


@pytest.mark.parametrize("name", FORMATS)
def test_variants_that_derived_impls_leave_out(name: str) -> None:
    """A server numbers all of them in what it writes, and those that are left in what it reads."""
    type_ = type_from_json(SKIPPED["type"])
    written = [case for case in SKIPPED["written"] if case["format"] == name and case["data"]]
    assert len(written) == 5
    for case in written:
        value, _ = FORMATS[name].decode_prefix(type_, bytes.fromhex(case["data"]))
        assert same(value, value_from_json(type_, case["value"])), case
    known = set()
    for case in SKIPPED["read"]:
        if case["format"] == name and case["value"]:
            value = value_from_json(type_, case["value"])
            assert FORMATS[name].encode(value) == bytes.fromhex(case["data"]), case
            known.add(case["value"][0])
    assert known == {"First", "Number", "Pair", "OnlyReceived", "Last"}
    for case in SKIPPED["written"]:
        if case["format"] == name and case["value"][0] not in known:
            with pytest.raises(EncodeError, match=f"{case['value'][0]}.*serde.skip"):
                FORMATS[name].encode(value_from_json(type_, case["value"]))


def field(name: str, type_: Type = U8) -> list[tuple[str, Type]]:
    return [(name, type_)]


ORDERING = make_clike("core::cmp::Ordering", [("Less", -1), ("Equal", 0)])
CELL = make_struct("core::cell::UnsafeCell<core::cmp::Ordering>", field("value", ORDERING))
REFUSED: list[tuple[Type, str]] = [
    (make_struct("alloc::string::String", field("vec")), "heap"),
    (make_struct("alloc::vec::Vec<u8>", field("len", USIZE)), "heap"),
    (make_struct("alloc::collections::btree::map::BTreeMap<u8, u8>", field("length")), "heap"),
    (Pointer("alloc::boxed::Box<u8>", 4, "u8"), "heap"),
    (make_struct("alloc::sync::Arc<u8, alloc::alloc::Global>", field("ptr")), "heap"),
    (make_struct("core::fmt::Arguments", field("pieces")), "text"),
    (make_struct("std::time::SystemTime", field("__0")), "operating system"),
    (ORDERING, "no impl"),
    (make_struct("core::ops::range::RangeFull", []), "no impl"),
    (make_struct("core::ops::range::RangeToInclusive<u8>", field("end")), "no impl"),
    # The ranges to come, of another crate module: serde does not know them.
    (make_struct("core::range::RangeInclusive<u8>", [("start", U8), ("last", U8)]), "no impl"),
    (make_struct("core::cell::once::OnceCell<u8>", field("inner")), "no impl"),
    (make_struct("core::mem::manually_drop::ManuallyDrop<u8>", field("value")), "no impl"),
    (make_struct("core::sync::atomic::Atomic<*mut u8>", field("v", USIZE)), "no impl"),
    (make_clike("core::convert::Infallible", []), "no impl"),
    # Alone, a part of the library's types is none of them.
    (make_struct("core::cell::UnsafeCell<u8>", field("value")), "part of other types"),
    (make_struct("core::cell::Cell<core::cmp::Ordering>", field("value", CELL)), "no impl"),
    (make_struct("core::ops::range::RangeInclusive<u8>", field("start")), "no field `end`"),
    (make_tagged("core::ops::range::Bound<u8>", [("Included", []), ("Open", [])]), "known version"),
    (make_tuple(*[U8] * 17), "more than 16"),
    (make_struct("&str", [("data_ptr", Pointer("*u8", 4, "u8")), ("length", USIZE)]), "elsewhere"),
]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("type_", "word"), REFUSED, ids=lambda p: getattr(p, "name", ""))
def test_types_without_a_serde_form_are_refused(name: str, type_: Type, word: str) -> None:
    holder = make_struct("app::Message", [("id", U8), ("inner", type_)])
    for one in (type_, holder):
        with pytest.raises(EncodeError, match=word) as refused:
            FORMATS[name].max_size(one)
        assert word == "no impl" or type_.name in str(refused.value)
        with pytest.raises(DecodeError, match=word):
            FORMATS[name].decode(one, bytes(64))


@pytest.mark.parametrize("name", FORMATS)
def test_skipped_fields_are_not_sent_silently(name: str) -> None:
    """The other end makes it zero: nobody gets what was given."""
    codec = FORMATS[name]
    range_ = make_struct(
        "core::ops::range::RangeInclusive<u8>", [("start", U8), ("end", U8), ("exhausted", BOOL)]
    )
    fields = (("start", Int(U8, 1)), ("end", Int(U8, 9)), ("exhausted", Bool(BOOL, False)))
    assert codec.encode(StructValue(range_, fields)) == b"\x01\x09"
    spent = (*fields[:2], ("exhausted", Bool(BOOL, True)))
    with pytest.raises(EncodeError, match="does not send `exhausted`"):
        codec.encode(StructValue(range_, spent))


def test_durations_are_whole() -> None:
    duration = make_struct("core::time::Duration", [("secs", U64), ("nanos", U32)])

    def made(secs: int, nanos: int) -> Value:
        return StructValue(duration, (("secs", Int(U64, secs)), ("nanos", Int(U32, nanos))))

    with pytest.raises(EncodeError, match="at most 999999999"):
        hubpack.encode(made(0, 10**9))
    raw = (3).to_bytes(8, "little") + (2 * 10**9 + 1).to_bytes(4, "little")
    assert hubpack.decode(duration, raw) == made(5, 1)
    with pytest.raises(DecodeError, match="seconds"):
        hubpack.decode(duration, b"\xff" * 12)


@pytest.mark.parametrize("case", TYPES, ids=lambda c: type_from_json(c["type"]).name)
def test_hubpack_max_size_is_the_crates(case: dict[str, Any]) -> None:
    if case["hubpack_max_size"] is not None:
        assert hubpack.max_size(type_from_json(case["type"])) == case["hubpack_max_size"]


VALUES = {(c, w): typed_values(char=c, wide=w) for c in (True, False) for w in (True, False)}
LIMITED = [("hubpack", False, True), ("ssmarshal", True, False), ("postcard", True, True)]


@pytest.mark.parametrize(("name", "char", "wide"), LIMITED)
@settings(max_examples=100)
@given(data=st.data())
def test_round_trip(name: str, char: bool, wide: bool, data: st.DataObject) -> None:
    codec = FORMATS[name]
    value = data.draw(VALUES[char, wide])
    raw = codec.encode(value)
    assert len(raw) <= codec.max_size(value.type)
    assert same(codec.decode(value.type, raw), value)
    for size in range(len(raw)):
        with pytest.raises(DecodeError):
            codec.decode(value.type, raw[:size])


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=100)
@given(type_=types(), raw=st.binary(max_size=64))
def test_any_bytes_give_a_value_or_a_decode_error(name: str, type_: Type, raw: bytes) -> None:
    codec = FORMATS[name]
    try:
        value, used = codec.decode_prefix(type_, raw)
    except DecodeError as error:
        assert str(error)
        return
    assert used <= len(raw)
    again = codec.encode(value)
    assume(name != "postcard")  # it has longer spellings of the same varint
    assert again == raw[:used]


POINTER = Pointer("&u8", 4, "u8")
NO_ENCODING: list[tuple[Type, str]] = [
    (POINTER, "pointer"),
    (Union("MaybeUninit<u8>", 1, (Member("value", 0, U8),)), "union"),
    (Opaque("app::Secret", "declaration only"), "declaration only"),
    (make_struct("app::Slice", [("data_ptr", POINTER), ("length", USIZE)]), "&u8"),
]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("type_", "word"), NO_ENCODING)
def test_types_without_encoding_are_named(name: str, type_: Type, word: str) -> None:
    with pytest.raises(EncodeError, match=word):
        FORMATS[name].max_size(type_)
    with pytest.raises(DecodeError, match=word):
        FORMATS[name].decode(type_, bytes(64))


def test_unsupported_types_of_an_encoding_are_named() -> None:
    for codec, type_, word in [(hubpack, CHAR, "char"), (ssmarshal, U128, "128")]:
        with pytest.raises(EncodeError, match=word):
            codec.max_size(type_)
        with pytest.raises(DecodeError, match=word):
            codec.decode(type_, bytes(64))


def test_c_like_enums_go_by_declaration_order() -> None:
    color = make_clike("Color", [("Red", 200), ("Green", 3)])
    assert hubpack.encode(make_enum(color, "Green")) == b"\x01"
    with pytest.raises(DecodeError, match="variant 2 of an enum that has 2"):
        hubpack.decode(color, b"\x02")


def test_usize_is_eight_bytes_on_the_wire() -> None:
    assert hubpack.encode(Int(USIZE, 7)) == bytes([7, 0, 0, 0, 0, 0, 0, 0])
    with pytest.raises(DecodeError, match="does not fit in usize"):
        hubpack.decode(USIZE, b"\xff" * 8)
    with pytest.raises(EncodeError, match="does not fit in `usize`"):
        hubpack.encode(Int(USIZE, 1 << 32))


def test_a_non_zero_of_zero_is_refused() -> None:
    inner = make_struct("core::num::niche_types::NonZeroU16Inner", [("__0", U16)])
    non_zero = make_struct("core::num::nonzero::NonZero<u16>", [("__0", inner)])
    assert hubpack.decode(non_zero, b"\x01\x00")
    with pytest.raises(DecodeError, match="NonZero"):
        hubpack.decode(non_zero, b"\x00\x00")


def test_more_than_256_variants_are_refused() -> None:
    many = make_clike("Many", [(f"V{i}", i) for i in range(300)], size=2)
    for codec in (hubpack, ssmarshal):
        for variant in ("V3", "V256"):
            with pytest.raises(EncodeError, match=r"it has 300 variants, and .* knows 256"):
                codec.encode(make_enum(many, variant))
        with pytest.raises(EncodeError, match="300 variants"):
            codec.max_size(many)
        with pytest.raises(DecodeError, match="300 variants"):
            codec.decode(many, b"\x03")
    assert postcard.encode(make_enum(many, "V299")) == bytes([299 & 0x7F | 0x80, 299 >> 7])
    assert postcard.decode(many, b"\xab\x02") == make_enum(many, "V299")


def test_reply_sizes_equal_those_of_servers() -> None:
    """A server refuses a reply buffer below the memory size (ssmarshal) or MAX_SIZE (hubpack)."""
    padded = Struct("Padded", 16, (Member("a", 0, U8), Member("b", 8, U64)))
    assert [for_encoding(n).reply_size(padded) for n in ("Zerocopy", "Ssmarshal", "Hubpack")] == [
        16,
        16,
        9,
    ]
    assert ssmarshal.max_size(padded) == 9


def test_arguments_follow_each_other() -> None:
    members = make_struct("Spi_ARGS", [("index", U8), ("raw_on", U8), ("limit", make_option(U16))])
    limit = make_enum(
        members.members[2].type,  # type: ignore[arg-type]  # it is an Enum
        "Some",
        StructValue(members.members[2].type.variants[1].type, (("__0", Int(U16, 5)),)),  # type: ignore[union-attr]
    )
    values: list[Value] = [Int(U8, 3), Bool(BOOL, True), limit]
    raw = hubpack.encode_arguments(members.members, values)
    assert raw == bytes([3, 1, 1, 5, 0])
    assert hubpack.decode_arguments(members.members, raw) == (Int(U8, 3), Int(U8, 1), limit)


@pytest.mark.parametrize("name", FORMATS)
def test_hostile_types_are_bounded(name: str) -> None:
    codec = FORMATS[name]
    deep: Type = U8
    for _ in range(DEPTH_LIMIT + 2):
        deep = make_struct("Deep", [("inner", deep)])
    with pytest.raises(EncodeError, match="deep"):
        codec.max_size(deep)
    with pytest.raises(DecodeError, match="deep"):
        codec.decode(deep, bytes(8))
    pair: Type = U8
    for _ in range(40):  # 2^40 bytes, in 40 types
        pair = Struct("Pair", 1, (Member("a", 0, pair), Member("b", 0, pair)))
    assert codec.max_size(pair) == 1 << 40
    with pytest.raises(DecodeError):
        codec.decode(pair, bytes(8))
    with pytest.raises(DecodeError, match="too large"):
        codec.decode(make_array(make_array(UNIT, 1 << 40), 1 << 40), b"")


def test_an_enum_without_variants_has_no_values() -> None:
    never = Enum("Never", 0, None, ())
    with pytest.raises(DecodeError, match="has 0"):
        hubpack.decode(never, b"\x00")


def test_values_that_do_not_belong_to_their_type_are_refused() -> None:
    option = make_option(U8)
    for value in (
        EnumValue(option, "Some", 1, None),
        EnumValue(option, "Maybe", 1, None),
        Int(U8, 256),
        StructValue(make_tuple(U8, U8), (("__0", Int(U8, 1)),)),
    ):
        with pytest.raises(EncodeError):
            hubpack.encode(value)


def test_encodings_by_name() -> None:
    codec: Codec = for_encoding("Hubpack")
    assert codec.name == "hubpack"
    assert for_encoding("Zerocopy").max_size(U32) == U32.size
    with pytest.raises(NotFound, match="hubpack"):
        for_encoding("Hubpak")


def test_postcard_varints_end_with_the_word() -> None:
    assert postcard.take_varint(b"\xff\xff\xff\xff\x0f") == (0xFFFFFFFF, 5)
    with pytest.raises(Exception, match="does not end"):
        postcard.take_varint(b"\x80" * 6)
    assert postcard.take_varint(b"\x80\x80\x80\x80\x80\x01", usize_bits=64) == (1 << 35, 6)


def test_variant_order_counts_not_the_tag() -> None:
    swapped = Enum(
        "core::option::Option<u8>",
        2,
        Member("", 0, U8),
        (
            Variant("None", 1, 0, Struct("None", 2, ())),
            Variant("Some", 0, 0, Struct("Some", 2, (Member("__0", 1, U8),))),
        ),
    )
    assert hubpack.encode(make_enum(swapped, "None")) == b"\x00"
