"""What goes into a package of stubs: servers, operations, and a Python name for every type."""

from __future__ import annotations

import re
from collections.abc import Iterator

from idol.records import dataclass
from idoldbg.device.classes import class_name, field_name
from idoldbg.device.face import combined_hash, interface_hashes
from idoldbg.errors import NotFound
from idoldbg.program import Program, ServedInterface
from idoldbg.resolver import ResolvedOperation
from idoldbg.types import (
    Array,
    CEnum,
    Enum,
    Struct,
    Type,
    is_newtype,
    is_option,
    is_result,
    is_tuple_like,
)

__all__ = ["Plan", "PlannedServer", "make_plan"]


@dataclass(frozen=True, slots=True)
class PlannedServer:
    """An interface of a task; `name` begins the names of its classes."""

    server: ServedInterface
    name: str
    operations: tuple[ResolvedOperation, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A package before it is written.

    `types` are the structs and enums that get a class, in the order in which they are used, each
    after what it is made of; `names` their Python names by full name. `errors` are the error types.
    """

    image_id: str
    hashes: dict[str, str]
    servers: tuple[PlannedServer, ...]
    types: tuple[Type, ...]
    errors: tuple[Type, ...]
    names: dict[str, str]

    @property
    def hash(self) -> str:
        """The hash of all interfaces."""
        return combined_hash(self.hashes)

    def has_class(self, type_: Type) -> bool:
        """Tell whether a type's name stands for this very type: builds may have several."""
        return type_ in self.types


def make_plan(program: Program) -> Plan:
    """Resolve every operation of the build; raise `NotFound` where nothing is served."""
    servers = tuple(_planned(program, server) for server in program.servers)
    if not servers:
        raise NotFound("interface", "*", where="this build", hint="there is nothing to write")
    types: dict[str, Type] = {}
    errors: dict[str, Type] = {}
    for planned in servers:
        for operation in planned.operations:
            for used in _used(operation):
                for inner in _inner(used):
                    types.setdefault(inner.name, inner)
            error = None if operation.error is None else operation.error.type
            if error is not None:
                errors.setdefault(error.name, error)
    image_id = program.archive.image_id
    return Plan(
        image_id="" if image_id is None else image_id.hex(),
        hashes=interface_hashes(program),
        servers=servers,
        types=tuple(types.values()),
        errors=tuple(errors.values()),
        names=_unique_names([*types, *(n for n in errors if n not in types)], types | errors),
    )


def _planned(program: Program, server: ServedInterface) -> PlannedServer:
    interface = server.interface.name
    is_alone = sum(s.interface.name == interface for s in program.servers) == 1
    tail = "" if is_alone else f"_{_identifier(server.task.name)}"
    operations = tuple(program.resolve(server, o.name) for o in server.interface.operations)
    return PlannedServer(server, f"{field_name(interface)}{tail}", operations)


def _identifier(text: str) -> str:
    return re.sub(r"\W", "_", text)


def _used(operation: ResolvedOperation) -> Iterator[Type]:
    sides = [*operation.arguments, *operation.leases, operation.ok]
    sides += [] if operation.error is None else [operation.error]
    for side in sides:
        if side.type is not None:
            yield side.type


def _inner(type_: Type) -> Iterator[Type]:
    """Yield the types that get a class, those inside of a type before it."""
    match type_:
        case CEnum():
            yield type_
        case Array(element=element):
            yield from _inner(element)
        case Struct(members=members):
            for member in members:
                yield from _inner(member.type)
            if not is_newtype(type_) and not is_tuple_like(type_):
                yield type_
        case Enum(variants=variants):
            for variant in variants:
                for member in variant.type.members:
                    yield from _inner(member.type)
            if not is_option(type_) and not is_result(type_):
                yield type_


def _unique_names(full_names: list[str], types: dict[str, Type]) -> dict[str, str]:
    """Name types by the last part of their paths, by more of it where that is not enough."""
    names = {full: class_name(types[full]) for full in full_names}
    parts = 1
    while len(set(names.values())) < len(names) and parts < 16:
        parts += 1
        counts = list(names.values())
        for full, name in names.items():
            if counts.count(name) > 1:
                path = [p for p in re.split(r"\W+", full.partition("<")[0]) if p]
                short = class_name(types[full])
                names[full] = "_".join([*path[:-1][-(parts - 1) :], short])
    return names
