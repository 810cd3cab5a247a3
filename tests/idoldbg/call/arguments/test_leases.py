"""Lent data and returned data: elements of the lease's type, or bytes."""

from __future__ import annotations

import json
import re
import struct
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from idol.kinds import Encoding
from idoldbg.call.arguments import parse_lease
from idoldbg.call.calls import Reply, bind_call, build_message, prepare_call
from idoldbg.call.codec import image
from idoldbg.cli import run
from idoldbg.errors import ArgumentError, NotCallable
from idoldbg.model.types import Array, Member, Type
from idoldbg.model.values import Unit, Unreadable, Value, format_value, to_json, to_python
from idoldbg.render import json as render_json
from idoldbg.render import text as render_text
from idoldbg.resolver import How, Resolution, ResolvedLease, ResolvedOperation
from tests.idoldbg.typegen import (
    BOOL,
    CHAR,
    F32,
    I8,
    I64,
    U8,
    U16,
    U32,
    UNIT,
    make_array,
    make_clike,
    make_niche_option,
    make_struct,
    make_tagged,
    make_tuple,
    typed_values,
)

COLOR = make_clike("app::Color", [("Red", 0), ("Green", 1), ("Blue", -2)])
POINT = make_struct("app::Point", [("x", I8), ("y", U16)], gap=1)
NICHE = make_niche_option(BOOL, Member("", 0, U8), 2)
SHAPE = make_tagged("app::Shape", [("Empty", []), ("Circle", [("__0", U32)])])
MAC = make_array(U8, 6)

# What is written, the element, whether it is a slice, and the bytes that are lent.
LENT: list[tuple[str, Type, bool, bytes]] = [
    ("[1, 2, 3, 4]", U32, True, struct.pack("<4I", 1, 2, 3, 4)),
    ("[0x10, 1_000]", U16, True, struct.pack("<2H", 16, 1000)),
    ("[7u16; 3]", U16, True, struct.pack("<3H", 7, 7, 7)),
    ("[-1, 127]", I8, True, b"\xff\x7f"),
    ("[-1]", I64, True, b"\xff" * 8),
    ("[1.5, -inf]", F32, True, struct.pack("<2f", 1.5, float("-inf"))),
    ("[true, false]", BOOL, True, b"\1\0"),
    ("['a', 'é']", CHAR, True, struct.pack("<2I", 0x61, 0xE9)),
    ("[Red, Color::Blue]", COLOR, True, b"\x00\xfe"),
    ('["Green", 0]', COLOR, True, b"\1\0"),
    ("[Some(true), None, Some(false)]", NICHE, True, b"\1\2\0"),
    ("[true, null]", NICHE, True, b"\1\2"),
    ("[Point { x: -1, y: 2 }]", POINT, True, b"\xff\0\2\0\0"),
    ('[{"x": 1, "y": 258}, {"y": 0, "x": 0}]', POINT, True, b"\1\0\2\1\0" + bytes(5)),
    ("[(1, true), (2, false)]", make_tuple(U8, BOOL), True, b"\1\1\2\0"),
    ("[Empty, Circle(5)]", SHAPE, True, bytes(8) + b"\1\0\0\0\5\0\0\0"),
    ("[[1, 2], [3; 2]]", make_array(U16, 2), True, struct.pack("<4H", 1, 2, 3, 3)),
    ("[hex:010203040506, [9; 6]]", MAC, True, b"\1\2\3\4\5\6" + b"\t" * 6),
    ("[]", U32, True, b""),
    ("hex:01000000", U32, True, b"\1\0\0\0"),
    ('{"hex": "0100"}', U16, True, b"\1\0"),
    ("str:abcd", U32, True, b"abcd"),
    ("[1, 255]", U8, True, b"\1\xff"),
    ('"abc"', U8, True, b"abc"),
    ("5", U32, False, b"\5\0\0\0"),
    ("hex:05000000", U32, False, b"\5\0\0\0"),
    ("Point { x: 1, y: 2 }", POINT, False, b"\1\0\2\0\0"),
    ('{"x": 1, "y": 2}', POINT, False, b"\1\0\2\0\0"),
    ("Blue", COLOR, False, b"\xfe"),
    ("None", NICHE, False, b"\2"),
    ("[1, 2]", make_array(U16, 2), False, b"\1\0\2\0"),
    ("[[7]]", make_array(make_array(U8, 1), 1), False, b"\7"),
    ("[1, 2, 3, 4, 5, 6]", MAC, False, b"\1\2\3\4\5\6"),
    ("str:abcdef", MAC, False, b"abcdef"),
    ('"abcdef"', MAC, False, b"abcdef"),
]

REFUSED: list[tuple[str, Type, bool, str]] = [
    ("5", U32, True, r"lent: give a list of u32, such as \[1, 2\], or bytes"),
    ('"abcd"', U32, True, "give a list of u32"),
    ("Red", COLOR, True, r"give a list of Color, such as \[Red\]"),
    ("[1, 4294967296]", U32, True, r"lent\[1\]: 4294967296 is not in 0..=4294967295"),
    ("[256]", U8, True, "bytes are numbers in 0..=255"),
    ("[1, -1]", U16, True, r"lent\[1\]: -1 is not in 0..=65535"),
    ("[Rod]", COLOR, True, "did you mean `Red`"),
    ("[Point { x: 1 }]", POINT, True, r"lent\[0\]"),
    ("[Point { x: 1, y: true }]", POINT, True, r"lent\[0\].y"),
    ("[1, 2", U16, True, "the text ends"),
    ("hex:010203", U16, True, "the length, 3, is not a multiple of the element's 2 bytes"),
    ("str:abc", U32, True, "the length, 3, is not a multiple"),
    ("[1, 2]", U32, False, "lent: a list.* is not a u32"),
    ("[5]", U32, False, "lent: a list.* is not a u32"),
    ("hex:0102", U32, False, "this lease is exactly 4 bytes, not 2"),
    ("[(), ()]", UNIT, True, "take no bytes: leave it out"),
    ("[1; 9]", U16, True, "the server takes at most 8 elements, not 9"),
    ("hex:" + "00" * 18, U16, True, "the server takes at most 8 elements, not 9"),
    ("[1; 99999999]", U16, True, "99999999 elements are more than any lease takes"),
]


def operation(
    element: Type, *, is_slice: bool, access: str = "r", max_len: int | None = None
) -> ResolvedOperation:
    """Make an operation with one lease, `lent`."""
    written = f"[{element.name}]" if is_slice else element.name
    lease = ResolvedLease(
        written,
        element,
        How.NAME,
        name="lent",
        read="r" in access,
        write="w" in access,
        max_len=max_len,
        is_slice=is_slice,
    )
    ok = Resolution("()", UNIT, How.NAME)
    return ResolvedOperation(
        "Test", "lend", "server", 1, Encoding.ZEROCOPY, False, None, (), (lease,), ok, None, None
    )


def shown(case: Any) -> str:
    return case.name if hasattr(case, "name") else str(case)[:30]


@pytest.mark.parametrize(("text", "element", "is_slice", "data"), LENT, ids=shown)
def test_leases_by_type(text: str, element: Type, is_slice: bool, data: bytes) -> None:
    made = operation(element, is_slice=is_slice)
    assert prepare_call(made, {"lent": text}).sent == {"lent": data}


@pytest.mark.parametrize(("text", "element", "is_slice", "data"), LENT, ids=shown)
def test_python_lends_the_same(text: str, element: Type, is_slice: bool, data: bytes) -> None:
    found = parse_lease(text, element, is_slice=is_slice, name="lent")
    obj = found if isinstance(found, bytes) else to_python(found)
    made = operation(element, is_slice=is_slice)
    assert bind_call(made, {"lent": obj}).sent == {"lent": data}
    if is_slice or not isinstance(obj, bytes):
        assert bind_call(made, {"lent": obj if is_slice else [obj]}).sent == {"lent": data}


@pytest.mark.parametrize(("text", "element", "is_slice", "message"), REFUSED, ids=shown)
def test_refused_input(text: str, element: Type, is_slice: bool, message: str) -> None:
    made = operation(element, is_slice=is_slice, max_len=8)
    with pytest.raises(ArgumentError, match=message) as error:
        prepare_call(made, {"lent": text})
    assert str(error.value).startswith("lent")


@pytest.mark.parametrize(("text", "size"), [("@FILE", 8), ("-", 8)])
def test_files_and_standard_input_are_bytes(text: str, size: int) -> None:
    made = operation(U32, is_slice=True)
    call = prepare_call(made, {"lent": text}, read_data=lambda _: b"[1, 2]  ")
    assert call.sent["lent"] == b"[1, 2]  " and len(call.sent["lent"]) == size
    with pytest.raises(ArgumentError, match="the length, 6, is not a multiple"):
        prepare_call(made, {"lent": text}, read_data=lambda _: b"[1, 2]")


def test_a_lease_that_is_read_and_written_lends_elements_too() -> None:
    """Hiffy cannot make such a call; until it is refused it is prepared as others are."""
    made = operation(U16, is_slice=True, access="rw", max_len=2)
    call = prepare_call(made, {"lent": "[1, 2]"})
    assert call.sent == {"lent": b"\1\0\2\0"} and call.room == {"lent": 4}
    with pytest.raises(ArgumentError, match="at most 2 elements, not 3"):
        prepare_call(made, {"lent": "[1, 2, 3]"})
    with pytest.raises(NotCallable, match="both reading and writing"):
        build_message(call, 0)


@settings(max_examples=100)
@given(value=typed_values(nan=False), count=st.integers(0, 3), is_slice=st.booleans())
def test_the_type_shown_is_the_type_lent(value: Value, count: int, is_slice: bool) -> None:
    """Text and JSON of a reply can be lent again, and mean the same bytes."""
    element = value.type
    assume(element.size > 0 and not isinstance(value, Unit))
    data = image.encode(value) * (count if is_slice else 1)
    made = operation(element, is_slice=is_slice, access="w")
    reply = Reply(made, Unit(UNIT), {"lent": data})
    lends = operation(element, is_slice=is_slice)
    as_json = render_json.reply(reply)["leases"]["lent"]
    assert as_json["hex"] == data.hex()
    elements = reply.elements("lent")
    if elements is None:
        assert "elements" not in as_json
        return
    assert b"".join(image.encode(e) for e in elements) == data
    assert as_json["elements"] == [to_json(e) for e in elements]
    of_json = as_json["elements"] if is_slice else as_json["elements"][0]
    written = [json.dumps(of_json), json.dumps({"hex": data.hex()})]
    _, _, body = render_text.reply(reply).partition("\n")
    written.append(body.partition("):")[2] if not is_slice else body.partition(":\n")[2])
    for text in written:
        assert prepare_call(lends, {"lent": text}).sent == {"lent": data}, text


def test_nonsense_is_shown_as_such() -> None:
    made = operation(BOOL, is_slice=True, access="w")
    reply = Reply(made, Unit(UNIT), {"lent": b"\1\7"})
    elements = reply.elements("lent")
    assert elements is not None and isinstance(elements[1], Unreadable)
    assert render_text.reply(reply).splitlines()[1:] == [
        "lent (2 elements of bool):",
        "  [",
        "    true,",
        f"    {format_value(elements[1])},",
        "  ]",
    ]
    assert "unreadable" in render_text.reply(reply)
    shown = render_json.reply(reply)["leases"]["lent"]
    assert shown["hex"] == "0107"
    assert shown["elements"] == [True, to_json(elements[1])]


def test_an_element_that_was_cut_off_is_not_made_up() -> None:
    made = operation(U16, is_slice=True, access="w")
    reply = Reply(made, Unit(UNIT), {"lent": b"\1\0\2"})
    assert "1,\n    <unreadable" in render_text.reply(reply)


@pytest.mark.parametrize("count", [0, 1, 30])
def test_long_lists_break_between_elements(count: int) -> None:
    made = operation(CHAR, is_slice=True, access="w")
    data = image.encode(parse_array("' '", CHAR, count))
    lines = render_text.reply(Reply(made, Unit(UNIT), {"lent": data})).splitlines()[2:]
    assert all(len(line) <= 88 for line in lines)
    text = " ".join(line.strip() for line in lines)
    assert text == "[" + ", ".join(["' '"] * count) + "]"


def parse_array(text: str, element: Type, count: int) -> Value:
    found = parse_lease(f"[{text}; {count}]", element, is_slice=True, name="")
    assert not isinstance(found, bytes) and isinstance(found.type, Array)
    return found


# ---------------------------------------------------------------------- on the board


def call(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = run(["call", *argv])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize(
    ("values", "answer"),
    [("[1, 2, 3, 4]", 10), ("[]", 0), ("[0xffffffff; 64]", 64 * 0xFFFFFFFF), ("hex:0a000000", 10)],
)
def test_a_board_sums_elements(
    values: str, answer: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(capsys, "Sensor.sum", "--values", values) == (0, f"Sensor.sum() => {answer}\n", "")


def test_a_board_fills_elements(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = call(capsys, "Sensor.history", "--samples", "4")
    assert out == "Sensor.history() => 4\nsamples (4 elements of u16):\n  [0, 1, 2, 3]\n"
    _, out, _ = call(capsys, "Sensor.history", "--samples", "4", "--format", "json")
    assert json.loads(out)["leases"] == {
        "samples": {"elements": [0, 1, 2, 3], "hex": "0000010002000300"}
    }


def test_help_shows_leases(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = call(capsys, "Sensor.sum", "--help")
    assert "--values DATA  […] of u32, or bytes: hex:…, @FILE, str:TEXT or - (stdin)" in out
    _, out, _ = call(capsys, "Spi.exchange", "--help")
    assert re.search(r"--source DATA +hex:…, \[1, 2\], @FILE, str:TEXT or - \(stdin\)\n", out)
