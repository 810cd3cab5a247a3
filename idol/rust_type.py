"""The Rust types that Idol texts name: parse, compare, print.

Ref: The Rust Reference, "Types" and "Paths". A type is held by structure, never by text, so that a
reader of debug information can match it piece by piece: `Option<(f32, u64)>` is a path with one
generic argument that is a tuple of two paths. Names are kept as written; what `SpiError` or
`crate::SIZE` stands for is up to whoever knows the crates.

Not covered, because no value of such a type can be in a message: macros, `impl Trait`, closures'
`Fn(A) -> B` sugar, inferred types (`_`), higher-ranked lifetimes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: Strict and reserved keywords (2024 edition), none of which may name a thing.
KEYWORDS: Final = frozenset(
    {
        *("abstract", "as", "async", "await", "become", "box", "break", "const", "continue"),
        *("crate", "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen"),
        *("if", "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override"),
        *("priv", "pub", "ref", "return", "self", "Self", "static", "struct", "super", "trait"),
        *("true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where"),
        *("while", "yield"),
    }
)


@dataclass(frozen=True, slots=True)
class Expression:
    """A constant that is not an integer literal, such as `crate::SIZE` or `2 * N`."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant as generic argument: `4`, `true`, `'x'`, `{ N + 1 }`."""

    value: int | Expression

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True, slots=True)
class Lifetime:
    """`'static` and the like; the name comes without the quote."""

    name: str

    def __str__(self) -> str:
        return f"'{self.name}"


@dataclass(frozen=True, slots=True)
class Binding:
    """An associated type in generic arguments: `Item = u8`."""

    name: str
    type: RustType

    def __str__(self) -> str:
        return f"{self.name} = {self.type}"


@dataclass(frozen=True, slots=True)
class Segment:
    """One step of a path: a name with its generic arguments."""

    name: str
    arguments: tuple[GenericArgument, ...] = ()

    def __str__(self) -> str:
        return self.name + (f"<{_join(self.arguments)}>" if self.arguments else "")


@dataclass(frozen=True, slots=True)
class Path:
    """A named type: `u8`, `drv_spi_api::SpiError`, `Option<u16>`, `::core::num::NonZeroU8`."""

    segments: tuple[Segment, ...]
    #: Starts with `::`, at the list of crates.
    is_global: bool = False

    @property
    def name(self) -> str:
        """The last segment's name, without arguments: `Option` of `core::option::Option<u8>`."""
        return self.segments[-1].name

    @property
    def arguments(self) -> tuple[GenericArgument, ...]:
        """The last segment's generic arguments."""
        return self.segments[-1].arguments

    def __str__(self) -> str:
        return ("::" if self.is_global else "") + "::".join(map(str, self.segments))


@dataclass(frozen=True, slots=True)
class QualifiedPath:
    """`<Type as Trait>::Name`."""

    type: RustType
    trait: Path | None
    segments: tuple[Segment, ...]

    def __str__(self) -> str:
        trait = f" as {self.trait}" if self.trait else ""
        return f"<{self.type}{trait}>::{'::'.join(map(str, self.segments))}"


@dataclass(frozen=True, slots=True)
class Array:
    """`[element; length]`."""

    element: RustType
    length: int | Expression

    def __str__(self) -> str:
        return f"[{self.element}; {self.length}]"


@dataclass(frozen=True, slots=True)
class Slice:
    """`[element]`, which has no size of its own."""

    element: RustType

    def __str__(self) -> str:
        return f"[{self.element}]"


@dataclass(frozen=True, slots=True)
class Tuple:
    """`(A, B)`; no items is the unit type `()`."""

    items: tuple[RustType, ...] = ()

    def __str__(self) -> str:
        return f"({_join(self.items)}{',' if len(self.items) == 1 else ''})"


@dataclass(frozen=True, slots=True)
class Reference:
    """`&'a mut target`."""

    target: RustType
    is_mutable: bool = False
    lifetime: Lifetime | None = None

    def __str__(self) -> str:
        lifetime = f"{self.lifetime} " if self.lifetime else ""
        return f"&{lifetime}{'mut ' if self.is_mutable else ''}{self.target}"


@dataclass(frozen=True, slots=True)
class Pointer:
    """`*const target` or `*mut target`."""

    target: RustType
    is_mutable: bool = False

    def __str__(self) -> str:
        return f"*{'mut' if self.is_mutable else 'const'} {self.target}"


@dataclass(frozen=True, slots=True)
class Never:
    """`!`, the type without a value."""

    def __str__(self) -> str:
        return "!"


@dataclass(frozen=True, slots=True)
class Function:
    """`fn(A, B) -> R`; `qualifiers` is what stands before `fn`, such as `unsafe extern "C"`."""

    parameters: tuple[RustType, ...]
    result: RustType = Tuple()
    qualifiers: str = ""

    def __str__(self) -> str:
        before = f"{self.qualifiers} " if self.qualifiers else ""
        after = "" if self.result == Tuple() else f" -> {self.result}"
        return f"{before}fn({_join(self.parameters)}){after}"


@dataclass(frozen=True, slots=True)
class TraitObject:
    """`dyn Trait + 'static`, which has no size of its own."""

    bounds: tuple[Path | Lifetime, ...]

    def __str__(self) -> str:
        return "dyn " + " + ".join(map(str, self.bounds))


RustType = (
    Path
    | QualifiedPath
    | Array
    | Slice
    | Tuple
    | Reference
    | Pointer
    | Never
    | Function
    | TraitObject
)
GenericArgument = RustType | Constant | Lifetime | Binding

UNIT: Final = Tuple()
BOOL: Final = Path((Segment("bool"),))


def parse_type(text: str) -> RustType:
    """Read a Rust type; `format_type` and `str` are the inverse.

    :raises TypeSyntaxError: with the offset of the first character that does not fit.
    """
    # Here, because the reader makes what this module defines.
    from idol.rust_type_reader import read_type

    return read_type(text)


def format_type(rust_type: RustType) -> str:
    """Print a type as rustfmt would."""
    return str(rust_type)


def appears_unsized(rust_type: RustType) -> bool:
    """Tell whether a type has no size of its own, as far as its text shows (slice or `dyn`)."""
    return isinstance(rust_type, Slice | TraitObject)


def is_identifier(text: str) -> bool:
    """Tell whether a text can name a Rust item, field or variable."""
    return text.isidentifier() and text not in KEYWORDS and text != "_"


def _join(items: tuple[object, ...]) -> str:
    return ", ".join(map(str, items))
