"""Types of the target's program, as its debug information describes them.

The kinds follow what rustc emits (DWARF 5, chapter 5; variant parts: 5.7.10). A `Type` is a value:
equal when it has the same names and the same layout, wherever in a build it was found. Sizes and
offsets are in bytes. Names are full paths with full generic arguments, such as
`core::option::Option<abi::TaskId>`.

Recursion goes through `Pointer` alone, which knows its target by name and finds it on request.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from typing import TypeAlias

from idol.records import dataclass, field

__all__ = [
    "Array",
    "CEnum",
    "Encoding",
    "Enum",
    "Enumerator",
    "Member",
    "Opaque",
    "Pointer",
    "Scalar",
    "Struct",
    "Subroutine",
    "Type",
    "TypeAt",
    "Union",
    "Variant",
    "is_byte_array",
    "is_newtype",
    "is_nonzero",
    "is_option",
    "is_result",
    "is_tuple_like",
    "is_unit",
    "short_name",
    "shown_field",
    "type_size",
    "is_byte",
]


class Encoding(StrEnum):
    """How the bits of a scalar are read (DW_ATE_*)."""

    UNSIGNED = "unsigned"
    SIGNED = "signed"
    FLOAT = "float"
    BOOL = "bool"
    CHAR = "char"  # a Unicode scalar value in four bytes


@dataclass(frozen=True, slots=True)
class Scalar:
    """An integer, float, bool or char; also `()` and `!`, which have size 0."""

    name: str
    size: int
    encoding: Encoding


@dataclass(frozen=True, slots=True)
class Pointer:
    """A thin pointer or reference; `&str` and `&[T]` are structs that hold one."""

    name: str
    size: int
    target_name: str
    resolve_target: Callable[[], Type] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Member:
    """One field; `offset` counts from the start of the type that holds it."""

    name: str
    offset: int
    type: Type


@dataclass(frozen=True, slots=True)
class Struct:
    """A struct, tuple or closure environment. Fields of tuples are called `__0`, `__1`, …"""

    name: str
    size: int
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Union:
    """All members share their bytes; which one is meant is not recorded."""

    name: str
    size: int
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Enumerator:
    """One name of a C-like enum, with the discriminant that memory holds."""

    name: str
    value: int


@dataclass(frozen=True, slots=True)
class CEnum:
    """An enum without data. Enumerators stand in declaration order: serde numbers them by it.

    `skipped` is as for `Enum`.
    """

    name: str
    size: int
    signed: bool
    enumerators: tuple[Enumerator, ...]
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Variant:
    """One variant of an `Enum`.

    `discriminant` is the tag that selects it, None for the variant that all other tags select (the
    one that a niche leaves its values to). `type` holds the fields, `offset` bytes from the start
    of the enum.
    """

    name: str
    discriminant: int | None
    offset: int
    type: Struct


@dataclass(frozen=True, slots=True)
class Enum:
    """An enum with data. Variants stand in declaration order.

    `tag` is where the discriminant lies; None where there is nothing to tell apart. `skipped` are
    the variants that derived `Deserialize` does not know (`#[serde(skip)]`), which debug
    information does not say of the type: `resolver.derived` finds them in code.
    """

    name: str
    size: int
    tag: Member | None
    variants: tuple[Variant, ...]
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Array:
    """`count` elements in a row."""

    name: str
    element: Type
    count: int

    @property
    def size(self) -> int:
        """Size of the whole array."""
        return type_size(self.element) * self.count


@dataclass(frozen=True, slots=True)
class Subroutine:
    """What a function pointer points to."""

    name: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Opaque:
    """A type of which only the name is known; `reason` says why."""

    name: str
    reason: str
    size: int = 0


Type: TypeAlias = Scalar | Pointer | Struct | Union | CEnum | Enum | Array | Subroutine | Opaque


class TypeAt:
    """Finds a type by where its entry is: `die_offset` in `.debug_info` of the object `owner`."""

    __slots__ = ("_type_at", "die_offset", "owner")

    def __init__(self, owner: str, die_offset: int, type_at: Callable[[int], Type]) -> None:
        self.owner = owner
        self.die_offset = die_offset
        self._type_at = type_at

    def __call__(self) -> Type:
        """Return the type; may raise `DebugInfoError`."""
        return self._type_at(self.die_offset)


def type_size(type_: Type) -> int:
    """Return the size in memory."""
    return type_.size


def is_unit(type_: Type) -> bool:
    """Tell `()`, which DWARF writes as a scalar of no size."""
    return isinstance(type_, Scalar) and type_.size == 0 and type_.name == "()"


def is_tuple_like(type_: Type) -> bool:
    """Tell tuples and tuple structs, whose fields have numbers for names."""
    return (
        isinstance(type_, Struct)
        and bool(type_.members)
        and {m.name for m in type_.members} == {f"__{i}" for i in range(len(type_.members))}
    )


def is_newtype(type_: Type) -> bool:
    """Tell a tuple struct with one field: the encodings write it as that field alone."""
    return is_tuple_like(type_) and isinstance(type_, Struct) and len(type_.members) == 1


def is_byte_array(type_: Type) -> bool:
    """Tell `[u8; N]`."""
    return isinstance(type_, Array) and is_byte(type_.element)


def is_byte(type_: Type) -> bool:
    """Tell `u8`."""
    is_unsigned = isinstance(type_, Scalar) and type_.encoding is Encoding.UNSIGNED
    return is_unsigned and type_size(type_) == 1


def is_option(type_: Type) -> bool:
    """Tell `core::option::Option`, by name and by its variants."""
    return (
        isinstance(type_, Enum)
        and type_.name.startswith("core::option::Option<")
        and [v.name for v in type_.variants] == ["None", "Some"]
    )


def is_nonzero(type_: Type) -> bool:
    """Tell `core::num::NonZero<…>` (before Rust 1.79: `NonZeroU32` and so on)."""
    return is_newtype(type_) and type_.name.startswith(
        ("core::num::nonzero::NonZero", "core::num::NonZero")
    )


def is_result(type_: Type) -> bool:
    """Tell `core::result::Result`, by name and by its variants."""
    return (
        isinstance(type_, Enum)
        and type_.name.startswith("core::result::Result<")
        and [v.name for v in type_.variants] == ["Ok", "Err"]
    )


def shown_field(name: str) -> str:
    """Return what Rust calls a field: `0` for the `__0` of tuples; other names are as they are."""
    number = name.removeprefix("__")
    return number if number.isdecimal() else name


@lru_cache(maxsize=4096)
def short_name(name: str) -> str:
    """Drop every module path from a type's name: `a::Option<b::C>` becomes `Option<C>`.

    What stands before `::` goes with its generic arguments: `a::Option<u8>::Some` becomes `Some`.
    """
    out: list[str] = []
    segment_start = 0  # in `out`, of the path segment being read
    outer: list[int] = []  # segment starts of the names around, one for each open `<`
    index = 0
    while index < len(name):
        if name.startswith("::", index):
            del out[segment_start:]
            index += 2
            continue
        char = name[index]
        out.append(char)
        if char == "<":
            outer.append(segment_start)
            segment_start = len(out)
        elif char == ">" and outer and name[index - 1] != "-":
            segment_start = outer.pop()
        elif not (char.isalnum() or char in "_{}#"):
            segment_start = len(out)
        index += 1
    return "".join(out)
