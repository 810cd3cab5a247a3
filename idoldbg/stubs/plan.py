"""Plan of a stub package: servers, operations, and a Python name for every type."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from idol.records import dataclass
from idoldbg.build.program import Program, ServedInterface
from idoldbg.device import BaseBatch, BaseTask, Device
from idoldbg.device.classes import class_name
from idoldbg.device.face import combined_hash, interface_hashes
from idoldbg.device.failures import IN_AN_ERROR
from idoldbg.device.names import field_name, python_names, variant_attributes
from idoldbg.errors import NotFound
from idoldbg.model.types import (
    Array,
    CEnum,
    Enum,
    Struct,
    Type,
)
from idoldbg.resolver import ResolvedOperation

__all__ = [
    "Plan",
    "PlannedServer",
    "make_plan",
    "PlannedOperation",
]


FACES = ("", "Aio", "Batch")
"""How an interface can be called: at once, in `async` code, in a batch; begins no class name."""

IN_MODULES = frozenset(
    {
        *("Any", "CLASSES", "ClassVar", "Err", "NoReturn", "Ok", "Some", "TYPE_CHECKING"),
        *("TargetEnum", "TargetObject", "TypeAlias", "Union", "VariantError", "annotations"),
        *("builtins", "dataclass", "types"),
        *("bool", "bytes", "dict", "float", "int", "list", "property", "str", "tuple", "type"),
    }
)
"""Names that the modules of types and errors need themselves."""
IN_A_DEVICE = frozenset({*dir(Device), *dir(BaseTask), *dir(BaseBatch)})
IN_AN_INTERFACE = frozenset({"errors"})


@dataclass(frozen=True, slots=True)
class PlannedOperation:
    """An operation; `attribute` is its Python name, `stem` begins the names of its classes."""

    resolved: ResolvedOperation
    attribute: str
    stem: str


@dataclass(frozen=True, slots=True)
class PlannedServer:
    """An interface of a task; `attribute` is its Python name, `stem` begins those of its classes.

    An interface that has the name of something else of a device has no attribute; in `operations`
    are those that an attribute can name. `task_class` is the class of its task.
    """

    server: ServedInterface
    attribute: str | None
    stem: str
    task_class: str
    operations: tuple[PlannedOperation, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A package before it is written.

    `types` are the structs and enums that get a class, in the order in which they are used, each
    after what it is made of; `names` their Python names by full name, `unions` those of the
    unions of an enum's variants. `errors` are the error types, `variants` the classes of their
    variants, by the variants' names, by full name of the type.
    """

    image_id: str
    hashes: dict[str, str]
    servers: tuple[PlannedServer, ...]
    types: tuple[Type, ...]
    errors: tuple[Type, ...]
    names: dict[str, str]
    unions: dict[str, str]
    variants: dict[str, dict[str, str]]

    @property
    def hash(self) -> str:
        """The hash of all interfaces."""
        return combined_hash(self.hashes)

    def has_class(self, type_: Type) -> bool:
        """Return whether a type's name stands for this very type: builds may have several."""
        return type_ in self.types


def make_plan(program: Program) -> Plan:
    """Resolve every operation of the build; raise `NotFound` where nothing is served."""
    servers = tuple(_planned(program))
    if not servers:
        raise NotFound("interface", "*", where="this build", hint="there is nothing to write")
    types: dict[str, Type] = {}
    errors: dict[str, Type] = {}
    for planned in servers:
        for operation in planned.operations:
            for used in _used(operation.resolved):
                for inner in _inner(used):
                    types.setdefault(inner.name, inner)
            side = operation.resolved.error
            error = None if side is None else side.type
            if error is not None:
                errors.setdefault(error.name, error)
    image_id = program.archive.image_id
    every = types | errors
    names = _unique_names([*types, *(n for n in errors if n not in types)], every)
    taken = {*IN_MODULES, *names.values()}
    unions = {
        full: _fresh(f"Any{names[full]}", taken)
        for full, type_ in types.items()
        if isinstance(type_, Enum)
    }
    variants = {
        full: {
            variant: _fresh(f"{names[full]}_{attribute}", taken)
            for variant, attribute in variant_attributes(type_, IN_AN_ERROR).items()
        }
        for full, type_ in errors.items()
    }
    return Plan(
        image_id="" if image_id is None else image_id.hex(),
        hashes=interface_hashes(program),
        servers=servers,
        types=tuple(types.values()),
        errors=tuple(errors.values()),
        names=names,
        unions=unions,
        variants=variants,
    )


def _planned(program: Program) -> Iterator[PlannedServer]:
    """Yield the servers with names for their classes, none of which is given twice."""
    taken: set[str] = set()
    tasks: dict[str, str] = {}
    for server in program.servers:
        interface, task = server.interface.name, server.task.name
        if task not in tasks:
            tasks[task] = _fresh(f"_Task_{_identifier(task)}", taken, FACES)
        is_alone = sum(s.interface.name == interface for s in program.servers) == 1
        tail = "" if is_alone else f"_{_identifier(task)}"
        stem = _fresh(f"_{_identifier(interface)}{tail}", taken, (*FACES, "_Errors"))
        operations = []
        served = server.interface.operations
        attributes = python_names(o.name for o in served)
        for operation, attribute in zip(served, attributes, strict=True):
            if attribute not in IN_AN_INTERFACE:
                resolved = program.resolve(server, operation.name)
                own = _fresh(f"{stem}_{attribute}", taken, (*FACES, "_Leases"))
                operations.append(PlannedOperation(resolved, attribute, own))
        is_name = interface.isidentifier() and field_name(interface) == interface
        is_free = is_name and not interface.startswith("_") and interface not in IN_A_DEVICE
        yield PlannedServer(
            server, interface if is_free else None, stem, tasks[task], tuple(operations)
        )


def _fresh(name: str, taken: set[str], tails: tuple[str, ...] = ("",)) -> str:
    """Take a name that is free with each of some tails."""
    number = 1
    unique = name
    while any(f"{unique}{tail}" in taken for tail in tails):
        number += 1
        unique = f"{name}_{number}"
    taken.update(f"{unique}{tail}" for tail in tails)
    return unique


def _identifier(text: str) -> str:
    """Return what of a name can stand inside of an identifier."""
    normal = unicodedata.normalize("NFKC", text)
    return "".join(c if f"a{c}".isidentifier() else "_" for c in normal)


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
            if not type_.is_newtype and not type_.is_tuple_like:
                yield type_
        case Enum(variants=variants):
            for variant in variants:
                for member in variant.type.members:
                    yield from _inner(member.type)
            if not type_.is_option and not type_.is_result:
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
                names[full] = field_name("_".join([*path[:-1][-(parts - 1) :], short]))
    # The same path twice, or a name that the modules need themselves.
    unique = python_names(names.values(), IN_MODULES)
    return dict(zip(names, unique, strict=True))
