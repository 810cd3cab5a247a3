"""Types as interfaces write them, against full names."""

from __future__ import annotations

import pytest

from idol.rust_type import Expression, parse_type
from idoldbg.resolver.names import Match, evaluate, match_names, parse_name

NONE, LAST_NAME, PATH = Match.NONE, Match.LAST_NAME, Match.PATH


@pytest.mark.parametrize(
    ("written", "full", "expected"),
    [
        ("SlotId", "drv_update_api::SlotId", PATH),
        ("drv_update_api::SlotId", "drv_update_api::SlotId", PATH),
        ("crate::SlotId", "drv_update_api::SlotId", PATH),
        ("super::types::SlotId", "drv_update_api::types::SlotId", PATH),
        ("drv_update_api::SlotId", "gateway_types::SlotId", LAST_NAME),
        ("update_api::SlotId", "drv_update_api::SlotId", LAST_NAME),
        ("SlotId", "drv_update_api::SlotIdent", NONE),
        ("u8", "u8", PATH),
        ("u8", "u16", NONE),
        ("()", "()", PATH),
        ("!", "!", PATH),
        ("[u8; 32]", "[u8; 32]", PATH),
        ("[u8; 32]", "[u8; 33]", NONE),
        ("[u8; 4 * 8]", "[u8; 32]", PATH),
        ("[u8; crate::SIZE]", "[u8; 32]", PATH),
        ("[u16; crate::SIZE]", "[u8; 32]", NONE),
        ("(NoData, u64)", "(sensor_api::NoData, u64)", PATH),
        ("(NoData, u64)", "(sensor_api::NoData, u64, u8)", NONE),
        ("(NoData,)", "(sensor_api::NoData,)", PATH),
        ("Option<SlotId>", "core::option::Option<update_api::SlotId>", PATH),
        ("Option<SlotId>", "core::option::Option<u8>", NONE),
        (
            "Option<(Result<f32, NoData>, u64)>",
            "core::option::Option<(core::result::Result<f32, task_sensor_api::NoData>, u64)>",
            PATH,
        ),
        ("Vec<u8, 4>", "heapless::Vec<u8, 4>", PATH),
        ("Vec<u8, 4>", "heapless::Vec<u8, 5>", NONE),
        ("Vec<u8, { crate::N }>", "heapless::Vec<u8, 5>", PATH),
        ("Bytes<4>", "app::Bytes", NONE),
        # An alias, or defaults: what is left out may be anything.
        ("Wrapper", "app::Wrapper<u8>", PATH),
        ("&[u8]", "&[u8]", PATH),
        ("&mut [u8]", "&[u8]", NONE),
        ("*const u8", "*const u8", PATH),
        ("[u8]", "[u8]", PATH),
        ("[u8]", "u8", NONE),
    ],
)
def test_matches(written: str, full: str, expected: Match) -> None:
    assert match_names(parse_type(written), parse_name(full)) is expected


def test_unwritable_names_match_nothing() -> None:
    assert parse_name("app::main::{closure_env#0}") is None
    assert match_names(parse_type("main"), None) is NONE


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 * 16", 32),
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("{ 0x10 - 1 }", 15),
        ("7usize / 2", 3),
        ("1_000", 1000),
        ("crate::SIZE", None),
        ("N + 1", None),
        ("4 /", None),
        ("4 / 0", None),
        ("(4", None),
        ("4 5", None),
        ("size_of::<T>()", None),
        ("(" * 40, None),
    ],
)
def test_constant_lengths(text: str, value: int | None) -> None:
    assert evaluate(Expression(text)) == value
