"""An operation with its types, as far as the image shows them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from idol.kinds import Encoding, ErrorKind
from idol.records import dataclass, field
from idoldbg.model.types import Member, Struct, Type

if TYPE_CHECKING:
    from idoldbg.resolver.sizes import WireSizes

__all__ = [
    "Candidate",
    "How",
    "Resolution",
    "ResolvedArgument",
    "ResolvedLease",
    "ResolvedOperation",
]


class How(StrEnum):
    """Evidence by which a type was chosen."""

    BASE = "a type of the language"
    KEPT = "kept for debuggers by the stub"
    MESSAGE = "the message's own member"
    REPLY = "the reply's own member"
    SIGNATURE = "from the signature of the server's method"
    HANDLER = "from the server's own dispatch code"
    CLIENT = "from the signature of a client's method"
    NAME = "the only type of that name"
    PATH = "the only type with that path"
    BUILT = "built from the types of its parts"
    USED = "the one that the server's replies are made of"
    NEAREST = "the nearest of several by namespace"
    ELSEWHERE = "found in another task"
    OVERRIDE = "as given by the user"
    WIRE = "what travels instead: the type itself is missing"
    AMBIGUOUS = "several types have that name"
    INCOMPLETE = "declared, but defined nowhere in this build"
    MISSING = "no type of that name"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A type that a name may stand for; `size` in bytes, in memory.

    `objects` are the tasks (or `kernel`) that have it. `differences` says how its layout differs
    from that of the first candidate: it is empty for the first, and for those of the same layout.
    """

    name: str
    size: int
    objects: tuple[str, ...]
    differences: tuple[str, ...]
    type: Type


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
    `contradiction` says what the image's code shows to be other than its types say, "" for nothing:
    then something travels that its types do not tell. `doubt` says of what that may be so.
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
    contradiction: str = ""
    doubt: str = ""

    @property
    def serialized_types(self) -> tuple[Type, ...]:
        """The types that serde sends, as far as they are known."""
        parts: list[Resolution | None] = []
        if self.encoding is not Encoding.ZEROCOPY:
            parts += [*self.arguments, self.ok]
        if self.error_kind is ErrorKind.COMPLEX:
            parts.append(self.error)
        return tuple(part.type for part in parts if part is not None and part.type is not None)

    @property
    def name(self) -> str:
        """`Interface.operation`."""
        return f"{self.interface}.{self.operation}"

    @property
    def wire(self) -> WireSizes:
        """Maximum size of its message and its reply, in bytes."""
        from idoldbg.resolver.sizes import measure  # a call has no use for it

        return measure(self)

    @property
    def wire_members(self) -> tuple[Member, ...]:
        """The members of the message in argument order; those of unknown types are left out."""
        return tuple(a.wire for a in self.arguments if a.wire is not None)
