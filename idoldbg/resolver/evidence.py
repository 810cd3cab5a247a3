"""Evidence in an image about the types of one operation, besides the interface's text.

All of it comes from code that Idol's generators make (idolatry 0.5 `src/{client,server}.rs`, and
our own, which keeps more): the structs `<Iface>_<op>_ARGS` and `…_REPLY`, the method of the
server's trait `InOrder<Iface>Impl`, the block of the server's `handle` that calls it, and
`<Iface>_<op>_TYPES`. Other tasks have the methods of the client.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import idol
from idol.records import dataclass, replace
from idol.rust_type import RustType, Slice
from idoldbg.build.debuginfo import DebugInfo
from idoldbg.model.symbols import Block
from idoldbg.model.types import Enum as EnumType
from idoldbg.model.types import Member, Pointer, Struct, Type, Variant
from idoldbg.resolver.leases import find_exact, read_leases, read_lent

__all__ = [
    "Evidence",
    "Shown",
    "collect",
    "find_client",
    "find_handlers",
    "find_member",
    "find_message",
    "is_arm",
    "pair_shown",
    "read_handler",
]


@dataclass(frozen=True, slots=True)
class Shown:
    """The types of one operation as one piece of evidence shows them, None where it does not.

    Of leases these are the element types.
    """

    arguments: tuple[Type, ...] | None = None
    leases: tuple[Type | None, ...] | None = None
    ok: Type | None = None
    error: Type | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the server's object says about one operation.

    `message` is the ARGS struct; `kept` comes from the TYPES struct, `reply` from the REPLY one,
    `signature` from the trait's method. (What the code that calls it shows, see `read_handler`.)
    """

    message: Struct | None
    kept: Shown
    reply: Shown
    signature: Shown


def collect(info: DebugInfo, interface: idol.Interface, operation: idol.Operation) -> Evidence:
    """Gather what the object of the server says about an operation."""
    stem = f"{interface.name}_{operation.name}"
    kept = _members(_only_struct(info, f"{stem}_TYPES"))
    reply = _members(_only_struct(info, f"{stem}_REPLY"))
    leases = _tuple(kept.get("leases"))
    return Evidence(
        message=find_message(info, interface, operation),
        kept=Shown(
            arguments=_tuple(kept.get("arguments")),
            leases=None if leases is None else _pointed_at(leases),
            error=kept.get("error"),
        ),
        reply=Shown(ok=reply.get("value")),
        signature=_signature(info, interface, operation),
    )


def find_message(
    info: DebugInfo, interface: idol.Interface, operation: idol.Operation
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


def _only_struct(info: DebugInfo, name: str) -> Struct | None:
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


def _signature(info: DebugInfo, interface: idol.Interface, operation: idol.Operation) -> Shown:
    """Read the types of the server's method: `fn op(&mut self, &RecvMessage, args…, leases…)`."""
    trait = f"InOrder{interface.name}Impl"
    shown = Shown()
    for subprogram in info.find_subprograms(operation.name):
        if trait not in subprogram.linkage_name:
            continue
        types = [t for _, t in subprogram.parameters]
        count = len(operation.arguments)
        if len(types) == 2 + count + len(operation.leases):
            leases = tuple(_leased(info, t) for t in types[2 + count :])
            shown = replace(shown, arguments=tuple(types[2 : 2 + count]), leases=leases)
        if subprogram.result is not None and subprogram.result.is_result:
            ok, error = _request_result(subprogram.result)
            shown = replace(shown, ok=ok, error=error)
    return shown


def _leased(info: DebugInfo, parameter: Type) -> Type | None:
    """Find what a lease lends: T of `Leased<R, T>`, `Leased<W, [T]>`, `LenLimit<Leased<…>, 8>`."""
    lent = read_lent(parameter.name)
    if lent is None:
        return None
    element = lent[1].element if isinstance(lent[1], Slice) else lent[1]
    return find_exact(info, element)


def find_handlers(info: DebugInfo) -> tuple[Block, ...]:
    """Find what dispatches to the server's methods: the blocks of `handle<ServerImpl>`.

    Those inside others too: an operation for some callers only is handled behind the check.
    """
    names = info.find_type_names("handle<")
    bodies = (body for name in names for body in info.find_bodies(name))
    return tuple(block for body in bodies for block in _iter_blocks(body))


def _iter_blocks(block: Block) -> Iterator[Block]:
    for inner in block.blocks:
        yield inner
        yield from _iter_blocks(inner)


def is_arm(block: Block, stem: str) -> bool:
    """Return whether a block handles the operation `<Iface>_<op>`: it holds its ARGS struct."""
    return any(
        v in _ARGUMENTS and t.name.rpartition("::")[2] == f"{stem}_ARGS" for v, t in block.variables
    )


# idolatry's names, then ours. (`val` is the ARGS struct too, on its way there.)
_ARGUMENTS = frozenset({"args", "_args", "arguments", "idol_arguments"})
_RESULTS = frozenset({"r", "result", "idol_result"})


def read_handler(
    info: DebugInfo,
    interface: idol.Interface,
    operation: idol.Operation,
    handlers: Iterable[Block],
) -> Shown:
    """Read the types of what the server's method gets and returns where it is called."""
    stem = f"{interface.name}_{operation.name}"
    arm = next((block for block in handlers if is_arm(block, stem)), None)
    shown = Shown(leases=read_leases(info, interface, operation, arm))
    for name, type_ in () if arm is None else _iter_variables(arm):
        if name in _RESULTS and type_.is_result:
            ok, error = _request_result(type_)
            return replace(shown, ok=ok, error=error)
    return shown


def _iter_variables(block: Block) -> Iterator[tuple[str, Type]]:
    """Yield the variables of a block and of those in it."""
    yield from block.variables
    for inner in block.blocks:
        yield from _iter_variables(inner)


def pair_shown(
    info: DebugInfo,
    interface: idol.Interface,
    operation: idol.Operation,
    handlers: Iterable[Block],
) -> Iterator[tuple[RustType, Type]]:
    """Pair what the interface writes with what the server's object shows at the same place."""
    evidence = collect(info, interface, operation)
    handler = read_handler(info, interface, operation, handlers)
    for index, argument in enumerate(operation.arguments):
        member = evidence.message and find_member(evidence.message, argument.name)
        if member:
            yield argument.type.rust, member.type
        for source in (evidence.kept, evidence.signature):
            if source.arguments and index < len(source.arguments):
                yield argument.type.rust, source.arguments[index]
    for index, lease in enumerate(operation.leases):
        written = lease.type.rust
        element = written.element if isinstance(written, Slice) else written
        for source in (evidence.kept, evidence.signature, handler):
            if source.leases and index < len(source.leases):
                type_ = source.leases[index]
                if type_ is not None:
                    yield element, type_
    for source in (evidence.reply, evidence.signature, handler):
        if source.ok is not None:
            yield operation.reply.ok.type.rust, source.ok


def find_client(info: DebugInfo, interface: idol.Interface, operation: idol.Operation) -> Shown:
    """Read the types of a client's method: `fn op(&self, args…, leases…) -> Result<T, E>`."""
    for subprogram in info.find_subprograms(f"{interface.name}::{operation.name}"):
        types = [t for _, t in subprogram.parameters]
        count = len(operation.arguments)
        if len(types) != 1 + count + len(operation.leases):
            continue
        ok, error = subprogram.result, None
        if operation.reply.error is not None:
            ok, error = (None, None) if ok is None else _result(ok)
        leases = tuple(_lent(t) for t in types[1 + count :])
        return Shown(tuple(types[1 : 1 + count]), leases, ok, error)
    return Shown()


def _lent(parameter: Type) -> Type | None:
    """Return T of `&T`, `&mut T`, `&[T]` and `&mut [T]`."""
    pointed = _pointed_at((parameter,))
    return None if pointed is None else pointed[0]


def _request_result(type_: Type) -> tuple[Type | None, Type | None]:
    """Split `Result<T, idol_runtime::RequestError<E>>` into T and E."""
    ok, error = _result(type_)
    if not isinstance(error, EnumType):
        return ok, None
    return ok, {v.name: _first(v) for v in error.variants}.get("Runtime")


def _result(type_: Type) -> tuple[Type | None, Type | None]:
    """Split `Result<T, E>` into T and E."""
    if not isinstance(type_, EnumType):
        return None, None
    payloads = {v.name: _first(v) for v in type_.variants}
    return payloads.get("Ok"), payloads.get("Err")


def _first(variant: Variant) -> Type | None:
    return variant.type.members[0].type if len(variant.type.members) == 1 else None
