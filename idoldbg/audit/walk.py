"""Walks over the types that a type is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from idoldbg.call.codec.std_values import sent_members
from idoldbg.model.types import Array, CEnum, Enum, Scalar, Struct, Type, Union, shown_field

__all__ = ["is_inhabited", "smallest_encoding", "walk_types"]

T = TypeVar("T")

_DEPTH = 16
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


def is_inhabited(type_: Type) -> bool:
    """Return whether there are values of a type: not of `!`, nor of enums without variants."""
    return _Inhabited().ask(type_, _DEPTH)


def smallest_encoding(type_: Type) -> int:
    """Return the size of the shortest value in an encoding of serde, in bytes.

    Field follows field, a variant is one byte, and integers have their size.
    """
    return _Smallest().ask(type_, _DEPTH)


class _Question(Generic[T]):
    """Something to find out of a type and the types inside, once of each: parts repeat.

    `deep` is the answer where types are nested deeper than in any build.
    """

    deep: T

    def __init__(self) -> None:
        self._known: dict[int, T] = {}

    def ask(self, type_: Type, depth: int) -> T:
        """Return the answer; `depth` is how many levels may follow."""
        if not depth:
            return self.deep
        if id(type_) not in self._known:
            self._known[id(type_)] = self.find(type_, depth - 1)
        return self._known[id(type_)]

    def find(self, type_: Type, depth: int) -> T:
        """Find the answer from those of the types inside."""
        raise NotImplementedError


class _Inhabited(_Question[bool]):
    deep = True

    def find(self, type_: Type, depth: int) -> bool:
        match type_:
            case Scalar():
                return type_.name != "!"
            case Struct():
                return all(self.ask(m.type, depth) for m in type_.members)
            case Array():
                return not type_.count or self.ask(type_.element, depth)
            case Enum():
                return any(self.ask(v.type, depth) for v in type_.variants)
        return True


class _Smallest(_Question[int]):
    deep = 0

    def find(self, type_: Type, depth: int) -> int:
        match type_:
            case Struct():
                return sum(self.ask(m.type, depth) for m in sent_members(type_))
            case Array():
                return type_.count * self.ask(type_.element, depth) if type_.count else 0
            case CEnum():
                return 1
            case Enum():
                return 1 + min((self.ask(v.type, depth) for v in type_.variants), default=0)
        return type_.size
