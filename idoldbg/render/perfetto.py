"""A trace of tasks in Perfetto's own format, for https://ui.perfetto.dev.

Protocol buffers by hand: `protos/perfetto/trace/` of Perfetto's sources (trace_packet.proto,
track_event/track_event.proto, track_descriptor.proto, debug_annotation.proto). Each task is a
track, calls are slices on both ends' tracks with a flow between, and one more track shows who had
the core.
"""

from __future__ import annotations

from collections.abc import Sequence

from idol.printable import printable
from idol.records import dataclass, field
from idoldbg.render.task_trace import describe
from idoldbg.views.task_trace import EventKind, TaskEvent

__all__ = ["BoardTrace", "perfetto_trace"]

_SEQUENCE = 1
_BEGIN, _END, _INSTANT = 1, 2, 3
_CLEARED, _NEEDS = 1, 2  # TracePacket.SequenceFlags
_BOOTTIME = 6  # BUILTIN_CLOCK_BOOTTIME
_ROOT, _CORE, _INTERRUPTS, _FIRST_TASK, _FIRST_LANE = 1, 2, 3, 16, 1 << 20


def _varint(number: int) -> bytes:
    out = bytearray()
    number &= (1 << 64) - 1
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _int(tag: int, number: int) -> bytes:
    return _varint(tag << 3) + _varint(number)


def _fixed64(tag: int, number: int) -> bytes:
    return _varint(tag << 3 | 1) + number.to_bytes(8, "little")


def _bytes(tag: int, data: bytes) -> bytes:
    return _varint(tag << 3 | 2) + _varint(len(data)) + data


def _text(tag: int, text: str) -> bytes:
    return _bytes(tag, printable(text).encode())


@dataclass(frozen=True, slots=True)
class _Slice:
    """A slice of a track; `flow` begins there or ends there."""

    track: int
    name: str
    start: int
    end: int
    category: str
    flow: int | None = None
    is_flow_end: bool = False
    notes: tuple[tuple[str, str], ...] = field(default=())


class _Lanes:
    """Puts slices of one track that do not nest on further tracks below it."""

    def __init__(self, track: int, names: dict[int, tuple[str, int]], first: list[int]) -> None:
        self._lanes: list[tuple[int, list[int]]] = [(track, [])]
        self._track, self._names, self._next = track, names, first

    def place(self, start: int, end: int) -> int:
        """Return the track for a slice; they come in the order of their starts."""
        for track, open_ends in self._lanes:
            while open_ends and open_ends[-1] <= start:
                open_ends.pop()
            if not open_ends or open_ends[-1] >= end:
                open_ends.append(end)
                return track
        track = self._next[0]
        self._next[0] += 1
        self._names[track] = (f"{self._names[self._track][0]} (also)", self._track)
        self._lanes.append((track, [end]))
        return track


@dataclass(frozen=True, slots=True)
class BoardTrace:
    """Trace of one board: `tasks` are all tasks of its build, `title` names it."""

    title: str
    tasks: tuple[str, ...]
    events: tuple[TaskEvent, ...]


def perfetto_trace(boards: Sequence[BoardTrace]) -> bytes:
    """Return the file of a trace; each board is a process of its own."""
    head: list[bytes] = []
    packets: list[tuple[int, int, int, bytes]] = []
    for number, board in enumerate(boards):
        _add_board(board, number, head, packets)
    packets.sort(key=lambda p: p[:3])
    first = _int(10, _SEQUENCE) + _int(13, _CLEARED)
    return b"".join(_bytes(1, body) for body in [first, *head, *(p[3] for p in packets)])


def _add_board(
    board: BoardTrace,
    index: int,
    head: list[bytes],
    packets: list[tuple[int, int, int, bytes]],
) -> None:
    names = {_CORE: ("core", _ROOT), _INTERRUPTS: ("interrupts", _ROOT)}
    tracks = {name: _FIRST_TASK + i for i, name in enumerate([*board.tasks, "kernel"])}
    names |= {track: (name, _ROOT) for name, track in tracks.items()}
    slices, instants = _slices(board.events, tracks), _instants(board.events, tracks)
    base = index << 32  # of this board's tracks, flows and places in the order
    fresh = [_FIRST_LANE]
    lanes = {track: _Lanes(track, names, fresh) for track in names}
    order = sorted(slices, key=lambda s: (s.start, -s.end, s.track))
    for number, each in enumerate(order):
        track = base + lanes[each.track].place(each.start, each.end)
        # At one moment slices end before others begin: inner ones first, and outer ones first.
        packets.append((each.start, 1, base + number, _begin(each, track, base)))
        packets.append((each.end, 0, -base - number, _packet(each.end, _event(_END, track))))
    for number, (time_ns, track, text, category) in enumerate(instants):
        body = _event(_INSTANT, base + track) + _text(22, category) + _text(23, text)
        packets.append((time_ns, 2, base + number, _packet(time_ns, body)))
    head.append(_process(base + _ROOT, index + 1, board.title))
    head += [_track(base + u, name, base + up) for u, (name, up) in sorted(names.items())]


def _slices(events: Sequence[TaskEvent], tracks: dict[str, int]) -> list[_Slice]:
    found: list[_Slice] = []
    running: tuple[str, int] | None = None
    last = max((e.end_ns for e in events), default=0)
    for number, event in enumerate(events, 1):
        if event.kind is EventKind.SWITCH:
            if running is not None and event.time_ns > running[1]:
                found.append(_Slice(_CORE, running[0], running[1], event.time_ns, "core"))
            running = (event.task or "?", event.time_ns)
        elif event.kind is EventKind.INTERRUPT:
            end = max(event.end_ns, event.time_ns + 1)
            found.append(_Slice(_INTERRUPTS, event.name, event.time_ns, end, "interrupt"))
        elif event.call is not None:
            found += _call_slices(event, number, tracks)
    if running is not None and last > running[1]:
        found.append(_Slice(_CORE, running[0], running[1], last, "core"))
    return [s for s in found if s.track in (_CORE, _INTERRUPTS, *tracks.values())]


def _call_slices(event: TaskEvent, number: int, tracks: dict[str, int]) -> list[_Slice]:
    call = event.call
    assert call is not None  # the caller looked
    notes = (("call", describe(event)), ("outcome", call.result.outcome))
    name, end = call.message.full, max(event.end_ns, event.time_ns + 1)
    client = tracks.get(event.task or "", -1)
    taken = call.received_ns
    is_handled = taken is not None and call.server in tracks
    flow = number if is_handled else None
    found = [_Slice(client, name, event.time_ns, end, "ipc", flow, notes=notes)]
    if is_handled and taken is not None:
        until = event.end_ns if call.replied_ns is None else call.replied_ns
        until = max(until, taken + 1)
        track = tracks[call.server]
        found.append(_Slice(track, name, taken, until, "ipc", flow, is_flow_end=True, notes=notes))
    return found


def _instants(
    events: Sequence[TaskEvent], tracks: dict[str, int]
) -> list[tuple[int, int, str, str]]:
    shown = {
        *(EventKind.NOTIFICATION, EventKind.POST, EventKind.FAULT, EventKind.RESTART),
        *(EventKind.TIMER, EventKind.RESET, EventKind.RESTORED, EventKind.LOST),
    }
    return [
        (
            event.time_ns,
            tracks.get(event.task or "", _CORE),
            describe(event),
            event.kind.value,
        )
        for event in events
        if event.kind in shown
    ]


# ---- packets -------------------------------------------------------------------------------------


def _packet(time_ns: int, event: bytes) -> bytes:
    return (
        _int(8, time_ns)
        + _int(58, _BOOTTIME)
        + _int(10, _SEQUENCE)
        + _int(13, _NEEDS)
        + _bytes(11, event)
    )


def _event(kind: int, track: int) -> bytes:
    return _int(9, kind) + _int(11, track)


def _begin(each: _Slice, track: int, base: int) -> bytes:
    body = _event(_BEGIN, track) + _text(22, each.category) + _text(23, each.name)
    if each.flow is not None:
        body += _fixed64(48 if each.is_flow_end else 47, base + each.flow)
    for name, text in each.notes:
        body += _bytes(4, _text(10, name) + _text(6, text))
    return _packet(each.start, body)


def _process(uuid: int, number: int, title: str) -> bytes:
    process = _int(1, number) + _text(6, title)  # ProcessDescriptor: pid, process_name
    return _int(10, _SEQUENCE) + _bytes(60, _int(1, uuid) + _bytes(3, process))


def _track(uuid: int, name: str, parent: int) -> bytes:
    body = _int(1, uuid) + _text(2, name) + _int(5, parent)
    return _int(10, _SEQUENCE) + _bytes(60, body)
