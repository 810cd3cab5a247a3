"""Forms and examples of values: every example that help shows can be typed."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from idoldbg.call.calls import prepare_call
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
    Union,
    Variant,
)
from idoldbg.opening import TargetOptions, open_program
from idoldbg.render import notation, text

ARCHIVES = sorted((Path(__file__).parents[3] / "fixtures/archives").glob("*.zip"))

U8 = Scalar("u8", 1, ScalarKind.UNSIGNED)
I16 = Scalar("i16", 2, ScalarKind.SIGNED)
BOOL = Scalar("bool", 1, ScalarKind.BOOL)
UNIT = Struct("m::E::None", 0, ())
PAIR = Struct("(u8, i16)", 4, (Member("__0", 0, U8), Member("__1", 2, I16)))
POINT = Struct("m::Point", 4, (Member("x", 0, U8), Member("y", 2, I16)))
OPTION = Enum(
    "core::option::Option<u8>",
    2,
    Member("tag", 0, U8),
    (
        Variant("None", 0, 0, UNIT),
        Variant("Some", 1, 0, Struct("core::option::Option<u8>::Some", 2, (Member("__0", 1, U8),))),
    ),
)
COLOUR = CEnum("m::Colour", 1, False, (Enumerator("Red", 0), Enumerator("Green", 1)), ("Red",))

CASES: list[tuple[Type, list[str], str | None]] = [
    (U8, ["0..255"], "0"),
    (I16, ["-32768..32767"], "0"),
    (BOOL, ["true | false"], "true"),
    (PAIR, ["(0..255, -32768..32767)"], "(0, 0)"),
    (POINT, ["Point { x: 0..255, y: -32768..32767 }"], "Point { x: 0, y: 0 }"),
    (OPTION, ["None | Some(0..255)"], "None"),
    (COLOUR, ["Green"], "Green"),  # no server takes a skipped variant
    (Array("[u8; 4]", U8, 4), ["hex:… or [0..255; 4]"], "[0; 4]"),
    (Array("[bool; 2]", BOOL, 2), ["[true | false; 2]"], "[true; 2]"),
    (Union("m::U", 4, ()), ["U"], None),
]


@pytest.mark.parametrize(("type_", "lines", "example"), CASES)
def test_forms_and_examples(type_: Type, lines: list[str], example: str | None) -> None:
    assert notation.forms(type_) == lines
    assert notation.example(type_) == example


def test_endless_types_have_short_forms() -> None:
    many = CEnum("m::Many", 2, False, tuple(Enumerator(f"V{i}", i) for i in range(1000)))
    assert notation.forms(many)[-1] == "… and 960 more"
    deep: Type = U8
    for level in range(40):
        deep = Struct(f"m::L{level}", 1, (Member("inner", 0, deep),))
    assert len(notation.forms(deep)[0]) < 200
    assert notation.example(deep) is None


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.stem)
def test_every_example_can_be_typed(archive: Path) -> None:
    program = open_program(TargetOptions(archive=str(archive)))
    count = 0
    for server in program.servers:
        for operation in server.interface.operations:
            resolved = program.resolve(server, operation.name)
            example = text.operation_example(resolved)
            assert example is not None, resolved.name
            _, _, name, *options = shlex.split(example)
            assert name == resolved.name
            flags = [flag.removeprefix("--").replace("-", "_") for flag in options[::2]]
            prepare_call(resolved, dict(zip(flags, options[1::2], strict=True)))
            count += 1
    assert count > 10
