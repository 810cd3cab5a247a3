"""Event counters of the firmware: statics of their own, and those of counted ring buffers.

`#[derive(Count)]` (Hubris's lib/counters) makes a struct of `AtomicU32`s with a member for each
variant; a variant that holds what is counted itself has that type's struct in its place (`Ok` and
`Err` of a `Result`, `true` and `false`, nothing for `Infallible`). Idol's stubs keep one static for
each interface that a task calls (`__SPI_CLIENT_COUNTERS`) and one for the interface that it serves.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from idol.records import dataclass
from idoldbg.build.program import Program
from idoldbg.call.codec import image
from idoldbg.errors import IdoldbgError
from idoldbg.model.symbols import Variable
from idoldbg.model.types import Array, Scalar, ScalarKind, Struct, Type, Union, short_name
from idoldbg.model.values import ArrayValue, Int, StructValue, Unit, Unreadable, Value
from idoldbg.views.variables import Static, iter_statics

__all__ = [
    "CounterKind",
    "CounterLeaf",
    "CounterSet",
    "CounterStatic",
    "count_changes",
    "find_counters",
    "flatten",
    "read_counter_statics",
    "read_counters",
    "read_leaves",
    "select_counters",
    "subtract_leaves",
]

COUNTERS = "COUNTERS"
COUNTED = "CountedRingbuf<"
STUB_STATIC = re.compile(r"__([A-Z0-9_]+)_(CLIENT|SERVER)_COUNTERS")
WRAPPERS = {"v", "value", "__0"}  # members of atomics and cells: they name nothing
DEPTH_LIMIT = 16
LEAF_LIMIT = 65536
WRAP = 1 << 32


class CounterKind(StrEnum):
    """Maker of a static of counters: `counters!`, `counted_ringbuf!`, or Idol's stubs."""

    COUNTERS = "counters"
    RING = "ringbuf"
    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class CounterLeaf:
    """One u32 counter, which wraps around; `path` is such as `("recv", "Err", "QueueEmpty")`."""

    path: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class CounterSet:
    """Counters at one place, to be read again and again.

    `name` is the task and the static's full path, with its address where that tells nothing apart.
    `offset` and `type` are those of the counters in the static. `interface` is what a stub's
    counters belong to, as the interface is spelled.
    """

    task: str
    variable: Variable
    name: str
    kind: CounterKind
    offset: int
    type: Type
    interface: str | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class CounterStatic:
    """Counters as they were read; `leaves` in declaration order. `problem` is "" or why not."""

    task: str
    name: str
    full_name: str
    kind: CounterKind
    interface: str | None
    address: int
    size: int
    leaves: tuple[CounterLeaf, ...]
    problem: str = ""


def find_counters(program: Program) -> tuple[CounterSet, ...]:
    """Return the places that count events; what DWARF does not describe is left out."""
    found = [
        (static, kind, offset, type_)
        for static in iter_statics(program)
        if static.variable.address is not None
        for kind, offset, type_ in _places(static.variable)
    ]
    times = Counter((static.task, static.variable.full_name) for static, *_ in found)
    at = Counter((static.task, static.variable.address) for static, *_ in found)
    return tuple(
        CounterSet(
            static.task,
            static.variable,
            f"{static.task}.{static.variable.full_name}"
            + _place(static, offset, at) * (times[static.task, static.variable.full_name] > 1),
            kind,
            offset,
            type_,
            _interface(static.variable, type_),
            static.file,
        )
        for static, kind, offset, type_ in found
    )


def _place(static: Static, offset: int, at: Counter[tuple[str, int | None]]) -> str:
    """Return what tells apart statics of one name, and several places in one static."""
    address = static.variable.address or 0
    is_alone = at[static.task, static.variable.address] == 1
    return f"@0x{address if is_alone else address + offset:08x}"


def _places(variable: Variable) -> Iterator[tuple[CounterKind, int, Type]]:
    """Yield kind, offset and type of the counters in a static."""
    stub = STUB_STATIC.fullmatch(variable.name)
    if stub is not None:
        kind = CounterKind.CLIENT if stub[2] == "CLIENT" else CounterKind.SERVER
        yield kind, 0, variable.type
    elif variable.name.endswith(COUNTERS) or _is_counts(variable.type):
        yield CounterKind.COUNTERS, 0, variable.type
    else:
        for offset, type_ in _counted(variable.type, 0, 0):
            yield CounterKind.RING, offset, type_


def _is_counts(type_: Type) -> bool:
    name = short_name(type_.name)
    return name.endswith(("Counts", "Counters")) and _holds_counters(type_, 0)


def _holds_counters(type_: Type, depth: int) -> bool:
    """Return whether all that has a size in this type is 32-bit counters."""
    if depth > DEPTH_LIMIT:
        return False
    match type_:
        case Scalar(size=size, encoding=encoding):
            return size == 0 or (size == 4 and encoding is ScalarKind.UNSIGNED)
        case Struct(members=members):
            return all(_holds_counters(m.type, depth + 1) for m in members)
        case Array(element=element):
            return _holds_counters(element, depth + 1)
        case _:
            return type_.size == 0


def _counted(type_: Type, offset: int, depth: int) -> Iterator[tuple[int, Type]]:
    """Yield where counted ring buffers inside a type have their counters."""
    if depth > DEPTH_LIMIT or not isinstance(type_, Struct | Union):
        return
    members = {m.name: m for m in type_.members}
    counters = members.get("counters")
    if counters is not None and (
        "ringbuf" in members or short_name(type_.name).startswith(COUNTED)
    ):
        yield offset + counters.offset, counters.type
        return
    for member in type_.members:
        yield from _counted(member.type, offset + member.offset, depth + 1)


def _interface(variable: Variable, type_: Type) -> str | None:
    """Return the interface of a stub's counters, spelled as the type of its events is."""
    stub = STUB_STATIC.fullmatch(variable.name)
    if stub is None:
        return None
    events = short_name(type_.name).removesuffix("Counts").removesuffix("Event")
    return events if events.upper() == stub[1] else stub[1]


def select_counters(
    sets: Iterable[CounterSet], filters: Sequence[str] = (), *, task: str | None = None
) -> tuple[CounterSet, ...]:
    """Return the sets of `task` whose task's or static's name contains one of the filters."""
    wanted = [f.lower() for f in filters]
    return tuple(
        each
        for each in sets
        if task in (None, each.task) and (not wanted or any(w in each.name.lower() for w in wanted))
    )


# ---- reading ------------------------------------------------------------------------------------


def read_counter_statics(
    program: Program, sets: tuple[CounterSet, ...]
) -> tuple[CounterStatic, ...]:
    """Read counters; memory that cannot be read is the `problem` of those that lie there."""
    return tuple(_read(program, each) for each in sets)


def _read(program: Program, each: CounterSet) -> CounterStatic:
    address = (each.variable.address or 0) + each.offset
    leaves: tuple[CounterLeaf, ...] = ()
    problem = ""
    try:
        leaves = read_leaves(program.memory.read(address, each.type.size), each.type)
    except IdoldbgError as error:
        problem = str(error)
    variable = each.variable
    return CounterStatic(
        each.task,
        variable.name,
        variable.full_name,
        each.kind,
        each.interface,
        variable.address or 0,
        variable.size,
        leaves,
        problem,
    )


def read_leaves(data: bytes, type_: Type) -> tuple[CounterLeaf, ...]:
    """Decode counters in declaration order; those that cannot happen count 0."""
    leaves: list[CounterLeaf] = []
    _collect((), image.decode(type_, data), leaves, 0)
    return tuple(leaves)


def _collect(path: tuple[str, ...], value: Value, leaves: list[CounterLeaf], depth: int) -> None:
    """Name each number by the members that lead to it; atomics and cells add no name."""
    if depth > DEPTH_LIMIT or len(leaves) >= LEAF_LIMIT:
        return
    match value:
        case Int(value=number):
            leaves.append(CounterLeaf(path, number))
        case Unit() | StructValue(fields=()) if path:
            leaves.append(CounterLeaf(path, 0))  # of `Infallible`
        case StructValue(fields=((name, inner),)) if name in WRAPPERS and not _is_counts(
            value.type
        ):
            _collect(path, inner, leaves, depth + 1)
        case StructValue(fields=fields):
            for name, inner in fields:
                _collect((*path, name), inner, leaves, depth + 1)
        case ArrayValue(elements=elements):
            for index, element in enumerate(elements):
                _collect((*path, f"[{index}]"), element, leaves, depth + 1)
        case Unreadable():
            raise value.error()
        case _:
            return


def flatten(leaf: CounterLeaf) -> str:
    """Return the path as one name: `recv.Err.QueueEmpty`, `per_port[0]`."""
    return "".join(part if part.startswith("[") else f".{part}" for part in leaf.path).lstrip(".")


def read_counters(program: Program, sets: tuple[CounterSet, ...]) -> dict[str, int]:
    """Read all counters, from `task.path::STATIC.event` to its count.

    What is unreadable is left out.
    """
    counts: dict[str, int] = {}
    for each, found in zip(sets, read_counter_statics(program, sets), strict=True):
        for leaf in found.leaves:
            end = flatten(leaf)
            counts[f"{each.name}{'' if end.startswith('[') else '.'}{end}"] = leaf.count
    return counts


def count_changes(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return how much each counter moved, without those that stood still; u32 wraps around."""
    return {
        name: (count - before.get(name, 0)) % WRAP
        for name, count in after.items()
        if count != before.get(name, 0)
    }


def subtract_leaves(
    before: tuple[CounterLeaf, ...], after: tuple[CounterLeaf, ...]
) -> tuple[CounterLeaf, ...]:
    """Return how much each counter moved between two readings of one static."""
    old = {leaf.path: leaf.count for leaf in before}
    return tuple(CounterLeaf(a.path, (a.count - old.get(a.path, 0)) % WRAP) for a in after)
