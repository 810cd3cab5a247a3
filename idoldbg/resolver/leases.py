"""Types of an operation's leases, from `idol_runtime::Leased<R, T>` in the server.

The element type of a lease is an argument of a name: in the signature of the server's method, where
that is left, else in the code that calls it. There each lease is made by
`Leased::write_only(…).ok_or_else(…)?`, so that a variable `val` of the block of the operation has
its type, whatever was inlined. Where even that is gone, the `Leased` types of the object remain:
they are those of the interface that it serves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import idol
from idol.rust_type import Array as WrittenArray
from idol.rust_type import Path, RustType, Slice, Tuple
from idoldbg.build.debuginfo import DebugInfo
from idoldbg.model.symbols import Block
from idoldbg.model.types import Array, Opaque, Type
from idoldbg.resolver.lookup import BASE_TYPES, MAX_COUNT, UNIT
from idoldbg.resolver.names import Match, evaluate, match_names, parse_name

__all__ = ["find_exact", "read_lent", "read_leases"]

_DEPTH = 8  # arrays of arrays
# What `idol_runtime` calls who may do what: the server reads, writes, or both.
_ACCESS = {(True, False): "R", (False, True): "W", (True, True): "RW"}


def read_lent(name: str) -> tuple[str, RustType] | None:
    """Split `Leased<W, T>` and `LenLimit<Leased<R, [T]>, 8>`: the access, and T or [T] as written.

    None for other types.
    """
    lent: object = parse_name(name)
    if isinstance(lent, Path) and lent.name == "LenLimit" and lent.arguments:
        lent = lent.arguments[0]
    if not isinstance(lent, Path) or lent.name != "Leased" or len(lent.arguments) != 2:
        return None
    access, element = lent.arguments
    if not isinstance(access, Path) or not isinstance(element, RustType):
        return None
    return access.name, element


def find_exact(info: DebugInfo, written: RustType | None, depth: int = 0) -> Type | None:
    """Find the type of a name as debug information writes it; arrays have no entry to look up."""
    if isinstance(written, WrittenArray):
        count = evaluate(written.length)
        element = find_exact(info, written.element, depth + 1) if depth < _DEPTH else None
        if element is None or count is None or not 0 <= count <= MAX_COUNT:
            return None
        return Array(f"[{element.name}; {count}]", element, count)
    if isinstance(written, Tuple) and not written.items:
        return UNIT
    name = str(written)
    if name in BASE_TYPES:
        return BASE_TYPES[name]
    types = [t for t in info.find_types(name) if not isinstance(t, Opaque)]
    return next((t for t in types if t.name == name), None)


def read_leases(
    info: DebugInfo,
    interface: idol.Interface,
    operation: idol.Operation,
    arm: Block | None,
) -> tuple[Type | None, ...]:
    """Find the element type of each lease; `arm` is the block that handles the operation."""
    in_arm = [] if arm is None else list(_iter_lent(arm))
    return tuple(_find(info, interface, operation, lease, in_arm) for lease in operation.leases)


def _find(
    info: DebugInfo,
    interface: idol.Interface,
    operation: idol.Operation,
    lease: idol.Lease,
    in_arm: Sequence[tuple[str, RustType]],
) -> Type | None:
    access = _ACCESS.get((lease.read, lease.write))
    same_access = [rust for kind, rust in in_arm if kind == access]
    chosen = _only(rust for rust in same_access if _may_be(lease, rust))
    if chosen is None and _count(operation, lease) == 1:
        # An alias has another name than what the image shows at its place.
        chosen = _only(rust for rust in same_access if _has_same_shape(lease, rust))
    if chosen is None and not in_arm:
        chosen = _only_of_object(info, interface, lease)
    element = chosen.element if isinstance(chosen, Slice) else chosen
    return None if element is None else find_exact(info, element)


def _only_of_object(
    info: DebugInfo, interface: idol.Interface, lease: idol.Lease
) -> RustType | None:
    """Choose among all `Leased` types of an object, where it can be no other lease's."""
    access = _ACCESS.get((lease.read, lease.write))
    lent = (read_lent(name) for name in info.find_type_names("Leased<"))
    chosen = _only(
        one[1] for one in lent if one is not None and one[0] == access and _may_be(lease, one[1])
    )
    if chosen is None:
        return None
    for operation in interface.operations:
        for other in operation.leases:
            same_access = (other.read, other.write) == (lease.read, lease.write)
            if same_access and other.type.text != lease.type.text and _may_be(other, chosen):
                return None
    return chosen


def _iter_lent(block: Block) -> Iterator[tuple[str, RustType]]:
    for _, type_ in block.variables:
        if "Leased<" in type_.name:
            lent = read_lent(type_.name)
            if lent is not None:
                yield lent
    for inner in block.blocks:
        yield from _iter_lent(inner)


def _only(types: Iterable[RustType]) -> RustType | None:
    """Return the one type that all are, None for none or several."""
    found = {str(rust): rust for rust in types}
    return next(iter(found.values())) if len(found) == 1 else None


def _may_be(lease: idol.Lease, rust: RustType) -> bool:
    return match_names(lease.type.rust, rust) is not Match.NONE


def _has_same_shape(lease: idol.Lease, rust: RustType) -> bool:
    return isinstance(lease.type.rust, Slice) == isinstance(rust, Slice)


def _count(operation: idol.Operation, lease: idol.Lease) -> int:
    same = [o for o in operation.leases if (o.read, o.write) == (lease.read, lease.write)]
    return len(same)
