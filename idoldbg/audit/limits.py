"""Checks of an operation against what this image's hiffy can carry.

The areas' sizes and the functions are those of the image (`idoldbg.call.hiffy.layout`); what a call
takes of them is what `idoldbg.call.hiffy.program` would write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from idol.findings import Level
from idol.records import dataclass
from idoldbg.audit.finding import Finding, Role
from idoldbg.audit.hiffy import Hiffy
from idoldbg.audit.subject import Part, Subject
from idoldbg.audit.walk import smallest_encoding
from idoldbg.call import codec
from idoldbg.call.hiffy.program import SHAPES, Shape, measure_room
from idoldbg.call.message import ReadLease, WriteLease
from idoldbg.errors import EncodeError
from idoldbg.resolver import ErrorKind, ResolvedLease

__all__ = ["Fit", "check_limits", "measure"]


@dataclass(frozen=True, slots=True)
class Fit:
    """Bytes that an operation needs and that hiffy has; None where not known.

    `arguments` and `reply` are the most that they take, `reply` with a Complex error in its place.
    `elements` are the most that each lease can have.
    """

    arguments: int | None
    arguments_room: int | None
    reply: int | None
    reply_room: int | None
    elements: Mapping[str, int]


def check_limits(subject: Subject) -> Iterator[Finding]:
    """Report what makes hiffy refuse an operation; nothing is known without one."""
    hiffy = subject.image.hiffy
    if hiffy is None:
        return
    shape = _shape(subject)
    if shape is None:
        yield _bad_shape(subject)
        return
    function = hiffy.layout.functions.get(shape.function)
    if function is None or function.argument_count != shape.extra:
        yield _no_function(subject, hiffy, shape)
        return
    fit = measure(subject)
    yield from _arguments(subject, fit)
    yield from _reply(subject, hiffy, fit)
    yield from _leases(subject, hiffy, fit)


def measure(subject: Subject) -> Fit:
    """Work out sizes and rooms; without a usable hiffy the rooms are unknown."""
    hiffy = subject.image.hiffy
    arguments, reply = _arguments_size(subject), _reply_size(subject)
    shape = _shape(subject)
    if hiffy is None or shape is None:
        return Fit(arguments, None, reply, None, {})
    room = measure_room(hiffy.layout, shape)
    elements = {}
    for lease in subject.resolved.leases:
        if lease.type is None:
            continue
        space = room.lent if lease.read else max(0, room.reply - (reply or 0))
        size = lease.type.size
        elements[lease.name] = _element_limit(lease, space // size if size else 0xFFFF)
    return Fit(arguments, room.payload, reply, room.reply, elements)


def _element_limit(lease: ResolvedLease, fitting: int) -> int:
    limit = fitting if lease.max_len is None else min(fitting, lease.max_len)
    return limit if lease.is_slice else min(limit, 1)


# ---- sizes ---------------------------------------------------------------------------------------


def _arguments_size(subject: Subject) -> int | None:
    encoding = codec.for_encoding(subject.operation.encoding)
    total = 0
    for argument in subject.resolved.arguments:
        if argument.wire is None:
            return None
        try:
            total += encoding.max_size(argument.wire.type)
        except EncodeError:
            return None
    return total


def _reply_size(subject: Subject) -> int | None:
    resolved = subject.resolved
    if resolved.ok.type is None:
        return None
    try:
        size = codec.for_encoding(subject.operation.encoding).reply_size(resolved.ok.type)
        if resolved.error_kind is ErrorKind.COMPLEX and resolved.error is not None:
            if resolved.error.type is None:
                return None
            size = max(size, codec.hubpack.max_size(resolved.error.type))
    except EncodeError:
        return None
    return size


def _shape(subject: Subject) -> Shape | None:
    leases = subject.resolved.leases
    if any(lease.read == lease.write for lease in leases):
        return None
    return SHAPES.get(tuple(ReadLease if lease.read else WriteLease for lease in leases))


# ---- findings ------------------------------------------------------------------------------------


def _bad_shape(subject: Subject) -> Finding:
    access = {(True, False): "read", (False, True): "write", (True, True): "read and write"}
    leases = subject.resolved.leases
    listed = ", ".join(f"`{lease.name}` ({access[lease.read, lease.write]})" for lease in leases)
    return subject.finding(
        "lease-shape",
        f"it lends {listed}; hiffy can lend one piece of memory to read, one to write, or one to "
        "read followed by one to write",
        "Split the operation, or merge the leases so that at most one is read and, after it, at "
        "most one is written.",
        name=", ".join(lease.name for lease in leases),
    )


def _no_function(subject: Subject, hiffy: Hiffy, shape: Shape) -> Finding:
    functions = ", ".join(hiffy.layout.functions) or "none at all"
    if shape.function in hiffy.layout.functions:
        taken = hiffy.layout.functions[shape.function].argument_count
        message = (
            f"this image's hiffy has a function {shape.function} that takes {taken} arguments, "
            f"where {shape.extra} are known: it is from a different Hubris version"
        )
    else:
        message = (
            f"it needs hiffy's function {shape.function}, which this image's hiffy does not have "
            f"(it has {functions})"
        )
    feature = "send-rw" if shape.function == "SendLeaseReadWrite" else "send"
    return subject.finding(
        "hiffy-send-missing",
        message,
        f'Build hiffy with the feature "{feature}" (app.toml: `[tasks.hiffy] features = '
        f'["{feature}"]`), as far as the chip\'s hiffy has it.',
        name=shape.function,
    )


def _arguments(subject: Subject, fit: Fit) -> Iterator[Finding]:
    if fit.arguments is None or fit.arguments_room is None:
        return
    if fit.arguments <= fit.arguments_room:
        return
    smallest = _smallest_arguments(subject)
    if smallest <= fit.arguments_room:
        yield subject.finding(
            "arguments-too-large",
            f"its arguments take up to {fit.arguments} bytes, of which hiffy can send "
            f"{fit.arguments_room}: only shorter values can be sent (the shortest take {smallest})",
            "Send the long part in a lease.",
            level=Level.WARNING,
        )
        return
    yield subject.finding(
        "arguments-too-large",
        f"its arguments take {fit.arguments} bytes, hiffy can send {fit.arguments_room}",
        "Send a part of them in a lease.",
    )


def _smallest_arguments(subject: Subject) -> int:
    wires = [a.wire.type for a in subject.resolved.arguments if a.wire is not None]
    if not subject.is_serialized:
        return sum(t.size for t in wires)
    return sum(smallest_encoding(t) for t in wires)


def _reply(subject: Subject, hiffy: Hiffy, fit: Fit) -> Iterator[Finding]:
    if fit.reply is None or fit.reply_room is None or fit.reply <= fit.reply_room:
        return
    yield subject.finding(
        "reply-too-large",
        f"its reply takes {fit.reply} bytes, hiffy can take {fit.reply_room} "
        f"({_why_room(hiffy, fit.reply_room)})",
        "Answer through a lease, or build hiffy with more room (feature `turbo`).",
    )


def _why_room(hiffy: Hiffy, room: int) -> str:
    if room == hiffy.layout.scratch_size:
        return f"HIFFY_SCRATCH has {room}"
    return f"HIFFY_RSTACK has {hiffy.layout.return_stack.size}, with what marks the end"


def _leases(subject: Subject, hiffy: Hiffy, fit: Fit) -> Iterator[Finding]:
    """Report leases of which not even one element fits; of longer ones a part can be lent."""
    parts: list[Part] = [p for p in subject.parts if p.role is Role.LEASE]
    for part, lease in zip(parts, subject.resolved.leases, strict=True):
        if lease.type is None or not lease.type.size or fit.elements.get(lease.name, 1):
            continue
        if lease.max_len == 0:
            continue
        size = lease.type.size
        if lease.read and hiffy.layout.data is None:
            yield subject.finding(
                "lease-too-large",
                f"lease `{lease.name}`, {lease.text}: this image's hiffy has no HIFFY_DATA, where "
                "the data of a read lease goes: the linker drops it when none of hiffy's functions "
                "takes data",
                "Build hiffy with functions that use the data that a program brings.",
                part=part,
            )
            continue
        if lease.read:
            room = f"hiffy can lend {hiffy.layout.data_size} (HIFFY_DATA)"
        else:
            left = max(0, (fit.reply_room or 0) - (fit.reply or 0))
            room = f"beside the reply hiffy has room for {left}"
        what = "one element of it takes" if lease.is_slice else "it takes"
        yield subject.finding(
            "lease-too-large",
            f"lease `{lease.name}`, {lease.text}: {what} {size} bytes, {room}",
            "Lend smaller elements, or build hiffy with more room (feature `turbo`).",
            part=part,
        )
