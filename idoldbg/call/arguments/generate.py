"""Values of a type for trying: boundaries first, then random ones, and simpler ones of one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from idoldbg.errors import ArgumentError
from idoldbg.model.types import Array, CEnum, Enum, Scalar, ScalarKind, Struct, Type, Variant

__all__ = ["boundaries", "generate", "simpler"]

_DEPTH = 6
_MOST_BOUNDARIES = 12
_LONGEST_ARRAY = 64


def generate(type_: Type, choice: random.Random, depth: int = 0) -> Any:
    """Return a value as `from_python` takes it; raise `ArgumentError` for types without any."""
    match type_:
        case Scalar():
            return _scalar(type_, choice)
        case CEnum(enumerators=enumerators) if enumerators:
            return choice.choice(enumerators).name
        case Enum(variants=variants) if variants and depth < _DEPTH:
            variant = choice.choice([v for v in variants if v.name not in type_.skipped])
            return _variant(variant, choice, depth)
        case Struct() if depth < _DEPTH:
            return _fields(type_, choice, depth)
        case Array(element=element, count=count) if depth < _DEPTH and count <= 1 << 14:
            if element.is_byte:
                return choice.randbytes(count)
            return [generate(element, choice, depth + 1) for _ in range(count)]
    raise ArgumentError(f"no values of `{type_.name}` can be made up", name="type")


def _fields(type_: Struct, choice: random.Random, depth: int) -> Any:
    values = [generate(m.type, choice, depth + 1) for m in type_.members]
    if not values:
        return {}
    if type_.is_tuple_like:
        return values[0] if len(values) == 1 else values
    return dict(zip(_names(type_), values, strict=True))


def _variant(variant: Variant, choice: random.Random, depth: int) -> Any:
    if not variant.type.members:
        return variant.name
    return {variant.name: _fields(variant.type, choice, depth)}


def _names(type_: Struct) -> list[str]:
    return [m.name for m in type_.members]


def _scalar(type_: Scalar, choice: random.Random) -> Any:
    if type_.is_unit:
        return None
    if type_.encoding is ScalarKind.BOOL:
        return choice.random() < 0.5
    if type_.encoding is ScalarKind.FLOAT:
        return choice.choice((0.0, -0.0, 1.0, -1.5, 1e30, -1e-30, choice.uniform(-1000, 1000)))
    if type_.encoding is ScalarKind.CHAR:
        return choice.choice(("\0", "a", "\u00e9", "\uffff", "\U0010ffff"))
    low, high = _range(type_)
    near = boundaries(type_)
    if choice.random() < 0.4:
        return choice.choice(near)
    if choice.random() < 0.5:
        return choice.randint(max(low, -64), min(high, 64))
    bits = choice.randrange(1, 8 * type_.size + 1)
    return max(low, min(high, choice.getrandbits(bits) * (-1 if low and bits & 1 else 1)))


def _range(type_: Scalar) -> tuple[int, int]:
    bits = 8 * type_.size
    if type_.encoding is ScalarKind.SIGNED:
        return -(1 << bits - 1), (1 << bits - 1) - 1
    return 0, (1 << bits) - 1


def boundaries(type_: Type) -> list[Any]:
    """Return the values to begin with: the ends of a range, each variant; empty where none are."""
    match type_:
        case Scalar(encoding=ScalarKind.BOOL):
            return [False, True]
        case Scalar(encoding=ScalarKind.UNSIGNED | ScalarKind.SIGNED) if not type_.is_unit:
            low, high = _range(type_)
            found = {0, 1, 2, 3, 7, 8, low, low + 1, high - 1, high, high >> 1, (high >> 1) + 1}
            return sorted(v for v in found if low <= v <= high)
        case CEnum(enumerators=enumerators):
            return [each.name for each in enumerators][:_MOST_BOUNDARIES]
        case Enum(variants=variants):
            fixed = random.Random(0)
            known = [v for v in variants if v.name not in type_.skipped]
            return [_variant(v, fixed, 1) for v in known[:_MOST_BOUNDARIES]]
        case Array(element=element, count=count) if element.is_byte and count <= _LONGEST_ARRAY:
            return [bytes(count), b"\xff" * count]
    return []


def simpler(value: Any) -> Iterator[Any]:
    """Yield values that are simpler than one, the simplest first."""
    match value:
        case bool():
            if value:
                yield False
        case int():
            seen = {value}
            for each in (0, 1, value // 2, value - (1 if value > 0 else -1)):
                if each not in seen and abs(each) < abs(value):
                    seen.add(each)
                    yield each
        case bytes():
            for size in (0, 1, len(value) // 2, len(value) - 1):
                if 0 <= size < len(value):
                    yield value[:size]
            if any(value):
                yield bytes(len(value))
        case list():
            for index, each in enumerate(value):
                for less in simpler(each):
                    yield [*value[:index], less, *value[index + 1 :]]
        case dict():
            for key, each in value.items():
                for less in simpler(each):
                    yield {**value, key: less}
