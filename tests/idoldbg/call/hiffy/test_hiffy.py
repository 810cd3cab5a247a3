"""The mailbox against a board in Python: what is exchanged, what is refused, what goes wrong."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idoldbg.call.hif.encode import encode_program
from idoldbg.call.hif.ops import Op, Opcode
from idoldbg.call.hif.results import Success
from idoldbg.call.hiffy import (
    Action,
    HifProgram,
    Machine,
    Mailbox,
    Read,
    ReadMany,
    Wait,
    Write,
    build_layout,
    build_program,
    drive,
    plan_reads,
    split_batches,
)
from idoldbg.call.hiffy.transport import HiffyTransport
from idoldbg.call.message import (
    ErrorReply,
    Message,
    Outcome,
    RawReply,
    ReadLease,
    ServerDeath,
    WriteLease,
)
from idoldbg.errors import DebugInfoError, FaultError, HiffyFailure, LimitExceeded, NotCallable
from tests.idoldbg.call.hiffy.fake import (
    RAM,
    FakeBoard,
    FakeTask,
    FakeVariable,
    functions_type,
    send_one,
)
from tests.idoldbg.typegen import U16, U32

SPI = 1


def answer(code: int, payload: bytes, read: bytes, write: int) -> tuple[int, bytes, bytes]:
    """Serve: 1 echoes, 2 fails with code 7, 3 with a Complex error, 4 dies, 5 fills its lease."""
    match code:
        case 1:
            return 0, payload[::-1], b""
        case 2:
            return 7, b"", b""
        case 3:
            return 1, b"\x02\x2a\x00", b""
        case 4:
            return 0xFFFFFF05, b"", b""
        case _:
            return 0, b"\x00", (read or b"\xee" * write)[:write][::-1]


def board(**settings: object) -> FakeBoard:
    return FakeBoard(servers={SPI: FakeTask(answer)}, **settings)  # type: ignore[arg-type]


def call(fake: FakeBoard, message: Message, mailbox: Mailbox | None = None) -> Outcome:
    mailbox = mailbox or Mailbox(fake.layout())
    return drive(send_one(mailbox, message, timeout_s=2), fake, fake, fake)


def send_all(fake: FakeBoard, messages: Sequence[Message]) -> list[Outcome]:
    transport = HiffyTransport(fake, list, lambda mark: Mailbox(fake.layout(), mark=mark))
    groups = transport.limits.split(messages)
    return [outcome for group in groups for outcome in transport.send(group, timeout_s=5)]


def echo(payload: bytes, **more: object) -> Message:
    return Message(SPI, 1, payload, len(payload), name="Spi.echo", **more)  # type: ignore[arg-type]


OUTCOMES: list[tuple[Message, Outcome]] = [
    (echo(b""), RawReply(b"")),
    (echo(b"abc"), RawReply(b"cba")),
    (echo(bytes(range(28))), RawReply(bytes(range(28))[::-1])),
    (Message(SPI, 1, b"abc", 8), RawReply(b"cba" + bytes(5))),
    (Message(SPI, 2, b"", 4), ErrorReply(7)),
    (Message(SPI, 3, b"", 8, error_size=3), ErrorReply(1, b"\x02\x2a\x00")),
    (Message(SPI, 3, b"", 8), ErrorReply(1)),
    (Message(SPI, 4, b"", 4), ServerDeath(5)),
    (Message(SPI, 9, b"", 1, (ReadLease(b"xyz"),)), RawReply(b"\0")),
    (Message(SPI, 9, b"", 1, (WriteLease(4),)), RawReply(b"\0", b"\xee" * 4)),
    (Message(SPI, 9, b"a" * 26, 1, (ReadLease(b"xyz"), WriteLease(2))), RawReply(b"\0", b"yx")),
    (Message(SPI, 9, b"", 1, (ReadLease(b""), WriteLease(0))), RawReply(b"\0", b"")),
    (Message(SPI, 9, b"", 0, (WriteLease(0),)), RawReply(b"", b"")),
]  # fmt: skip


@pytest.mark.parametrize(("message_", "outcome"), OUTCOMES, ids=range(len(OUTCOMES)))
def test_calls(message_: Message, outcome: Outcome) -> None:
    if message_.code == 9 and message_.reply_size == 0:
        fake = FakeBoard(servers={SPI: FakeTask(lambda *_: (0, b"", b""))})
    else:
        fake = board()
    assert call(fake, message_) == outcome


def test_a_whole_session_at_one_board() -> None:
    fake = board()
    mailbox = Mailbox(fake.layout())
    for _ in range(3):
        for message, outcome in OUTCOMES:
            if message.reply_size:
                assert call(fake, message, mailbox) == outcome


@given(payload=st.binary(max_size=28), reply=st.integers(28, 100))
def test_any_payload_arrives(payload: bytes, reply: int) -> None:
    outcome = call(board(), Message(SPI, 1, payload, reply))
    assert outcome == RawReply(payload[::-1].ljust(reply, b"\0"))


def test_few_transactions() -> None:
    """Status, text, kick, one poll, our end, results with all that proves them."""
    fake = board()
    mailbox = Mailbox(fake.layout(version=(0, 3, 1)))
    for payload in (b"warm", b"up"):
        call(fake, echo(payload), mailbox)
    fake.transactions.clear()
    call(fake, echo(b"abc"), mailbox)
    assert [t.split()[0] for t in fake.transactions] == [
        "read", "write", "write", "read", "write", "read",
    ]  # fmt: skip


def test_data_is_written_once_and_read_each_time() -> None:
    fake = board()
    mailbox = Mailbox(fake.layout())
    message = Message(SPI, 9, b"", 1, (ReadLease(b"xyz"), WriteLease(3)))
    at = f"read {RAM + fake.slice('HIFFY_DATA')[0]:#x} 3"
    writes = []
    for _ in range(3):
        fake.transactions.clear()
        assert call(fake, message, mailbox) == RawReply(b"\0", b"zyx")
        writes.append([t for t in fake.transactions if t.startswith("write")])
        assert at in fake.transactions[-1]
    text, kick, end = "write HIFFY_TEXT 24", "write HIFFY_KICK 4", "write HIFFY_TEXT 4"
    assert writes[0] == ["write HIFFY_DATA 3", text, kick, end]
    assert writes[1] == writes[2] == [text, kick, end]


def test_data_that_others_have_changed_is_written_again() -> None:
    fake = board()
    mailbox = Mailbox(fake.layout())
    message = Message(SPI, 9, b"", 1, (ReadLease(b"xyz"), WriteLease(3)))
    call(fake, message, mailbox)
    fake.put("HIFFY_DATA", b"ab")
    assert call(fake, message, mailbox) == RawReply(b"\0", b"zyx")


@pytest.mark.parametrize("what", ["restart", "another debugger", "reset"])
def test_written_text_is_not_trusted_after(what: str) -> None:
    fake = board()
    mailbox = Mailbox(fake.layout())
    call(fake, echo(b"abc"), mailbox)
    if what == "restart":
        fake.restart()
    elif what == "reset":
        fake.restart()
        fake.kernel[-4] = 0  # the generations begin anew as well
    else:
        call(fake, echo(b"other"))
    assert call(fake, echo(b"abc"), mailbox) == RawReply(b"cba")


def test_only_the_reply_s_part_of_the_return_stack_is_read() -> None:
    fake = board()
    call(fake, echo(b"abc"))
    assert f"read {RAM + fake.slice('HIFFY_RSTACK')[0]:#x} 6" in fake.transactions[-1]


# Refused before anything is written.

REFUSED: list[tuple[dict[str, object], Message, str, int | None]] = [
    ({}, echo(bytes(29)), "the arguments of Spi.echo take 29 bytes, .* room for 28", 28),
    ({}, Message(SPI, 9, bytes(28), 1, (ReadLease(b""),)), "take 28 bytes.* 27", 27),
    ({}, Message(SPI, 9, bytes(28), 1, (WriteLease(1),)), "take 28 bytes.* 27", 27),
    ({}, Message(SPI, 9, bytes(27), 1, (ReadLease(b""), WriteLease(1))), "27 bytes.* 26", 26),
    ({}, Message(SPI, 1, b"", 129), "the reply takes 129 bytes, HIFFY_SCRATCH .* 128", 128),
    ({}, Message(SPI, 1, b"", 100, (WriteLease(29),)), "write lease take 129.* 128", 128),
    ({}, Message(SPI, 1, b"", 1, (ReadLease(bytes(65)),)), "takes 65 .*HIFFY_DATA.* 64", 64),
    ({"return_stack_size": 64}, Message(SPI, 1, b"", 62), "65 bytes, HIFFY_RSTACK.* 64", 64),
    ({"text_size": 16}, echo(b"abcdefg"), "the program of Spi.echo takes 25 .*HIFFY_TEXT", 16),
    ({"names": ("Sleep",)}, echo(b""), r"no Send \(it has Sleep\): .*feature `send`", None),
    (
        {"names": ("Sleep", "Send")},
        Message(SPI, 1, b"", 1, (ReadLease(b""), WriteLease(1))),
        "no SendLeaseReadWrite",
        None,
    ),
    ({}, Message(SPI, 1, b"", 1, (WriteLease(1), ReadLease(b""))), "write and read", None),
    ({}, Message(SPI, 1, b"", 1, (ReadLease(b""),) * 2), "read and read", None),
    ({}, Message(9, 1, b"", 1), "no such task: 9", None),
    ({}, Message(SPI, 70000, b"", 1), "16 bits", None),
    ({"version": (0, 2, 0)}, echo(b""), r"speaks HIF 0.2.0, and only 0.3", None),
    ({"version": (0xDEADBEEF, 1, 0)}, echo(b""), "makes no sense", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "message_", "message", "limit"), REFUSED, ids=range(len(REFUSED))
)
def test_refused_before_anything_is_written(
    settings: dict[str, object], message_: Message, message: str, limit: int | None
) -> None:
    fake = board(**settings)
    with pytest.raises(NotCallable, match=message) as error:
        call(fake, message_)
    assert not [t for t in fake.transactions if t.startswith("write")]
    assert error.value.operation == message_.name
    if limit is not None:
        assert isinstance(error.value, LimitExceeded)
        assert error.value.limit == limit


def test_without_an_area_for_data_only_calls_with_data_are_refused() -> None:
    """The linker drops HIFFY_DATA where nothing uses it; its debug information stays."""
    fake = board()
    fake.variables["HIFFY_DATA"] = FakeVariable(None, fake.variables["HIFFY_DATA"].type)
    layout = fake.layout()
    assert (layout.data, layout.data_size) == (None, 0)
    assert build_program(layout, [echo(b"x")]).data == b""
    assert build_program(layout, [Message(SPI, 1, b"", 1, (ReadLease(b""),))]).data == b""
    with pytest.raises(NotCallable, match="no HIFFY_DATA, where the data of a read lease goes"):
        build_program(layout, [Message(SPI, 1, b"", 1, (ReadLease(b"x"),))])


def test_the_largest_that_fits() -> None:
    fake = board(return_stack_size=64)
    assert call(fake, Message(SPI, 1, b"x", 61)) == RawReply(b"x".ljust(61, b"\0"))


def test_functions_of_other_hiffy_versions_are_refused() -> None:
    fake = board()
    odd = functions_type(("Sleep", "Send"))
    send = odd.variants[1].type.members[0].type.resolve_target().variants[1]  # type: ignore[union-attr, misc]
    assert send.name == "Send"
    wrong = {**fake.variables, "HIFFY_FUNCTIONS": FakeVariable(None, functions_type(("Send",)))}
    layout = build_layout(wrong)
    assert layout.functions["Send"].id == 0
    assert layout.functions["Send"].argument_count == 4


# Readiness.


def test_waits_until_hiffy_has_started() -> None:
    fake = board(start_s=0.4)
    assert call(fake, echo(b"abc")) == RawReply(b"cba")
    assert fake.now > 0.4


def test_a_stale_ready_flag_is_not_believed() -> None:
    """After a restart HIFFY_READY keeps its 1 until hiffy runs again (humility #598)."""
    fake = board()
    fake.put_state("Runnable")
    fake.put_word("HIFFY_READY", 1)
    mailbox = Mailbox(fake.layout())
    machine = send_one(mailbox, echo(b"abc"), timeout_s=0.2)
    with pytest.raises(HiffyFailure, match=r"not ready within 0.2 s: it is runnable"):
        drive(machine, fake, fake, fake)
    assert not [t for t in fake.transactions if t.startswith("write")]


NOT_READY = [
    ("Stopped", "it is stopped"),
    ("InReply", "waiting for `spi` to reply"),
    ("InSend", "waiting for `spi` to take its message"),
    ("fault", r"it has faulted: Faulted \{ code: 9 \}"),
    ("kicked", "has not woken up"),
    ("busy", "busy with another program"),
]


@pytest.mark.parametrize(("state", "message"), NOT_READY)
def test_the_reason_why_hiffy_is_not_ready_is_reported(state: str, message: str) -> None:
    fake = board()
    fake.is_dead = True
    if state == "fault":
        fake.put_fault()
    elif state == "kicked":
        fake.put_word("HIFFY_KICK", 1)
    elif state == "busy":
        fake.put_word("HIFFY_READY", 0)
    else:
        fake.put_word("HIFFY_READY", 0)
        fake.put_state(state, 1)
    with pytest.raises(HiffyFailure, match=message) as error:
        call(fake, echo(b""))
    assert error.value.failure == "not ready"
    assert 2 <= fake.now < 2.2


def test_without_the_task_table_the_flag_must_do() -> None:
    fake = board()
    layout = build_layout(fake.variables)
    assert drive(send_one(Mailbox(layout), echo(b"ab")), fake, fake, fake) == RawReply(b"ba")
    fake.put_word("HIFFY_READY", 0)
    fake.is_dead = True
    with pytest.raises(HiffyFailure, match="HIFFY_READY is 0"):
        drive(send_one(Mailbox(layout), echo(b"ab"), timeout_s=0.1), fake, fake, fake)


@pytest.mark.parametrize("number", range(150))
def test_memory_that_makes_no_sense_ends_with_an_error(number: int) -> None:
    """Another image, a chip that is off: whatever is read, no hang and no traceback."""
    fake = board()
    seed = Random(number)
    layout = fake.layout()

    def read(address: int, size: int) -> bytes:
        if seed.random() < number / 150:
            return FakeBoard.read(fake, address, size)
        return bytes(seed.choice((0, 0, 0, 1, 4, 255, seed.randrange(256))) for _ in range(size))

    fake.read = read  # type: ignore[method-assign]
    try:
        outcome = call(fake, echo(b"abc"), Mailbox(layout))
    except (HiffyFailure, NotCallable) as error:
        assert str(error).startswith("Spi.echo") or isinstance(error, NotCallable)
    else:
        assert isinstance(outcome, RawReply | ErrorReply | ServerDeath)
    assert fake.now < 5


# In the middle.


def test_a_hiffy_that_is_killed_is_noticed_at_once() -> None:
    """A reply fault: the counters are zero again, which must not pass for an answer."""
    for calls_before in (0, 1, 2):
        fake = board()
        mailbox = Mailbox(fake.layout())
        for _ in range(calls_before):
            call(fake, echo(b"abc"), mailbox)
        fake.death_at_call = "restart"
        begin = fake.now
        with pytest.raises(HiffyFailure, match=r"restarted during the call.*allowed callers"):
            call(fake, echo(b"abc"), mailbox)
        assert fake.now - begin < 0.7
        fake.death_at_call = ""
        assert call(fake, echo(b"abc"), mailbox) == RawReply(b"cba")


def test_a_hiffy_that_faults_is_reported() -> None:
    fake = board(death_at_call="fault")
    with pytest.raises(HiffyFailure, match=r"itself faulted.*code: 9"):
        call(fake, echo(b"abc"))


def test_a_server_that_never_answers() -> None:
    fake = board(death_at_call="hang")
    with pytest.raises(
        HiffyFailure, match=r"no answer within 2 s: it is waiting for `spi` to reply"
    ) as error:
        call(fake, echo(b"abc"))
    assert error.value.failure == "timeout"
    assert fake.now < 2.5


def test_a_clock_that_stands_still_ends_too() -> None:
    class Stopped(FakeBoard):
        def monotonic(self) -> float:
            return 0.0

    fake = Stopped(servers={SPI: FakeTask(answer)}, death_at_call="hang")
    with pytest.raises(HiffyFailure, match="no answer"):
        call(fake, echo(b"abc"))


FAILURES = [
    ([Op(Opcode.PUSH, 1)] * 33, r"Fault\(StackOverflow\): the program pushed more"),
    ([Op(Opcode.PUSH_NONE)] * 33, "StackOverflow"),
]


@pytest.mark.parametrize(("ops", "message"), FAILURES)
def test_failures_name_hiffys_error(ops: list[Op], message: str) -> None:
    fake = board()
    mailbox = Mailbox(fake.layout())
    program = HifProgram(encode_program(ops), b"", 1)
    with pytest.raises(HiffyFailure, match=message):
        drive(mailbox.run(program), fake, fake, fake)


def test_a_task_that_is_not_in_the_running_image() -> None:
    fake = board()
    mailbox = Mailbox(build_layout(fake.variables))
    with pytest.raises(HiffyFailure, match=r"BadParameter\(0\)\): the task does not exist"):
        drive(send_one(mailbox, Message(7, 1, b"", 1)), fake, fake, fake)
    fake.put("HIFFY_TEXT", b"")


def test_operations_that_hiffy_does_not_know() -> None:
    fake = board()
    with pytest.raises(HiffyFailure, match="Invalid: hiffy met an operation") as error:
        drive(Mailbox(fake.layout()).run(HifProgram(b"\x7f", b"", 1)), fake, fake, fake)
    assert error.value.failure == "Invalid"


def test_an_answer_that_makes_no_sense() -> None:
    fake = board()
    layout = fake.layout()
    mailbox = Mailbox(layout)
    machine = send_one(mailbox, echo(b"abc"))
    result: object = None
    with pytest.raises(HiffyFailure, match="makes no sense"):
        while True:
            action = machine.send(result)
            result = _perform(fake, action)
            if isinstance(action, ReadMany) and layout.return_stack.address in dict(action.ranges):
                assert isinstance(result, tuple)
                result = (b"\x09", *result[1:])


def _perform(fake: FakeBoard, action: object) -> object:
    def once() -> object:
        result = yield action
        return result

    return drive(once(), fake, fake, fake)  # type: ignore[arg-type]


def test_a_link_that_fails_in_the_middle_leaves_the_session_usable() -> None:
    fake = board()
    mailbox = Mailbox(fake.layout())
    whole = len(_count(fake, mailbox))
    for failing in range(whole):
        broken = board()
        mailbox = Mailbox(broken.layout())
        left = failing

        def read(address: int, size: int, broken: FakeBoard = broken) -> bytes:
            nonlocal left
            left -= 1
            if left < 0:
                raise FaultError("probe unplugged", address=address, size=size)
            return FakeBoard.read(broken, address, size)

        broken.read = read  # type: ignore[method-assign]
        try:
            call(broken, echo(b"abc"), mailbox)
        except FaultError:
            pass
        del broken.read
        assert call(broken, echo(b"abc"), mailbox) == RawReply(b"cba")


def _count(fake: FakeBoard, mailbox: Mailbox) -> list[str]:
    call(fake, echo(b"abc"), mailbox)
    return [t for t in fake.transactions if t.startswith("read")]


# Several calls.


def test_batches_take_few_kicks() -> None:
    fake = board()
    messages = [echo(bytes([n]) * (n % 20 + 1)) for n in range(20)]
    outcomes = send_all(fake, messages)
    assert outcomes == [RawReply(r.payload) for r in messages]
    kicks = [t for t in fake.transactions if t.startswith("write HIFFY_KICK")]
    assert len(kicks) == len(split_batches(fake.layout(), messages)) < 8


def test_a_failed_call_stops_no_other() -> None:
    fake = board()
    messages = [echo(b"ab"), Message(SPI, 2, b"", 1), Message(SPI, 4, b"", 1), echo(b"cd")]
    outcomes = send_all(fake, messages)
    assert outcomes == [RawReply(b"ba"), ErrorReply(7), ServerDeath(5), RawReply(b"dc")]


def test_batches_keep_error_data_and_leases_apart() -> None:
    fake = board()
    complex_ = Message(SPI, 3, b"", 8, error_size=3)
    one = Message(SPI, 9, b"", 1, (ReadLease(b"one"), WriteLease(3)))
    two = Message(SPI, 9, b"", 1, (ReadLease(b"two"), WriteLease(3)))
    messages = [echo(b"ab"), complex_, echo(b"cd"), one, one, two]
    batches = split_batches(fake.layout(), messages)
    assert [len(b) for b in batches] == [2, 3, 1]
    outcomes = send_all(fake, messages)
    assert outcomes == [
        RawReply(b"ba"),
        ErrorReply(1, b"\x02\x2a\x00"),
        RawReply(b"dc"),
        RawReply(b"\0", b"eno"),
        RawReply(b"\0", b"eno"),
        RawReply(b"\0", b"owt"),
    ]


def test_a_call_that_cannot_be_made_stops_the_batch_before_it_begins() -> None:
    fake = board()
    with pytest.raises(LimitExceeded):
        send_all(fake, [echo(b"ab"), echo(bytes(29))])
    assert not fake.transactions


def test_other_functions_can_be_called_too() -> None:
    fake = board()
    layout = fake.layout()
    ops = [Op(Opcode.PUSH, 5), Op(Opcode.CALL, layout.functions["Sleep"].id), Op(Opcode.DONE)]
    results = drive(Mailbox(layout).run(HifProgram(encode_program(ops), b"", 16)), fake, fake, fake)
    assert results == (Success(b""),)


# Layout.


def test_the_scratch_area_is_found_inside_its_cell() -> None:
    fake = board()
    layout = fake.layout()
    assert layout.scratch is not None
    assert (layout.scratch.address, layout.scratch.size) == (
        fake.variables["HIFFY_SCRATCH"].address,
        128,
    )
    old = build_layout({n: v for n, v in fake.variables.items() if n != "HIFFY_SCRATCH"})
    assert (old.scratch, old.scratch_size) == (None, 256)
    message = Message(SPI, 3, b"", 8, error_size=3)
    assert drive(send_one(Mailbox(old), message), fake, fake, fake) == ErrorReply(1, None)


@pytest.mark.parametrize("name", ["HIFFY_TEXT", "HIFFY_KICK", "HIFFY_FUNCTIONS"])
def test_missing_variables_are_named(name: str) -> None:
    variables = {n: v for n, v in board().variables.items() if n != name}
    with pytest.raises(DebugInfoError, match=name):
        build_layout(variables)


def test_variables_of_unexpected_types() -> None:
    variables = board().variables
    for name, wrong in [
        ("HIFFY_KICK", FakeVariable(RAM, U16)),
        ("HIFFY_TEXT", FakeVariable(None, U32)),
        ("HIFFY_SCRATCH", FakeVariable(RAM, U32)),
        ("HIFFY_FUNCTIONS", FakeVariable(RAM, U32)),
    ]:
        with pytest.raises(DebugInfoError, match=name):
            build_layout({**variables, name: wrong})
    with pytest.raises(DebugInfoError, match="not a kernel task"):
        build_layout(variables, task_entry=(0, U32))


# Reads.


@pytest.mark.parametrize(
    ("ranges", "blocks"),
    [
        ([], ()),
        ([(100, 4)], ((100, 4),)),
        ([(104, 4), (100, 4)], ((100, 8),)),
        ([(100, 4), (112, 4)], ((100, 16),)),
        ([(100, 4), (113, 4)], ((100, 4), (113, 4))),
        ([(100, 50), (110, 4)], ((100, 50),)),
        ([(100, 0), (300, 4)], ((300, 4),)),
    ],
)
def test_reads_are_joined_where_the_gap_is_small(
    ranges: list[tuple[int, int]], blocks: tuple[tuple[int, int], ...]
) -> None:
    assert plan_reads(ranges, max_gap=8) == blocks


@given(
    ranges=st.lists(st.tuples(st.integers(0, 500), st.integers(0, 40)), max_size=12),
    max_gap=st.integers(0, 64),
)
def test_planned_reads_cover_everything_once(ranges: list[tuple[int, int]], max_gap: int) -> None:
    blocks = plan_reads(ranges, max_gap)
    for address, size in ranges:
        assert not size or any(s <= address and address + size <= s + n for s, n in blocks)
    for (start, size), (following, _) in pairwise(blocks):
        assert following > start + size + max_gap


def test_programs_report_what_they_need() -> None:
    program = build_program(board().layout(), [echo(b"abc")])
    assert program.result_size == len(b"\0\3abc\2")
    assert build_program(board().layout(), [Message(SPI, 1, b"", 0)]).result_size == 6


class OneByOne:
    """A reader on which each piece costs a transaction; it notes what it reads."""

    def __init__(self, *, at_once: bool) -> None:
        self.reads_at_once = at_once
        self.places: list[tuple[int, int]] = []

    def read(self, address: int, size: int) -> bytes:
        self.places.append((address, size))
        return bytes(i % 251 for i in range(address, address + size))

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return [self.read(*range_) for range_ in ranges]

    def write(self, address: int, data: bytes) -> None:
        raise AssertionError

    def wait(self, seconds: float) -> None:
        raise AssertionError

    def monotonic(self) -> float:
        return 0.0


ranges = st.tuples(st.integers(0, 400), st.sampled_from((0, 1, 4, 8, 40, 70)))


@given(st.lists(st.lists(ranges, max_size=4), min_size=1, max_size=5), st.booleans())
def test_stages_are_read_in_order_and_in_few_pieces(
    stages: list[list[tuple[int, int]]], at_once: bool
) -> None:
    every = tuple(range_ for stage in stages for range_ in stage)
    ends = list(accumulate(map(len, stages)))
    action = ReadMany(every, tuple(ends[:-1]))
    reader = OneByOne(at_once=at_once)

    def machine() -> Machine[tuple[bytes, ...]]:
        return (yield action)

    found = drive(machine(), reader, reader, reader)
    assert found == tuple(bytes(i % 251 for i in range(a, a + s)) for a, s in every)
    assert len(reader.places) <= sum(len(plan_reads(stage)) for stage in stages)
    # Each stage is to be had after those before it, or of one short piece at the same moment.
    position = 0
    for number, stage in enumerate(stages):
        wanted = [range_ for range_ in stage if range_[1]]
        for address, size in wanted:
            holders = [
                i
                for i, (start, length) in enumerate(reader.places)
                if start <= address and address + size <= start + length and i >= position
            ]
            assert holders, (number, address, reader.places)
        used = [
            min(
                i
                for i, (start, length) in enumerate(reader.places)
                if i >= position and start <= a and a + s <= start + length
            )
            for a, s in wanted
        ]
        position = max(used, default=position)


def test_few_pieces_where_each_costs_a_transaction() -> None:
    reader = OneByOne(at_once=False)

    def machine() -> Machine[tuple[bytes, ...]]:
        # hiffy's state, the clock, the image's id; kick, ready, two counters
        words = ((0x2000, 4), (0x2004, 4), (0x2008, 4), (0x200C, 4))
        around = ((0x1000, 4), (0x1004, 16), (0x1800, 8), (0x100, 8))
        return (yield ReadMany((*around, *words, (0x3000, 4)), barriers=(1, 4, 5, 6, 8), spare=1))

    *_, spare = drive(machine(), reader, reader, reader)
    assert reader.places == [(0x1000, 20), (0x100, 8), (0x1800, 8), (0x2000, 16)]
    assert spare == b""


class Joining:
    """A target that notes what is done to it; with `exchanges`, what is done in one transaction."""

    def __init__(self, *, exchanges: bool) -> None:
        self.exchanges = exchanges
        self.log: list[tuple[str, object]] = []
        self.transactions = 0

    def read(self, address: int, size: int) -> bytes:
        self.transactions += 1
        self.log.append(("read", (address, size)))
        return bytes(size)

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        found = [self.read(*range_) for range_ in ranges]
        self.transactions -= len(ranges) - 1
        return found

    def write(self, address: int, data: bytes) -> None:
        self.transactions += 1
        self.log.append(("write", (address, data)))

    def exchange(
        self, writes: Sequence[tuple[int, bytes]], ranges: Sequence[tuple[int, int]]
    ) -> list[bytes]:
        for write in writes:
            self.write(*write)
        self.transactions -= len(writes) - 1
        found = self.read_many(ranges) if ranges else []
        self.transactions -= bool(ranges)
        return found

    def wait(self, seconds: float) -> None:
        self.log.append(("wait", seconds))

    def monotonic(self) -> float:
        return 0.0


actions = st.one_of(
    st.builds(Write, st.just(0x100), st.binary(min_size=1, max_size=8), st.booleans()),
    st.builds(Read, st.just(0x200), st.just(4)),
    st.builds(ReadMany, st.just(((0x300, 4), (0x900, 4)))),
    st.builds(Wait, st.just(0.5)),
)


@given(st.lists(actions, max_size=12))
def test_joined_writes_keep_their_order(sequence: list[Action]) -> None:
    def machine() -> Machine[list[object]]:
        found: list[object] = []
        for action in sequence:
            found.append((yield action))
        return found

    plain, joining = Joining(exchanges=False), Joining(exchanges=True)
    assert drive(machine(), plain, plain, plain) == drive(machine(), joining, joining, joining)
    assert plain.log == joining.log
    assert joining.transactions <= plain.transactions


def test_joined_writes_are_one_transaction() -> None:
    def machine() -> Machine[None]:
        yield Write(0x100, b"data", joins=True)
        yield Write(0x200, b"text", joins=True)
        yield Write(0x300, b"kick")
        yield Write(0x200, b"done", joins=True)
        yield ReadMany(((0x100, 4), (0x900, 4)))

    target = Joining(exchanges=True)
    drive(machine(), target, target, target)
    assert target.transactions == 2
