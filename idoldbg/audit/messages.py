"""Checks of the message: the struct `<Interface>_<operation>_ARGS` against the interface.

The struct is what the server reads. Zerocopy messages are `#[repr(C, packed)]`, field after field
in the order of the arguments; the other encodings write the fields in the order of their
declaration, which is the order of members in DWARF. (idolatry 0.5, `src/server.rs`.)
"""

from __future__ import annotations

from collections.abc import Iterator

from idol.findings import Level
from idol.rust_type import RustType
from idol.sizes import is_optional_number
from idoldbg.audit.finding import Finding, Role
from idoldbg.audit.subject import Part, Subject
from idoldbg.model.types import CEnum, Member, Struct, short_name
from idoldbg.resolver.lookup import BASE_TYPES

__all__ = ["check_message"]

_DISAGREE_FIX = (
    "Build the task again from clean: its stub was made from another text than the one in its "
    "`.idolatry` section."
)


def check_message(subject: Subject) -> Iterator[Finding]:
    """Report a message struct that is missing, or is not what the interface describes."""
    if not subject.operation.arguments:
        return
    message = subject.resolved.message
    if message is None:
        yield _without_struct(subject)
        return
    found = _differences(subject, message)
    if found:
        yield subject.finding(
            "args-disagree",
            f"`{short_name(message.name)}`, which the server reads, differs from the interface: "
            + "; ".join(found),
            _DISAGREE_FIX,
            name=short_name(message.name),
        )


def _struct_name(subject: Subject) -> str:
    return f"{subject.server.interface.name}_{subject.operation.name}_ARGS"


def _without_struct(subject: Subject) -> Finding:
    """Report a missing struct or one with other fields: the resolver skips both."""
    name = _struct_name(subject)
    others = [t for t in subject.info.find_types(name) if isinstance(t, Struct)]
    wanted = ", ".join(a.name for a in subject.operation.arguments)
    if others:
        fields = ", ".join(m.name for m in others[0].members) or "no fields"
        return subject.finding(
            "args-disagree",
            f"`{name}`, which the server reads, has {fields}, the interface has {wanted}",
            _DISAGREE_FIX,
            name=name,
        )
    is_known = all(argument.type is not None for argument in subject.resolved.arguments)
    effect = (
        "idoldbg puts the message together from the types of the arguments, Humility refuses"
        if is_known
        else "as not all types of the arguments are known either, the message cannot be made"
    )
    return subject.finding(
        "args-missing",
        f"the compiler left `{name}` out of the debug information: {effect}",
        "Generate the server's stub with `idol server`, which keeps it at no cost, or have the "
        "server's code use the struct.",
        name=name,
        level=None if is_known else Level.ERROR,
    )


# ---- a struct that is there ----------------------------------------------------------------------


def _differences(subject: Subject, message: Struct) -> list[str]:
    """List the differences between a message struct and an interface, largest first."""
    wanted = [a.name for a in subject.operation.arguments]
    members = _by_argument(message, wanted)
    extra = [m.name for m in message.members if m not in members.values()]
    if extra:
        return [f"it also has {', '.join(f'`{name}`' for name in extra)}"]
    if len(members) < len(wanted):
        missing = [name for name in wanted if name not in members]
        return [f"it lacks {', '.join(f'`{name}`' for name in missing)}"]
    given = _order(subject, message, members)
    if given != wanted:
        return [f"its fields stand as {', '.join(given)} and not as {', '.join(wanted)}"]
    found = [
        reason
        for part in subject.parts
        for reason in _other_type(subject, part, members.get(part.name))
    ]
    if not subject.is_serialized:
        found += _gaps(message, [members[name] for name in wanted])
    return found


def _by_argument(message: Struct, wanted: list[str]) -> dict[str, Member]:
    """Pair arguments with members, which have `raw_` before their names where less travels."""
    by_name = {m.name: m for m in message.members}
    found = {}
    for name in wanted:
        member = by_name.get(name) or by_name.get(f"raw_{name}")
        if member is not None:
            found[name] = member
    return found


def _order(subject: Subject, message: Struct, members: dict[str, Member]) -> list[str]:
    """Return the arguments in the order in which they travel."""
    if subject.is_serialized:
        return sorted(members, key=lambda name: message.members.index(members[name]))
    # Members of no size share their neighbour's offset: they stand where the interface has them.
    return sorted(members, key=lambda name: members[name].offset)


def _other_type(subject: Subject, part: Part, member: Member | None) -> Iterator[str]:
    """Compare types of which the interface's text leaves no doubt: those of the language.

    Everything else may be an alias.
    """
    if part.role is not Role.ARGUMENT or member is None:
        return
    argument = next(a for a in subject.operation.arguments if a.name == part.name)
    if not subject.is_serialized and is_optional_number(argument.value):
        return  # a struct of a byte and the number
    if not subject.is_serialized and argument.recv.type is not None:
        travels: RustType = argument.recv.type.rust
    else:
        travels = argument.type.rust
    expected = BASE_TYPES.get(str(travels))
    if expected is None or isinstance(member.type, CEnum):
        return
    sizes = {expected.size} | ({1} if str(travels) == "bool" else set())
    if member.type.size not in sizes or (
        member.type.name in BASE_TYPES and member.type.name not in (expected.name, "u8")
    ):
        yield f"`{part.name}` is {member.type.name} there and {travels} here"


def _gaps(message: Struct, members: list[Member]) -> list[str]:
    """Find bytes of a packed message that belong to no argument, or to two."""
    offset = 0
    for member in members:
        if member.offset != offset:
            return [f"`{member.name}` is at byte {member.offset} and not at {offset}"]
        offset += member.type.size
    if offset != message.size:
        return [f"it is {message.size} bytes, its fields are {offset}"]
    return []
