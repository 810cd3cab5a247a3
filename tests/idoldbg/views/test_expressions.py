"""Expressions: what they mean, and what is wrong with others."""

from __future__ import annotations

import pytest

from idoldbg.errors import ArgumentError
from idoldbg.views.expressions import (
    Deref,
    Expression,
    FieldStep,
    IndexStep,
    RangeStep,
    Step,
    parse_expression,
)

PARSED: list[tuple[str, str | None, str, tuple[Step, ...]]] = [
    ("TICKS", None, "TICKS", ()),
    ("kernel/kern::TICKS", "kernel", "kern::TICKS", ()),
    ("user_leds/A.b.0[3]", "user_leds", "A", (FieldStep("b"), FieldStep("0"), IndexStep(3))),
    ("A[0x10].*.c", None, "A", (IndexStep(16), Deref(), FieldStep("c"))),
    ("A[3..6]", None, "A", (RangeStep(3, 6),)),
    ("A[..6][2..]", None, "A", (RangeStep(0, 6), RangeStep(2, None))),
    ("a::{impl#0}::B.c", None, "a::{impl#0}::B", (FieldStep("c"),)),
    ("<[u8; 2] as T>::X.y", None, "<[u8; 2] as T>::X", (FieldStep("y"),)),
]


@pytest.mark.parametrize(("text", "task", "path", "steps"), PARSED)
def test_parts_of_an_expression(
    text: str, task: str | None, path: str, steps: tuple[Step, ...]
) -> None:
    assert parse_expression(text) == Expression(text, task, path, steps)


REFUSED = [
    ("", "column 1: expected the name of a static"),
    ("net/", "column 5: expected the name of a static"),
    ("a b/X", "column 1: expected a task's name"),
    ("X.", "column 3: expected a field's name"),
    ("X..y", "column 3: expected a field's name"),
    ("X[", "column 3: expected an index"),
    ("X[3", "column 4: expected `]`"),
    ("X[-1]", "column 3: expected an index"),
    ("X[6..3]", "the range ends at 3, before it starts at 6"),
    ("X[3]y", "column 5: expected `.field`"),
    ("X" * 2000, "an expression of 2000 characters"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_malformed_expressions_are_refused_with_their_place(text: str, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        parse_expression(text)
    assert message in str(caught.value)
