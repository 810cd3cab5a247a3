"""The names of types that interfaces write: what an override may be for."""

from __future__ import annotations

from collections.abc import Iterator

from idol import Interface
from idol.rust_type import Array, GenericArgument, Path, Pointer, Reference, RustType, Slice, Tuple

__all__ = ["names_in", "written_names"]


def written_names(interface: Interface) -> frozenset[str]:
    """Return the names of all types of an interface, as it writes them and without their path."""
    return frozenset(name for type_ in _types_of(interface) for name in names_in(type_))


def _types_of(interface: Interface) -> Iterator[RustType]:
    for operation in interface.operations:
        attributed = [argument.value for argument in operation.arguments] + [operation.reply.ok]
        types = [a.type for a in attributed] + [a.recv.type for a in attributed]
        types += [lease.type for lease in operation.leases]
        if operation.reply.error is not None:
            types.append(operation.reply.error.type)
        yield from (type_.rust for type_ in types if type_ is not None)


def names_in(type_: GenericArgument) -> Iterator[str]:
    """Yield the names of a type and of the types that it is made of."""
    match type_:
        case Path(segments):
            yield from (str(type_), type_.name)
            for segment in segments:
                for argument in segment.arguments:
                    yield from names_in(argument)
        case Tuple(items):
            yield str(type_)
            for item in items:
                yield from names_in(item)
        case Array(part) | Slice(part) | Reference(part) | Pointer(part):
            yield str(type_)
            yield from names_in(part)
