"""Two debuggers, resets, halted cores: the worst cases one by one, on the scripted board."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from idoldbg.call.hif.ops import Opcode
from idoldbg.call.hiffy import Action, Mailbox, ReadMany, Wait, Write, build_program
from idoldbg.call.message import Message, Outcome, RawReply
from idoldbg.errors import CallTimeout, HiffyFailure, LinkError, MismatchError
from tests.idoldbg.call.hiffy.fake import send_one
from tests.idoldbg.call.hiffy.scripted import (
    BASE,
    ECHO,
    FAIL,
    KILL,
    LEASE,
    PLAIN,
    RESET,
    SERVER,
    Board,
    make_message,
    perform,
    right_outcome,
)

A, B = 0x11223344, 0x55667788


def make_board(*, has_ticks: bool = False, steps: int = 20) -> Board:
    board = Board(Random(1), has_ticks=has_ticks)
    run(board, steps)
    while not board.is_at_rest:
        board.step()
    return board


def run(board: Board, steps: int = 60) -> None:
    for _ in range(steps):
        board.step()


def make_mailbox(board: Board) -> Mailbox:
    return Mailbox(board.layout(), mark=board.mark, ticks=board.ticks_address)


def steps_of(
    mailbox: Mailbox, board: Board, message: Message, *, runs: bool = True
) -> Iterator[Action]:
    """Yield each action before it is done; return the outcome as the generator's value."""
    machine = send_one(mailbox, message, timeout_s=0.1)
    result: Any = None
    while True:
        try:
            action = machine.send(result)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        yield action
        if isinstance(action, Wait) and runs:
            run(board, 12)
        result = perform(board, action)


def finish(steps: Iterator[Action]) -> Outcome:
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            outcome: Outcome = stop.value
            return outcome


def call(board: Board, kind: int = ECHO, token: int = A, **more: bool) -> Outcome:
    return finish(steps_of(make_mailbox(board), board, make_message(kind, token), **more))


def advance(steps: Iterator[Action], until: Callable[[Action], bool]) -> None:
    """Go on until the action that is about to be done is such a one."""
    for action in steps:
        if until(action):
            return
    raise AssertionError("no such action")


def writes_to(board: Board, name: str) -> Callable[[Action], bool]:
    at = BASE + board.at[name]
    return lambda action: isinstance(action, Write) and action.address == at


def is_final(action: Action) -> bool:
    return isinstance(action, ReadMany) and len(action.barriers) == 3


def test_a_program_that_another_debugger_has_written_is_not_executed() -> None:
    """As after a reset and one call of another: the counters are what they were."""
    board = make_board()
    mailbox = make_mailbox(board)
    first = finish(steps_of(mailbox, board, make_message(ECHO, A)))
    assert first == right_outcome(ECHO, A)
    board.reset()
    run(board, 80)
    assert call(board, ECHO, B) == right_outcome(ECHO, B)
    assert finish(steps_of(mailbox, board, make_message(ECHO, A))) == first


@pytest.mark.parametrize(
    "short",
    [
        bytes([Opcode.CALL, PLAIN, Opcode.DONE]),  # has as many results, of the same size
        bytes([Opcode.PUSH, 1, Opcode.DONE]),
        bytes([Opcode.PUSH, SERVER, Opcode.PUSH, FAIL]),  # the beginning of another's program
    ],
)
def test_a_program_so_short_that_the_rest_stays_ours(short: bytes) -> None:
    board = make_board()
    steps = steps_of(make_mailbox(board), board, make_message(ECHO, A))
    advance(steps, writes_to(board, "KICK"))
    board.put_bytes("TEXT", short)
    with pytest.raises(HiffyFailure, match="another debugger used hiffy") as raised:
        finish(steps)
    assert raised.value.failure == "conflict"
    assert raised.value.may_have_run


@pytest.mark.parametrize("filling", [b"\0", b"\xff", b"\x5a"])
@pytest.mark.parametrize("has_ticks", [True, False])
def test_memory_that_lost_its_power_is_not_blamed_on_hiffy(filling: bytes, has_ticks: bool) -> None:
    board = make_board(has_ticks=has_ticks)
    steps = steps_of(make_mailbox(board), board, make_message(ECHO, A))
    advance(steps, writes_to(board, "KICK"))
    next(steps)
    board.ram[:] = filling * len(board.ram)
    board.stop()
    with pytest.raises(HiffyFailure) as raised:
        finish(steps)
    is_clear = has_ticks or filling != b"\0"
    assert raised.value.failure == ("reset" if is_clear else "timeout"), raised.value.message


def test_the_program_of_a_client_that_died_is_not_executed() -> None:
    board = make_board()
    dead = steps_of(make_mailbox(board), board, make_message(ECHO, B))
    advance(dead, writes_to(board, "KICK"))
    assert call(board, ECHO, A) == right_outcome(ECHO, A)
    assert B not in board.log


def test_another_program_in_between_is_a_conflict() -> None:
    """B writes its program after the text of A, before its kick."""
    board = make_board()
    ours = steps_of(make_mailbox(board), board, make_message(ECHO, A))
    advance(ours, writes_to(board, "KICK"))
    theirs = build_program(board.layout(), [make_message(ECHO, B)])
    board.write(BASE + board.at["TEXT"], theirs.text)
    with pytest.raises(HiffyFailure, match=r"another debugger used hiffy.*may have been made") as e:
        finish(ours)
    assert e.value.failure == "conflict"
    assert e.value.may_have_run


def test_a_late_kick_runs_nothing() -> None:
    """B has written its program and is slow; A makes a whole call; then B kicks."""
    board = make_board()
    slow = steps_of(make_mailbox(board), board, make_message(ECHO, B))
    advance(slow, writes_to(board, "KICK"))
    assert call(board, ECHO, A) == right_outcome(ECHO, A)
    with pytest.raises(HiffyFailure, match="another debugger used hiffy"):
        finish(slow)
    run(board, 100)
    assert board.log == {A: [True]}


def test_a_kick_that_is_lost_in_anothers_is_a_conflict_for_one_alone() -> None:
    """hiffy clears the kick when it starts: one program for two kicks."""
    board = make_board()
    theirs = steps_of(make_mailbox(board), board, make_message(ECHO, B))
    advance(theirs, writes_to(board, "KICK"))
    ours = steps_of(make_mailbox(board), board, make_message(ECHO, A))
    advance(ours, writes_to(board, "KICK"))
    board.put("KICK", 1)  # what `theirs` is about to do
    assert finish(ours) == right_outcome(ECHO, A)
    with pytest.raises(HiffyFailure, match="another debugger"):
        finish(theirs)
    assert board.log == {A: [True]}


def test_data_of_another_is_a_conflict() -> None:
    board = make_board()
    ours = steps_of(make_mailbox(board), board, make_message(LEASE, A))
    advance(ours, writes_to(board, "KICK"))
    board.put_bytes("DATA", b"othe")
    with pytest.raises(HiffyFailure, match="HIFFY_DATA holds what another has written"):
        finish(ours)


def test_the_results_of_another_program_are_not_given() -> None:
    """The whole of B's call comes between the end of A's and the read of its results."""
    board = make_board()
    ours = steps_of(make_mailbox(board), board, make_message(ECHO, A))
    advance(ours, is_final)
    assert call(board, ECHO, B) == right_outcome(ECHO, B)
    with pytest.raises(HiffyFailure, match="another debugger"):
        finish(ours)


@pytest.mark.parametrize("has_ticks", [False, True])
@pytest.mark.parametrize("calls_before", [0, 1])
def test_a_reset_by_the_call_is_reported_soon(calls_before: int, has_ticks: bool) -> None:
    board = make_board(has_ticks=has_ticks, steps=60)
    mailbox = make_mailbox(board)
    for index in range(calls_before):
        finish(steps_of(mailbox, board, make_message(ECHO, index)))
    seen = []
    with pytest.raises(HiffyFailure, match=r"the board was reset during the call.*may have") as e:
        for action in steps_of(mailbox, board, make_message(RESET, A)):
            seen.append(action)
    assert e.value.failure == "reset"
    assert len([a for a in seen if isinstance(a, Wait)]) < 20


def test_a_server_that_kills_hiffy_leaves_all_causes_open() -> None:
    board = make_board()
    with pytest.raises(HiffyFailure) as e:
        call(board, KILL, A)
    assert e.value.failure in ("restarted", "faulted")
    if e.value.failure == "restarted":
        for cause in ("allowed callers", "other types", "not implement", "lease"):
            assert cause in str(e.value)


def test_memory_left_over_from_before_a_reset_does_not_look_like_a_ready_hiffy() -> None:
    """Nobody told us: the kernel's clock stands still, and nothing is written."""
    board = make_board(has_ticks=True)
    mailbox = make_mailbox(board)
    before = bytes(board.ram)
    with pytest.raises(CallTimeout, match=r"clock stands still.*the call was not made") as e:
        finish(steps_of(mailbox, board, make_message(ECHO, A), runs=False))
    assert bytes(board.ram) == before
    assert not e.value.may_have_run


def test_a_core_that_is_halted_in_the_middle_does_not_make_the_call_later() -> None:
    board = make_board()
    with pytest.raises(CallTimeout, match=r"no answer within.*the call was not made") as e:
        call(board, ECHO, A, runs=False)
    assert not e.value.may_have_run
    run(board, 200)
    assert not board.log


@pytest.mark.parametrize("error", [KeyboardInterrupt(), LinkError("unplugged for a moment")])
def test_a_call_that_is_given_up_is_taken_back(error: BaseException) -> None:
    board = make_board()
    machine = send_one(make_mailbox(board), make_message(ECHO, A), timeout_s=0.1)
    action = next(machine)
    while not (isinstance(action, Wait) and board.get("KICK")):
        action = machine.send(perform(board, action))
    with pytest.raises(type(error)) as e:
        action = machine.throw(error)
        while True:
            action = machine.send(perform(board, action))
    assert e.value.__notes__ == ["the call was not made"]
    run(board, 200)
    assert not board.log


def test_a_call_that_was_begun_may_have_been_made() -> None:
    board = make_board()
    steps = steps_of(make_mailbox(board), board, make_message(ECHO, A), runs=False)
    advance(steps, lambda a: isinstance(a, Wait) and board.get("KICK") == 1)
    while not board.log:  # up to the middle of it, where the core is halted
        board.step()
    with pytest.raises(CallTimeout, match="the call may have been made"):
        finish(steps)


@pytest.mark.parametrize("moment", ["before", "TEXT", "KICK", "final"])
def test_another_image_is_reported_in_the_same_call(moment: str) -> None:
    board = make_board()
    mailbox = make_mailbox(board)
    assert finish(steps_of(mailbox, board, make_message(ECHO, B))) == right_outcome(ECHO, B)
    steps = steps_of(mailbox, board, make_message(ECHO, A))
    if moment == "final":
        advance(steps, is_final)
    elif moment != "before":
        advance(steps, writes_to(board, moment))
    board.flash_other()
    run(board, 100)
    with pytest.raises(MismatchError, match="another image") as e:
        finish(steps)
    assert e.value.actual == b"another!".hex()


def test_answers_that_are_errors_are_proved_as_well() -> None:
    board = make_board()
    ours = steps_of(make_mailbox(board), board, make_message(FAIL, A))
    advance(ours, is_final)
    board.put_bytes("TEXT", bytes(8), offset=8)
    with pytest.raises(HiffyFailure):
        finish(ours)
    assert call(board, FAIL, B) == right_outcome(FAIL, B)


def test_a_reply_is_a_reply() -> None:
    assert call(make_board()) == RawReply((A ^ 0x5A5A5A5A).to_bytes(4, "little"))
