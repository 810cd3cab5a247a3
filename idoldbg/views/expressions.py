"""Expressions that name a static or a part of one: `[TASK/]PATH[.field|[i]|[i..j]|.*]…`.

`TASK` may be `kernel`; `PATH` is a full path or its end. `idoldbg.views.parts` says what the steps
mean on a target.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from idol.records import dataclass
from idoldbg.errors import ArgumentError

__all__ = [
    "Deref",
    "Expression",
    "FieldStep",
    "IndexStep",
    "RangeStep",
    "Step",
    "parse_expression",
]

LENGTH_LIMIT = 1000  # characters of an expression
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+")
_NUMBER = re.compile(r"0x[0-9a-fA-F]{1,8}|[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class FieldStep:
    """`.name`: a field, a tuple's number, or an enum's variant."""

    name: str


@dataclass(frozen=True, slots=True)
class IndexStep:
    """`[i]`: an element of an array or slice."""

    index: int


@dataclass(frozen=True, slots=True)
class RangeStep:
    """`[i..j]`: elements from i up to j, without j; None: to the end."""

    start: int
    end: int | None


@dataclass(frozen=True, slots=True)
class Deref:
    """`.*`: what a pointer or slice points to."""


Step = FieldStep | IndexStep | RangeStep | Deref


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that was parsed; `task` is None where none was named."""

    text: str
    task: str | None
    path: str
    steps: tuple[Step, ...]


# ---- parsing ------------------------------------------------------------------------------------


def parse_expression(text: str) -> Expression:
    """Parse an expression; raise `ArgumentError` with the column of what is wrong."""
    if len(text) > LENGTH_LIMIT:
        raise ArgumentError(f"an expression of {len(text)} characters", name="EXPR")
    task, slash, rest = text.partition("/")
    at = len(task) + 1 if slash else 0
    if not slash:
        rest = text
    elif not re.fullmatch(r"[\w.-]+", task):
        raise _syntax(text, 0, "expected a task's name before `/`")
    end = _path_end(rest)
    path = rest[:end]
    if not re.search(r"\w", path):
        raise _syntax(text, at, "expected the name of a static, such as `net/STATE`")
    steps = tuple(_parse_steps(text, at + end))
    return Expression(text, task if slash else None, path, steps)


def _path_end(text: str) -> int:
    """Return where a static's path ends: at the first `.` or `[` outside of brackets."""
    depth = 0
    for index, char in enumerate(text):
        if char in "<({":
            depth += 1
        elif char in ">)}":
            depth -= 1
        elif char in ".[" and depth <= 0:
            return index
    return len(text)


def _parse_steps(text: str, at: int) -> Iterator[Step]:
    while at < len(text):
        if text.startswith(".*", at):
            yield Deref()
            at += 2
        elif text[at] == ".":
            found = _NAME.match(text, at + 1)
            if found is None:
                raise _syntax(text, at + 1, "expected a field's name, a number, or `*`")
            yield FieldStep(found[0])
            at = found.end()
        elif text[at] == "[":
            step, at = _parse_index(text, at + 1)
            yield step
        else:
            raise _syntax(text, at, "expected `.field`, `[index]`, `[i..j]` or `.*`")


def _parse_index(text: str, at: int) -> tuple[Step, int]:
    first = _NUMBER.match(text, at)
    at = first.end() if first else at
    start = _number(first[0]) if first else 0
    if text.startswith("..", at):
        last = _NUMBER.match(text, at + 2)
        at = last.end() if last else at + 2
        end = None if last is None else _number(last[0])
        if end is not None and end < start:
            raise _syntax(text, at, f"the range ends at {end}, before it starts at {start}")
        step: Step = RangeStep(start, end)
    elif first:
        step = IndexStep(start)
    else:
        raise _syntax(text, at, "expected an index, such as `[3]` or `[3..6]`")
    if not text.startswith("]", at):
        raise _syntax(text, at, "expected `]`")
    return step, at + 1


def _number(digits: str) -> int:
    return int(digits, 16 if digits.startswith("0x") else 10)


def _syntax(text: str, at: int, problem: str) -> ArgumentError:
    return ArgumentError(f"`{text}`, column {at + 1}: {problem}", name="EXPR")
