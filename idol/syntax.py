"""The syntax tree of an Idol interface: frozen values, all shorthand expanded.

Ref: `src/syntax.rs` of oxidecomputer/idolatry 0.5.0, which defines the language. `doc` and
`description` are unknown there and used all over Hubris; here they are carried.

A node's `span` is the place to point at for findings about the node: usually its name.
"""

from __future__ import annotations

from idol.findings import Level
from idol.kinds import Encoding, ErrorKind, RecvKind
from idol.records import dataclass
from idol.rust_type import BOOL, UNIT, RustType, appears_unsized
from idol.source import Diagnostic, Source, Span


@dataclass(frozen=True, slots=True)
class TypeText:
    """A type as written, and what it says."""

    text: str
    rust: RustType
    span: Span

    @property
    def is_bool(self) -> bool:
        """Whether this is `bool`, which travels as a `u8` in arguments."""
        return self.rust == BOOL

    @property
    def is_unit(self) -> bool:
        """Whether this is `()`."""
        return self.rust == UNIT

    @property
    def appears_unsized(self) -> bool:
        """Whether this is a slice or trait object, so that a lease of it has a length."""
        return appears_unsized(self.rust)

    def __str__(self) -> str:
        return str(self.rust)


@dataclass(frozen=True, slots=True)
class Recv:
    """Conversion of a received value into the declared type.

    `type` is what travels instead (None for FromBytes), `function` the conversion of a `From`
    that does not use `core::convert::From`.
    """

    kind: RecvKind
    type: TypeText | None
    function: str | None
    span: Span
    #: Whether the text says so, or it is the default.
    is_written: bool = True


@dataclass(frozen=True, slots=True)
class AttributedType:
    """A type in argument or reply position, with how it is received."""

    type: TypeText
    recv: Recv
    doc: str | None = None

    @property
    def wire_type(self) -> RustType | None:
        """Type sent in place of `type` in a zerocopy message; None: the type itself."""
        return self.recv.type.rust if self.recv.type else None


@dataclass(frozen=True, slots=True)
class Argument:
    """A value in the message."""

    name: str
    value: AttributedType
    span: Span
    #: Whether the text says `r#name`, as it must for `type`; `name` is without it.
    is_raw: bool = False

    @property
    def type(self) -> TypeText:
        """The declared type."""
        return self.value.type

    @property
    def recv(self) -> Recv:
        """Conversion in the server from the received value to the declared type."""
        return self.value.recv

    @property
    def doc(self) -> str | None:
        """The `doc` text, if any."""
        return self.value.doc


@dataclass(frozen=True, slots=True)
class Lease:
    """Memory that the client lends for the time of the call; `max_len` counts elements."""

    name: str
    type: TypeText
    read: bool
    write: bool
    max_len: int | None
    doc: str | None
    span: Span
    max_len_span: Span | None = None
    #: Whether the text says `r#name`; `name` is without it.
    is_raw: bool = False


@dataclass(frozen=True, slots=True)
class ReplyError:
    """The error side of a reply; `type` is None for ServerDeath only."""

    kind: ErrorKind
    type: TypeText | None
    span: Span


@dataclass(frozen=True, slots=True)
class Reply:
    """Reply of an operation: `ok`, or one of the errors of `error`.

    `error` is None for `Simple(T)`: such an operation cannot fail.
    """

    ok: AttributedType
    error: ReplyError | None
    span: Span

    @property
    def is_simple(self) -> bool:
        """Whether the reply was declared `Simple(T)`."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; `code` is its number in the message, from 1."""

    name: str
    code: int
    arguments: tuple[Argument, ...]
    leases: tuple[Lease, ...]
    reply: Reply
    idempotent: bool
    encoding: Encoding
    doc: str | None
    span: Span
    idempotent_span: Span | None = None


@dataclass(frozen=True, slots=True)
class Interface:
    """A whole interface, with the text it came from and what reading it found.

    Operations stand in the order of their codes. One that could not be made sense of is missing
    from `operations`, keeps its code, and has an error in `diagnostics`.
    """

    name: str
    operations: tuple[Operation, ...]
    doc: str | None
    span: Span
    source: Source
    #: Findings of the reader alone; `check` adds those of the rules.
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """Problems found while reading; without any, the interface is complete."""
        return tuple(d for d in self.diagnostics if d.severity is Level.ERROR)

    def find_operation(self, name: str) -> Operation | None:
        """Return the operation of that name, or None."""
        return next((o for o in self.operations if o.name == name), None)
