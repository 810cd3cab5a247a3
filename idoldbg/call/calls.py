"""Idol calls: from strings to a checked call, from hiffy's answer to a value or an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idol.near import near_misses
from idol.records import dataclass, field
from idoldbg.call import codec
from idoldbg.call.arguments import (
    ReadData,
    from_python,
    lease_from_python,
    parse_lease,
    parse_value,
)
from idoldbg.call.message import ErrorReply, Lease, Message, RawReply, ReadLease, WriteLease
from idoldbg.errors import ArgumentError, NotCallable, NotFound, OperationError
from idoldbg.model.types import Type
from idoldbg.model.values import EnumValue, Value, c_like_variant
from idoldbg.resolver import (
    ErrorKind,
    How,
    Resolution,
    ResolvedArgument,
    ResolvedLease,
    ResolvedOperation,
)

__all__ = [
    "Call",
    "Reply",
    "bind_call",
    "build_message",
    "decode_error",
    "decode_reply",
    "find_parameter",
    "lease_kinds",
    "prepare_call",
]


@dataclass(frozen=True, slots=True)
class Call:
    """One call, complete and checked against the interface.

    `arguments` stand in the order of the interface. `sent` holds the bytes of each lease that the
    server reads, `room` the size in bytes of each that it writes.
    """

    operation: ResolvedOperation
    arguments: tuple[Value, ...]
    sent: Mapping[str, bytes] = field(default_factory=dict)
    room: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """Reply of an operation: its ok value, and the bytes of each lease that it wrote."""

    operation: ResolvedOperation
    value: Value
    leases: Mapping[str, bytes]

    def elements(self, name: str) -> tuple[Value, ...] | None:
        """Return the elements of a lease; None where its bytes are all there is to say.

        That is so for bytes, and for a type that is not known or takes none. What the server wrote
        need not make sense: such parts are `Unreadable`.
        """
        lease = next(lease for lease in self.operation.leases if lease.name == name)
        element = lease.element
        size = 0 if element is None else element.size
        is_bytes = element is not None and (
            element.is_byte or (not lease.is_slice and element.is_byte_array)
        )
        if element is None or not size or is_bytes:
            return None
        data = self.leases[name]
        return tuple(
            codec.image.decode(element, data[at : at + size]) for at in range(0, len(data), size)
        )


def find_parameter(operation: ResolvedOperation, name: str) -> str:
    """Return the argument or lease that `name` means, hyphens and underscores being the same."""
    names = [*(a.name for a in operation.arguments), *(lease.name for lease in operation.leases)]
    name = name.removeprefix("r#")
    for known in names:
        if known.replace("-", "_") == name.replace("-", "_"):
            return known
    takes = "it takes " + (", ".join(f"--{n.replace('_', '-')}" for n in names) or "no arguments")
    near = near_misses(name, names)
    raise NotFound("argument", name, near=near, where=operation.name, hint="" if near else takes)


def prepare_call(
    operation: ResolvedOperation,
    given: Mapping[str, str],
    *,
    read_data: ReadData | None = None,
) -> Call:
    """Turn strings into a call, one for each argument and for each lease that is not empty.

    `read_data` is asked for the file of `@FILE` and for `-` (standard input); without it these are
    refused.

    Raises `ArgumentError` for values that do not fit and for missing arguments, `NotCallable` where
    the build lacks the type of an argument.
    """
    missing = [a.name for a in operation.arguments if a.name not in given]
    if missing:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
        raise ArgumentError(f"{operation.name} also needs {options}")
    arguments = tuple(
        _argument(operation, argument, given[argument.name], read_data)
        for argument in operation.arguments
    )
    sent: dict[str, bytes] = {}
    room: dict[str, int] = {}
    for lease in operation.leases:
        text = given.get(lease.name)
        if lease.read:
            sent[lease.name] = _lent(operation, lease, text, read_data)
        if lease.write:
            size = len(sent[lease.name]) if lease.read else _room(operation, lease, text)
            room[lease.name] = size
    return Call(operation, arguments, sent, room)


def bind_call(operation: ResolvedOperation, values: Mapping[str, Any]) -> Call:
    """Turn Python data into a call; as `prepare_call`, for values as `from_python` takes them.

    A lease that the server reads takes bytes, or a sequence of elements; one that it writes a
    number of elements. Every argument must be there.
    """
    arguments = tuple(
        from_python(values[a.name], _argument_type(operation, a), name=a.name)
        for a in operation.arguments
    )
    sent: dict[str, bytes] = {}
    room: dict[str, int] = {}
    for lease in operation.leases:
        if lease.read:
            found = lease_from_python(
                values.get(lease.name, b""),
                _element(operation, lease),
                is_slice=lease.is_slice,
                name=lease.name,
            )
            sent[lease.name] = _lease_bytes(operation, lease, found)
        if lease.write:
            count = values.get(lease.name)
            if not (count is None or (isinstance(count, int) and not isinstance(count, bool))):
                raise ArgumentError(
                    f"{count!r} is not a number of elements (the server writes this lease)",
                    name=lease.name,
                )
            text = None if count is None else str(count)
            room[lease.name] = (
                len(sent[lease.name]) if lease.read else _room(operation, lease, text)
            )
    return Call(operation, arguments, sent, room)


def _lent(
    operation: ResolvedOperation,
    lease: ResolvedLease,
    text: str | None,
    read_data: ReadData | None,
) -> bytes:
    """Return the bytes of a lease that the server reads; left out, it is empty."""
    if text is None:
        return _lease_bytes(operation, lease, b"")
    found = parse_lease(
        text,
        _element(operation, lease),
        is_slice=lease.is_slice,
        name=lease.name,
        read_data=read_data,
    )
    return _lease_bytes(operation, lease, found)


def _lease_bytes(operation: ResolvedOperation, lease: ResolvedLease, found: bytes | Value) -> bytes:
    data = found if isinstance(found, bytes) else codec.image.encode(found)
    _check_lease(operation, lease, len(data))
    return data


def _argument_type(operation: ResolvedOperation, argument: ResolvedArgument) -> Type:
    if argument.type is None:
        raise _unknown_type(operation, f"the type of `{argument.name}`", argument)
    return argument.type


def _unknown_type(operation: ResolvedOperation, what: str, found: Resolution) -> NotCallable:
    """Build the error for a type that is missing, or one of several, and say what to do."""
    if found.how is How.AMBIGUOUS:
        names = ", ".join(c.name for c in found.candidates)
        why = f"is one of several ({names}): settle it with --type {found.text}=PATH"
    elif found.how is How.INCOMPLETE:
        why = "is declared in this build's debug information, but defined nowhere"
    else:
        why = "is not in this build's debug information"
    return NotCallable(f"{operation.name}: {what}, {found.text}, {why}", operation=operation.name)


def _argument(
    operation: ResolvedOperation,
    argument: ResolvedArgument,
    text: str,
    read_data: ReadData | None,
) -> Value:
    type_ = _argument_type(operation, argument)
    return parse_value(text, type_, name=argument.name, read_data=read_data)


def _room(operation: ResolvedOperation, lease: ResolvedLease, text: str | None) -> int:
    """Return the size in bytes of a lease that the server writes; the text counts elements."""
    element = _element_size(operation, lease)
    if not lease.is_slice:
        count = 1
        if text not in (None, "1"):
            raise ArgumentError("this lease is one element, leave it out", name=lease.name)
    else:
        try:
            count = 0 if text is None else int(text, 0)
        except ValueError:
            raise ArgumentError(
                f"`{text}` is not a number of elements (the server writes this lease)",
                name=lease.name,
            ) from None
        if not 0 <= count <= 0xFFFF:
            raise ArgumentError("give 0 to 65535 elements", name=lease.name)
    _check_lease(operation, lease, count * element)
    return count * element


def _check_lease(operation: ResolvedOperation, lease: ResolvedLease, size: int) -> None:
    """Refuse what the server would refuse: it would do so by killing its client, hiffy."""
    element = _element_size(operation, lease)
    if not lease.is_slice and size != element:
        raise ArgumentError(f"this lease is exactly {element} bytes, not {size}", name=lease.name)
    if element and size % element:
        raise ArgumentError(
            f"the length, {size}, is not a multiple of the element's {element} bytes",
            name=lease.name,
        )
    if lease.max_len is not None and size > lease.max_len * element:
        raise ArgumentError(
            f"the server takes at most {lease.max_len} elements, not {size // max(element, 1)}",
            name=lease.name,
        )


def _describe_code(operation: ResolvedOperation, code: int) -> str:
    """Describe a response code that has no name."""
    error = operation.error
    if error is None or error.type is not None:
        return f"code {code}, which is not an error of this operation"
    if error.how is How.AMBIGUOUS:
        return f"code {code} (its type, {error.text}, is ambiguous: see --type)"
    return f"code {code} (its type, {error.text}, is not in this build's debug information)"


def _element(operation: ResolvedOperation, lease: ResolvedLease) -> Type:
    if lease.element is None:
        raise _unknown_type(operation, f"the type of lease `{lease.name}`", lease)
    return lease.element


def _element_size(operation: ResolvedOperation, lease: ResolvedLease) -> int:
    return _element(operation, lease).size


def build_message(call: Call, task_index: int) -> Message:
    """Encode a call; raise `NotCallable` where the build lacks a type, `EncodeError`."""
    operation = call.operation
    if operation.contradiction:
        raise NotCallable(
            f"{operation.name}: {operation.contradiction}: what travels is not what the types say. "
            "A type may be serialized by hand; `idoldbg audit` says what to look for",
            operation=operation.name,
        )
    encoding = codec.for_encoding(operation.encoding)
    leases = tuple(
        ReadLease(call.sent[lease.name]) if kind is ReadLease else WriteLease(call.room[lease.name])
        for lease, kind in zip(operation.leases, lease_kinds(operation), strict=True)
    )
    error_size = 0
    if operation.error_kind is ErrorKind.COMPLEX and operation.error is not None:
        error_size = codec.hubpack.max_size(_reply_type(operation, operation.error))
    reply_size = encoding.reply_size(_reply_type(operation, operation.ok))
    return Message(
        task=task_index,
        code=operation.code,
        payload=encoding.encode_arguments(operation.wire_members, call.arguments),
        reply_size=max(reply_size, error_size),
        leases=leases,
        error_size=error_size,
        name=operation.name,
    )


def lease_kinds(operation: ResolvedOperation) -> tuple[type[Lease], ...]:
    """Return what a message lends; raise `NotCallable` for memory to be both read and written."""
    for lease in operation.leases:
        if lease.read and lease.write:
            raise NotCallable(
                f"{operation.name}: hiffy cannot lend `{lease.name}` for both reading and writing",
                operation=operation.name,
            )
    return tuple(ReadLease if lease.read else WriteLease for lease in operation.leases)


def _reply_type(operation: ResolvedOperation, side: Resolution) -> Type:
    """Return the type of the ok or error side; raise `NotCallable` where the build lacks it."""
    if side.type is None:
        what = "error" if side is operation.error else "reply"
        raise _unknown_type(operation, f"the type of its {what}", side)
    return side.type


def decode_reply(call: Call, outcome: RawReply) -> Reply:
    """Decode what the server answered; raise `DecodeError`."""
    operation = call.operation
    type_ = _reply_type(operation, operation.ok)
    value = codec.for_encoding(operation.encoding).decode(type_, outcome.data)
    written = [lease.name for lease in operation.leases if lease.write]
    return Reply(operation, value, dict.fromkeys(written, outcome.lease))


def decode_error(operation: ResolvedOperation, outcome: ErrorReply) -> OperationError:
    """Turn a response code, and a Complex error's bytes, into the operation's error."""
    type_ = operation.error.type if operation.error else None
    value: Value | None = None
    variant: str | None = None
    if operation.error_kind is ErrorKind.COMPLEX and type_ is not None:
        if outcome.data is not None and outcome.code == 1:
            value = codec.hubpack.decode(type_, outcome.data)
            variant = value.variant if isinstance(value, EnumValue) else None
    elif type_ is not None:
        variant = c_like_variant(type_, outcome.code)
        value = None if variant is None else EnumValue(type_, variant, outcome.code)
    what = variant or _describe_code(operation, outcome.code)
    return OperationError(
        f"{operation.name} answered with {what}",
        operation=operation.name,
        variant=variant,
        code=outcome.code,
        value=value,
    )
