"""Ring buffers: made by hand, and in a real image."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from idol.records import replace
from idoldbg.build.load import open_build
from idoldbg.build.program import Program
from idoldbg.model.memory import MemoryImage, Segment
from idoldbg.model.types import CEnum, Enumerator, Member, Struct, Union
from idoldbg.model.values import Int, format_value, make_enum, to_python
from idoldbg.views.counters import find_counters, read_counters
from idoldbg.views.ring_buffers import (
    NewEntries,
    RingBuffer,
    RingEntry,
    entries_since,
    find_ring_buffers,
    read_ring_buffer,
    read_ring_buffers,
    select_ring_buffers,
)
from tests.idoldbg.typegen import U16, U32, UNIT, make_array
from tests.idoldbg.views.made_statics import (
    EVENTS,
    counted_type,
    entry_type,
    program_of,
    ring_type,
)


def test_ring_buffers_are_found_by_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ringbuf!` takes any name; other circular buffers have other entries."""
    merged, plain = ring_type(entry_type(U16), 2), ring_type(entry_type(U16, merged=False), 2)
    samples = Struct(
        "Samples", 16, (Member("last", 0, U32), Member("buffer", 4, make_array(U32, 3)))
    )
    statics = [
        ("spi::TRACE", merged),
        ("spi::SAMPLES", samples),
        ("spi::counted::LOG", counted_type(plain)),
        ("spi::OLD_RINGBUF", merged),
    ]
    memory = (
        struct.pack("<IHHHIHHHI", 1, 10, 1, 77, 5, 11, 1, 78, 1)
        + bytes(16)
        + struct.pack("<IHHHHHH", 0, 12, 1, 79, 0, 0, 0)
        + struct.pack("<II", 8, 9)
        + bytes(merged.size)
    )
    program = program_of(monkeypatch, memory, *statics)
    rings = read_ring_buffers(program)
    rows = {
        r.full_name: [(e.line, e.count, to_python(e.payload)) for e in r.entries] for r in rings
    }
    assert rows == {
        "spi::TRACE": [(10, 5, 77), (11, 1, 78)],
        "spi::counted::LOG": [(12, 1, 79)],
        "spi::OLD_RINGBUF": [],
    }
    assert read_counters(program, find_counters(program)) == {
        "spi.spi::counted::LOG.Sent": 8,
        "spi.spi::counted::LOG.Lost": 9,
    }


def test_payloads_that_may_be_uninitialized_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    dangling = Struct("core::mem::MaybeDangling<u16>", 2, (Member("__0", 0, U16),))
    drop = Struct("core::mem::ManuallyDrop<u16>", 2, (Member("value", 0, dangling),))
    uninit = Union(
        "core::mem::MaybeUninit<u16>", 2, (Member("uninit", 0, UNIT), Member("value", 0, drop))
    )
    ring = ring_type(entry_type(Struct("Trace", 2, (Member("__0", 0, uninit),))), 1)
    memory = struct.pack("<IHHHI", 0, 10, 1, 4711, 1)
    program = program_of(monkeypatch, memory, ("spi::__RINGBUF", ring))
    (found,) = read_ring_buffers(program)
    (entry,) = found.entries
    assert format_value(entry.payload) == "Trace(4711)" and not entry.problem


def test_entries_of_a_ring_buffer_are_read_oldest_first(real_hubris: Path) -> None:
    """A real image's types over memory made by hand: in no dump at hand has jefe written any.

    The layout is this build's: `last` is an `Option<usize>`; then entries of `count: u32`,
    `line: u16`, `generation: u16`, and a `Trace` of a tag, a byte and a task's number.
    """
    build = open_build(real_hubris / "cores" / "hubris.core.inheritance.0")
    (place,) = find_ring_buffers(Program(build.archive, build.memory))

    def entries_after(last: bytes, *entries: bytes) -> list[tuple[int, int, int, int, str]]:
        content = last + b"".join(entries)
        segments = [*build.memory.segments, Segment(place.address, content)]
        program = Program(build.archive, MemoryImage(segments))
        entries_ = read_ring_buffer(program, place).entries
        return [(e.slot, e.line, e.generation, e.count, format_value(e.payload)) for e in entries_]

    def entry(count: int, line: int, generation: int, *trace: int) -> bytes:
        return struct.pack("<IHHBBH", count, line, generation, *trace)

    never = bytes(12)
    first = entry(1, 40, 1, 1, 3, 5)  # Request(Release, TaskIndex(5))
    second = entry(70000, 41, 1, 3, 1, 0)  # Error(BadTask)
    third = entry(1, 42, 2, 2, 2, 9)  # Disposition(TaskIndex(9), Hold)
    assert entries_after(struct.pack("<II", 0, 0), never, never, never, never) == []
    assert entries_after(struct.pack("<II", 1, 1), first, second, never, never) == [
        (0, 40, 1, 1, "Request(Release, TaskIndex(5))"),
        (1, 41, 1, 70000, "Error(BadTask)"),
    ]
    wrapped = entries_after(struct.pack("<II", 1, 0), third, second, first, second)
    assert wrapped == [
        (1, 41, 1, 70000, "Error(BadTask)"),
        (2, 40, 1, 1, "Request(Release, TaskIndex(5))"),
        (3, 41, 1, 70000, "Error(BadTask)"),
        (0, 42, 2, 1, "Disposition(TaskIndex(9), Hold)"),
    ]
    # What a torn write or a wild pointer leaves must not hide the rest.
    assert entries_after(struct.pack("<II", 1, 99), first, second, never, never) == []
    damaged = entries_after(struct.pack("<II", 1, 1), entry(1, 40, 1, 77, 0, 0), second)
    assert [e[:4] for e in damaged] == [(0, 40, 1, 1), (1, 41, 1, 70000)]


def test_rings_in_arrays_and_structs_have_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = ring_type(entry_type(U16), 1)
    pair = Struct("Ports", 2 * ring.size, (Member("a", 0, ring), Member("b", ring.size, ring)))
    program = program_of(
        monkeypatch,
        b"".join(struct.pack("<IHHHI", 0, 10 + i, 1, i, 1) for i in range(4)),
        ("spi::TRACES", make_array(ring, 2)),
        ("spi::PORTS", pair),
    )
    found = read_ring_buffers(program)
    assert [(r.full_name, r.path, r.entries[0].line) for r in found] == [
        ("spi::PORTS", ".a", 12),
        ("spi::PORTS", ".b", 13),
        ("spi::TRACES", "[0]", 10),
        ("spi::TRACES", "[1]", 11),
    ]


def test_counted_rings_have_totals_even_where_entries_are_disabled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = counted_type(ring_type(entry_type(U16), 1))
    disabled = Struct("ringbuf::CountedRingbuf<T, 1>", 8, (Member("counters", 0, EVENTS),))
    memory = struct.pack("<IHHHI", 0, 10, 1, 7, 1) + struct.pack("<IIII", 1, 2, 3, 0)
    program = program_of(
        monkeypatch, memory, ("spi::__RINGBUF", counted), ("spi::z::__RINGBUF", disabled)
    )
    first, second = read_ring_buffers(program)
    assert [(t.path, t.count) for t in first.totals or ()] == [(("Sent",), 1), (("Lost",), 2)]
    assert [(t.path, t.count) for t in second.totals or ()] == [(("Sent",), 3), (("Lost",), 0)]
    assert (second.capacity, second.entries, second.problem) == (0, (), "")


def test_damage_is_reported_and_hides_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = ring_type(entry_type(U16), 1)
    memory = struct.pack("<IHHHI", 9, 10, 1, 7, 1) + struct.pack("<IHHHI", 0, 11, 0, 7, 1)
    program = program_of(
        monkeypatch, memory, ("spi::A_RINGBUF", ring), ("spi::B_RINGBUF", ring),
        ("spi::C_RINGBUF", ring), ("spi::D_RINGBUF", U32),
    )  # fmt: skip
    a, b, c, d = read_ring_buffers(program)
    assert "newest entry would be 9, of 1" in a.problem
    assert [e.line for e in b.entries] == [11]  # the lap of 65,536
    assert "no memory" in c.problem
    assert d.problem == "`u32` is not a ring buffer of a known layout"


def test_filters_choose_rings_by_name_and_entries_by_variant() -> None:

    kind = CEnum("T", 1, False, (Enumerator("Err", 0), Enumerator("Done", 1)))
    entries = tuple(
        RingEntry(i, 1, 5, 1, make_enum(kind, name)) for i, name in enumerate(["Err", "Done"])
    )
    rings = [
        RingBuffer("net", "R", "net::R", "", None, 0, 2, 1, entries),
        RingBuffer("spi", "R", "spi::R", "", None, 0, 2, 1, entries[1:]),
    ]

    def chosen(*filters: str, **options: object) -> list[tuple[str, int]]:
        found = select_ring_buffers(rings, filters, **options)  # type: ignore[arg-type]
        return [(r.task, len(r.entries)) for r in found]

    assert chosen() == [("net", 2), ("spi", 1)]
    assert chosen("NET") == [("net", 2)]
    assert chosen("err") == [("net", 1)]
    assert chosen("spi", "err") == [("net", 1), ("spi", 1)]
    assert chosen(last=1) == [("net", 1), ("spi", 1)]
    assert chosen(task="spi", last=0) == [("spi", 0)]


# ---- following ----------------------------------------------------------------------------------


def ring_after(writes: int, *, size: int = 3, start: int = 0) -> RingBuffer:
    """Return a ring of `size` slots after so many different entries, lines from `start`."""

    entries = [
        RingEntry(i % size, (i // size + 1) % 65536, start + i % 60000 + 1, 1, Int(U16, i % 999))
        for i in range(max(0, writes - size), writes)
    ]
    return RingBuffer(
        "t", "R", "t::R", "", None, 0, size, (writes - 1) % size if writes else None,
        tuple(entries),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "new", "overwritten"),
    [
        (0, 0, 0, 0),
        (0, 2, 2, 0),
        (2, 2, 0, 0),
        (2, 4, 2, 0),
        (2, 5, 3, 0),
        (2, 7, 3, 2),
        (2, 1000, 3, 995),
        (65535 * 3, 65535 * 3 + 2, 2, 0),  # the lap's number comes again
        (65535 * 3 + 1, 65536 * 3 + 4, 3, 3),
    ],
)
def test_new_entries_and_those_that_were_missed(
    before: int, after: int, new: int, overwritten: int
) -> None:
    found = entries_since(ring_after(before), ring_after(after))
    assert (len(found.entries), found.overwritten, found.is_restarted) == (new, overwritten, False)


def test_entries_counted_on_and_rings_that_begin_anew() -> None:

    ring = ring_after(5)
    newest = replace(ring.entries[-1], count=4)
    more = replace(ring, entries=(*ring.entries[:-1], newest))
    assert entries_since(ring, more) == NewEntries((), more=3)
    restarted = ring_after(2, start=50)
    assert entries_since(ring, restarted) == NewEntries(restarted.entries, is_restarted=True)
    further = ring_after(6, start=50)  # looks like one entry more
    assert entries_since(ring, further).is_restarted
    assert entries_since(ring, ring_after(0)) == NewEntries((), is_restarted=True)
