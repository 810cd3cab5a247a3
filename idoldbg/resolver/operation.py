"""An operation with its types, as far as the image shows them."""

from __future__ import annotations

from idol import Encoding, ErrorKind
from idol.records import dataclass, field
from idoldbg.resolver.candidates import Candidate
from idoldbg.resolver.lookup import How
from idoldbg.resolver.sizes import WireSizes, measure
from idoldbg.types import Member, Struct, Type

__all__ = ["Resolution", "ResolvedArgument", "ResolvedLease", "ResolvedOperation"]


@dataclass(frozen=True, slots=True)
class Resolution:
    """A type as written, and what it is; `type` None where that is not known.

    `how` then says why: `MISSING`, `INCOMPLETE` (the image declares it and defines it nowhere) or
    `AMBIGUOUS`. `candidates` are all that the name could stand for where there was more than one
    layout to choose from, however it was settled, and the declarations of what is incomplete.
    `object` is the object that it was found in, None for types of the language.
    """

    text: str
    type: Type | None
    how: How
    candidates: tuple[Candidate, ...] = ()
    object: str | None = None

    @property
    def type_name(self) -> str | None:
        """The full name of what it is, None where that is not known."""
        return None if self.type is None else self.type.name


@dataclass(frozen=True, slots=True)
class ResolvedArgument(Resolution):
    """An argument; `wire` is its member of the message, of another type where that travels."""

    name: str = ""
    wire: Member | None = None


@dataclass(frozen=True, slots=True)
class ResolvedLease(Resolution):
    """A lease; `type` is that of one element, `max_len` counts elements."""

    name: str = ""
    read: bool = False
    write: bool = False
    max_len: int | None = None
    is_slice: bool = False

    @property
    def element(self) -> Type | None:
        """The type of one element."""
        return self.type

    @property
    def type_name(self) -> str | None:
        """The full name of what is lent: `[u8]` for a slice."""
        if self.type is None:
            return None
        return f"[{self.type.name}]" if self.is_slice else self.type.name


@dataclass(frozen=True, slots=True)
class ResolvedOperation:
    """One operation of one server with its types.

    `message` is the ARGS struct of the image (None where it has none). `error` is None for
    operations that cannot fail by themselves, `error_kind` then None or `SERVER_DEATH`.
    """

    interface: str
    operation: str
    task: str
    code: int
    encoding: Encoding
    idempotent: bool
    doc: str | None
    arguments: tuple[ResolvedArgument, ...]
    leases: tuple[ResolvedLease, ...]
    ok: Resolution
    error: Resolution | None
    error_kind: ErrorKind | None
    message: Struct | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """`Interface.operation`."""
        return f"{self.interface}.{self.operation}"

    @property
    def wire(self) -> WireSizes:
        """How many bytes its message and its reply take at most."""
        return measure(self)

    @property
    def wire_members(self) -> tuple[Member, ...]:
        """The members of the message in argument order; those of unknown types are left out."""
        return tuple(a.wire for a in self.arguments if a.wire is not None)
