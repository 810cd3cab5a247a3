"""What an image itself says about the types of one operation, besides the interface's text.

All of it comes from code that Idol's generators make (idolatry 0.5 `src/{client,server}.rs`, and
our own, which keeps more): the structs `<Iface>_<op>_ARGS` and `…_REPLY`, the method of the
server's trait `InOrder<Iface>Impl`, and `<Iface>_<op>_TYPES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import idol
from idoldbg.types import Enum as EnumType
from idoldbg.types import Member, Pointer, Struct, Type, Variant, is_result

if TYPE_CHECKING:
    from idoldbg.debuginfo import ObjectInfo

__all__ = ["Evidence", "collect", "find_member", "find_message"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Types by role, each None where the image does not tell.

    `message` is the ARGS struct. `kept` are from the TYPES struct, `signature` ones from the
    trait's method; of leases these are the element types.
    """

    message: Struct | None = None
    kept_arguments: tuple[Type, ...] | None = None
    kept_leases: tuple[Type, ...] | None = None
    kept_error: Type | None = None
    reply: Type | None = None
    signature_arguments: tuple[Type, ...] | None = None
    signature_ok: Type | None = None
    signature_error: Type | None = None


def collect(info: ObjectInfo, interface: idol.Interface, operation: idol.Operation) -> Evidence:
    """Gather what one object says about an operation."""
    stem = f"{interface.name}_{operation.name}"
    kept = _members(_only_struct(info, f"{stem}_TYPES"))
    reply = _members(_only_struct(info, f"{stem}_REPLY"))
    arguments, ok, error = _signature(info, interface, operation)
    leases = _tuple(kept.get("leases"))
    return Evidence(
        message=find_message(info, interface, operation),
        kept_arguments=_tuple(kept.get("arguments")),
        kept_leases=None if leases is None else _pointed_at(leases),
        kept_error=kept.get("error"),
        reply=reply.get("value"),
        signature_arguments=arguments,
        signature_ok=ok,
        signature_error=error,
    )


def find_message(
    info: ObjectInfo, interface: idol.Interface, operation: idol.Operation
) -> Struct | None:
    """Find the ARGS struct whose members are the operation's arguments.

    A task that serves and also uses an interface has two; their layout is the same.
    """
    names = [a.name for a in operation.arguments]
    for type_ in info.find_types(f"{interface.name}_{operation.name}_ARGS"):
        if isinstance(type_, Struct):
            members = {m.name.removeprefix("raw_"): m for m in type_.members}
            if all(n in members or n.removeprefix("raw_") in members for n in names):
                return type_
    return None


def find_member(message: Struct, argument: str) -> Member | None:
    """Find an argument's member; it has a `raw_` before its name where something else travels."""
    for name in (argument, f"raw_{argument}"):
        for member in message.members:
            if member.name == name:
                return member
    return None


def _only_struct(info: ObjectInfo, name: str) -> Struct | None:
    """Find a struct that the generator made; None when there are several that differ."""
    found = [t for t in info.find_types(name) if isinstance(t, Struct)]
    # Types of one object are interned: the same layout is the same object.
    layouts = {tuple((m.name, m.offset, id(m.type)) for m in s.members) for s in found}
    return found[0] if len(layouts) == 1 else None


def _members(struct: Struct | None) -> dict[str, Type]:
    return {} if struct is None else {m.name: m.type for m in struct.members}


def _tuple(type_: Type | None) -> tuple[Type, ...] | None:
    if not isinstance(type_, Struct):
        return None
    by_name = _members(type_)
    names = [f"__{i}" for i in range(len(by_name))]
    return tuple(by_name[n] for n in names) if set(names) == set(by_name) else None


def _pointed_at(types: tuple[Type, ...]) -> tuple[Type, ...] | None:
    """Return what leases lend: `*const T`, or for slices the T of a pointer with a length."""
    found: list[Type] = []
    for type_ in types:
        pointer = type_
        if isinstance(type_, Struct):
            pointer = _members(type_).get("data_ptr", type_)
        if not isinstance(pointer, Pointer) or pointer.resolve_target is None:
            return None
        found.append(pointer.resolve_target())
    return tuple(found)


def _signature(
    info: ObjectInfo, interface: idol.Interface, operation: idol.Operation
) -> tuple[tuple[Type, ...] | None, Type | None, Type | None]:
    """Read the types of the server's method: `fn op(&mut self, &RecvMessage, args…, leases…)`."""
    trait = f"InOrder{interface.name}Impl"
    arguments: tuple[Type, ...] | None = None
    ok = error = None
    for subprogram in info.find_subprograms(operation.name):
        if trait not in subprogram.linkage_name:
            continue
        types = [t for _, t in subprogram.parameters]
        if len(types) == 2 + len(operation.arguments) + len(operation.leases):
            arguments = tuple(types[2 : 2 + len(operation.arguments)])
        if subprogram.result is not None and is_result(subprogram.result):
            ok, error = _result(subprogram.result)
    return arguments, ok, error


def _result(type_: Type) -> tuple[Type | None, Type | None]:
    """Split `Result<T, idol_runtime::RequestError<E>>` into T and E."""
    if not isinstance(type_, EnumType):
        return None, None
    payloads = {v.name: _first(v) for v in type_.variants}
    error = payloads.get("Err")
    if isinstance(error, EnumType):
        error = {v.name: _first(v) for v in error.variants}.get("Runtime")
    else:
        error = None
    return payloads.get("Ok"), error


def _first(variant: Variant) -> Type | None:
    return variant.type.members[0].type if len(variant.type.members) == 1 else None
