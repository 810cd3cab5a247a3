"""Perfetto's traces, read back with a decoder of protocol buffers of the test's own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

import idoldbg
from idoldbg.render.perfetto import BoardTrace, perfetto_trace
from idoldbg.views.idol_messages import MessageName, Outcome, Result
from idoldbg.views.task_trace import EventKind, IdolCall, TaskEvent
from tests.conftest import ARCHIVES

BEGIN, END, INSTANT = 1, 2, 3
NAME = MessageName("I", "op", 1)


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield (number, value) of a message: integers, or bytes."""
    at = 0

    def varint() -> int:
        nonlocal at
        shift = number = 0
        while True:
            byte = data[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while at < len(data):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
        elif tag & 7 == 1:
            at += 8
            yield tag >> 3, int.from_bytes(data[at - 8 : at], "little")
        else:
            assert tag & 7 == 2
            size = varint()
            at += size
            assert at <= len(data)
            yield tag >> 3, data[at - size : at]


class Read:
    """Tracks, and the events of each in the order of the file."""

    def __init__(self, data: bytes) -> None:
        self.tracks: dict[int, tuple[str, int]] = {}
        self.events: list[tuple[int, int, int, str, tuple[int, int]]] = []
        last = 0
        for number, packet in fields(data):
            assert number == 1
            found = dict(fields(packet))
            assert found[10] == 1
            if 60 in found:
                track = dict(fields(found[60]))
                name = track.get(2) or dict(fields(track[3]))[6]
                self.tracks[track[1]] = (name.decode(), track.get(5, 0))
            elif 11 in found:
                event = dict(fields(found[11]))
                assert found[8] >= last
                last = found[8]
                flows = (event.get(47, 0), event.get(48, 0))
                name = event.get(23, b"").decode()
                self.events.append((found[8], event[9], event[11], name, flows))

    def check_nesting(self) -> int:
        """Check that slices of each track nest; return their number."""
        open_: dict[int, int] = {}
        for _, kind, track, _, _ in self.events:
            assert track in self.tracks
            if kind == BEGIN:
                open_[track] = open_.get(track, 0) + 1
            elif kind == END:
                open_[track] -= 1
                assert open_[track] >= 0
        assert not any(open_.values())
        return sum(kind == BEGIN for _, kind, *_ in self.events)


def test_a_real_trace_has_tracks_slices_and_flows() -> None:
    with idoldbg.attach(ARCHIVES / "stm32f4-discovery.zip", probe="emu") as dev:
        with dev.trace() as trace:
            dev.Spi.exchange(device_index=0, source=b"\x9f", sink=1)
        tasks = tuple(task.name for task in dev.program.archive.tasks)
    ordered = tuple(sorted(trace.events, key=lambda event: (event.time_ns, event.end_ns)))
    data = perfetto_trace([BoardTrace("demo", tasks, ordered)])
    read = Read(data)
    names = [name for name, _ in read.tracks.values()]
    assert names[0] == "demo" and {*tasks, "core", "interrupts", "kernel"} <= set(names)
    assert read.check_nesting() > 100
    begun = [e for e in read.events if e[1] == BEGIN and e[3] == "Spi.exchange"]
    (client, server) = begun
    assert read.tracks[client[2]][0] == "hiffy"
    assert read.tracks[server[2]][0] == "spi"
    assert client[4][0] == server[4][1] != 0  # the flow from the one to the other
    assert data == perfetto_trace([BoardTrace("demo", tasks, ordered)])


def call(start: int, end: int, taken: int, replied: int, client: str, server: str) -> TaskEvent:
    return TaskEvent(
        EventKind.CALL, start, end, client, server,
        call=IdolCall(server, NAME, (), (), Result(Outcome.OK), taken, replied),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_slices_nest_however_calls_overlap(seed: int) -> None:
    """A server may take a second message before it answers the first."""
    generator = random.Random(seed)
    tasks = ("a", "b", "c")
    events = []
    for _ in range(50):
        times = sorted(generator.randrange(60) for _ in range(4))
        start, taken, replied, end = times
        client, server = generator.sample(tasks, 2)
        events.append(call(start, end, taken, replied, client, server))
    events.sort(key=lambda event: (event.time_ns, event.end_ns))
    read = Read(perfetto_trace([BoardTrace("x", tasks, tuple(events))]))
    assert read.check_nesting() == 100
    durations: dict[tuple[int, int], int] = {}
    stacks: dict[int, list[tuple[int, str]]] = {}
    for time_ns, kind, track, name, _ in read.events:
        if kind == BEGIN:
            stacks.setdefault(track, []).append((time_ns, name))
        elif kind == END:
            begun, _ = stacks[track].pop()
            key = (begun, max(time_ns, begun + 1))
            durations[key] = durations.get(key, 0) + 1
    expected: dict[tuple[int, int], int] = {}
    for event in events:
        assert event.call is not None
        for begin, finish in (
            (event.time_ns, event.end_ns),
            (event.call.received_ns or 0, event.call.replied_ns or 0),
        ):
            key = (begin, max(finish, begin + 1))
            expected[key] = expected.get(key, 0) + 1
    assert durations == expected


def test_boards_do_not_share_tracks() -> None:
    board = BoardTrace("x", ("a", "b"), (call(1, 9, 2, 8, "a", "b"),))
    read = Read(perfetto_trace([board, board]))
    assert len(read.tracks) == 2 * len(Read(perfetto_trace([board])).tracks)
    flows = {flow for *_, pair in read.events for flow in pair if flow}
    assert len(flows) == 2


def test_names_of_unknown_origin_are_escaped() -> None:
    event = TaskEvent(EventKind.POST, 1, 1, "a\n\x1b[31m", "b", "c")
    data = perfetto_trace([BoardTrace("x\x1b", ("a\n\x1b[31m",), (event,))])
    read = Read(data)
    names = [name for name, _ in read.tracks.values()] + [event[3] for event in read.events]
    assert "a\\u{a}\\u{1b}[31m" in names and "x\\u{1b}" in names
    assert not any(character < " " for name in names for character in name)
