"""Ring buffers and event counters in the firmware's statics.

Hubris's crates `ringbuf` and `counters` make statics whose names usually end in `RINGBUF` and
`COUNTERS`, but `ringbuf!` takes any name; so ring buffers are known by their layout as well. It is
read from DWARF by member names (lib/ringbuf/src/lib.rs: `last`, `buffer`, and in an entry `line`,
`generation`, `count`, `payload`), so that cells around them and older forms do not matter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from idol.records import dataclass
from idoldbg.build.program import Program
from idoldbg.errors import IdoldbgError
from idoldbg.model.symbols import SymbolKind, Variable
from idoldbg.model.types import Array, Struct, Type, Union
from idoldbg.model.values import (
    ArrayValue,
    Int,
    StructValue,
    Value,
    find_number,
    format_value,
)

if TYPE_CHECKING:
    from idoldbg.build.debuginfo import DebugObject

__all__ = [
    "CounterSet",
    "RingBuffer",
    "RingEntry",
    "count_changes",
    "find_counters",
    "find_ring_buffers",
    "read_counters",
    "read_ring_buffer",
]

RINGBUF, COUNTERS = "RINGBUF", "COUNTERS"
ENTRY = {"line", "generation", "payload"}  # `count` is missing where entries are not merged
SMALLEST_RING = 16  # bytes: `last`, and one entry without payload
CONSTANTS = (".rodata", ".text", ".vector_table", ".idolatry", ".task_slot_table", ".header")
DEPTH_LIMIT = 16


@dataclass(frozen=True, slots=True)
class RingEntry:
    """One entry, as `humility ringbuf` shows it; `count` is 1 where entries are not merged."""

    index: int
    line: int
    generation: int
    count: int
    payload: str


@dataclass(frozen=True, slots=True)
class RingBuffer:
    """The entries of one ring buffer, oldest first; empty where it was never written."""

    task: str
    name: str
    entries: tuple[RingEntry, ...]


@dataclass(frozen=True, slots=True)
class CounterSet:
    """One static of counters, to be read again and again.

    `name` is the task and the static's full path, with its address where that tells nothing apart.
    `in_ring` says that they are part of a ring buffer.
    """

    task: str
    variable: Variable
    name: str
    in_ring: bool = False


def find_ring_buffers(program: Program) -> tuple[tuple[str, Variable], ...]:
    """Return (task, static) of every ring buffer; what DWARF does not describe is left out."""
    return tuple(
        (task, variable)
        for task, variable in _iter_statics(program)
        if variable.name.endswith(RINGBUF) or _find_ring(variable.type, 0)
    )


def find_counters(program: Program) -> tuple[CounterSet, ...]:
    """Return the statics that count events: of their own, and those in counted ring buffers."""
    found = [
        (task, variable)
        for task, variable in _iter_statics(program)
        if variable.name.endswith((COUNTERS, RINGBUF)) or _find_ring(variable.type, 0)
    ]
    times = Counter((task, variable.full_name) for task, variable in found)
    return tuple(
        CounterSet(
            task,
            variable,
            f"{task}.{variable.full_name}"
            + (f"@0x{variable.address:08x}" if times[task, variable.full_name] > 1 else ""),
            in_ring=not variable.name.endswith(COUNTERS),
        )
        for task, variable in found
    )


def _iter_statics(program: Program) -> Iterator[tuple[str, Variable]]:
    """Yield the variables of all objects that may be looked for here, each once."""
    for name in program.archive.object_names:
        try:
            yield from ((name, v) for v in _statics_of(program.object(name)))
        except IdoldbgError:
            continue  # a damaged task hides no other


def _statics_of(info: DebugObject) -> list[Variable]:
    ends = {
        symbol.path.rsplit("::", 1)[-1]
        for symbol in info.symbols
        if RINGBUF in symbol.name
        or COUNTERS in symbol.name
        or (
            symbol.kind is SymbolKind.OBJECT
            and symbol.size >= SMALLEST_RING
            and not symbol.section.startswith(CONSTANTS)
        )
    }
    found: dict[int, Variable] = {}
    for end in sorted(ends):
        for variable in info.find_variables(end):
            if variable.address is not None:
                found.setdefault(variable.address, variable)
    return sorted(found.values(), key=lambda v: (v.name, v.full_name, v.address))


def _find_ring(type_: Type, depth: int) -> bool:
    """Return whether there is a ring buffer inside cells and wrappers of this type."""
    if not isinstance(type_, Struct | Union) or depth > DEPTH_LIMIT:
        return False
    members = {m.name: m.type for m in type_.members}
    buffer = members.get("buffer")
    if "last" in members and isinstance(buffer, Array) and isinstance(buffer.element, Struct):
        return {m.name for m in buffer.element.members} >= ENTRY
    return any(_find_ring(m.type, depth + 1) for m in type_.members)


def read_ring_buffer(program: Program, task: str, variable: Variable) -> RingBuffer:
    """Read one ring buffer; raise `FaultError` where its memory cannot be read."""
    found = _find_struct(program.read_variable(variable), {"last", "buffer"}, 0)
    name = variable.full_name
    if found is None:
        return RingBuffer(task, name, ())
    last, buffer = find_number(found["last"]), found["buffer"]
    if last is None or not isinstance(buffer, ArrayValue):
        return RingBuffer(task, name, ())
    count = len(buffer.elements)
    order = [(last + 1 + i) % count for i in range(count)] if last < count else []
    entries = (_entry(index, buffer.elements[index]) for index in order)
    return RingBuffer(task, name, tuple(e for e in entries if e is not None))


def _find_struct(value: Value, members: set[str], depth: int) -> StructValue | None:
    """Find the first struct with these members inside cells and wrappers."""
    if not isinstance(value, StructValue) or depth > DEPTH_LIMIT:
        return None
    if {name for name, _ in value.fields} >= members:
        return value
    for _, inner in value.fields:
        found = _find_struct(inner, members, depth + 1)
        if found is not None:
            return found
    return None


def _entry(index: int, value: Value) -> RingEntry | None:
    if not isinstance(value, StructValue):
        return None
    generation, payload = find_number(value.get("generation")), value.get("payload")
    if not generation or payload is None:
        return None  # never written
    line, count = find_number(value.get("line")), find_number(value.get("count"))
    shown = format_value(payload)
    return RingEntry(index, line or 0, generation, 1 if count is None else count, shown)


def read_counters(program: Program, sets: tuple[CounterSet, ...]) -> dict[str, int]:
    """Read all counters, from `task.path::STATIC.event` to its count.

    What is unreadable is left out.
    """
    counts: dict[str, int] = {}
    for each in sets:
        try:
            value = program.read_variable(each.variable)
        except IdoldbgError:
            continue
        if each.in_ring:
            counted = _find_struct(value, {"counters"}, 0)
            if counted is None:
                continue
            value = counted["counters"]
        _flatten(each.name, value, counts, 0)
    return counts


def _flatten(path: str, value: Value, counts: dict[str, int], depth: int) -> None:
    """Name each number by the fields that lead to it; atomics and cells add no name."""
    if depth > DEPTH_LIMIT:
        return
    if isinstance(value, Int):
        counts[path] = value.value
    elif isinstance(value, StructValue):
        is_wrapper = len(value.fields) == 1 and value.fields[0][0] in {"v", "value", "__0"}
        for name, inner in value.fields:
            _flatten(path if is_wrapper else f"{path}.{name}", inner, counts, depth + 1)
    elif isinstance(value, ArrayValue):
        for index, element in enumerate(value.elements):
            _flatten(f"{path}[{index}]", element, counts, depth + 1)


def count_changes(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return how much each counter moved, without those that stood still; u32 wraps around."""
    return {
        name: (count - before.get(name, 0)) % (1 << 32)
        for name, count in after.items()
        if count != before.get(name, 0)
    }
