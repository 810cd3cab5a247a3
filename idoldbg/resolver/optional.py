"""An `Option` that travels without serialization: a byte that tells, and a number.

It is what our stubs make of an `Option` that is received `FromPrimitive` (docs/idol-stubs.md);
upstream's do not compile. The message then has a packed struct where the option stands.
"""

from __future__ import annotations

from idol.records import replace
from idoldbg.model.types import CEnum, Enum, Member, Scalar, ScalarKind, Struct, Type, Variant

__all__ = ["build_option", "build_struct", "find_held"]

_TAG = Scalar("u8", 1, ScalarKind.UNSIGNED)


def build_struct(number: Type) -> Struct:
    """Return the struct that travels as an argument, around the number that it holds."""
    members = (Member("is_some", 0, _TAG), Member("value", _TAG.size, number))
    return Struct(f"(is_some: u8, value: {number.name})", _TAG.size + number.size, members)


def build_option(held: Type | None, wire: Struct) -> Enum:
    """Return the option that the bytes of a reply are: `held`, of the size of the number in `wire`.

    Without a type that a number can be, the option holds the number itself.
    """
    number = wire.members[1].type
    some: Type = replace(held, size=number.size) if isinstance(held, CEnum) else number
    variants = (
        Variant("None", 0, 0, Struct("None", wire.size, ())),
        Variant("Some", 1, 0, Struct("Some", wire.size, (Member("__0", _TAG.size, some),))),
    )
    name = f"core::option::Option<{some.name}>"
    return Enum(name, wire.size, Member("", 0, _TAG), variants)


def find_held(option: Type | None) -> Type | None:
    """Return what an `Option` of the image holds."""
    if not isinstance(option, Enum):
        return None
    for variant in option.variants:
        if variant.name == "Some" and len(variant.type.members) == 1:
            return variant.type.members[0].type
    return None
