"""Values from texts, JSON and Python data."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idoldbg.call.arguments import from_python, parse_lease, parse_value
from idoldbg.call.codec import image
from idoldbg.errors import ArgumentError
from idoldbg.model.types import Array, Member, Opaque, Pointer, Scalar, Struct, Type, Union
from idoldbg.model.values import Float, Value, format_value, to_json, to_python
from tests.idoldbg.typegen import (
    BOOL,
    CHAR,
    F32,
    F64,
    I8,
    I64,
    U8,
    U16,
    U32,
    U128,
    UNIT,
    make_array,
    make_clike,
    make_option,
    make_struct,
    make_tagged,
    make_tuple,
    typed_values,
    types,
)

SENSOR = make_struct("app::SensorId", [("__0", U16)])
READING = make_struct("app::Reading", [("celsius", F32), ("id", SENSOR), ("valid", BOOL)])
COLOR = make_clike("app::Color", [("Red", 0), ("DarkGreen", 1), ("Blue", -2)])
SHAPE = make_tagged(
    "app::Shape",
    [
        ("Empty", []),
        ("Circle", [("__0", U32)]),
        ("Box", [("__0", U8), ("__1", I8)]),
        ("Label", [("color", COLOR), ("size", make_option(U16))]),
        ("Inner", [("__0", READING)]),
    ],
)
RESULT = make_tagged(
    "core::result::Result<u8, app::Color>", [("Ok", [("__0", U8)]), ("Err", [("__0", COLOR)])]
)
RANGE = make_struct("core::ops::range::Range<u32>", [("start", U32), ("end", U32)])
UNIT_STRUCT = make_struct("app::Marker", [])
BYTES4 = make_array(U8, 4)

READING_TEXT = "Reading { celsius: 21.5, id: SensorId(3), valid: true }"
# Text, type, and the value as format_value writes it.
GOOD: list[tuple[str, Type, str]] = [
    ("0", U8, "0"),
    (" 255 ", U8, "255"),
    ("0xff", U8, "255"),
    ("0XFF", U8, "255"),
    ("0b1010_1010", U8, "170"),
    ("0o17", U8, "15"),
    ("1_000", U16, "1000"),
    ("7u8", U8, "7"),
    ("0x1f_u8", U8, "31"),
    ("-128i8", I8, "-128"),
    ("+5", I8, "5"),
    ("-0x80", I8, "-128"),
    ("007", U8, "7"),
    ("340282366920938463463374607431768211455", U128, str((1 << 128) - 1)),
    ("-9223372036854775808", I64, "-9223372036854775808"),
    ("21.5", F32, "21.5"),
    ("0.1", F32, "0.1"),
    ("1", F64, "1.0"),
    ("-1e3f64", F64, "-1000.0"),
    (".5", F64, "0.5"),
    ("2.", F64, "2.0"),
    ("1_000.5", F64, "1000.5"),
    ("inf", F32, "inf"),
    ("-infinity", F32, "-inf"),
    ("NaN", F32, "NaN"),
    ('"Infinity"', F64, "inf"),
    ("0x10", F32, "16.0"),
    ("true", BOOL, "true"),
    ("a", CHAR, "'a'"),
    ("'", CHAR, r"'\''"),
    ("'é'", CHAR, "'é'"),
    (r"'\u{1F600}'", CHAR, "'😀'"),
    (r'"\ud83d\ude00"', CHAR, "'😀'"),
    ("()", UNIT, "()"),
    ("null", UNIT, "()"),
    ("Red", COLOR, "Red"),
    ("Color::Blue", COLOR, "Blue"),
    ("app::Color::Blue", COLOR, "Blue"),
    ('"Blue"', COLOR, "Blue"),
    ("-2", COLOR, "Blue"),
    ("None", make_option(U8), "None"),
    ("null", make_option(U8), "None"),
    ("Some(3)", make_option(U8), "Some(3)"),
    ("Option::Some(3)", make_option(U8), "Some(3)"),
    ('{"Some": 3}', make_option(U8), "Some(3)"),
    ("3", make_option(U8), "Some(3)"),
    ("Some(None)", make_option(make_option(U8)), "Some(None)"),
    ("Color::Red", make_option(COLOR), "Some(Red)"),
    ("Ok(3)", RESULT, "Ok(3)"),
    ('{"Err": "Red"}', RESULT, "Err(Red)"),
    ("(1, -2)", make_tuple(U8, I8), "(1, -2)"),
    ("[1, -2,]", make_tuple(U8, I8), "(1, -2)"),
    ("(3,)", make_tuple(U8), "(3,)"),
    ("3", make_tuple(U8), "(3,)"),
    ("SensorId(3)", SENSOR, "SensorId(3)"),
    ("app::SensorId(3)", SENSOR, "SensorId(3)"),
    ("(3)", SENSOR, "SensorId(3)"),
    ("3", SENSOR, "SensorId(3)"),
    (READING_TEXT, READING, READING_TEXT),
    ("{celsius: 21.5, id: 3, valid: true}", READING, READING_TEXT),
    ('{"id": 3, "valid": true, "celsius": 2.15e1}', READING, READING_TEXT),
    ("app::Reading{celsius:21.5,id:(3),valid:true,}", READING, READING_TEXT),
    ("Empty", SHAPE, "Empty"),
    ("Shape::Circle(7)", SHAPE, "Circle(7)"),
    ("Box(1, -1)", SHAPE, "Box(1, -1)"),
    ('{"Box": [1, -1]}', SHAPE, "Box(1, -1)"),
    ('{"Empty": null}', SHAPE, "Empty"),
    ("Label { color: Red, size: None }", SHAPE, "Label { color: Red, size: None }"),
    ('{"Label": {"size": 4, "color": "Red"}}', SHAPE, "Label { color: Red, size: Some(4) }"),
    (f"Inner({READING_TEXT})", SHAPE, f"Inner({READING_TEXT})"),
    ("Range<u32> { start: 0, end: 3 }", RANGE, "Range<u32> { start: 0, end: 3 }"),
    ("Range { start: 0, end: 3 }", RANGE, "Range<u32> { start: 0, end: 3 }"),
    ("Marker", UNIT_STRUCT, "Marker"),
    ("{}", UNIT_STRUCT, "Marker"),
    ("[1, 2, 3]", make_array(U16, 3), "[1, 2, 3]"),
    ("[7; 3]", make_array(U16, 3), "[7, 7, 7]"),
    ("[]", make_array(U16, 0), "[]"),
    ("[Some(1), None]", make_array(make_option(U8), 2), "[Some(1), None]"),
    ("hex:0102ff00", BYTES4, "[1, 2, 255, 0]"),
    ("hex:01_02_FF_00", BYTES4, "[1, 2, 255, 0]"),
    ("[1, 0x02, 0b11, 4u8]", BYTES4, "[1, 2, 3, 4]"),
    ("[0; 4]", BYTES4, "[0, 0, 0, 0]"),
    ('"ab\\n\\x00"', BYTES4, "[97, 98, 10, 0]"),
    ("str:abcd", BYTES4, "[97, 98, 99, 100]"),
    ('{"hex": "01020304"}', BYTES4, "[1, 2, 3, 4]"),
    ("[0; 20]", make_array(U8, 20), "hex:" + "00" * 20),
    ("0x20000000", Pointer("*const u8", 4, "u8"), "0x20000000"),
    ("hex:0102", Union("MaybeUninit<u16>", 2, (Member("v", 0, U16),)), "[1, 2]"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "type_", "written"), GOOD, ids=lambda v: str(v)[:30])
def test_strings(text: str, type_: Type, written: str) -> None:
    value = parse_value(text, type_, name="x")
    assert format_value(value) == written
    again = parse_value(written, type_)
    assert again == value or "NaN" in written


def maybe_uninit(inner: Type) -> Union:
    drop = Struct(
        f"core::mem::ManuallyDrop<{inner.name}>", inner.size, (Member("value", 0, inner),)
    )
    name = f"core::mem::MaybeUninit<{inner.name}>"
    return Union(name, inner.size, (Member("uninit", 0, UNIT), Member("value", 0, drop)))


UNINIT = [
    ("5", U16, b"\5\0"),
    ("[1, 2]", make_array(U16, 2), b"\1\0\2\0"),
    ("[7; 2]", make_array(U16, 2), b"\7\0\7\0"),
    ("hex:aabb", U16, b"\xaa\xbb"),  # as where it holds nothing that makes sense
    ("[7, 8]", U16, b"\7\x08"),
    ("[7, 8]", make_array(BOOL, 2), b"\7\x08"),
    ("[true, false]", make_array(BOOL, 2), b"\1\0"),
    ("Some(9)", make_option(U8), b"\1\0\0\0\x09"),
    ("null", make_option(U8), bytes(5)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "inner", "data"), UNINIT, ids=lambda v: str(v)[:30])
def test_maybe_uninit_values_round_trip_as_text(text: str, inner: Type, data: bytes) -> None:
    type_ = maybe_uninit(inner)
    value = parse_value(text, type_)
    assert image.encode(value) == data
    shown = image.decode(type_, data)
    assert parse_value(format_value(shown), type_) == shown
    assert parse_value(json.dumps(to_json(shown)), type_) == shown
    assert from_python(to_python(shown), type_) == shown
    assert from_python(shown, type_) == shown


def test_values_that_a_maybe_uninit_cannot_hold_are_refused() -> None:
    for text, message in (
        ("70000", "not in 0..=65535"),
        ("[1, 2, 3]", "not a u16"),
        ("true", "not a u16"),
    ):
        with pytest.raises(ArgumentError, match=message):
            parse_value(text, maybe_uninit(U16))


BAD: list[tuple[str, Type, str]] = [
    ("256", U8, r"256 is not in 0..=255 \(u8\)"),
    ("-1", U8, r"-1 is not in 0..=255"),
    ("128", I8, r"128 is not in -128..=127 \(i8\)"),
    ("7u16", U8, "7u16 is a u16, u8 is wanted"),
    ("1.5", U8, "1.5 is not an integer"),
    ("1e3", U16, "1e3 is not an integer"),
    ("12ab", U8, "`12ab` is not a number"),
    ("0b12", U8, "`0b12` is not a number"),
    ("0x", U8, "`0x` is not a number"),
    ("--1", I8, "`--1` is not a value"),
    ("ten", U8, "`ten` is not a u8; write a number such as"),
    ("", U8, "a value expected, but the text ends"),
    ("1 2", U8, "`2` is left over"),
    ("9" * 500, U8, "more than 400 characters"),
    ("1e40", F32, "1e40 is too large for f32"),
    ("1e400", F64, "1e400 is too large for f64"),
    ("warm", F32, "`warm` is not a f32"),
    ("1", BOOL, "the number 1 is not a bool; write true or false"),
    ("True", BOOL, "`True` is not a bool"),
    ("ab", CHAR, "`ab` is not a char"),
    ("'ab'", CHAR, "one character, not 2"),
    (r'"\ud800"', CHAR, "surrogate"),
    ("'a", CHAR, "without its end"),
    (r"'\q'", CHAR, "is not an escape sequence"),
    ("5", COLOR, r"5 is not a Color \(0 = Red, 1 = DarkGreen, -2 = Blue\)"),
    ("red", COLOR, "Color has no variant `red`; did you mean `Red`?"),
    ("dark-green", COLOR, "`dark` is|is left over"),
    ("Purple", COLOR, "no variant `Purple`; it has Red, DarkGreen, Blue"),
    ("Shape::Red", COLOR, "`Shape::Red` is not a variant of Color"),
    ("Red(1)", COLOR, "no variant"),
    ("Some", make_option(U8), r"x.Some: it carries data: write Some\(…\)"),
    ("Some(256)", make_option(U8), r"x.Some.0: 256 is not in"),
    ("Some(1, 2)", make_option(U8), r"x.Some: it takes 1 value\(s\), not 2"),
    ("Cirle(1)", SHAPE, "no variant `Cirle`; did you mean `Circle`?"),
    ("Box(1)", SHAPE, r"x.Box: it takes 2 value\(s\), not 1"),
    ("Label(Red, 1)", SHAPE, r"x.Label: its data has names: write Label { color: …, size: … }"),
    ("Label { colour: Red, size: 1 }", SHAPE, "no field `colour`; did you mean `color`?"),
    ('{"Empty": 3}', SHAPE, "x.Empty: it carries no data"),
    ("{celsius: 1, id: 3}", READING, "Reading also needs valid"),
    ("{celsius: 1, id: 3, valid: true, unit: 3}", READING, "no field `unit`; it has celsius, id"),
    ("{celsius: 1, celsius: 2}", READING, "`celsius` stands twice"),
    ("Readings {celsius: 1, id: 3, valid: true}", READING, r"`Readings {…}` is not a Reading"),
    ("{celsius: 1, id: 70000, valid: true}", READING, "x.id: 70000 is not in"),
    ("(1, 2, 3)", make_tuple(U8, I8), r"it takes 2 value\(s\), not 3"),
    ("[1, 2]", make_array(U16, 3), "3 elements are wanted, not 2"),
    ("[1; 4]", make_array(U16, 3), "3 elements are wanted, not 4"),
    ("[1; 999999999999]", make_array(U16, 3), "not 999999999999"),
    ("[1; x]", make_array(U16, 3), "a count expected"),
    ("[1, 65536, 3]", make_array(U16, 3), r"x\[1\]: 65536 is not in"),
    ("hex:010", BYTES4, "two digits"),
    ("hex:0102", BYTES4, "4 bytes are wanted, not 2"),
    ("[1, 2, 3, 256]", BYTES4, "0..=255"),
    ("@file", BYTES4, "`@file` is not a value"),
    ("(1", make_tuple(U8, I8), r"`,` expected, but the text ends"),
    ("(" * 100, U8, "nested more than"),
    ("Foo<u8", U8, "`<` without `>`"),
    ("1", Opaque("app::Secret", "declaration only"), "declaration only"),
    ("1", Scalar("!", 0, U8.encoding), "no values"),
    ("[0; 9]", Array("[u16; N]", U16, 1 << 40), "too large"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "type_", "message"), BAD, ids=lambda v: str(v)[:30])
def test_errors_have_a_reason_and_a_place(text: str, type_: Type, message: str) -> None:
    with pytest.raises(ArgumentError, match=message) as error:
        parse_value(text, type_, name="x")
    assert str(error.value).startswith("x")


def test_zero_is_refused_as_non_zero() -> None:
    inner = make_struct("core::num::niche_types::NonZeroU16Inner", [("__0", U16)])
    non_zero = make_struct("core::num::nonzero::NonZero<u16>", [("__0", inner)])
    value = parse_value("3", non_zero)
    assert parse_value(format_value(value), non_zero) == value
    with pytest.raises(ArgumentError, match="0 is not a NonZero<u16>"):
        parse_value("0", non_zero)


def test_files_and_standard_input_come_from_the_caller() -> None:
    asked: list[str] = []

    def read_data(path: str) -> bytes:
        asked.append(path)
        return b"\1\2\3\4"

    for text in ("@some/file.bin", "-"):
        assert parse_lease(text, U8, is_slice=True, name="", read_data=read_data) == b"\1\2\3\4"
        assert to_python(parse_value(text, BYTES4, read_data=read_data)) == b"\1\2\3\4"
    assert asked == ["some/file.bin"] * 2 + ["-"] * 2
    with pytest.raises(ArgumentError, match="8 bytes are wanted, not 4"):
        parse_value("-", make_array(U8, 8), name="x", read_data=read_data)
    assert to_python(parse_value("-5", I8, read_data=read_data)) == -5


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("hex:", b""),
        ("hex:00ff", b"\x00\xff"),
        ("str:", b""),
        ("str:hex:00", b"hex:00"),
        ("[1, 2]", b"\1\2"),
        ("[]", b""),
        ('"é"', "é".encode()),
        ("[9; 3]", b"\t\t\t"),
    ],
)
def test_bytes(text: str, data: bytes) -> None:
    found = parse_lease(text, U8, is_slice=True, name="source")
    assert (found if isinstance(found, bytes) else image.encode(found)) == data


@pytest.mark.parametrize("text", ["", "0102", "hex:0", "hex:xy", "[256]", "[a]", "@file", "-"])
def test_malformed_data_is_refused(text: str) -> None:
    with pytest.raises(ArgumentError, match=r"^source"):
        parse_lease(text, U8, is_slice=True, name="source")


@settings(max_examples=200)
@given(value=typed_values(nan=False))
def test_written_data_is_read_back(value: Value) -> None:
    type_ = value.type
    assert parse_value(format_value(value), type_) == value
    assert parse_value(format_value(value, hexadecimal=True), type_) == value
    assert parse_value(json.dumps(to_json(value)), type_) == value
    assert from_python(to_python(value), type_) == value
    assert from_python(to_json(value), type_) == value
    assert from_python(value, type_) is value
    assert image.decode(type_, image.encode(value)) == value


@settings(max_examples=200)
@given(type_=types(), text=st.text(alphabet="01x_-+.,:;(){}[]<>\"'\\ aeSomeNn@\n", max_size=30))
def test_any_text_gives_a_value_or_an_argument_error(type_: Type, text: str) -> None:
    try:
        value = parse_value(text, type_, name="x")
    except ArgumentError as error:
        assert str(error).startswith("x")
    else:
        assert value.type == type_
        assert image.find_unreadable(value) is None


@pytest.mark.parametrize(
    ("obj", "type_", "message"),
    [
        (object(), U8, "object objects have no meaning"),
        ("3", U8, 'the string "3" is not a u8'),
        (True, U8, "`true` is not a u8"),
        (3, BOOL, "the number 0x3 is not a bool"),
        (b"\1", BYTES4, "4 bytes are wanted, not 1"),
        ([1, 2], make_tuple(U8, U8, U8), "it takes 3"),
        ({"celsius": 1}, READING, "also needs id, valid"),
        (1 << 20_000, U8, "0x1000.* is not in"),
        (Float(F32, 1.0), F64, "a value of `f32`, `f64` is wanted"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_python_data_that_does_not_fit(obj: Any, type_: Type, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        from_python(obj, type_, name="x")


def test_python_data_may_mix_values_and_plain_data() -> None:
    value = from_python({"celsius": Float(F32, 21.5), "id": 3, "valid": True}, READING)
    assert format_value(value) == READING_TEXT
    assert from_python(bytearray(b"\1\2\3\4"), BYTES4) == parse_value("hex:01020304", BYTES4)


def test_cyclic_python_data_ends() -> None:
    loop: list[Any] = []
    loop.append(loop)
    deep: Type = U8
    for _ in range(100):
        deep = Array("[_; 1]", deep, 1)
    with pytest.raises(ArgumentError, match="too deep"):
        from_python(loop, deep)


def test_a_struct_without_fields_reads_its_own_name_only() -> None:
    with pytest.raises(ArgumentError):
        parse_value("Marquer", UNIT_STRUCT)
    assert parse_value("Marker {}", UNIT_STRUCT) == parse_value("Marker()", UNIT_STRUCT)
    assert isinstance(UNIT_STRUCT, Struct)


def test_fields_that_do_not_travel_need_not_be_given() -> None:
    """serde leaves them behind: nobody writes the `exhausted` of a range."""
    members = [("start", U8), ("end", U8), ("exhausted", BOOL)]
    range_ = make_struct("core::ops::range::RangeInclusive<u8>", members)
    whole = parse_value("{ start: 1, end: 9, exhausted: false }", range_)
    assert parse_value("{ start: 1, end: 9 }", range_) == whole
    assert from_python({"start": 1, "end": 9}, range_) == whole
    with pytest.raises(ArgumentError, match="also needs end"):
        parse_value("{ start: 1 }", range_)
    with pytest.raises(ArgumentError, match="also needs exhausted"):
        parse_value("{ start: 1, end: 9 }", make_struct("app::Mine", members))
