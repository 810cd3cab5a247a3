"""Compares the types that interfaces write with the types that debug information has.

An interface says `Option<SlotId>` or `drv_update_api::SlotId`; debug information says
`core::option::Option<drv_update_common::SlotId>`. Both are parsed, and matched piece by piece.
"""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache

from idol.errors import TypeSyntaxError
from idol.rust_type import (
    Array,
    Constant,
    Expression,
    Lifetime,
    Never,
    Path,
    Pointer,
    Reference,
    RustType,
    Slice,
    Tuple,
    parse_type,
)

__all__ = ["Match", "evaluate", "match_names", "parse_name"]

_RELATIVE = frozenset({"crate", "self", "super"})
_EXPRESSION_LIMIT = 64  # characters


class Match(IntEnum):
    """How well two names agree; higher is better."""

    NONE = 0
    #: Same last names, but the interface gives a path that is not the end of the full one: types
    #: are often exported again from elsewhere.
    LAST_NAME = 1
    #: The interface's path is the end of the full one.
    PATH = 2


@lru_cache(maxsize=4096)
def parse_name(name: str) -> RustType | None:
    """Parse a type name of debug information; None for closures and other unwritable types."""
    try:
        return parse_type(name)
    except TypeSyntaxError:
        return None


def match_names(written: RustType, full: RustType | None) -> Match:
    """Match a type as an interface writes it with one by its full name."""
    if isinstance(written, Path) and isinstance(full, Path):
        return _match_paths(written, full)
    if isinstance(written, Tuple) and isinstance(full, Tuple):
        return _match_all(written.items, full.items)
    if isinstance(written, Array) and isinstance(full, Array):
        return min(_match_lengths(written.length, full.length), _inner(written, full))
    if isinstance(written, Slice) and isinstance(full, Slice):
        return match_names(written.element, full.element)
    if isinstance(written, Reference) and isinstance(full, Reference):
        same = written.is_mutable == full.is_mutable
        return match_names(written.target, full.target) if same else Match.NONE
    if isinstance(written, Pointer) and isinstance(full, Pointer):
        same = written.is_mutable == full.is_mutable
        return match_names(written.target, full.target) if same else Match.NONE
    if isinstance(written, Never) and isinstance(full, Never):
        return Match.PATH
    return Match.NONE


def _inner(written: Array, full: Array) -> Match:
    return match_names(written.element, full.element)


def _match_lengths(written: int | Expression, full: int | Expression) -> Match:
    value = evaluate(written)
    return Match.PATH if value is None or value == evaluate(full) else Match.NONE


def _match_paths(written: Path, full: Path) -> Match:
    if written.name != full.name:
        return Match.NONE
    wanted = [a for a in written.arguments if not isinstance(a, Lifetime)]
    given = [a for a in full.arguments if not isinstance(a, Lifetime)]
    best = Match.PATH
    # Arguments left out have defaults, or are those of an alias: anything may stand there.
    for one, other in zip(wanted, given, strict=False):
        if isinstance(one, Constant) or isinstance(other, Constant):
            known = isinstance(one, Constant) and evaluate(one.value) is not None
            if known and one != other:
                return Match.NONE
        elif isinstance(one, RustType) and isinstance(other, RustType):
            best = min(best, match_names(one, other))
    if len(wanted) > len(given):
        return Match.NONE
    names = [s.name for s in written.segments[:-1] if s.name not in _RELATIVE]
    full_names = [s.name for s in full.segments[:-1]]
    if names and full_names[-len(names) :] != names:
        best = min(best, Match.LAST_NAME)
    return best


def _match_all(written: tuple[RustType, ...], full: tuple[RustType, ...]) -> Match:
    if len(written) != len(full):
        return Match.NONE
    matches = [match_names(a, b) for a, b in zip(written, full, strict=True)]
    return min(matches, default=Match.PATH)


_NUMBER = re.compile(
    r"(0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+|[0-9][0-9_]*)(?:[iu](?:8|16|32|64|size))?"
)


def evaluate(length: int | Expression) -> int | None:
    """Work out a constant of literals with + - * / and brackets; None where it names something."""
    if isinstance(length, int):
        return length
    text = length.text.strip().removeprefix("{").removesuffix("}")
    if len(text) > _EXPRESSION_LIMIT:
        return None
    tokens = re.findall(r"[0-9]\w*|\S", text)
    try:
        value = _sum(tokens)
    except (IndexError, ValueError, ZeroDivisionError, RecursionError):
        return None
    return value if not tokens else None


def _sum(tokens: list[str]) -> int:
    value = _product(tokens)
    while tokens and tokens[0] in "+-":
        value = value + _product(tokens) if tokens.pop(0) == "+" else value - _product(tokens)
    return value


def _product(tokens: list[str]) -> int:
    value = _factor(tokens)
    while tokens and tokens[0] in "*/":
        value = value * _factor(tokens) if tokens.pop(0) == "*" else value // _factor(tokens)
    return value


def _factor(tokens: list[str]) -> int:
    token = tokens.pop(0)
    if token == "(":
        value = _sum(tokens)
        if tokens.pop(0) != ")":
            raise ValueError("unbalanced")
        return value
    match = _NUMBER.fullmatch(token)
    if match is None:
        raise ValueError(token)
    digits = match[1].replace("_", "")
    return int(digits, {"0x": 16, "0o": 8, "0b": 2}.get(digits[:2], 10))
