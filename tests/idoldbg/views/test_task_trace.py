"""Events from raw records that were made up: what no demo image does, and what makes no sense."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from idoldbg.build.program import Program
from idoldbg.errors import DecodeError
from idoldbg.model.trace_records import (
    ENTER,
    HEADER,
    INDEX,
    LOST,
    SYSTEM_CALL,
    RecordKind,
    SysCall,
)
from idoldbg.opening import TargetOptions, open_program
from idoldbg.render.task_trace import describe, duration, event_json
from idoldbg.views.idol_messages import Outcome
from idoldbg.views.kernel_layout import find_kernel_layout
from idoldbg.views.task_trace import EventKind, TaskEvent, TaskTracer, trace_events
from tests.conftest import ARCHIVES

KERNEL = 0xFFFF


@pytest.fixture(scope="module")
def program() -> Program:
    return open_program(TargetOptions(archive=str(ARCHIVES / "stm32f4-discovery.zip")))


class Made:
    """Records of a run that nobody had."""

    def __init__(self, program: Program) -> None:
        self.tasks = {task.name: task.index for task in program.archive.tasks}
        self.layout = find_kernel_layout(program)
        self.data = b""
        self.time_ns = 0

    def put(self, kind: RecordKind, body: bytes = b"") -> None:
        self.time_ns += 1000
        self.data += HEADER.pack(kind, 0, len(body), self.time_ns) + body

    def call(
        self, task: str, number: int, *words: int, data: bytes = b"", leases: bytes = b""
    ) -> None:
        padded = [*words, *[0] * (7 - len(words)), number]
        sizes = (len(data), len(leases))
        self.put(
            RecordKind.CALL,
            SYSTEM_CALL.pack(self.tasks[task], *padded, *sizes) + data + leases,
        )

    def result(self, task: str, *words: int, data: bytes = b"") -> None:
        padded = [*words, *[0] * (8 - len(words))]
        self.put(
            RecordKind.RESULT, SYSTEM_CALL.pack(self.tasks[task], *padded, len(data), 0) + data
        )

    def send(
        self, task: str, server: int, code: int, data: bytes = b"", leases: bytes = b""
    ) -> None:
        words = (server << 16 | code, 0, len(data), 0, 64, 0, len(leases) // 12)
        self.call(task, SysCall.SEND, *words, data=data, leases=leases)

    def entry(self, task: str, generation: int) -> None:
        data = bytearray(self.layout.watched_size)
        ((offset, _),) = self.layout.watched
        at = 152 - offset  # of the generation, in this image
        data[at : at + 4] = generation.to_bytes(4, "little")
        self.put(RecordKind.TASK, INDEX.pack(self.tasks[task]) + data)


@pytest.fixture
def made(program: Program) -> Made:
    return Made(program)


def shown(program: Program, made: Made) -> list[str]:
    return [describe(event) for event in trace_events(program, made.data)]


def test_two_clients_wait_for_one_server(program: Program, made: Made) -> None:
    sensor = made.tasks["sensor"]
    made.send("hiffy", sensor, 1, bytes(4))
    made.send("user_leds", sensor, 99, b"\1\2")
    made.call("sensor", SysCall.RECV)
    made.result("sensor", 0, made.tasks["hiffy"], 1)
    made.call("sensor", SysCall.REPLY, made.tasks["hiffy"], 3)
    made.result("sensor")
    made.result("hiffy", 3)
    (done, still) = trace_events(program, made.data)
    assert describe(done) == "hiffy → sensor  Sensor.get(id: 0) = Err(NotPresent)  in 6.00 µs"
    assert done.call is not None and still.call is not None
    assert (done.call.received_ns, done.call.replied_ns) == (4000, 5000)
    assert still.call.result.outcome is Outcome.OPEN
    assert still.call.received_ns is None
    assert describe(still).startswith("user_leds → sensor  Sensor.#99(01 02) = (no answer yet)")
    assert still.call.problem == "Sensor has no operation 99"


def test_a_restarted_client_gets_no_answer(program: Program, made: Made) -> None:
    made.entry("hiffy", 0)
    made.send("hiffy", made.tasks["sensor"], 1, bytes(4))
    made.entry("hiffy", 1)
    made.result("hiffy", 0)  # of nothing that was asked
    assert shown(program, made) == [
        "hiffy → sensor  Sensor.get(id: 0) = (the caller was restarted)  in 1.00 µs",
        "hiffy  restarted: generation 1",
    ]


def test_leases_have_names_sizes_and_directions(program: Program, made: Made) -> None:
    def lease(attributes: int, size: int) -> bytes:
        return b"".join(word.to_bytes(4, "little") for word in (attributes, 0x20000000, size))

    made.send("hiffy", made.tasks["spi"], 3, b"\0", lease(1, 5) + lease(2, 6) + lease(3, 7))
    (event,) = trace_events(program, made.data)
    assert "Spi.exchange(device_index: 0, source: 5 B, sink: 6 B, lease: 7 B)" in describe(event)
    found = event_json(event)["leases"]
    assert [(each["read"], each["write"]) for each in found] == [
        (True, False),
        (False, True),
        (True, True),
    ]


def test_a_message_that_was_not_kept_whole_is_not_decoded(program: Program, made: Made) -> None:
    made.call("hiffy", SysCall.SEND, made.tasks["sensor"] << 16 | 1, 0, 5000, data=bytes(4))
    (event,) = trace_events(program, made.data)
    assert event.call is not None
    assert event.call.arguments is None
    assert event.call.problem == "only 4 of its 5000 bytes were kept"


@pytest.mark.parametrize("data", [b"", b"\1", bytes(3)])
def test_a_message_that_is_too_short_stays_bytes(program: Program, made: Made, data: bytes) -> None:
    made.send("hiffy", made.tasks["sensor"], 1, data)
    (event,) = trace_events(program, made.data)
    assert event.call is not None
    assert event.call.arguments is None and event.call.problem
    assert f"Sensor.get({data.hex(' ')})" in describe(event)


def test_messages_to_nobody(program: Program, made: Made) -> None:
    made.send("hiffy", 900, 1)
    made.result("hiffy", 0xFFFFFF05)
    made.send("hiffy", KERNEL, 77)
    assert shown(program, made) == [
        "hiffy → unknown#900  #1() = (its server died: generation 5 now)  in 1.00 µs",
        "hiffy → kernel  kernel.#77() = (no answer yet)  in 0 ns",
    ]


def test_the_other_system_calls(program: Program, made: Made) -> None:
    made.call("jefe", SysCall.SET_TIMER, 1, 500, 0, 2)
    made.call("jefe", SysCall.SET_TIMER, 0, 0, 0, 0)
    made.call("jefe", SysCall.POST, made.tasks["spi"], 1)
    made.result("jefe", 0)
    made.call("spi", SysCall.BORROW_READ, made.tasks["hiffy"], 0, 0, 0, 8)
    made.result("spi", 0, 8)
    made.call("spi", SysCall.RECV)
    made.result("spi", 0, KERNEL, 1 << 9)
    made.call("spi", SysCall.IRQ_CONTROL)
    made.result("spi")
    made.call("spi", 55)
    made.result("spi")
    made.put(RecordKind.LOST, LOST.pack(3))
    notification = program.archive.tasks[made.tasks["spi"]].notifications
    posted = notification[0] if notification else "bit0"
    assert shown(program, made) == [
        "jefe  timer set to tick 500: timer",
        "jefe  timer off",
        f"jefe → spi  post {posted}",
        "spi ← hiffy  read 8 B of a lease  in 1.00 µs",
        "spi  notified: bit9",
        "spi  irq_control  in 1.00 µs",
        "spi  #55  in 1.00 µs",
        "3 records were lost: too much happened between two looks",
    ]


def test_a_reset_ends_what_was_open(program: Program, made: Made) -> None:
    made.entry("hiffy", 3)
    made.send("hiffy", made.tasks["sensor"], 1, bytes(4))
    made.put(RecordKind.RESET)
    made.entry("hiffy", 0)  # no restart: all is new
    made.put(RecordKind.SWITCH, INDEX.pack(made.tasks["idle"]))
    kinds = [event.kind for event in trace_events(program, made.data)]
    assert kinds == [EventKind.CALL, EventKind.RESET, EventKind.SWITCH]


def test_interrupts_in_a_row_follow_each_other(program: Program, made: Made) -> None:
    made.put(RecordKind.ENTER, ENTER.pack(15, made.tasks["idle"]))
    made.put(RecordKind.ENTER, ENTER.pack(14, made.tasks["idle"]))
    made.put(RecordKind.LEAVE, INDEX.pack(made.tasks["jefe"]))
    first, second = trace_events(program, made.data)
    assert (first.name, first.time_ns, first.end_ns) == ("SysTick", 1000, 2000)
    assert (second.name, second.time_ns, second.end_ns) == ("PendSV", 2000, 3000)


def test_events_come_as_they_are_over(program: Program, made: Made) -> None:
    """A trace that is followed says the same as one that is read at once."""
    made.send("hiffy", made.tasks["sensor"], 1, bytes(4))
    made.result("hiffy", 3)
    made.send("hiffy", made.tasks["sensor"], 1, bytes(4))
    tracer = TaskTracer(program)
    pieces: list[TaskEvent] = []
    at = 0
    while at < len(made.data):
        size = HEADER.size + int.from_bytes(made.data[at + 2 : at + 4], "little")
        pieces += tracer.feed(made.data[at : at + size])
        at += size
    assert [*pieces, *tracer.finish()] == list(trace_events(program, made.data))


def mutations(data: bytes, count: int) -> Iterator[bytes]:
    generator = random.Random(7)
    for _ in range(count):
        changed = bytearray(data)
        for _ in range(generator.randrange(1, 6)):
            changed[generator.randrange(len(changed))] = generator.randrange(256)
        yield bytes(changed)


def test_records_that_make_no_sense_raise_no_other_error(program: Program, made: Made) -> None:
    made.entry("hiffy", 0)
    made.send("hiffy", made.tasks["spi"], 3, b"\0", bytes(24))
    made.result("hiffy", 1, data=b"\1\2\3")
    made.call("jefe", SysCall.PANIC, 0, 3, data=b"\xff\n\x1b")
    made.entry("jefe", 1)
    made.call("spi", SysCall.RECV)
    made.result("spi", 0, KERNEL, 3)
    refused = 0
    for data in mutations(made.data, 400):
        try:
            for event in trace_events(program, data):
                assert describe(event)
                event_json(event)
        except DecodeError:
            refused += 1
    assert 0 < refused < 400


@pytest.mark.parametrize(
    ("nanoseconds", "expected"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1000, "1.00 µs"),
        (212_400, "212 µs"),
        (9_996, "10.0 µs"),
        (999_400, "999 µs"),
        (999_600, "1.00 ms"),
        (15_250_000, "15.2 ms"),
        (2_500_000_000, "2.50 s"),
        (7_200_000_000_000, "7200 s"),
    ],
)
def test_durations_have_three_digits(nanoseconds: int, expected: str) -> None:
    assert duration(nanoseconds) == expected
