"""Lines and columns, in every encoding, against a count by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idol.editor.places import Encoding, Lines, Position
from idol.source import Span

CODECS = {Encoding.UTF8: "utf-8", Encoding.UTF16: "utf-16-le", Encoding.UTF32: "utf-32-le"}
UNITS = {Encoding.UTF8: 1, Encoding.UTF16: 2, Encoding.UTF32: 4}
# Line ends of the protocol and of others, characters of one to four bytes, a combining accent.
TEXTS = st.text(alphabet='ab"(\n\r\x0b\x0c\x85\u2028\u2029é\u0301€\U0001f600', max_size=40)


def count_by_hand(text: str, offset: int, encoding: Encoding) -> Position:
    """Walk through the text, a character at a time."""
    line = column = 0
    at = 0
    while at < offset:
        if text[at] == "\r" and text[at + 1 : at + 2] == "\n" and at + 1 == offset:
            break  # between the two: still the end of the line
        if text[at] == "\n" or (text[at] == "\r" and text[at + 1 : at + 2] != "\n"):
            line, column = line + 1, 0
        elif text[at] != "\r":
            column += len(text[at].encode(CODECS[encoding])) // UNITS[encoding]
        at += 1
    return Position(line, column)


@pytest.mark.parametrize("encoding", Encoding)
@given(text=TEXTS)
def test_positions_are_those_counted_by_hand(encoding: Encoding, text: str) -> None:
    lines = Lines(text, encoding)
    for offset in range(len(text) + 1):
        position = lines.get_position(offset)
        assert position == count_by_hand(text, offset, encoding)
        if text[offset - 1 : offset + 1] != "\r\n":
            assert lines.get_offset(position) == offset


@pytest.mark.parametrize(
    ("encoding", "column"), [(Encoding.UTF8, 9), (Encoding.UTF16, 5), (Encoding.UTF32, 4)]
)
def test_a_column_behind_characters_of_several_units(encoding: Encoding, column: int) -> None:
    text = "one\né😀€x\u2028x"  # 2 + 4 + 3 bytes, 1 + 2 + 1 units, 3 characters
    offset = text.index("x")
    expected = Position(1, column - (encoding is not Encoding.UTF8))
    assert Lines(text, encoding).get_position(offset) == expected
    assert Lines(text, encoding).get_offset(expected) == offset


def test_the_middle_of_a_surrogate_pair_is_its_beginning() -> None:
    assert Lines("a😀b", Encoding.UTF16).get_offset(Position(0, 2)) == 1


@pytest.mark.parametrize(
    ("position", "offset"),
    [(Position(-1, 3), 0), (Position(0, 99), 2), (Position(0, -5), 0), (Position(7, 0), 6)],
)
def test_places_outside_count_as_the_edge(position: Position, offset: int) -> None:
    assert Lines("ab\r\ncd", Encoding.UTF16).get_offset(position) == offset


def test_lone_surrogates_do_no_harm() -> None:
    lines = Lines("\ud800x", Encoding.UTF16)
    assert lines.get_position(1) == Position(0, 1)
    assert lines.get_range(Span(0, 9)) == (Position(0, 0), Position(0, 2))
