"""Compares the types that interfaces write with the types that debug information has.

An interface says `Option<SlotId>` or `drv_update_api::SlotId`; debug information says
`core::option::Option<drv_update_common::SlotId>`. Both are parsed, and matched piece by piece.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum
from functools import lru_cache
from types import MappingProxyType

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
    """Quality of a match of two names; higher is better."""

    NONE = 0
    #: Same last names, but the interface gives a path that is not the end of the full one: types
    #: are often exported again from elsewhere.
    LAST_NAME = 1
    #: The crate is the same, the modules between are not: they may be private.
    CRATE = 2
    #: The interface's path is the end of the full one.
    PATH = 3


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
        same_crate = full_names[:1] == names[:1]
        best = min(best, Match.CRATE if same_crate else Match.LAST_NAME)
    return best


def _match_all(written: tuple[RustType, ...], full: tuple[RustType, ...]) -> Match:
    if len(written) != len(full):
        return Match.NONE
    matches = [match_names(a, b) for a, b in zip(written, full, strict=True)]
    return min(matches, default=Match.PATH)


def evaluate(
    length: int | Expression, constants: Mapping[str, int] = MappingProxyType({})
) -> int | None:
    """Work out a constant of literals and `constants` with + - * / % << >> and brackets.

    Constants are looked up by their last name. None where a name is not known.
    """
    if isinstance(length, int):
        return length
    text = length.text.strip().removeprefix("{").removesuffix("}")
    if len(text) > _EXPRESSION_LIMIT:
        return None
    tokens = _TOKEN.findall(text)
    try:
        value = _shift(tokens, constants)
    except (IndexError, KeyError, ValueError, ZeroDivisionError, RecursionError):
        return None
    return value if not tokens else None


_TOKEN = re.compile(r"(?:::)?[A-Za-z_]\w*(?:::\w+)*|[0-9]\w*|<<|>>|\S")
_NUMBER = re.compile(
    r"(0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+|[0-9][0-9_]*?)_*(?:[iu](?:8|16|32|64|128|size))?"
)


def _shift(tokens: list[str], constants: Mapping[str, int]) -> int:
    value = _sum(tokens, constants)
    while tokens and tokens[0] in ("<<", ">>"):
        left = tokens.pop(0) == "<<"
        count = _sum(tokens, constants)
        if not 0 <= count < 64:
            raise ValueError("shifted too far")
        value = value << count if left else value >> count
    return value


def _sum(tokens: list[str], constants: Mapping[str, int]) -> int:
    value = _product(tokens, constants)
    while tokens and tokens[0] in "+-":
        plus = tokens.pop(0) == "+"
        other = _product(tokens, constants)
        value = value + other if plus else value - other
    return value


def _product(tokens: list[str], constants: Mapping[str, int]) -> int:
    value = _factor(tokens, constants)
    while tokens and tokens[0] in "*/%":
        operator = tokens.pop(0)
        other = _factor(tokens, constants)
        if operator == "*":
            value *= other
        else:
            value = value // other if operator == "/" else value % other
    return value


def _factor(tokens: list[str], constants: Mapping[str, int]) -> int:
    token = tokens.pop(0)
    if token == "(":
        value = _shift(tokens, constants)
        if tokens.pop(0) != ")":
            raise ValueError("unbalanced")
    elif token[0].isdigit():
        match = _NUMBER.fullmatch(token)
        if match is None:
            raise ValueError(token)
        digits = match[1].replace("_", "")
        value = int(digits, {"0x": 16, "0o": 8, "0b": 2}.get(digits[:2], 10))
    else:
        value = constants[token.rpartition("::")[2]]
    if tokens[:1] == ["as"]:  # `N as usize`: these are all small positive numbers
        del tokens[:2]
    return value
