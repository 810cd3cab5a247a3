"""Ring buffers and counters: on the emulated board, and in real core dumps."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from idoldbg.build.load import open_build
from idoldbg.build.program import Program
from idoldbg.call.calls import prepare_call
from idoldbg.errors import DebugInfoError, FaultError, OperationError
from idoldbg.model.memory import MemoryImage, Segment
from idoldbg.model.symbols import Symbol, SymbolKind, Variable
from idoldbg.model.types import Member, Struct, Type, Union
from idoldbg.session import TargetOptions, demo_archive, open_session
from idoldbg.startup import settle
from idoldbg.views.statics import (
    count_changes,
    find_counters,
    find_ring_buffers,
    read_counters,
    read_ring_buffer,
)
from idoldbg.views.tasks import table_address
from tests.idoldbg.typegen import U8, U16, U32, UNIT, make_array


def test_counters_tell_what_a_call_did() -> None:
    with open_session(TargetOptions(probe="emu")) as session:
        settle(session)
        sets = find_counters(session.program)
        before = read_counters(session.program, sets)
        operation = session.program.operation("UserLeds.led_on")
        session.caller.call(prepare_call(operation, {"index": "0"}))
        with pytest.raises(OperationError):
            session.caller.call(prepare_call(operation, {"index": "77"}))
        after = read_counters(session.program, sets)
    static = "user_leds.drv_user_leds::idl::__USERLEDS_SERVER_COUNTERS"
    assert count_changes(before, after) == {
        f"{static}.led_on.Ok": 1,
        f"{static}.led_on.Err.NotPresent": 1,
    }


# ---- statics made by hand, as lib/ringbuf and lib/counters of Hubris lay them out ----------------

RAM = 0x20000000
ATOMIC = Struct(
    "AtomicU32", 4, (Member("v", 0, Struct("UnsafeCell<u32>", 4, (Member("value", 0, U32),))),)
)
EVENTS = Struct("EventCounts", 8, (Member("Sent", 0, ATOMIC), Member("Lost", 4, ATOMIC)))
LAST = Struct("Last", 4, (Member("index", 0, U32),))


def entry_type(payload: Type, *, merged: bool = True) -> Struct:
    members = [Member("line", 0, U16), Member("generation", 2, U16), Member("payload", 4, payload)]
    at = 4 + payload.size
    if merged:
        members.append(Member("count", at, U32))
        at += 4
    return Struct("ringbuf::RingbufEntry<T, u32>", at, tuple(members))


def ring_type(entry: Struct, count: int) -> Struct:
    """`StaticCell<Ringbuf<T, C, N>>`; `last` is a plain number, as a niche would have it."""
    size = 4 + count * entry.size
    members = (Member("last", 0, U32), Member("buffer", 4, make_array(entry, count)))
    inner = Struct("ringbuf::Ringbuf<T, u32, N>", size, members)
    return Struct("StaticCell<T>", size, (Member("cell", 0, inner),))


def counted_type(ring: Struct) -> Struct:
    members = (Member("ringbuf", 0, ring), Member("counters", ring.size, EVENTS))
    return Struct("ringbuf::CountedRingbuf<T, N>", ring.size + EVENTS.size, members)


class Statics:
    """Debug information of statics, placed one after the other."""

    def __init__(self, *statics: tuple[str, Type]) -> None:
        self.symbols: list[Symbol] = []
        self.variables: list[Variable] = []
        at = RAM
        for index, (path, type_) in enumerate(statics):
            size = type_.size
            short = path.rsplit("::", 1)[-1]
            mangled = "_ZN" + "".join(f"{len(p)}{p}" for p in path.split("::")) + "E"
            self.symbols.append(Symbol(mangled, at, size, SymbolKind.OBJECT, False, ".bss"))
            self.variables.append(Variable(short, path, mangled, at, size, type_, index))
            at += size

    def find_variables(self, name: str) -> tuple[Variable, ...]:
        return tuple(v for v in self.variables if v.name == name)


def program_of(
    monkeypatch: pytest.MonkeyPatch, memory: bytes, *statics: tuple[str, Type]
) -> Program:
    """Make a program whose task `spi` has these statics, and no other."""
    archive = open_build(demo_archive("stm32f4-discovery")).archive
    program = Program(archive, MemoryImage([Segment(RAM, memory)]))
    info = {"spi": Statics(*statics)}
    monkeypatch.setattr(program, "object", lambda name: info.get(name) or Statics())
    return program


def test_two_ring_buffers_of_one_task_keep_their_own_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = counted_type(ring_type(entry_type(U16), 2))
    ring = counted.size - 8
    memory = b"".join(bytes(ring) + struct.pack("<II", *pair) for pair in [(1, 2), (3, 4), (5, 6)])
    statics = [
        ("spi::__RINGBUF", counted),
        ("spi::flash::__RINGBUF", counted),
        ("spi::flash::__RINGBUF", counted),  # of two instances of a generic function
    ]
    program = program_of(monkeypatch, memory, *statics)
    at = [RAM + ring + 8, RAM + 2 * (ring + 8)]
    assert read_counters(program, find_counters(program)) == {
        "spi.spi::__RINGBUF.Sent": 1,
        "spi.spi::__RINGBUF.Lost": 2,
        f"spi.spi::flash::__RINGBUF@0x{at[0]:08x}.Sent": 3,
        f"spi.spi::flash::__RINGBUF@0x{at[0]:08x}.Lost": 4,
        f"spi.spi::flash::__RINGBUF@0x{at[1]:08x}.Sent": 5,
        f"spi.spi::flash::__RINGBUF@0x{at[1]:08x}.Lost": 6,
    }


def test_arrays_of_counters_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    counters = Struct("C", 8, (Member("per_port", 0, make_array(ATOMIC, 2)),))
    program = program_of(monkeypatch, struct.pack("<II", 7, 8), ("spi::PORT_COUNTERS", counters))
    assert read_counters(program, find_counters(program)) == {
        "spi.spi::PORT_COUNTERS.per_port[0]": 7,
        "spi.spi::PORT_COUNTERS.per_port[1]": 8,
    }


def test_ring_buffers_are_found_by_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
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
    rings = [read_ring_buffer(program, *found) for found in find_ring_buffers(program)]
    rows = {r.name: [(e.line, e.count, e.payload) for e in r.entries] for r in rings}
    assert rows == {
        "spi::TRACE": [(10, 5, "77"), (11, 1, "78")],
        "spi::counted::LOG": [(12, 1, "79")],
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
    (found,) = find_ring_buffers(program)
    (entry,) = read_ring_buffer(program, *found).entries
    assert entry.payload == "Trace(4711)"


def test_a_task_table_that_the_dump_lacks_is_not_the_kernel_s_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Kernels of 2021 point to the table; a dump may lack the pointer."""
    program = program_of(monkeypatch, b"")
    info = Statics(("kern::task::TASK_TABLE_BASE", U32))
    monkeypatch.setattr(program, "object", lambda name: info)
    with pytest.raises(FaultError, match=r"0x20000000 \(TASK_TABLE_BASE\) is not there"):
        table_address(program)
    with pytest.raises(DebugInfoError, match="has no HUBRIS_TASK_TABLE_SPACE"):
        table_address(program_of(monkeypatch, b""))


# ---- the kernel's last words ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "memory", "message"),
    [
        (8, b"stopped." + b"not part of it", "stopped."),
        (8, b"halt\0\0\0\0" + b"not part of it", "halt"),
        (200, b"x" * 150 + bytes(50), "x" * 150),
        (0, b"not part of it", ""),
        (64, b"short", "the kernel has panicked; its message cannot be read"),
        (None, b"", "the kernel has panicked, and keeps no message"),
    ],
)
def test_the_epitaph_is_as_long_as_the_kernel_has_it(
    monkeypatch: pytest.MonkeyPatch, size: int | None, memory: bytes, message: str
) -> None:
    statics: list[tuple[str, Type]] = [("kern::fail::KERNEL_HAS_FAILED", U32)]
    if size is not None:
        statics.append(("kern::fail::KERNEL_EPITAPH", make_array(U8, size)))
    program = program_of(monkeypatch, struct.pack("<I", 1) + memory)
    info = Statics(*statics)
    monkeypatch.setattr(program, "object", lambda name: info)
    assert program.epitaph() == message


def test_counters_wrap_around_as_u32() -> None:
    assert count_changes({"a": 0xFFFFFFFF, "b": 3}, {"a": 1, "b": 3, "c": 2}) == {"a": 2, "c": 2}


@pytest.mark.parametrize("core", ["inheritance.0", "new-compiler", "new-sensors", "v6"])
def test_ring_buffers_of_real_dumps_are_those_that_humility_shows(
    real_hubris: Path, core: str
) -> None:
    build = open_build(real_hubris / "cores" / f"hubris.core.{core}")
    program = Program(build.archive, build.memory)
    text = (real_hubris / "ringbuf" / f"ringbuf.{core}.stdout").read_text()
    names = re.findall(r"ring buffer (\S+) in (\S+):", text)
    found = find_ring_buffers(program)
    assert sorted((v.full_name, task) for task, v in found) == sorted(names)
    for task, variable in found:
        entries = read_ring_buffer(program, task, variable).entries
        shown = text.partition(f"ring buffer {variable.full_name} in {task}:")[2].split(
            "humility:"
        )[0]
        rows = re.findall(r"^ *(\d+) +(\d+) +(\d+) +(\d+) ", shown, re.MULTILINE)
        assert [(e.index, e.line, e.generation, e.count) for e in entries] == [
            tuple(map(int, row)) for row in rows
        ]


def test_entries_of_a_ring_buffer_are_read_oldest_first(real_hubris: Path) -> None:
    """A real image's types over memory made by hand: in no dump at hand has jefe written any.

    The layout is this build's: `last` is an `Option<usize>`; then entries of `count: u32`,
    `line: u16`, `generation: u16`, and a `Trace` of a tag, a byte and a task's number.
    """
    build = open_build(real_hubris / "cores" / "hubris.core.inheritance.0")
    ((task, variable),) = find_ring_buffers(Program(build.archive, build.memory))
    assert variable.address is not None

    def entries_after(last: bytes, *entries: bytes) -> list[tuple[int, int, int, int, str]]:
        content = last + b"".join(entries)
        segments = [*build.memory.segments, Segment(variable.address or 0, content)]
        program = Program(build.archive, MemoryImage(segments))
        ring = read_ring_buffer(program, task, variable)
        return [(e.index, e.line, e.generation, e.count, e.payload) for e in ring.entries]

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
