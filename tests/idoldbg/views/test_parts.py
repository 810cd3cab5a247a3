"""Parts of statics: found through wrappers, pointers and variants."""

from __future__ import annotations

import struct

import pytest

from idoldbg.build.program import Program
from idoldbg.errors import ArgumentError, FaultError, IdoldbgError
from idoldbg.model.types import Enum, Member, Pointer, Struct, Type, Union, Variant
from idoldbg.model.values import format_value
from idoldbg.views.parts import evaluate
from tests.idoldbg.typegen import BOOL, U8, U16, U32, UNIT, make_array
from tests.idoldbg.views.made_statics import RAM, program_of

POINT = Struct("app::Point", 4, (Member("x", 0, U16), Member("y", 2, U16)))
CELL = Struct(
    "StaticCell<Point>",
    8,
    (
        Member("taken", 0, Struct("AtomicBool", 1, (Member("v", 0, U8),))),
        Member("cell", 4, Struct("UnsafeCell<Point>", 4, (Member("value", 0, POINT),))),
    ),
)
ALIGNED = Struct("Align1<u8>", 1, (Member("__0", 0, U8),))
NEWER_FLAG = Struct(
    "core::sync::atomic::Atomic<bool>",
    1,
    (Member("v", 0, Struct("UnsafeCell<Align1<u8>>", 1, (Member("value", 0, ALIGNED),))),),
)
NEWER_CELL = Struct("StaticCell<Point>", 8, (Member("borrowed", 0, NEWER_FLAG), *CELL.members[1:]))
TEXT = Struct("&str", 8, (Member("data_ptr", 0, Pointer("*u8", 4, "u8", lambda: U8)),
                          Member("length", 4, U32)))  # fmt: skip
SLICE = Struct("&[Point]", 8, (Member("data_ptr", 0, Pointer("*P", 4, "P", lambda: POINT)),
                               Member("length", 4, U32)))  # fmt: skip
FAULTED = Struct("S::Faulted", 8, (Member("fault", 4, U32),))
STATE = Enum(
    "app::State",
    8,
    Member("tag", 0, U32),
    (
        Variant("Healthy", 0, 0, Struct("S::Healthy", 8, ())),
        Variant("Faulted", 1, 0, FAULTED),
    ),
)
UNINIT = Union("MaybeUninit<bool>", 1, (Member("uninit", 0, UNIT), Member("value", 0, BOOL)))

STATICS: tuple[tuple[str, Type, bytes], ...] = (
    ("spi::CELL", CELL, struct.pack("<IHH", 1, 7, 8)),
    ("spi::POINTS", make_array(POINT, 3), struct.pack("<6H", 1, 2, 3, 4, 5, 6)),
    ("spi::TEXT", TEXT, struct.pack("<II", RAM + 8, 4)),
    ("spi::SLICE", SLICE, struct.pack("<II", RAM + 8, 2)),
    ("spi::STATE", STATE, struct.pack("<II", 1, 99)),
    ("spi::NEXT", Pointer("&P", 4, "P", lambda: POINT), struct.pack("<I", RAM + 4)),
    ("spi::LONG", SLICE, struct.pack("<II", RAM, 1000)),
    ("spi::WILD", TEXT, struct.pack("<II", 0x10, 4)),
    ("spi::UART", Pointer("&P", 4, "P", lambda: POINT), struct.pack("<I", 0x4000_0000)),
    ("spi::a::SAME", U32, struct.pack("<I", 1)),
    ("spi::b::SAME", U32, struct.pack("<I", 2)),
    ("spi::NEWER", NEWER_CELL, struct.pack("<IHH", 1, 7, 8)),
    ("spi::MAYBE", UNINIT, b"\x07"),
)


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Program:
    memory = b"".join(data for *_, data in STATICS) + bytes(400)
    return program_of(monkeypatch, memory, *((path, type_) for path, type_, _ in STATICS))


READ: list[tuple[str, str, tuple[str, ...]]] = [
    ("CELL.x", "7", ("taken: true",)),
    ("NEWER.x", "7", ("borrowed: true",)),
    ("spi/CELL.taken", "AtomicBool { v: 1 }", ()),
    ("CELL.cell.value", "Point { x: 7, y: 8 }", ()),
    ("POINTS[1]", "Point { x: 3, y: 4 }", ()),
    ("POINTS[1..3]", "[Point { x: 3, y: 4 }, Point { x: 5, y: 6 }]", ()),
    ("POINTS[1..].y", "4 6", ()),
    ("TEXT", r'"\u{1}\0\u{2}\0"', ()),
    ("SLICE", "[Point { x: 1, y: 2 }, Point { x: 3, y: 4 }]", ()),
    ("SLICE[1].x", "3", ()),
    ("SLICE.*", "[Point { x: 1, y: 2 }, Point { x: 3, y: 4 }]", ()),
    ("SLICE.length", "2", ()),
    ("STATE", "Faulted { fault: 99 }", ()),
    ("STATE.Faulted.fault", "99", ()),
    ("NEXT", "0x20000004", ()),
    ("NEXT.*.y", "8", ()),
    ("a::SAME", "1", ()),
    ("SAME", "1 2", ()),
    ("MAYBE", "[7]", ("uninitialised?",)),
]


@pytest.mark.parametrize(("expression", "shown", "notes"), READ)
def test_values_of_expressions(
    program: Program, expression: str, shown: str, notes: tuple[str, ...]
) -> None:
    found = evaluate(program, expression)
    assert " ".join(format_value(read.value) for read in found) == shown
    assert found[0].notes == notes
    assert b"".join(r.raw for r in found)


def test_slices_are_bounded_and_wild_ones_are_unreadable(program: Program) -> None:
    (long,) = evaluate(program, "LONG")
    assert len(long.value.elements) == 64  # type: ignore[union-attr]
    assert long.notes == (f"the first 64 of 1000 elements at 0x{RAM:08x}",)
    (wild,) = evaluate(program, "WILD")
    assert "no memory at 0x00000010" in format_value(wild.value)
    with pytest.raises(FaultError):
        evaluate(program, "WILD.*")


REFUSED: list[tuple[str, str]] = [
    ("CELL.z", "no field named `z` in `spi/spi::CELL` (`StaticCell<Point>`); it has taken, cell"),
    ("POINTS[3]", "no element named `3` in `spi/spi::POINTS`, which has 3"),
    ("POINTS[1..4]", "no element named `3`"),
    ("POINTS.x", "it has no fields"),
    ("POINTS.*", "is not a pointer"),
    ("CELL[0]", "is not an array or slice"),
    ("UART.*", "is at 0x40000000 among device registers, which reading can change"),
    ("NEXT.x", "follow it with `.*`"),
    ("STATE.Healthy", "(`State`) is `Faulted` now, not `Healthy`"),
    ("STATE.Fualted", "no variant named `Fualted` in `spi/spi::STATE` (`State`); did you mean"),
    ("STAET", "no static named `STAET` in this build; did you mean `STATE`"),
    ("c::SAME", "no static named `c::SAME` in this build; did you mean"),
    ("spu/CELL", "did you mean `spi`"),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "message"), REFUSED)
def test_missing_things_are_reported(program: Program, expression: str, message: str) -> None:
    with pytest.raises(IdoldbgError) as caught:
        evaluate(program, expression)
    assert message in str(caught.value)


def test_one_refuses_names_of_several(program: Program) -> None:
    with pytest.raises(ArgumentError, match="choose one of `spi/spi::a::SAME`, `spi/spi::b::SAME`"):
        evaluate(program, "SAME", one=True)
    assert len(evaluate(program, "a::SAME", one=True)) == 1
