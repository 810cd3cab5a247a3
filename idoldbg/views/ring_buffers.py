"""Ring buffers of the firmware (Hubris's lib/ringbuf), of every layout since 2021.

They are known by name, by the name of their type, and by layout: a struct of `last` and `buffer`,
whose entries have `line`, `generation` and `payload`. `count` is missing where entries are not
merged (`no_dedup`). Cells, counted ring buffers, arrays and structs around them make no difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from idol.records import dataclass, replace
from idoldbg.build.program import Program
from idoldbg.call.codec import image
from idoldbg.errors import IdoldbgError
from idoldbg.model.types import Array, Struct, Type, Union, short_name
from idoldbg.model.values import (
    ArrayValue,
    EnumValue,
    StructValue,
    Unreadable,
    Value,
    find_number,
)
from idoldbg.views.counters import COUNTED, CounterLeaf, read_leaves
from idoldbg.views.variables import Static, iter_statics

__all__ = [
    "NewEntries",
    "RingBuffer",
    "RingEntry",
    "RingPlace",
    "entries_since",
    "find_ring_buffers",
    "read_ring_buffer",
    "read_ring_buffers",
    "select_ring_buffers",
]

RINGBUF = "RINGBUF"
RINGBUF_TYPE = "Ringbuf"
ENTRY = {"line", "generation", "payload"}
CELLS = {"cell", "value", "__0", "ringbuf", "inner"}  # members that name nothing
DEPTH_LIMIT = 16
RING_LIMIT = 1024  # in one static
GENERATIONS = 1 << 16  # laps until the number of a lap comes again


@dataclass(frozen=True, slots=True)
class RingPlace:
    """One ring buffer in a static.

    `path` is where in it, "" for the whole ([2].a). `type` is None where only counters are there
    (feature `disabled`) or the layout is unknown; `counters` is the offset and type of its counts.
    """

    static: Static
    path: str
    offset: int
    type: Struct | None
    counters: tuple[int, Type] | None = None

    @property
    def address(self) -> int:
        """Address of the ring buffer itself."""
        return (self.static.variable.address or 0) + self.offset


@dataclass(frozen=True, slots=True)
class RingEntry:
    """One entry; `count` is 1 where entries are not merged, `generation` the lap of its slot.

    `problem` is "" or what makes no sense in the payload.
    """

    slot: int
    generation: int
    line: int
    count: int
    payload: Value
    problem: str = ""


@dataclass(frozen=True, slots=True)
class RingBuffer:
    """One ring buffer, entries oldest first.

    `last` is the slot of the newest entry, None where none was ever written. `totals` are None
    where entries are not counted. `problem` is "" or why there are no entries.
    """

    task: str
    name: str
    full_name: str
    path: str
    file: str | None
    address: int
    capacity: int
    last: int | None
    entries: tuple[RingEntry, ...]
    totals: tuple[CounterLeaf, ...] | None = None
    problem: str = ""

    @property
    def is_written(self) -> bool:
        """Whether it has any entry."""
        return bool(self.entries)


# ---- which there are ----------------------------------------------------------------------------


def find_ring_buffers(program: Program) -> tuple[RingPlace, ...]:
    """Return the ring buffers of all tasks; what DWARF does not describe is left out."""
    return tuple(
        place
        for static in iter_statics(program)
        if static.variable.address is not None
        for place in _places(static)
    )


def _places(static: Static) -> list[RingPlace]:
    found: list[RingPlace] = []
    _search(static, static.variable.type, 0, "", None, found, 0)
    is_named = static.variable.name.endswith(RINGBUF)
    if not found and (is_named or RINGBUF_TYPE in short_name(static.variable.type.name)):
        found.append(RingPlace(static, "", 0, None))
    return found


def _search(
    static: Static,
    type_: Type,
    offset: int,
    path: str,
    counters: tuple[int, Type] | None,
    found: list[RingPlace],
    depth: int,
) -> None:
    """Collect the ring buffers inside cells, structs and arrays."""
    if depth > DEPTH_LIMIT or len(found) >= RING_LIMIT:
        return
    if isinstance(type_, Array):
        if _may_hold(type_.element, depth):
            for index in range(min(type_.count, RING_LIMIT)):
                at = offset + index * type_.element.size
                _search(static, type_.element, at, f"{path}[{index}]", None, found, depth + 1)
        return
    if not isinstance(type_, Struct | Union):
        return
    if isinstance(type_, Struct) and _is_ring(type_):
        found.append(RingPlace(static, path, offset, type_, counters))
        return
    members = {m.name: m for m in type_.members}
    counted = members.get("counters")
    if counted is not None:
        counters = (offset + counted.offset, counted.type)
        if "ringbuf" not in members and short_name(type_.name).startswith(COUNTED):
            found.append(RingPlace(static, path, offset, None, counters))
            return
    for member in type_.members:
        inner = path if member.name in CELLS else f"{path}.{member.name}"
        given = counters if counted is None or member.name == "ringbuf" else None
        _search(static, member.type, offset + member.offset, inner, given, found, depth + 1)


def _may_hold(type_: Type, depth: int) -> bool:
    """Return whether a type holds a ring buffer, so that arrays of others cost one look."""
    if depth > DEPTH_LIMIT:
        return False
    if isinstance(type_, Array):
        return _may_hold(type_.element, depth + 1)
    if not isinstance(type_, Struct | Union):
        return False
    if isinstance(type_, Struct) and _is_ring(type_):
        return True
    return any(_may_hold(m.type, depth + 1) for m in type_.members)


def _is_ring(type_: Struct) -> bool:
    members = {m.name: m.type for m in type_.members}
    buffer = members.get("buffer")
    return (
        "last" in members
        and isinstance(buffer, Array)
        and isinstance(buffer.element, Struct)
        and {m.name for m in buffer.element.members} >= ENTRY
    )


# ---- reading ------------------------------------------------------------------------------------


def read_ring_buffers(program: Program) -> tuple[RingBuffer, ...]:
    """Read every ring buffer; what is wrong with one is its `problem` and hides no other."""
    return tuple(read_ring_buffer(program, place) for place in find_ring_buffers(program))


def read_ring_buffer(program: Program, place: RingPlace) -> RingBuffer:
    """Read one ring buffer; memory that cannot be read is its `problem`."""
    last: int | None = None
    entries: tuple[RingEntry, ...] = ()
    totals: tuple[CounterLeaf, ...] | None = None
    problem = ""
    try:
        if place.counters is not None:
            offset, type_ = place.counters
            address = (place.static.variable.address or 0) + offset
            totals = read_leaves(program.memory.read(address, type_.size), type_)
        if place.type is not None:
            data = program.memory.read(place.address, place.type.size)
            last, entries, problem = _decode(place.type, data, place.address)
        elif totals is None:
            name = short_name(place.static.variable.type.name)
            problem = f"`{name}` is not a ring buffer of a known layout"
    except IdoldbgError as error:
        problem = str(error)
    variable = place.static.variable
    return RingBuffer(
        place.static.task,
        variable.name,
        variable.full_name,
        place.path,
        place.static.file,
        place.address,
        _capacity(place.type),
        last,
        entries,
        totals,
        problem,
    )


def _capacity(type_: Struct | None) -> int:
    members = () if type_ is None else type_.members
    buffers = (m.type for m in members if m.name == "buffer")
    return next((b.count for b in buffers if isinstance(b, Array)), 0)


def _decode(
    type_: Struct, data: bytes, address: int
) -> tuple[int | None, tuple[RingEntry, ...], str]:
    """Return the newest entry's slot, the entries oldest first, and what is wrong."""
    value = image.decode(type_, data, address=address)
    newest, buffer = value["last"], value["buffer"]
    if isinstance(newest, Unreadable):
        return None, (), f"`last` cannot be read: {newest.reason}"
    if not isinstance(buffer, ArrayValue):
        why = buffer.reason if isinstance(buffer, Unreadable) else "it is not an array of entries"
        return None, (), f"`buffer` cannot be read: {why}"
    last, count = find_number(newest), len(buffer.elements)
    if last is None:
        return None, (), ""
    if last >= count:
        return last, (), f"damaged: the newest entry would be {last}, of {count} entries"
    order = [(last + 1 + i) % count for i in range(count)]
    entries = (_entry(slot, buffer.elements[slot]) for slot in order)
    return last, tuple(e for e in entries if e is not None), ""


def _entry(slot: int, value: Value) -> RingEntry | None:
    """Decode an entry; None for one that was never written.

    Laps are counted from 1, and a line is never 0: a lap of 0 alone is one of 65,536.
    """
    if not isinstance(value, StructValue):
        return None
    generation, payload = find_number(value.get("generation")), value.get("payload")
    line, count = find_number(value.get("line")), find_number(value.get("count"))
    if payload is None or not (generation or line):
        return None
    bad = image.find_unreadable(payload)
    problem = "" if bad is None else f"payload{bad[0]}: {bad[1].reason}"
    return RingEntry(
        slot, generation or 0, line or 0, 1 if count is None else count, payload, problem
    )


# ---- choosing -----------------------------------------------------------------------------------


def select_ring_buffers(
    rings: Iterable[RingBuffer],
    filters: Sequence[str] = (),
    *,
    task: str | None = None,
    last: int | None = None,
) -> tuple[RingBuffer, ...]:
    """Return the rings of `task` that a filter fits, with their `last` newest entries.

    A filter is part of a task's or static's name, then the ring is whole, or an enum's variant:
    then only the entries with it are left. Letter case does not matter.
    """
    chosen: list[RingBuffer] = []
    for ring in rings:
        if task is not None and ring.task != task:
            continue
        names = (ring.task.lower(), ring.full_name.lower() + ring.path.lower())
        wanted = [f.lower() for f in filters]
        entries = ring.entries
        if wanted and not any(w in name for w in wanted for name in names):
            entries = tuple(e for e in entries if _variants(e.payload, 0) & set(wanted))
            if not entries:
                continue
        if last is not None:
            entries = entries[-last:] if last else ()
        chosen.append(replace(ring, entries=entries))
    return tuple(chosen)


def _variants(value: Value, depth: int) -> set[str]:
    """Return the names of the variants in a payload, in lower case."""
    if depth > DEPTH_LIMIT:
        return set()
    match value:
        case EnumValue(variant=variant, payload=payload):
            inner = set() if payload is None else _variants(payload, depth + 1)
            return {variant.lower()} | inner
        case StructValue(fields=fields):
            return set().union(*(_variants(v, depth + 1) for _, v in fields))
        case ArrayValue(elements=elements):
            return set().union(*(_variants(v, depth + 1) for v in elements))
        case _:
            return set()


# ---- following ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewEntries:
    """Entries since an earlier reading, oldest first, and how many were overwritten unseen.

    `more` is by how much the count of the entry that was the newest has grown (equal entries are
    merged). `is_restarted` is set where the ring buffer began anew, as when its task restarts.
    """

    entries: tuple[RingEntry, ...]
    overwritten: int = 0
    more: int = 0
    is_restarted: bool = False


def entries_since(before: RingBuffer, after: RingBuffer) -> NewEntries:
    """Return what was written between two readings.

    Entries since are (generation' - generation) * N + (slot' - slot), modulo 65,536 * N: a slot's
    generation counts its laps in 16 bits.
    """
    if not after.entries or not before.entries:
        return NewEntries(after.entries, is_restarted=bool(before.entries))
    old, new, size = before.entries[-1], after.entries[-1], after.capacity
    moved = (new.generation - old.generation) * size + new.slot - old.slot
    moved %= GENERATIONS * size
    if moved > GENERATIONS * size // 2:  # backwards: it began anew
        return NewEntries(after.entries, is_restarted=True)
    if moved == 0:
        if not _is_same(old, new):
            return NewEntries(after.entries, is_restarted=True)
        return NewEntries((), more=new.count - old.count)
    more = 0
    if moved < size:  # the entry that was the newest must still be there
        still = next((e for e in after.entries if e.slot == old.slot), None)
        if still is None or not _is_same(old, still):
            return NewEntries(after.entries, is_restarted=True)
        more = still.count - old.count
    seen = after.entries[-moved:] if moved < len(after.entries) else after.entries
    return NewEntries(seen, max(moved - len(seen), 0), more)


def _is_same(old: RingEntry, new: RingEntry) -> bool:
    """Return whether it is one entry, perhaps counted on."""
    same = (old.generation, old.line, old.payload) == (new.generation, new.line, new.payload)
    return same and new.count >= old.count
