"""Finds the types of Idol operations in an image's debug information.

An interface names types as its author's crates know them (`SpiError`); what they are stands in the
debug information, if it stands there. For each role the image's own evidence comes first (see
`evidence`), then names (`lookup`). Every answer carries how it was found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import idol
from idol import Encoding, ErrorKind, RecvKind
from idol.rust_type import Path, RustType, Slice
from idoldbg.archive import Archive, TaskImage
from idoldbg.errors import DebugInfoError, NotFound
from idoldbg.near import near_misses
from idoldbg.resolver.evidence import collect, find_member, find_message
from idoldbg.resolver.lookup import BASE_TYPES, Found, How, TypeLookup, parse_override
from idoldbg.resolver.names import Match, match_names, parse_name
from idoldbg.types import CEnum, Enum, Member, Opaque, Scalar, Struct, Type

if TYPE_CHECKING:
    from idoldbg.debuginfo import ObjectInfo

__all__ = [
    "ErrorKind",
    "How",
    "Resolution",
    "ResolvedArgument",
    "ResolvedLease",
    "ResolvedOperation",
    "Resolver",
    "parse_override",
]


@dataclass(frozen=True, slots=True)
class Resolution:
    """A type as written, and what it is; `type` None where it is missing or ambiguous.

    `candidates` are full names: all there were when `how` is `AMBIGUOUS` or `NEAREST`.
    """

    text: str
    type: Type | None
    how: How
    candidates: tuple[str, ...] = ()

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
    def wire_members(self) -> tuple[Member, ...]:
        """The members of the message in argument order; those of unknown types are left out."""
        return tuple(a.wire for a in self.arguments if a.wire is not None)


class Resolver:
    """Resolves the operations of one build.

    `object_info` gives the debug information of an object by name (it may keep them); `overrides`
    settles names that are ambiguous: from the name in the interface to a full path.
    """

    def __init__(
        self,
        archive: Archive,
        object_info: Callable[[str], ObjectInfo],
        *,
        overrides: Mapping[str, str] | None = None,
    ) -> None:
        self._archive = archive
        self._object_info = object_info
        self._overrides = dict(overrides or {})

    def resolve(
        self, interface: idol.Interface, operation: str, task: TaskImage
    ) -> ResolvedOperation:
        """Find the types of one operation that `task` serves; raise `NotFound`."""
        found = interface.find_operation(operation)
        if found is None:
            names = [o.name for o in interface.operations]
            raise NotFound(
                "operation", operation, near=near_misses(operation, names), where=interface.name
            )
        return _Operation(self, interface, found, task).resolve()

    def info(self, name: str) -> ObjectInfo:
        """Return the debug information of one object."""
        return self._object_info(name)

    def lookup(self, task: TaskImage) -> TypeLookup:
        """Return the look-up for what a task serves."""
        return TypeLookup(self.info(task.name), lambda: self.others(task), self._overrides)

    def others(self, task: TaskImage) -> Iterator[ObjectInfo]:
        """Yield all other objects, the kernel last; those that are damaged are passed over."""
        for name in [t.name for t in self._archive.tasks] + ["kernel"]:
            if name == task.name or name not in self._archive.object_names:
                continue
            try:
                info = self.info(name)
                if info.has_debug_info:
                    yield info
            except DebugInfoError:
                continue


class _Operation:
    """The resolution of one operation."""

    def __init__(
        self,
        resolver: Resolver,
        interface: idol.Interface,
        operation: idol.Operation,
        task: TaskImage,
    ) -> None:
        self._resolver = resolver
        self._interface = interface
        self._operation = operation
        self._task = task
        self._info = resolver.info(task.name)
        self._lookup = resolver.lookup(task)
        self._evidence = collect(self._info, interface, operation)
        message = self._evidence.message
        self._namespace = message.name.rpartition("::")[0] if message else ""
        if not self._namespace:
            self._namespace = task.crate.replace("-", "_")
        # Encodings that write field after field need no layout in memory.
        self._is_serialized = operation.encoding is not Encoding.ZEROCOPY

    def resolve(self) -> ResolvedOperation:
        operation = self._operation
        error = operation.reply.error
        message = self._evidence.message or self._message_elsewhere()
        return ResolvedOperation(
            interface=self._interface.name,
            operation=operation.name,
            task=self._task.name,
            code=operation.code,
            encoding=operation.encoding,
            idempotent=operation.idempotent,
            doc=operation.doc,
            arguments=self._arguments(message),
            leases=tuple(self._lease(i, lease) for i, lease in enumerate(operation.leases)),
            ok=self._ok(),
            error=None if error is None or error.type is None else self._error(error.type),
            error_kind=None if error is None else error.kind,
            message=message,
        )

    def _message_elsewhere(self) -> Struct | None:
        """Find the ARGS struct of a client: it has the same members."""
        if not self._operation.arguments:
            return None
        for info in self._resolver.others(self._task):
            found = find_message(info, self._interface, self._operation)
            if found is not None:
                return found
        return None

    # ---- arguments ------------------------------------------------------------------------------

    def _arguments(self, message: Struct | None) -> tuple[ResolvedArgument, ...]:
        resolved = []
        offset = 0
        for index, argument in enumerate(self._operation.arguments):
            member = None if message is None else find_member(message, argument.name)
            one = self._argument(index, argument, member)
            if member is None and one.type is not None:
                # Without the struct itself: zerocopy messages are packed, others have no layout.
                wire = self._wire_type(argument.value) or one.type
                one = replace(one, wire=Member(argument.name, offset, wire))
                offset += wire.size
            resolved.append(one)
        return tuple(resolved)

    def _argument(
        self, index: int, argument: idol.Argument, member: Member | None
    ) -> ResolvedArgument:
        written = argument.type.rust
        evidence = self._evidence
        travels = self._wire_type(argument.value)
        found: Found | None = None
        if evidence.kept_arguments is not None and index < len(evidence.kept_arguments):
            found = Found(evidence.kept_arguments[index], How.KEPT)
        elif member is not None and travels is None:
            found = Found(member.type, How.MESSAGE)
        elif evidence.signature_arguments is not None:
            found = Found(evidence.signature_arguments[index], How.SIGNATURE)
        if found is None or isinstance(found.type, Opaque):
            found = self._lookup.find(
                written,
                namespace=self._namespace,
                fits=_fits(argument.recv.kind),
                may_build_tuples=self._is_serialized,
            )
        if found.type is None and travels is not None:
            found = Found(travels, How.WIRE, found.candidates)
        return ResolvedArgument(
            str(written), found.type, found.how, found.candidates, argument.name, member
        )

    def _wire_type(self, value: idol.AttributedType) -> Type | None:
        """Return the type that travels instead of the declared one, None where that does."""
        if self._is_serialized:
            return None
        if value.recv.type is not None:
            rust = value.recv.type.rust
            return self._lookup.find(rust, namespace=self._namespace).type
        return BASE_TYPES["u8"] if value.type.is_bool else None

    # ---- leases ---------------------------------------------------------------------------------

    def _lease(self, index: int, lease: idol.Lease) -> ResolvedLease:
        written = lease.type.rust
        element = written.element if isinstance(written, Slice) else written
        kept = self._evidence.kept_leases
        if kept is not None and index < len(kept):
            found = Found(kept[index], How.KEPT)
        else:
            found = self._lookup.find(element, namespace=self._namespace)
        return ResolvedLease(
            str(written),
            found.type,
            found.how,
            found.candidates,
            lease.name,
            lease.read,
            lease.write,
            lease.max_len,
            isinstance(written, Slice),
        )

    # ---- replies --------------------------------------------------------------------------------

    def _ok(self) -> Resolution:
        value = self._operation.reply.ok
        written = value.type.rust
        evidence = self._evidence
        found: Found | None = None
        for type_, how in (
            (evidence.reply, How.REPLY),
            (evidence.signature_ok, How.SIGNATURE),
        ):
            if type_ is not None and not isinstance(type_, Opaque) and self._agrees(written, type_):
                found = Found(type_, how)
                break
        if found is None:
            found = self._lookup.find(
                written,
                namespace=self._namespace,
                fits=_fits(value.recv.kind),
                may_build_tuples=self._is_serialized,
            )
        if found.type is None:
            # An alias: no type of that name, but the image shows what stands at its place.
            shown = evidence.reply or evidence.signature_ok
            if shown is not None and not isinstance(shown, Opaque):
                how = How.REPLY if evidence.reply is not None else How.SIGNATURE
                found = Found(shown, how)
        wire = self._wire_type(value)
        if wire is not None:
            found = _as_travels(found, wire)
        return Resolution(str(written), found.type, found.how, found.candidates)

    def _agrees(self, written: RustType, type_: Type) -> bool:
        """Tell whether evidence is for what is written: a wrong struct may have the right name."""
        return match_names(written, parse_name(type_.name)) is not Match.NONE

    def _error(self, text: idol.TypeText) -> Resolution:
        written = text.rust
        evidence = self._evidence
        for type_, how in (
            (evidence.kept_error, How.KEPT),
            (evidence.signature_error, How.SIGNATURE),
        ):
            if type_ is not None and not isinstance(type_, Opaque):
                return Resolution(str(written), type_, how)
        error = self._operation.reply.error
        c_like = error is not None and error.kind is ErrorKind.C_LIKE
        found = self._lookup.find(
            written,
            namespace=self._namespace,
            used=self._used_errors(written),
            fits=_is_error if c_like else lambda type_: True,
        )
        return Resolution(str(written), found.type, found.how, found.candidates)

    def _used_errors(self, written: RustType) -> tuple[Type, ...]:
        """Find the error types of that name that the server's results are made of."""
        if not isinstance(written, Path):
            return ()
        found: list[Type] = []
        for name in self._info.find_type_names("RequestError<"):
            inner = parse_name(name)
            if not isinstance(inner, Path) or len(inner.arguments) != 1:
                continue
            argument = inner.arguments[0]
            if isinstance(argument, Path) and match_names(written, argument) is not Match.NONE:
                found += self._info.find_types(str(argument))
        return tuple(found)


def _is_error(type_: Type) -> bool:
    """Tell what can be a C-like error: an enum none of whose variants holds anything."""
    if isinstance(type_, Enum):
        return all(not v.type.members for v in type_.variants)
    return isinstance(type_, CEnum)


def _fits(kind: RecvKind) -> Callable[[Type], bool]:
    if kind is RecvKind.FROM_PRIMITIVE:
        return lambda type_: isinstance(type_, CEnum | Scalar | Struct)
    return lambda type_: True


def _as_travels(found: Found, wire: Type) -> Found:
    """Make what the reply's bytes are decoded as, where the enum travels as a wider integer."""
    if found.type is None:
        return Found(wire, How.WIRE, found.candidates)
    if isinstance(found.type, CEnum) and isinstance(wire, Scalar) and found.type.size != wire.size:
        return replace(found, type=replace(found.type, size=wire.size))
    return found
