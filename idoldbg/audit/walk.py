"""Walks over the types that a type is made of."""

from __future__ import annotations

from collections.abc import Iterator

from idoldbg.types import Array, CEnum, Enum, Scalar, Struct, Type, Union, shown_field

__all__ = ["is_inhabited", "smallest_encoding", "walk_types"]

_LIMIT = 10_000  # types inside one type: hostile debug information can nest them without end


def walk_types(type_: Type) -> Iterator[tuple[str, Type]]:
    """Yield a type and all that its values hold, each with the path to it, every type once.

    What pointers point to is not held.
    """
    seen: set[int] = set()
    waiting: list[tuple[str, Type]] = [("", type_)]
    while waiting and len(seen) < _LIMIT:
        path, one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield path, one
        waiting += reversed(list(_inside(path, one)))


def _inside(path: str, type_: Type) -> Iterator[tuple[str, Type]]:
    if isinstance(type_, Struct | Union):
        for member in type_.members:
            yield f"{path}.{shown_field(member.name)}", member.type
    elif isinstance(type_, Enum):
        for variant in type_.variants:
            for member in variant.type.members:
                yield f"{path}::{variant.name}.{shown_field(member.name)}", member.type
    elif isinstance(type_, Array):
        yield f"{path}[…]", type_.element


def is_inhabited(type_: Type, depth: int = 16) -> bool:
    """Tell whether there are values of a type: not of `!`, nor of enums without variants."""
    if not depth:
        return True
    if isinstance(type_, Scalar):
        return type_.name != "!"
    if isinstance(type_, Struct):
        return all(is_inhabited(m.type, depth - 1) for m in type_.members)
    if isinstance(type_, Array):
        return not type_.count or is_inhabited(type_.element, depth - 1)
    if isinstance(type_, Enum):
        return any(is_inhabited(v.type, depth - 1) for v in type_.variants)
    return True


def smallest_encoding(type_: Type, depth: int = 16) -> int:
    """Return the size of the shortest value in an encoding of serde, in bytes.

    Field follows field, a variant is one byte, and integers have their size.
    """
    if not depth:
        return 0
    if isinstance(type_, Struct):
        return sum(smallest_encoding(m.type, depth - 1) for m in type_.members)
    if isinstance(type_, Array):
        return type_.count * smallest_encoding(type_.element, depth - 1) if type_.count else 0
    if isinstance(type_, CEnum):
        return 1
    if isinstance(type_, Enum):
        sizes = [smallest_encoding(v.type, depth - 1) for v in type_.variants]
        return 1 + min(sizes, default=0)
    return type_.size
