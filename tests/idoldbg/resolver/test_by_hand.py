"""Types that are serialized otherwise than a derived impl does it: calls say so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import idoldbg
from idoldbg.cli import run
from idoldbg.resolver import ResolvedOperation
from tests.idoldbg.resolver.written import Dwarf

Resolve = Callable[..., ResolvedOperation]
GAPS = Path(__file__).parents[3] / "fixtures/gaps/archives/gaps-types.zip"
SET = 'encoding: Hubpack, args: {"level": "Level"}, reply: Simple("()")'
CLOSURE = "demo_api::_::{impl#0}::deserialize::{closure_env#0}<&mut hubpack::de::Deserializer>"
OTHER_CLOSURE = "demo_api::clamp::{closure_env#0}"
FROM = "fn(u8) -> demo_api::Level"
HUBPACK = "hubpack::error::Error"


@pytest.mark.parametrize(
    ("method", "error", "made_by", "field", "is_doubted"),
    [
        ("map", HUBPACK, FROM, "u32", True),  # from
        ("map", HUBPACK, FROM, "u8", True),  # from the field's own type, perhaps another value
        ("and_then", HUBPACK, CLOSURE, "u32", True),  # try_from
        ("and_then", "ssmarshal::Error", CLOSURE, "u8", True),
        ("map", HUBPACK, CLOSURE, "u8", False),  # transparent
        ("map", HUBPACK, OTHER_CLOSURE, "u32", False),  # not serde's
        ("map", "demo_api::Mistake", FROM, "u32", False),  # not of a message
    ],
)
def test_newtypes_that_are_made_of_another_type(
    method: str,
    error: str,
    made_by: str,
    field: str,
    is_doubted: bool,
    dwarf: Dwarf,
    resolve: Resolve,
) -> None:
    level = dwarf.struct("demo_api::Level", {"__0": getattr(dwarf, field)})
    failure = dwarf.enum(error, "Custom", "Truncated")
    given, made = dwarf.result(dwarf.u8, failure), dwarf.result(level, failure)
    path = f"core::result::Result<u8, {error}>::{method}<u8, {error}, demo_api::Level, {made_by}>"
    dwarf.function(path, [given], made)
    operation = resolve(SET, {"server": dwarf})
    assert not operation.contradiction
    expected = "`Level` is serialized by hand (it is made of u8 when it is read)"
    assert operation.doubt.startswith(expected) if is_doubted else not operation.doubt
    # Packed messages are memory, whatever serde does.
    assert not resolve(SET.replace("Hubpack", "Zerocopy"), {"server": dwarf}).doubt


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("Skips.convert --level {level:3,is_high:true}", "`Converted` is serialized by hand"),
        ("Skips.swap --pair {plain:3,swapped:4}", "`Swapped` is serialized by hand"),
        ("Custom.stamp", "`Stamp` is serialized by hand"),
        ("Skips.choose --shape Dot", ""),
    ],
)
def test_a_call_warns_of_types_with_their_own_serialization(
    call: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where its types are known from the index."""
    for _ in range(2):
        code = run(["-a", str(GAPS), "-p", "emu", "call", *call.split()])
        error = capsys.readouterr().err
        assert code == 0
        assert (f"{message} (" in error) if message else not error


def test_the_python_api_reports_it_once() -> None:
    told: list[str] = []
    with idoldbg.attach(str(GAPS), probe="emu", notify=told.append) as dev:
        for number in (1, 2):
            dev.Skips.convert(level={"level": number, "is_high": False})
    (message,) = [t for t in told if "by hand" in t]
    assert message.startswith("Skips.convert: `Converted` is serialized by hand")
