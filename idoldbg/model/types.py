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
    "ScalarKind",
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
    "short_name",
    "shown_field",
]


class ScalarKind(StrEnum):
    """Encoding of a scalar's bits (DW_ATE_*)."""

    UNSIGNED = "unsigned"
    SIGNED = "signed"
    FLOAT = "float"
    BOOL = "bool"
    CHAR = "char"  # a Unicode scalar value in four bytes


class _AnyType:
    """Methods of every type; each kind overrides those that differ."""

    __slots__ = ()

    @property
    def is_unit(self) -> bool:
        """Whether it is `()`, which DWARF writes as a scalar of no size."""
        return False

    @property
    def is_byte(self) -> bool:
        """Whether it is `u8`."""
        return False

    @property
    def is_byte_array(self) -> bool:
        """Whether it is `[u8; N]`."""
        return False

    @property
    def is_tuple_like(self) -> bool:
        """Whether it is a tuple or tuple struct, whose fields have numbers for names."""
        return False

    @property
    def is_newtype(self) -> bool:
        """Whether it is a tuple struct with one field, which encodings write as the field alone."""
        return False

    @property
    def is_nonzero(self) -> bool:
        """Whether it is `core::num::NonZero<…>` (before Rust 1.79: `NonZeroU32` and so on)."""
        return False

    @property
    def is_option(self) -> bool:
        """Whether it is `core::option::Option`, by name and by its variants."""
        return False

    @property
    def is_result(self) -> bool:
        """Whether it is `core::result::Result`, by name and by its variants."""
        return False

    @property
    def variant_names(self) -> tuple[str, ...]:
        """The variants of an enum in declaration order; none where it is not an enum."""
        return ()


@dataclass(frozen=True, slots=True)
class Scalar(_AnyType):
    """An integer, float, bool or char; also `()` and `!`, which have size 0."""

    name: str
    size: int
    encoding: ScalarKind

    @property
    def is_unit(self) -> bool:
        return self.size == 0 and self.name == "()"

    @property
    def is_byte(self) -> bool:
        return self.size == 1 and self.encoding is ScalarKind.UNSIGNED


@dataclass(frozen=True, slots=True)
class Pointer(_AnyType):
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
class Struct(_AnyType):
    """A struct, tuple or closure environment. Fields of tuples are called `__0`, `__1`, …"""

    name: str
    size: int
    members: tuple[Member, ...]

    @property
    def is_tuple_like(self) -> bool:
        names = {m.name for m in self.members}
        return bool(names) and names == {f"__{i}" for i in range(len(self.members))}

    @property
    def is_newtype(self) -> bool:
        return len(self.members) == 1 and self.members[0].name == "__0"

    @property
    def is_nonzero(self) -> bool:
        names = ("core::num::nonzero::NonZero", "core::num::NonZero")
        return self.is_newtype and self.name.startswith(names)


@dataclass(frozen=True, slots=True)
class Union(_AnyType):
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
class CEnum(_AnyType):
    """An enum without data. Enumerators stand in declaration order: serde numbers them by it.

    `skipped` is as for `Enum`.
    """

    name: str
    size: int
    signed: bool
    enumerators: tuple[Enumerator, ...]
    skipped: tuple[str, ...] = ()

    @property
    def variant_names(self) -> tuple[str, ...]:
        return tuple(e.name for e in self.enumerators)


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
class Enum(_AnyType):
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

    @property
    def is_option(self) -> bool:
        is_named = self.name.startswith("core::option::Option<")
        return is_named and self.variant_names == ("None", "Some")

    @property
    def is_result(self) -> bool:
        is_named = self.name.startswith("core::result::Result<")
        return is_named and self.variant_names == ("Ok", "Err")

    @property
    def variant_names(self) -> tuple[str, ...]:
        return tuple(v.name for v in self.variants)


@dataclass(frozen=True, slots=True)
class Array(_AnyType):
    """`count` elements in a row."""

    name: str
    element: Type
    count: int

    @property
    def size(self) -> int:
        """Size of the whole array."""
        return self.element.size * self.count

    @property
    def is_byte_array(self) -> bool:
        return self.element.is_byte


@dataclass(frozen=True, slots=True)
class Subroutine(_AnyType):
    """Target of a function pointer."""

    name: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Opaque(_AnyType):
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
