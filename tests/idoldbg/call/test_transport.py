"""Calls through a small transport on a target without memory, and what hiffy's can carry."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence

import pytest

from idoldbg.build.program import Program
from idoldbg.call.caller import Caller
from idoldbg.call.calls import prepare_call
from idoldbg.call.hiffy.transport import HiffyLimits
from idoldbg.call.message import (
    ErrorReply,
    Lease,
    Message,
    Outcome,
    RawReply,
    ReadLease,
    ServerDeath,
    WriteLease,
)
from idoldbg.call.transport import Room, Transport
from idoldbg.device import Device
from idoldbg.errors import (
    CallTimeout,
    HiffyFailure,
    LimitExceeded,
    MismatchError,
    NotCallable,
    OperationError,
    ServerDied,
    Unsupported,
)
from idoldbg.model.values import to_python
from idoldbg.opening import TargetOptions, open_program
from idoldbg.session import Session
from idoldbg.target.link import BaseLink
from idoldbg.target.target import Target
from tests.idoldbg.call.hiffy.fake import FakeBoard

Server = Callable[[Message], Outcome]


class Loopback:
    """A transport that asks a function; messages travel one by one, 64 bytes at most."""

    client = "udprpc"

    def __init__(self, serve: Server) -> None:
        self.serve = serve
        self.sent: list[Message] = []
        self.runs_other_image = False
        self.forgotten = 0

    @property
    def limits(self) -> Loopback:
        return self

    def room(self, leases: Sequence[type[Lease]]) -> Room:
        return Room(payload=48, reply=64, lent=64)

    def split(self, messages: Sequence[Message]) -> list[list[Message]]:
        for message in messages:
            if len(message.payload) > 48 or message.reply_size > 64:
                raise LimitExceeded("too long", operation=message.name, limit=48, actual=49)
        return [[message] for message in messages]

    def check_image(self) -> None:
        if self.runs_other_image:
            raise MismatchError("another image", expected="aa", actual="bb")

    def wait_until_ready(self, *, timeout_s: float) -> None:
        pass

    def send(self, messages: Sequence[Message], *, timeout_s: float) -> Iterator[Outcome]:
        for message in messages:
            self.sent.append(message)
            yield self.serve(message)

    def forget(self) -> None:
        self.forgotten += 1


class Wire(BaseLink):
    """A target that carries messages and has no memory: all that an opener has to return."""

    kind = "a wire"
    source = "wire"

    def __init__(self, serve: Server) -> None:
        super().__init__("wire:here", "a wire")
        self.transport = Loopback(serve)

    def read(self, address: int, size: int) -> bytes:
        raise Unsupported(f"{self.spec} has no memory", capability="memory", link=self.spec)

    def open_transport(self, program: Program) -> Transport:
        return self.transport


@pytest.fixture(scope="module")
def program() -> Program:
    return open_program(TargetOptions())


def serve(message: Message) -> Outcome:
    """Answer as the demo's tasks do, as far as the tests ask."""
    match message.name:
        case "Sensor.temperature":
            return RawReply(struct.pack("<f", 21.5))
        case "UserLeds.led_on":
            return RawReply(b"") if message.payload[0] < 4 else ErrorReply(1)
        case "Spi.exchange":
            (lent, room) = message.leases
            assert isinstance(lent, ReadLease)
            assert isinstance(room, WriteLease)
            return RawReply(b"", lent.data[::-1][: room.size])
    return ServerDeath(3)


def test_replies_and_leases(program: Program) -> None:
    caller = Caller(program, Loopback(serve), None, timeout_s=1)
    temperature = prepare_call(program.operation("Sensor.temperature"), {})
    assert to_python(caller.call(temperature).value) == 21.5
    arguments = {"device_index": "0", "source": "hex:010203", "sink": "2"}
    exchange = prepare_call(program.operation("Spi.exchange"), arguments)
    assert caller.call(exchange).leases == {"sink": b"\3\2"}


def test_errors_and_deaths_are_those_of_the_server(program: Program) -> None:
    caller = Caller(program, Loopback(serve), None, timeout_s=1)
    with pytest.raises(OperationError) as caught:
        caller.call(prepare_call(program.operation("UserLeds.led_on"), {"index": "99"}))
    assert (caught.value.variant, caught.value.code) == ("NotPresent", 1)
    with pytest.raises(ServerDied, match=r"task `victim` died while it had the message$") as died:
        caller.call(prepare_call(program.operation("Victim.ping", "victim"), {}))
    assert (died.value.task, died.value.generation) == ("victim", 3)


def test_a_batch_keeps_its_order_and_goes_on_after_errors(program: Program) -> None:
    transport = Loopback(serve)
    names = ["Sensor.temperature", "Victim.ping", "Sensor.temperature"]
    tasks = ["sensor", "victim", "sensor"]
    found = map(program.operation, names, tasks)
    calls = [prepare_call(operation, {}) for operation in found]
    answers = list(Caller(program, transport, None, timeout_s=1).call_all(calls))
    assert [type(a).__name__ for a in answers] == ["Reply", "ServerDied", "Reply"]
    assert [message.name for message in transport.sent] == names


@pytest.mark.parametrize("may_have_run", [True, False])
def test_a_failure_reports_the_progress_of_the_batch(program: Program, may_have_run: bool) -> None:
    def fail(message: Message) -> Outcome:
        if len(transport.sent) < 3:
            return serve(message)
        raise CallTimeout("no answer", failure="timeout", timeout_s=1, may_have_run=may_have_run)

    transport = Loopback(fail)
    call = prepare_call(program.operation("Sensor.temperature"), {})
    answers = Caller(program, transport, None, timeout_s=1).call_all([call] * 5)
    with pytest.raises(HiffyFailure) as caught:
        list(answers)
    doubt = "1 may have been made or not, in the program that failed, 2" if may_have_run else "3"
    assert caught.value.__notes__ == [
        f"of the 5 calls of this batch, 2 were answered, {doubt} were not made"
    ]
    assert len(transport.sent) == 3


def test_nothing_is_sent_if_too_large_not_allowed_or_for_another_image(
    program: Program,
) -> None:
    transport = Loopback(serve)
    caller = Caller(program, transport, None, timeout_s=1)
    fits = prepare_call(program.operation("Sensor.temperature"), {})
    transport.split = refuse_long  # type: ignore[method-assign]
    with pytest.raises(LimitExceeded):
        list(caller.call_all([fits, prepare_call(program.operation("UserLeds.led_on"), INDEX)]))
    refused = prepare_call(program.operation("Jefe.get_reset_reason"), {})
    with pytest.raises(NotCallable, match=r"by sensor only.*; udprpc would be killed for it"):
        caller.call(refused)
    with pytest.raises(NotCallable):
        caller.room(program.operation("Jefe.get_reset_reason"))
    transport.runs_other_image = True
    with pytest.raises(MismatchError):
        caller.call(fits)
    assert transport.sent == []


INDEX = {"index": "1"}


def refuse_long(messages: Sequence[Message]) -> list[list[Message]]:
    for message in messages:
        if message.payload:
            raise LimitExceeded("too long", operation=message.name, limit=0, actual=1)
    return [[message] for message in messages]


@pytest.mark.parametrize(
    "error",
    [
        MismatchError("another image", expected="aa", actual="bb"),
        HiffyFailure("the board was reset", failure="reset"),
    ],
)
def test_doubtful_state_of_the_target_is_forgotten(program: Program, error: Exception) -> None:
    def fail(_: Message) -> Outcome:
        raise error

    transport = Loopback(fail)
    call = prepare_call(program.operation("Sensor.temperature"), {})
    with pytest.raises(type(error)):
        Caller(program, transport, None, timeout_s=1).call(call)
    assert transport.forgotten == 1


def test_a_target_without_memory_is_called_as_any_other(program: Program) -> None:
    wire = Wire(serve)
    with Device(Session(program, Target(wire), timeout_s=1)) as dev:
        assert dev.Sensor.temperature().value == 21.5
        with pytest.raises(OperationError, match="NotPresent"):
            dev.UserLeds.led_on(index=9)
        with dev.batch() as batch:
            pending = [batch.Sensor.temperature(), batch["victim"].Victim.ping()]
        assert pending[0].value == 21.5
        assert isinstance(pending[1].exception, ServerDied)
        doc = str(dev.Sensor.temperature.__doc__)
    assert "This image's udprpc can carry 48 bytes of arguments, 64 bytes of reply." in doc
    assert [m.name for m in wire.transport.sent][-2:] == ["Sensor.temperature", "Victim.ping"]


@pytest.mark.parametrize("leases", [(), (ReadLease,), (WriteLease,), (ReadLease, WriteLease)])
@pytest.mark.parametrize("stack", [16, 64, 140, 400])
def test_the_limits_of_hiffy_fit_its_programs(leases: tuple[type[Lease], ...], stack: int) -> None:
    """One byte more of anything is refused, whichever area is the smallest."""
    limits = HiffyLimits(FakeBoard(servers={}, return_stack_size=stack).layout())
    room = limits.room(leases)

    def message(payload: int, reply: int, lent: int) -> Message:
        made = [ReadLease(bytes(lent)) if kind is ReadLease else WriteLease(0) for kind in leases]
        return Message(1, 1, bytes(payload), reply, tuple(made), name="I.op")

    lent = room.lent if ReadLease in leases else 0
    limits.split([message(room.payload, room.reply, lent)])
    more = [(room.payload + 1, 0, 0), (0, room.reply + 1, 0)]
    more += [(0, 0, room.lent + 1)] if lent else []
    for sizes in more:
        with pytest.raises(LimitExceeded):
            limits.split([message(*sizes)])


def test_leases_that_hiffy_cannot_lend_have_no_room() -> None:
    limits = HiffyLimits(FakeBoard(servers={}).layout())
    with pytest.raises(NotCallable, match="write and read"):
        limits.room([WriteLease, ReadLease])
