"""Properties of types, and their shortened names."""

from __future__ import annotations

import pytest

from idoldbg.model.types import Pointer, Scalar, Struct, Type, short_name
from tests.idoldbg.typegen import (
    I8,
    U8,
    U16,
    UNIT,
    make_array,
    make_clike,
    make_option,
    make_struct,
    make_tagged,
    make_tuple,
)

SENSOR = make_struct("app::SensorId", [("__0", U16)])
NONZERO = make_struct("core::num::nonzero::NonZero<u16>", [("__0", U16)])
RESULT = make_tagged("core::result::Result<(), u8>", [("Ok", []), ("Err", [("__0", U8)])])

# A type, and every question that it answers with yes.
KINDS: list[tuple[Type, set[str]]] = [
    (UNIT, {"is_unit"}),
    (Scalar("!", 0, UNIT.encoding), set()),
    (U8, {"is_byte"}),
    (I8, set()),
    (U16, set()),
    (Pointer("&u8", 4, "u8"), set()),
    (make_struct("app::Reading", [("celsius", U8)]), set()),
    (make_struct("app::Second", [("__1", U8)]), set()),
    (Struct("Empty", 0, ()), set()),
    (make_tuple(U8, U8), {"is_tuple_like"}),
    (make_tuple(U8), {"is_tuple_like", "is_newtype"}),
    (SENSOR, {"is_tuple_like", "is_newtype"}),
    (NONZERO, {"is_tuple_like", "is_newtype", "is_nonzero"}),
    (make_struct("core::num::NonZeroU8", [("value", U8)]), set()),
    (make_array(U8, 3), {"is_byte_array"}),
    (make_array(U8, 0), {"is_byte_array"}),
    (make_array(I8, 3), set()),
    (make_option(U8), {"is_option"}),
    (make_tagged("app::Option<u8>", [("None", []), ("Some", [("__0", U8)])]), set()),
    (make_tagged("core::option::Option<u8>", [("Some", [("__0", U8)]), ("None", [])]), set()),
    (RESULT, {"is_result"}),
    (make_tagged("core::result::Result<_, _>", [("Err", []), ("Ok", [])]), set()),
    (make_clike("core::option::Option<!>", [("None", 0), ("Some", 1)]), set()),
]  # fmt: skip
QUESTIONS = (
    "is_unit",
    "is_byte",
    "is_byte_array",
    "is_tuple_like",
    "is_newtype",
    "is_nonzero",
    "is_option",
    "is_result",
)


@pytest.mark.parametrize(("type_", "yes"), KINDS, ids=lambda v: getattr(v, "name", ""))
def test_kinds_of_types(type_: Type, yes: set[str]) -> None:
    assert {question for question in QUESTIONS if getattr(type_, question)} == yes


def test_variants_by_name() -> None:
    assert RESULT.variant_names == ("Ok", "Err")
    assert make_clike("app::Color", [("Red", 0), ("Blue", -2)]).variant_names == ("Red", "Blue")
    assert SENSOR.variant_names == ()


NAMES = [
    ("u8", "u8"),
    ("app::Reading", "Reading"),
    ("core::option::Option<app::TaskId>", "Option<TaskId>"),
    ("core::result::Result<(a::B, u8), c::d::E<f::G>>", "Result<(B, u8), E<G>>"),
    ("[app::Color; 3]", "[Color; 3]"),
    ("&mut app::Color", "&mut Color"),
    ("app::main::{closure_env#0}", "{closure_env#0}"),
    ("(a::B, [c::D; 2])", "(B, [D; 2])"),
    ("core::option::Option<a::B<c::D>>::Some", "Some"),
    ("fn(a::B) -> c::D<u8>", "fn(B) -> D<u8>"),
    ("a::{impl#3}::x::Y<b::C>", "Y<C>"),
    ("<a::B as c::D>::E", "E"),
    ("", ""),
]


@pytest.mark.parametrize(("name", "short"), NAMES)
def test_short_names(name: str, short: str) -> None:
    assert short_name(name) == short
