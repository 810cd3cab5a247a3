"""Resolves the operations of a build: who serves them, what the image says, what names say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property

import idol
from idol import Encoding, ErrorKind, RecvKind
from idol.near import near_misses
from idol.records import replace
from idol.rust_type import Path, RustType, Slice
from idol.sizes import is_optional_number
from idoldbg.build.debuginfo import DebugInfo
from idoldbg.errors import DebugInfoError, NotFound
from idoldbg.model.archive import Archive, TaskImage
from idoldbg.model.symbols import Block
from idoldbg.model.types import Array, CEnum, Enum, Member, Opaque, Scalar, Struct, Type
from idoldbg.resolver import optional
from idoldbg.resolver.by_hand import find_by_hand, find_doubt
from idoldbg.resolver.constants import infer_constants
from idoldbg.resolver.derived import (
    NOTHING_LEFT_OUT,
    Derived,
    find_derived,
    find_left_out,
    mark_argument,
)
from idoldbg.resolver.evidence import (
    Shown,
    collect,
    find_client,
    find_handlers,
    find_member,
    find_message,
    pair_shown,
    read_handler,
)
from idoldbg.resolver.lookup import BASE_TYPES, Found, TypeLookup, is_base
from idoldbg.resolver.names import Match, match_names, parse_name
from idoldbg.resolver.operation import (
    How,
    Resolution,
    ResolvedArgument,
    ResolvedLease,
    ResolvedOperation,
)
from idoldbg.resolver.sizes import (
    DeclaredSize,
    find_contradiction,
    find_declared,
    find_incoming,
)
from idoldbg.resolver.tolerant import TolerantInfo

__all__ = ["Resolver"]


class Resolver:
    """Resolves the operations of one build.

    `object_info` gives the debug information of an object by name (it may keep them); `overrides`
    settles names that are ambiguous: from the name in the interface to a full path.
    """

    def __init__(
        self,
        archive: Archive,
        object_info: Callable[[str], DebugInfo],
        *,
        overrides: Mapping[str, str] | None = None,
    ) -> None:
        self._archive = archive
        self._object_info = object_info
        self._overrides = dict(overrides or {})
        self._used_overrides: set[str] = set()
        self._handlers: dict[str, tuple[Block, ...]] = {}
        self._derived: dict[str, Derived] = {}
        self._by_hand: dict[str, dict[str, str]] = {}
        self._constants: dict[tuple[str, str], dict[str, int]] = {}

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
        resolved = _Operation(self, interface, found, task).resolve()
        resolved = self._without_skipped(resolved)
        contradiction = self.left_out(resolved) or self._contradiction(resolved, task)
        # Numbers have no impl of anybody's, and looking for such takes time.
        types = [t for t in resolved.serialized_types if not isinstance(t, Scalar)]
        doubt = find_doubt(types, self.by_hand(task.name)) if types else ""
        if not contradiction and not doubt:
            return resolved
        return replace(resolved, contradiction=contradiction, doubt=doubt)

    def _contradiction(self, operation: ResolvedOperation, task: TaskImage) -> str:
        try:
            return find_contradiction(operation, lambda: self.handlers(task), self.info(task.name))
        except DebugInfoError:
            return ""  # of code that no type needs

    def _without_skipped(self, operation: ResolvedOperation) -> ResolvedOperation:
        """Mark the variants of arguments that the server's derived impls do not know."""
        if operation.encoding is Encoding.ZEROCOPY:
            return operation
        derived = self._derived_in(operation.task)
        if not derived.variants:
            return operation
        arguments = tuple(mark_argument(a, derived) for a in operation.arguments)
        return replace(operation, arguments=arguments)

    def _derived_in(self, name: str) -> Derived:
        """Return what derived impls in an object leave out of what they read."""
        if name not in self._derived:
            try:
                self._derived[name] = find_derived(self.info(name))
            except DebugInfoError:
                self._derived[name] = NOTHING_LEFT_OUT  # of code that no type needs
        return self._derived[name]

    def by_hand(self, name: str) -> Mapping[str, str]:
        """Return the types of an object that are serialized by hand, each with the evidence."""
        if name not in self._by_hand:
            try:
                self._by_hand[name] = find_by_hand(self.info(name))
            except DebugInfoError:
                self._by_hand[name] = {}  # of code that no type needs
        return self._by_hand[name]

    def left_out(self, operation: ResolvedOperation) -> str:
        """Return what derived impls leave out of an operation's values, "" for nothing.

        Arguments are read by the server, replies by the tasks that have a slot for it. Of variants
        that are known to be left out in arguments, their types say so (`skipped`).
        """
        is_serialized = operation.encoding is not Encoding.ZEROCOPY
        arguments = [a.type for a in operation.arguments] if is_serialized else []
        replies = [operation.ok.type] if is_serialized else []
        if operation.error is not None and operation.error_kind is ErrorKind.COMPLEX:
            replies.append(operation.error.type)
        found = [find_left_out(t, self._derived_in(operation.task)) for t in arguments if t]
        held = [t for t in replies if isinstance(t, Struct | Enum | Array)]
        if held:
            slots = [t.name for t in self._archive.tasks if operation.task in t.slots.values()]
            for reader in (operation.task, *slots):
                fields = replace(self._derived_in(reader), unclear=frozenset())
                found += [find_left_out(t, fields) for t in held]
        return next((reason for reason in found if reason), "")

    @property
    def unused_overrides(self) -> tuple[str, ...]:
        """The overrides that no type asked for so far had the name of."""
        return tuple(name for name in self._overrides if name not in self._used_overrides)

    def declared_sizes(
        self, operation: ResolvedOperation, *, in_clients: bool = True
    ) -> tuple[DeclaredSize, ...]:
        """Find the sizes of an operation that the image itself shows.

        Looks at the server's code and, if `in_clients`, at every other object's.
        """
        task = self._archive.get_task(operation.task)
        server = self.info(task.name)
        objects = (server, *self.others(task)) if in_clients else (server,)
        return tuple(find_declared(operation, self.handlers(task), objects))

    def incoming_size(self, operations: Sequence[ResolvedOperation]) -> DeclaredSize | None:
        """Find the longest message that a server has room for; `operations` are all of its own."""
        if not operations:
            return None
        first = operations[0]
        return find_incoming(self.info(first.task), first.interface, operations)

    def info(self, name: str) -> DebugInfo:
        """Return the debug information of one object."""
        return self._object_info(name)

    def handlers(self, task: TaskImage) -> tuple[Block, ...]:
        """Return what dispatches to the methods of the server in a task."""
        if task.name not in self._handlers:
            self._handlers[task.name] = find_handlers(self.info(task.name))
        return self._handlers[task.name]

    def lookup(self, task: TaskImage, interface: idol.Interface | None = None) -> TypeLookup:
        """Return the look-up for what a task serves; `interface` may say more of constants."""
        return TypeLookup(
            self.info(task.name),
            lambda: self.others(task),
            self._overrides,
            lambda: {} if interface is None else self.constants(interface, task),
            self._used_overrides,
        )

    def constants(self, interface: idol.Interface, task: TaskImage) -> dict[str, int]:
        """Return the values of the constants that an interface names, as far as they are shown."""
        key = (interface.name, task.name)
        if key not in self._constants:
            info, handlers = self.info(task.name), self.handlers(task)
            pairs = (
                pair
                for operation in interface.operations
                for pair in pair_shown(info, interface, operation, handlers)
            )
            self._constants[key] = infer_constants(pairs)
        return self._constants[key]

    def others(self, task: TaskImage) -> Iterator[DebugInfo]:
        """Yield all other objects, the kernel last; what is damaged in them is passed over."""
        for name in [t.name for t in self._archive.tasks] + ["kernel"]:
            if name == task.name or name not in self._archive.object_names:
                continue
            try:
                info = TolerantInfo(self.info(name))
            except DebugInfoError:
                continue
            if info.has_debug_info:
                yield info


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
        self._lookup = resolver.lookup(task, interface)
        self._evidence = collect(self._info, interface, operation)
        message = self._evidence.message
        self._namespace = message.name.rpartition("::")[0] if message else ""
        if not self._namespace:
            self._namespace = task.crate.replace("-", "_")
        # Encodings that write field after field need no layout in memory.
        self._is_serialized = operation.encoding is not Encoding.ZEROCOPY

    @cached_property
    def _handler(self) -> Shown:
        handlers = self._resolver.handlers(self._task)
        return read_handler(self._info, self._interface, self._operation, handlers)

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
        travels = self._wire_type(argument.value)
        evidence = self._evidence
        shown = [(_at(evidence.kept.arguments, index), How.KEPT)]
        if member is not None and travels is None:
            shown.append((member.type, How.MESSAGE))
        shown.append((_at(evidence.signature.arguments, index), How.SIGNATURE))
        found = self._settle(
            written,
            shown,
            lambda client: _at(client.arguments, index),
            fits=_fits(argument.value),
        )
        if found.type is None and isinstance(travels, Struct):
            found = self._optional(written, found, travels)
        elif found.type is None and travels is not None:
            found = replace(found, type=travels, how=How.WIRE)
        return ResolvedArgument(
            str(written),
            found.type,
            found.how,
            found.candidates,
            found.object,
            argument.name,
            member,
        )

    def _wire_type(self, value: idol.AttributedType) -> Type | None:
        """Return the type that travels instead of the declared one, None where that does."""
        if self._is_serialized:
            return None
        if value.recv.type is not None:
            rust = value.recv.type.rust
            number = self._lookup.find(rust, namespace=self._namespace).type
            if number is not None and is_optional_number(value):
                return optional.build_struct(number)
            return number
        return BASE_TYPES["u8"] if value.type.is_bool else None

    # ---- leases ---------------------------------------------------------------------------------

    def _lease(self, index: int, lease: idol.Lease) -> ResolvedLease:
        written = lease.type.rust
        element = written.element if isinstance(written, Slice) else written
        evidence = self._evidence

        def shown() -> Iterator[tuple[Type | None, How]]:
            yield _at(evidence.kept.leases, index), How.KEPT
            yield _at(evidence.signature.leases, index), How.SIGNATURE
            if element not in _BASE:  # the code that calls it says nothing more
                yield _at(self._handler.leases, index), How.HANDLER

        found = self._settle(element, shown(), lambda client: _at(client.leases, index))
        return ResolvedLease(
            str(written),
            found.type,
            found.how,
            found.candidates,
            found.object,
            lease.name,
            lease.read,
            lease.write,
            lease.max_len,
            isinstance(written, Slice),
        )

    # ---- replies --------------------------------------------------------------------------------

    def _ok(self) -> Resolution:
        value = self._operation.reply.ok
        evidence = self._evidence

        def shown() -> Iterator[tuple[Type | None, How]]:
            yield evidence.reply.ok, How.REPLY
            yield evidence.signature.ok, How.SIGNATURE
            yield self._handler.ok, How.HANDLER

        found = self._settle(
            value.type.rust,
            shown(),
            lambda client: client.ok,
            fits=_fits(value),
        )
        wire = self._wire_type(value)
        if isinstance(wire, Struct):
            found = self._optional(value.type.rust, found, wire)
        elif wire is not None:
            found = _as_travels(found, wire)
        return _resolution(value.type.rust, found)

    def _error(self, text: idol.TypeText) -> Resolution:
        written = text.rust
        evidence = self._evidence

        def shown() -> Iterator[tuple[Type | None, How]]:
            yield evidence.kept.error, How.KEPT
            yield evidence.signature.error, How.SIGNATURE
            yield self._handler.error, How.HANDLER

        error = self._operation.reply.error
        c_like = error is not None and error.kind is ErrorKind.C_LIKE
        found = self._settle(
            written,
            shown(),
            lambda client: client.error,
            used=lambda: self._used_errors(written),
            fits=_is_error if c_like else lambda type_: True,
        )
        return _resolution(written, found)

    def _used_errors(self, written: RustType) -> Iterator[Type]:
        """Find the error types of that name that the server's results are made of."""
        if not isinstance(written, Path):
            return
        for name in self._info.find_type_names("RequestError<"):
            inner = parse_name(name)
            if not isinstance(inner, Path) or len(inner.arguments) != 1:
                continue
            argument = inner.arguments[0]
            if isinstance(argument, Path) and match_names(written, argument) is not Match.NONE:
                yield from self._info.find_types(str(argument))

    def _optional(self, written: RustType, found: Found, wire: Struct) -> Found:
        """Make an option of what travels in its place, and of the type that it holds if known."""
        held = optional.find_held(found.type)
        if held is None and isinstance(written, Path) and isinstance(written.arguments[0], Path):
            found = self._lookup.find(written.arguments[0], namespace=self._namespace)
            held = found.type
        how = found.how if isinstance(held, CEnum | Scalar) else How.WIRE
        return replace(found, type=optional.build_option(held, wire), how=how)

    # ---- any role -------------------------------------------------------------------------------

    def _settle(
        self,
        written: RustType,
        shown: Iterable[tuple[Type | None, How]],
        of_client: Callable[[Shown], Type | None],
        *,
        used: Callable[[], Iterable[Type]] = tuple,
        fits: Callable[[Type], bool] = lambda type_: True,
    ) -> Found:
        """Find a type by what the user says, then the evidence at its place, then its name.

        `shown` is what the server's object shows at this place, the most trustworthy first; it is
        consumed no further than needed.
        """
        override = self._lookup.find_override(written)
        if override is not None:
            return override
        stand_in: Found | None = None
        for type_, how in shown:
            if type_ is None or isinstance(type_, Opaque):
                continue
            # A wrong REPLY may have the right name: that of another interface called the same.
            trusted = how is not How.REPLY
            if trusted or match_names(written, parse_name(type_.name)) is not Match.NONE:
                return self._found(type_, how)
            stand_in = self._found(type_, how)

        def hints() -> Iterator[tuple[Type, How]]:
            yield from ((type_, How.USED) for type_ in used())
            yield from ((found.type, found.how) for found in self._clients(of_client) if found.type)

        found = self._lookup.find(
            written,
            namespace=self._namespace,
            hints=hints,
            fits=fits,
            may_build_tuples=self._is_serialized,
        )
        if found.type is None and found.how is not How.AMBIGUOUS:
            # An alias: no type of that name, but the image shows what stands at its place.
            return stand_in or next(self._clients(of_client), found)
        return found

    def _found(self, type_: Type, how: How) -> Found:
        return Found(type_, how, (), None if is_base(type_) else self._info.name)

    def _clients(self, of_client: Callable[[Shown], Type | None]) -> Iterator[Found]:
        """Find what stands at a place in the methods of clients, in any task."""
        for info in self._resolver.others(self._task):
            type_ = of_client(find_client(info, self._interface, self._operation))
            if type_ is not None and not isinstance(type_, Opaque):
                yield Found(type_, How.CLIENT, (), None if is_base(type_) else info.name)


_BASE = frozenset(parse_name(name) for name in BASE_TYPES)  # which need no evidence


def _at(types: Sequence[Type | None] | None, index: int) -> Type | None:
    return None if types is None or index >= len(types) else types[index]


def _resolution(written: RustType, found: Found) -> Resolution:
    return Resolution(str(written), found.type, found.how, found.candidates, found.object)


def _is_error(type_: Type) -> bool:
    """Return whether a type can be a C-like error: an enum whose variants hold nothing."""
    if isinstance(type_, Enum):
        return all(not v.type.members for v in type_.variants)
    return isinstance(type_, CEnum)


def _fits(value: idol.AttributedType) -> Callable[[Type], bool]:
    if value.recv.kind is RecvKind.FROM_PRIMITIVE and not is_optional_number(value):
        return lambda type_: isinstance(type_, CEnum | Scalar | Struct)
    return lambda type_: True


def _as_travels(found: Found, wire: Type) -> Found:
    """Make what the reply's bytes are decoded as, where the enum travels as a wider integer."""
    if found.type is None:
        return replace(found, type=wire, how=How.WIRE)
    if isinstance(found.type, CEnum) and isinstance(wire, Scalar) and found.type.size != wire.size:
        return replace(found, type=replace(found.type, size=wire.size))
    return found
