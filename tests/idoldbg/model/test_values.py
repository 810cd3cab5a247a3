"""Values as Rust text, as JSON, as Python data."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idoldbg.errors import DecodeError, NotFound
from idoldbg.model.types import Pointer
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
    Text,
    Unit,
    Unreadable,
    Value,
    find_number,
    format_value,
    make_enum,
    to_json,
    to_python,
)
from tests.idoldbg.typegen import (
    BOOL,
    CHAR,
    F32,
    F64,
    I8,
    U8,
    U16,
    U32,
    UNIT,
    make_array,
    make_clike,
    make_option,
    make_struct,
    make_tagged,
    make_tuple,
    typed_values,
)

SENSOR = make_struct("app::SensorId", [("__0", U16)])
READING = make_struct("app::Reading", [("celsius", F32), ("id", SENSOR)])
COLOR = make_clike("app::Color", [("Red", 0), ("Blue", -2)])
SHAPE = make_tagged(
    "app::Shape",
    [("Empty", []), ("Box", [("__0", U8), ("__1", I8)]), ("Label", [("color", COLOR)])],
)
OPTION = make_option(U8)
NESTED = make_option(OPTION)
STR = make_struct("&str", [("data_ptr", Pointer("*const u8", 4, "u8")), ("length", U32)])

reading = StructValue(
    READING,
    (("celsius", Float(F32, 21.5)), ("id", StructValue(SENSOR, (("__0", Int(U16, 3)),)))),
)


def variant(type_: Any, name: str, *values: Value) -> EnumValue:
    chosen = next(v for v in type_.variants if v.name == name)
    names = [m.name for m in chosen.type.members]
    payload = StructValue(chosen.type, tuple(zip(names, values, strict=True))) if names else None
    return make_enum(type_, name, payload)


# A value, as text, as JSON, as Python data.
TABLE: list[tuple[Value, str, Any, Any]] = [
    (Unit(UNIT), "()", None, None),
    (Int(U8, 200), "200", 200, 200),
    (Bool(BOOL, False), "false", False, False),
    (Float(F64, 0.1), "0.1", 0.1, 0.1),
    (Float(F64, float("-inf")), "-inf", "-Infinity", float("-inf")),
    (Char(CHAR, "\n"), r"'\n'", "\n", "\n"),
    (Char(CHAR, "'"), r"'\''", "'", "'"),
    (Char(CHAR, "\u200b"), r"'\u{200b}'", "\u200b", "\u200b"),
    (Text(STR, 'say "hi"\0'), r'"say \"hi\"\0"', 'say "hi"\0', 'say "hi"\0'),
    (PointerValue(Pointer("&u8", 4, "u8"), 0x2000_0000), "0x20000000", 0x2000_0000, 0x2000_0000),
    (Raw(make_array(U8, 3), b"\1\2\3"), "[1, 2, 3]", {"hex": "010203"}, b"\1\2\3"),
    (Raw(make_array(U8, 17), bytes(17)), "hex:" + "00" * 17, {"hex": "00" * 17}, bytes(17)),
    (ArrayValue(make_array(U16, 2), (Int(U16, 1), Int(U16, 2))), "[1, 2]", [1, 2], [1, 2]),
    (
        reading,
        "Reading { celsius: 21.5, id: SensorId(3) }",
        {"celsius": 21.5, "id": 3},
        {"celsius": 21.5, "id": 3},
    ),
    (
        StructValue(make_tuple(U8, I8), (("__0", Int(U8, 1)), ("__1", Int(I8, -1)))),
        "(1, -1)",
        [1, -1],
        (1, -1),
    ),
    (StructValue(make_tuple(U8), (("__0", Int(U8, 1)),)), "(1,)", 1, 1),
    (StructValue(make_struct("app::Marker", []), ()), "Marker", {}, {}),
    (make_enum(COLOR, "Blue"), "Blue", "Blue", "Blue"),
    (variant(SHAPE, "Empty"), "Empty", "Empty", "Empty"),
    (
        variant(SHAPE, "Box", Int(U8, 1), Int(I8, 2)),
        "Box(1, 2)",
        {"Box": [1, 2]},
        {"Box": (1, 2)},
    ),
    (
        variant(SHAPE, "Label", make_enum(COLOR, "Red")),
        "Label { color: Red }",
        {"Label": {"color": "Red"}},
        {"Label": {"color": "Red"}},
    ),
    (variant(OPTION, "None"), "None", None, None),
    (variant(OPTION, "Some", Int(U8, 3)), "Some(3)", 3, 3),
    (variant(NESTED, "None"), "None", None, None),
    (variant(NESTED, "Some", variant(OPTION, "None")), "Some(None)", *[{"Some": None}] * 2),
    (
        variant(NESTED, "Some", variant(OPTION, "Some", Int(U8, 1))),
        "Some(Some(1))",
        {"Some": 1},
        {"Some": 1},
    ),
    (variant(make_option(UNIT), "Some", Unit(UNIT)), "Some(())", *[{"Some": None}] * 2),
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text", "as_json", "as_python"), TABLE, ids=lambda v: str(v)[:24]
)
def test_three_forms(value: Value, text: str, as_json: Any, as_python: Any) -> None:
    assert format_value(value) == text
    assert to_json(value) == as_json
    assert to_python(value) == as_python
    assert type(to_python(value)) is type(as_python)
    json.dumps(to_json(value), allow_nan=False)


def test_unreadable_values_stay_visible() -> None:
    value = StructValue(READING, (("celsius", Unreadable(F32, "no memory")), reading.fields[1]))
    assert format_value(value) == "Reading { celsius: <unreadable: no memory>, id: SensorId(3) }"
    assert to_json(value) == {"celsius": {"unreadable": "no memory"}, "id": 3}
    assert to_python(value)["celsius"] == Unreadable(F32, "no memory")


def test_not_a_number() -> None:
    value = Float(F32, float("nan"))
    assert (format_value(value), to_json(value)) == ("NaN", "NaN")
    assert math.isnan(to_python(value))


def test_hexadecimal() -> None:
    value = StructValue(
        make_tuple(U8, I8, make_array(U8, 2)),
        (("__0", Int(U8, 255)), ("__1", Int(I8, -16)), ("__2", Raw(make_array(U8, 2), b"\1\xff"))),
    )
    assert format_value(value, hexadecimal=True) == "(0xff, -0x10, [0x01, 0xff])"


@given(st.floats(width=32, allow_nan=False))
def test_an_f32_is_written_with_the_digits_it_has(number: float) -> None:
    text = format_value(Float(F32, number))
    assert len(text) <= 19  # up to 1e16 repr writes all digits
    assert struct.pack("<f", float(text)) == struct.pack("<f", number)


def test_the_largest_f32_can_be_written() -> None:
    assert format_value(Float(F32, 3.4028234663852886e38)) == "3.4028235e+38"


def test_the_address_does_not_count() -> None:
    assert Int(U8, 1, address=5) == Int(U8, 1)
    assert "address" not in repr(Int(U8, 1, address=5))


STATE = make_tagged(
    "abi::TaskState",
    [("Healthy", [("__0", SHAPE)]), ("Faulted", [("fault", SHAPE), ("reading", READING)])],
)
UNREAD = Unreadable(U8, "no memory there", 0x2000_0000)


def test_a_way_through_values() -> None:
    box = variant(SHAPE, "Box", Int(U8, 1), Int(I8, 2))
    faulted = variant(STATE, "Faulted", box, reading)
    assert faulted["fault"][1] == Int(I8, 2)
    assert int(faulted["reading"]["id"]) == 3  # a newtype
    assert faulted["reading"]["celsius"] == Float(F32, 21.5)
    assert variant(STATE, "Healthy", box).only == box
    assert variant(OPTION, "Some", Int(U8, 3)).only == Int(U8, 3)
    row = ArrayValue(make_array(SENSOR, 2), (reading["id"], reading["id"]))
    assert int(row[1]) == 3
    assert faulted.as_variant("Faulted") is faulted
    assert faulted.as_variant("Healthy") is None
    assert variant(SHAPE, "Empty").as_variant("Empty") is not None
    assert reading.as_variant("Faulted") is None


NOT_THERE: list[tuple[Value, str | int, str]] = [
    (reading, "celcius", "no field named `celcius` in `Reading`; did you mean `celsius`?"),
    (reading, "kelvin", "no field named `kelvin` in `Reading`; it has celsius, id"),
    (reading, 0, "no field named `0` in `Reading`; it has celsius, id"),
    (reading["id"], 1, "no field named `1` in `SensorId`; it has 0"),
    (Int(U8, 1), "x", "no field named `x` in `u8`"),
    (variant(SHAPE, "Empty"), 0, "no field named `0` in `Shape::Empty`"),
    (variant(SHAPE, "Box", Int(U8, 1), Int(I8, 2)), 2, "in `Shape::Box`; it has 0, 1"),
    (ArrayValue(make_array(U16, 1), (Int(U16, 1),)), 1, "no element named `1` in `[u16; 1]`"),
    (ArrayValue(make_array(U16, 1), (Int(U16, 1),)), -1, "no element named `-1` in `[u16; 1]`"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "part", "message"), NOT_THERE)
def test_a_part_that_is_not_there(value: Value, part: str | int, message: str) -> None:
    assert value.get(part) is None
    with pytest.raises(NotFound) as failed:
        value[part]
    assert message in failed.value.message


NO_WAY: list[tuple[Callable[[], object], str]] = [
    (lambda: reading.only, "`Reading` has 2 fields, where one was expected"),
    (lambda: Int(U8, 1).only, "`u8` has no fields, where one was expected"),
    (lambda: variant(SHAPE, "Empty").only, "`Shape::Empty` has no fields, where one"),
    (lambda: int(reading), "`Reading` is not a number"),
    (lambda: int(reading["celsius"]), "`f32` is not a number"),
    (lambda: int(variant(OPTION, "Some", Int(U8, 3))), "`Option<u8>::Some` is not a number"),
    (lambda: int(UNREAD), "`u8` cannot be read at 0x20000000: no memory there"),
    (lambda: int(StructValue(SENSOR, (("__0", UNREAD),))), "`u8` cannot be read at 0x20000000"),
    (lambda: UNREAD.only, "`u8` cannot be read at 0x20000000: no memory there"),
    (lambda: UNREAD["x"], "`u8` cannot be read at 0x20000000: no memory there"),
    (lambda: UNREAD.get(0), "`u8` cannot be read at 0x20000000: no memory there"),
    (lambda: UNREAD.as_variant("Some"), "`u8` cannot be read at 0x20000000: no memory there"),
    (lambda: Unreadable(U8, "too deep").only, "`u8` cannot be read: too deep"),
]  # fmt: skip


@pytest.mark.parametrize(("way", "message"), NO_WAY)
def test_failed_navigation_has_a_reason(way: Callable[[], object], message: str) -> None:
    with pytest.raises(DecodeError) as failed:
        way()
    assert failed.value.message.startswith(message)
    assert failed.value.type


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (Int(I8, -1), -1),
        (Bool(BOOL, True), 1),
        (PointerValue(Pointer("&u8", 4, "u8"), 0x2000_0000), 0x2000_0000),
        (StructValue(make_tuple(SENSOR), (("__0", reading["id"]),)), 3),
    ],
)
def test_numbers(value: Value, number: int) -> None:
    assert int(value) == number


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (None, None),
        (Int(U8, 7), 7),
        (reading["id"], 3),
        (variant(OPTION, "Some", Int(U8, 3)), 3),
        (variant(OPTION, "None"), None),
        (variant(OPTION, "Some", UNREAD), None),
        (Unit(UNIT), None),
        (UNREAD, None),
        (reading, None),
    ],
)
def test_numbers_that_may_not_be_there(value: Value | None, number: int | None) -> None:
    assert find_number(value) == number


@settings(max_examples=100)
@given(value=typed_values())
def test_every_part_is_found_by_its_name(value: Value) -> None:
    for name in value.part_names:
        assert value[name] is value.get(name)
    if isinstance(value, StructValue):
        assert [value[name] for name in value.part_names] == [v for _, v in value.fields]
        if value.type.is_tuple_like:
            assert [value[i] for i in range(len(value.fields))] == [v for _, v in value.fields]
    assert value.opened.opened is value.opened


def test_enum_values_carry_their_codes() -> None:
    assert make_enum(COLOR, "Blue").code == -2
    assert make_enum(OPTION, "None").code == 0
    with pytest.raises(KeyError):
        make_enum(COLOR, "Green")


@settings(max_examples=100)
@given(value=typed_values())
def test_every_value_has_all_forms(value: Value) -> None:
    assert format_value(value)
    json.dumps(to_json(value), allow_nan=False)
    to_python(value)
