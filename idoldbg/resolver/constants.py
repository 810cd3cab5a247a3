"""Values of constants that interfaces use as lengths: `[u8; MAX_LEN]`, `Vec<u8, { N + 1 }>`.

rustc writes no `const` to debug information. But where an image shows the type that stands at one
place (`[u8; 32]`), the constant follows, and serves for the places that it does not show.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from idol.records import replace
from idol.rust_type import (
    Array,
    Constant,
    Expression,
    GenericArgument,
    Path,
    RustType,
    Slice,
    Tuple,
)
from idoldbg.model.types import Type
from idoldbg.resolver.names import evaluate, parse_name

__all__ = ["fold_constants", "infer_constants"]


def infer_constants(pairs: Iterable[tuple[RustType, Type]]) -> dict[str, int]:
    """Return the values of constants by their last names, from types as written and as shown.

    A name that would need two values has none.
    """
    found: dict[str, int] = {}
    refuted: set[str] = set()
    for written, shown in pairs:
        for name, value in _walk(written, parse_name(shown.name)):
            if found.setdefault(name, value) != value:
                refuted.add(name)
    return {name: value for name, value in found.items() if name not in refuted}


def fold_constants(written: RustType, get: Callable[[], Mapping[str, int]]) -> RustType:
    """Put numbers in the place of constants; `get` is asked only where literals do not suffice."""

    def fold(length: int | Expression) -> int | Expression:
        value = evaluate(length)
        if value is None:
            value = evaluate(length, get())
        return length if value is None else value

    def argument(item: GenericArgument) -> GenericArgument:
        if isinstance(item, Constant):
            return Constant(fold(item.value))
        if isinstance(item, Path) and len(item.segments) == 1 and item.name.isupper():
            value = get().get(item.name)
            return item if value is None else Constant(value)
        return fold_constants(item, get) if isinstance(item, RustType) else item

    match written:
        case Array(element=element, length=length):
            return Array(fold_constants(element, get), fold(length))
        case Slice(element=element):
            return Slice(fold_constants(element, get))
        case Tuple(items=items):
            return Tuple(tuple(fold_constants(item, get) for item in items))
        case Path(segments=segments) if written.arguments:
            last = replace(segments[-1], arguments=tuple(map(argument, written.arguments)))
            return replace(written, segments=(*segments[:-1], last))
    return written


def _walk(written: object, shown: object) -> Iterator[tuple[str, int]]:
    if isinstance(written, Array) and isinstance(shown, Array):
        yield from _solve(written.length, shown.length)
        yield from _walk(written.element, shown.element)
    elif isinstance(written, Slice) and isinstance(shown, Slice):
        yield from _walk(written.element, shown.element)
    elif isinstance(written, Tuple) and isinstance(shown, Tuple):
        for item, other in zip(written.items, shown.items, strict=False):
            yield from _walk(item, other)
    elif isinstance(written, Path) and isinstance(shown, Path) and written.name == shown.name:
        for argument, given in zip(written.arguments, shown.arguments, strict=False):
            yield from _walk(argument, given)
    elif isinstance(written, Constant) and isinstance(shown, Constant):
        yield from _solve(written.value, shown.value)
    elif isinstance(written, Path) and isinstance(shown, Constant) and len(written.segments) == 1:
        # `Vec<u8, N>`: whether N is a type, nobody but the compiler can tell.
        yield from _solve(Expression(written.name), shown.value)


def _solve(written: int | Expression, shown: int | Expression) -> Iterator[tuple[str, int]]:
    """Find the one constant in an expression of which the value is known."""
    value = evaluate(shown)
    if value is None or not isinstance(written, Expression):
        return
    names = {n.rpartition("::")[2] for n in _NAME.findall(written.text)} - {"as", "usize"}
    if len(names) != 1:
        return
    (name,) = names
    zero, one = (evaluate(written, {name: n}) for n in (0, 1))
    if zero is None or one is None or one == zero:
        return
    solution = (value - zero) // (one - zero)
    if solution >= 0 and evaluate(written, {name: solution}) == value:
        yield name, solution


_NAME = re.compile(r"(?<![\w:])(?:::)?[A-Za-z_]\w*(?:::\w+)*")
