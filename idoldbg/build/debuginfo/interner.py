"""Gives equal types one identity, so that comparing them costs nothing however deep they are."""

from __future__ import annotations

from typing import Any

from idoldbg.model.types import (
    Array,
    CEnum,
    Enum,
    Member,
    Opaque,
    Pointer,
    Scalar,
    Struct,
    Subroutine,
    Type,
    Union,
)

__all__ = ["TypeInterner"]


class TypeInterner:
    """Keeps one object of each type; types given in must be made of types that came out.

    A key holds the identities of the parts, so a type is compared by its own level alone. (To
    compare two equal trees level by level can take exponential time when parts repeat.)
    """

    def __init__(self) -> None:
        self._types: dict[tuple[Any, ...], Type] = {}

    def __len__(self) -> int:
        return len(self._types)

    def intern(self, type_: Type) -> Type:
        """Return the one object that stands for this type."""
        return self._types.setdefault(_key(type_), type_)


def _key(type_: Type) -> tuple[Any, ...]:
    match type_:
        case Struct() | Union():
            kind = "struct" if isinstance(type_, Struct) else "union"
            return (kind, type_.name, type_.size, tuple(_member(m) for m in type_.members))
        case Enum():
            tag = None if type_.tag is None else _member(type_.tag)
            variants = tuple((v.name, v.discriminant, v.offset, id(v.type)) for v in type_.variants)
            return ("enum", type_.name, type_.size, tag, variants, type_.skipped)
        case Array():
            return ("array", id(type_.element), type_.count)
        case Scalar():
            return ("scalar", type_.name, type_.size, type_.encoding)
        case Pointer():
            return ("pointer", type_.name, type_.size, type_.target_name)
        case CEnum():
            enumerators = tuple((e.name, e.value) for e in type_.enumerators)
            form = (type_.size, type_.signed)
            return ("cenum", type_.name, form, enumerators, type_.skipped)
        case Subroutine():
            return ("subroutine", type_.name, type_.size)
        case Opaque():
            return ("opaque", type_.name, type_.reason, type_.size)


def _member(member: Member) -> tuple[str, int, int]:
    return (member.name, member.offset, id(member.type))
