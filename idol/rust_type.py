"""The Rust types that Idol texts name: parse, compare, print.

Ref: The Rust Reference, "Types" and "Paths". A type is held by structure, never by text, so that a
reader of debug information can match it piece by piece: `Option<(f32, u64)>` is a path with one
generic argument that is a tuple of two paths. Names are kept as written; what `SpiError` or
`crate::SIZE` stands for is up to whoever knows the crates.

Everything that the grammar calls a type is read, also what no message can hold, such as
`impl Trait`: what comes of it is rustc's to say. Left out are trait objects without `dyn`, which no
edition since 2021 takes, and what only unstable compilers know.
"""

from __future__ import annotations

from idol.hints import Final
from idol.records import dataclass

#: Strict and reserved keywords (2024 edition), none of which may name a thing.
KEYWORDS: Final = frozenset(
    {
        *("abstract", "as", "async", "await", "become", "box", "break", "const", "continue"),
        *("crate", "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for"),
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
    """An associated type or constant in generic arguments: `Item = u8`, `Item<'a> = &'a u8`."""

    name: str
    type: RustType | Constant
    arguments: tuple[GenericArgument, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}{_angled(self.arguments)} = {self.type}"


@dataclass(frozen=True, slots=True)
class Constraint:
    """Bounds of an associated type in generic arguments: `Item: Copy + 'static`."""

    name: str
    bounds: tuple[Bound, ...]
    arguments: tuple[GenericArgument, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}{_angled(self.arguments)}: {_bounds(self.bounds)}"


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of `Fn(A, B) -> R`; no result is `()`."""

    parameters: tuple[RustType, ...]
    result: RustType | None = None

    def __str__(self) -> str:
        after = "" if self.result is None else f" -> {_operand(self.result)}"
        return f"({_join(self.parameters)}){after}"


@dataclass(frozen=True, slots=True)
class Segment:
    """One step of a path: a name with its generic arguments, or with those of a function trait."""

    name: str
    arguments: tuple[GenericArgument, ...] = ()
    call: Call | None = None

    def __str__(self) -> str:
        return f"{self.name}{_angled(self.arguments)}{self.call or ''}"


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
        return f"&{lifetime}{'mut ' if self.is_mutable else ''}{_operand(self.target)}"


@dataclass(frozen=True, slots=True)
class Pointer:
    """`*const target` or `*mut target`."""

    target: RustType
    is_mutable: bool = False

    def __str__(self) -> str:
        return f"*{'mut' if self.is_mutable else 'const'} {_operand(self.target)}"


@dataclass(frozen=True, slots=True)
class Never:
    """`!`, the type without a value."""

    def __str__(self) -> str:
        return "!"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a function type that has a name or attributes, neither of which it needs."""

    type: RustType
    name: str | None = None
    #: As written, without `#[` and `]`.
    attributes: tuple[str, ...] = ()

    def __str__(self) -> str:
        attributes = "".join(f"#[{attribute}] " for attribute in self.attributes)
        return f"{attributes}{f'{self.name}: ' if self.name else ''}{self.type}"


@dataclass(frozen=True, slots=True)
class Function:
    """`fn(A, B) -> R`; `qualifiers` is what stands before `fn`, such as `unsafe extern "C"`."""

    parameters: tuple[RustType | Parameter, ...]
    result: RustType = Tuple()
    qualifiers: str = ""
    #: Ends in `...`, as functions of C can.
    is_variadic: bool = False
    #: The lifetimes of `for<'a, 'b>`, as written.
    binder: tuple[str, ...] = ()

    def __str__(self) -> str:
        before = f"{self.qualifiers} " if self.qualifiers else ""
        parameters = (*self.parameters, "...") if self.is_variadic else self.parameters
        after = "" if self.result == Tuple() else f" -> {_operand(self.result)}"
        return f"{_binder(self.binder)}{before}fn({_join(parameters)}){after}"


@dataclass(frozen=True, slots=True)
class TraitBound:
    """A trait with more than its path: `?Sized`, `for<'a> Fn(&'a u8)`."""

    path: Path
    is_optional: bool = False
    #: The lifetimes of `for<'a, 'b>`, as written.
    binder: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{'?' if self.is_optional else ''}{_binder(self.binder)}{self.path}"


@dataclass(frozen=True, slots=True)
class Captures:
    """Captures of an `impl Trait`: `use<'a, T>`."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"use<{_join(self.names)}>"


Bound = Path | TraitBound | Lifetime | Captures


@dataclass(frozen=True, slots=True)
class TraitObject:
    """`dyn Trait + 'static`, which has no size of its own."""

    bounds: tuple[Bound, ...]

    def __str__(self) -> str:
        return f"dyn {_bounds(self.bounds)}"


@dataclass(frozen=True, slots=True)
class ImplTrait:
    """`impl Trait + 'static`: some type, which the compiler finds out."""

    bounds: tuple[Bound, ...]

    def __str__(self) -> str:
        return f"impl {_bounds(self.bounds)}"


@dataclass(frozen=True, slots=True)
class Inferred:
    """`_`, which the compiler finds out."""

    def __str__(self) -> str:
        return "_"


@dataclass(frozen=True, slots=True)
class MacroCall:
    """`name!(…)`, which stands for whatever it expands to; `body` has the brackets."""

    path: Path
    body: str

    def __str__(self) -> str:
        return f"{self.path}!{' ' if self.body.startswith('{') else ''}{self.body}"


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
    | ImplTrait
    | Inferred
    | MacroCall
)
GenericArgument = RustType | Constant | Lifetime | Binding | Constraint

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
    """Return whether a type has no size of its own, as far as its text shows (slice or `dyn`)."""
    return isinstance(rust_type, Slice | TraitObject)


#: Keywords that no `r#` makes a name of.
_NEVER_RAW: Final = frozenset({"crate", "self", "Self", "super", "_"})
#: Keywords of edition 2024 that are ordinary names in the editions before.
_LATER_KEYWORDS: Final = frozenset({"gen"})


def is_identifier(text: str) -> bool:
    """Return whether a string can name a Rust item, field or variable as it stands."""
    return text.isidentifier() and text not in KEYWORDS and text != "_"


def is_raw_name(text: str) -> bool:
    """Return whether `r#` makes a name of a string, as it does of `type`."""
    return text.isidentifier() and text not in _NEVER_RAW


def spell_name(name: str) -> str:
    """Return a name as every edition of Rust takes it: keywords with `r#` in front."""
    return f"r#{name}" if name in KEYWORDS or name in _LATER_KEYWORDS else name


def _angled(arguments: tuple[GenericArgument, ...]) -> str:
    return f"<{_join(arguments)}>" if arguments else ""


def _binder(lifetimes: tuple[str, ...]) -> str:
    return f"for<{_join(lifetimes)}> " if lifetimes else ""


def _bounds(bounds: tuple[Bound, ...]) -> str:
    return " + ".join(map(str, bounds))


def _operand(rust_type: RustType) -> str:
    """Print a type where `+` would end it."""
    needs_brackets = isinstance(rust_type, TraitObject | ImplTrait) and len(rust_type.bounds) > 1
    return f"({rust_type})" if needs_brackets else str(rust_type)


def _join(items: tuple[object, ...]) -> str:
    return ", ".join(map(str, items))
