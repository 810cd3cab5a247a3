"""Two debuggers without a common lock on one board, action by action, in any order.

Whatever comes between: no wrong reply, no call reported as made that was not or was made twice,
none reported as not made that was, and no reason that is not so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from random import Random
from typing import Any

import pytest

from idoldbg.call.hif.ops import Opcode
from idoldbg.call.hiffy import (
    Action,
    HiffyLayout,
    HifProgram,
    Mailbox,
    ReadMany,
    Wait,
    Write,
    build_program,
    plan_blocks,
)
from idoldbg.call.message import Message, Outcome
from idoldbg.errors import CallError, HiffyFailure, MismatchError
from tests.idoldbg.call.hiffy.scripted import (
    COMPLEX,
    ECHO,
    FAIL,
    KILL,
    LEASE,
    PLAIN,
    RESET,
    Board,
    make_message,
    parts_of,
    perform,
    pieces_of,
    right_outcome,
)

ROUNDS = int(os.environ.get("IDOLDBG_INTERLEAVINGS", "20400"))
CHUNKS = 12
KINDS = (ECHO, ECHO, ECHO, FAIL, COMPLEX, LEASE, LEASE, RESET, KILL)
STEP_LIMIT = 6000


@dataclass
class Made:
    """One attempt to call, and what the debugger says of it."""

    kinds: tuple[int, ...]
    tokens: tuple[int, ...]
    begin: int
    end: int | None = None  # None: the debugger died
    outcome: tuple[Outcome, ...] | None = None
    error: Exception | None = None

    @property
    def message(self) -> str:
        return "\n".join([str(self.error), *getattr(self.error, "__notes__", [])])


@dataclass
class Debugger:
    """A client that makes calls, one after the other, and may die at each action."""

    board: Board
    random: Random
    number: int
    is_torn: bool
    deadly: float
    layout: HiffyLayout
    left: int
    made: list[Made] = field(default_factory=list)
    writes: list[int] = field(default_factory=list)
    gap: int | None = None  # each read is a transaction, of ranges no further apart
    is_careless: bool = False
    has_torn_writes: bool = False

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Start the program of the next process: it knows nothing."""
        board = self.board
        self.mailbox = Mailbox(
            self.layout, mark=board.mark, ticks=board.ticks_address, make_tag=self._tag
        )
        self.machine: Iterator[Action] | None = None
        self.todo: list[Action] = []
        self.results: list[object] = []
        self.action: Action | None = None

    def _tag(self) -> bytes:
        return self.random.randbytes(8)

    @property
    def is_done(self) -> bool:
        return self.left == 0 and self.machine is None

    def step(self) -> None:
        """Do one thing to the board."""
        if self.machine is None:
            self._call()
            return
        if self.random.random() < self.deadly:
            self.machine = None
            if self.random.random() < 0.5:  # the process goes on: only its link was lost
                self.todo, self.results, self.action = [], [], None
            else:
                self.begin()
            return
        part = self.todo.pop(0)
        if isinstance(part, Write):
            self.writes.append(self.board.steps)
        self.results.append(perform(self.board, part))
        if not self.todo:
            self._answer()

    def _call(self) -> None:
        self.left -= 1
        count = self.random.choice((1, 1, 1, 2))
        kinds = tuple(self.random.choice(KINDS) for _ in range(count))
        if count > 1:
            kinds = (ECHO, self.random.choice((ECHO, FAIL)))
        # Random, so that a mixture of two programs has neither's.
        tokens = tuple(self.random.getrandbits(32) for _ in range(count))
        messages = [make_message(*pair) for pair in zip(kinds, tokens, strict=True)]
        made = Made(kinds, tokens, self.board.steps)
        self.made.append(made)
        if self.is_careless:
            is_short = self.random.random() < 0.3
            self.machine = careless(self.layout, messages, is_short=is_short)
        else:
            self.machine = self.mailbox.send(messages, timeout_s=0.06)
        self._send(None)

    def _answer(self) -> None:
        action, results = self.action, self.results
        if isinstance(action, ReadMany) and self.gap is not None:
            found = iter(results)
            blocks = [b"".join(islice(found, count)) for count in self.counts]  # type: ignore[arg-type]
            results = [self.plan.cut(blocks)]
        elif isinstance(action, ReadMany) and len(results) == len(action.ranges) and self.is_torn:
            # The parts were done in another order than that in which they are wanted.
            results = [tuple(self._in_order(action, results))]
        self._send(results[-1])

    def _in_order(self, action: ReadMany, results: list[object]) -> Iterator[object]:
        by_range = dict(zip(self.order, results, strict=True))
        return (by_range[range_] for range_ in action.ranges)

    def _send(self, result: object) -> None:
        assert self.machine is not None
        made = self.made[-1]
        try:
            self.action = self.machine.send(result)  # type: ignore[attr-defined]
        except StopIteration as stop:
            made.outcome = stop.value
        except (CallError, MismatchError) as error:
            made.error = error
        else:
            if isinstance(self.action, ReadMany) and self.gap is not None:
                self.plan = plan_blocks(self.action, self.gap, at_once=False)
                pieces = [pieces_of(block, is_torn=self.is_torn) for block in self.plan.blocks]
                self.counts = [len(p) for p in pieces]
                self.todo = [piece for block in pieces for piece in block]
            else:
                self.todo = parts_of(
                    self.action,
                    self.random,
                    is_torn=self.is_torn,
                    has_torn_writes=self.has_torn_writes,
                )
            self.order = [(p.address, p.size) for p in self.todo if hasattr(p, "size")]
            self.results = []
            return
        made.end = self.board.steps
        self.machine = None


def careless(layout: HiffyLayout, messages: list[Message], *, is_short: bool) -> Any:
    """Do as debuggers do that believe to be alone: nothing is looked at again."""
    program = build_program(layout, messages)
    if is_short:
        program = HifProgram(bytes([Opcode.CALL, PLAIN, Opcode.DONE]), b"", 16)
    for _ in range(20):
        ready, kick, before = yield ReadMany(
            ((layout.ready, 4), (layout.kick, 4), (layout.requests, 4))
        )
        if any(ready) and not any(kick):
            break
        yield Wait(0.001)
    yield Write(layout.text.address, program.text)
    if program.data:
        yield Write(layout.data.address, program.data)
    yield Write(layout.kick, b"\1\0\0\0")
    for _ in range(20):
        yield Wait(0.001)
        if (yield ReadMany(((layout.requests, 4),)))[0] != before:
            break
    return None


class World:
    """A board and its debuggers, and chance."""

    def __init__(self, seed: int, *, one_by_one: bool = False) -> None:
        self.random = random = Random(seed)
        self.board = Board(random, has_ticks=random.random() < 0.5)
        layout = self.board.layout()
        is_torn = random.random() < 0.5
        deadly = random.choice((0.0, 0.0, 0.005, 0.03))
        self.debuggers = [
            Debugger(self.board, random, number, is_torn, deadly, layout, random.choice((1, 2, 3)))
            for number in (1, 2)
        ]
        self.has_torn_writes = random.random() < 0.2
        for debugger in self.debuggers:
            debugger.has_torn_writes = self.has_torn_writes
        if one_by_one:
            self._read_one_by_one()
        self.debuggers[1].is_careless = random.random() < 0.25
        self.upset = random.choice((0.0, 0.0, 0.0, 0.003, 0.02))
        self.firmware = random.choice((0.2, 0.4, 0.6, 0.8))

    def _read_one_by_one(self) -> None:
        """Make it a world of probes on which each read is a transaction, and a board not young."""
        for debugger in self.debuggers:
            debugger.gap = self.random.choice((None, 0, 8, 64, 256))
        self.debuggers[0].gap = self.debuggers[0].gap or 0
        self.debuggers[0].left += self.random.choice((0, 3))
        self.board.has_own_clock = self.random.random() < 0.3
        self.board.grow_old(5000)

    def run(self) -> None:
        board, random, chance = self.board, self.random, self.random.random
        for _ in range(random.choice((0, 10, 30))):
            board.step()
        for _ in range(STEP_LIMIT):
            first, second = self.debuggers
            if first.is_done and second.is_done:
                break
            if chance() < self.firmware:
                if self.upset and chance() < self.upset:
                    random.choice((board.reset, board.reset, board.flash_other))()
                for _ in range((1, 1, 3, 15)[int(chance() * 4)]):
                    board.step()
            else:
                debugger = first if second.is_done or chance() < 0.5 else second
                for _ in range((1, 1, 2, 6)[int(chance() * 4)]):
                    if not debugger.is_done:
                        debugger.step()
        for _ in range(200):  # whatever is still armed goes off
            board.step()
            if board.is_at_rest and not board.get("KICK"):
                break

    def check(self) -> None:
        for debugger in self.debuggers:
            if not debugger.is_careless:
                for made in debugger.made:
                    self._check(made, debugger)

    def _check(self, made: Made, debugger: Debugger) -> None:
        counts = [len(self.board.log.get(token, ())) for token in made.tokens]
        if made.end is None:
            return
        if made.outcome is not None:
            right = tuple(right_outcome(*p) for p in zip(made.kinds, made.tokens, strict=True))
            assert made.outcome == right, "a wrong reply"
            # Two cases in which others can have it run twice: a reset came between the look at
            # hiffy and the program, and its counters began anew; a program that was written in
            # part has our end.
            resets = [r for r in self.board.resets if made.begin <= r <= made.end]
            may_repeat = resets or self.has_torn_writes
            assert counts == [1] * len(counts) or (may_repeat and 0 not in counts), "made once"
            is_own = all(all(self.board.log[token]) for token in made.tokens)
            assert is_own or len(resets) > 1, "on another image"  # flashed, and flashed back
            return
        assert made.error is not None
        if any(counts):
            assert "may have been made" in made.message
        if isinstance(made.error, MismatchError):
            return
        assert isinstance(made.error, HiffyFailure)
        if not made.error.may_have_run:
            assert not any(counts), "reported as not made"
            assert "not made" in made.message
        else:
            assert "may have been made" in made.message
        self._check_reason(made, debugger)

    def _check_reason(self, made: Made, debugger: Debugger) -> None:
        assert isinstance(made.error, HiffyFailure)
        assert made.end is not None
        board, message = self.board, made.message
        other = next(d for d in self.debuggers if d is not debugger)

        def within(moments: list[int], slack: int = 0) -> bool:
            assert made.end is not None
            return any(made.begin - slack <= moment <= made.end for moment in moments)

        match made.error.failure:
            case "conflict":
                # Somebody else wrote, or his program ran, as one that a dead process left behind.
                runs = [r for r in board.runs if made.begin <= r[1] and r[0] <= made.end]
                foreign = len(runs) > any(board.log.get(token) for token in made.tokens)
                assert within(other.writes, 10) or foreign, message
            case "reset":
                # RAM may be left over from before for forty steps
                assert within(board.resets, 50), message
            case "lost kick":
                assert within(other.writes) or within(board.resets, 50), message
            case "restarted":
                assert within(board.restarts, 50) or (
                    "or the board reset" in message and within(board.resets, 50)
                ), message
            case "faulted":
                assert "Faulted" in message
            case "Invalid":
                raise AssertionError(message)
            case failure:
                assert failure in ("timeout", "not ready"), message


def run(seed: int, *, one_by_one: bool = False) -> World:
    world = World(seed, one_by_one=one_by_one)
    world.run()
    try:
        world.check()
    except AssertionError as error:
        error.add_note(f"seed {seed}")
        raise
    return world


@pytest.mark.parametrize("one_by_one", [False, True])
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_interleavings(chunk: int, one_by_one: bool) -> None:
    ends = {"answered": 0, "failed": 0, "died": 0}
    size = ROUNDS // CHUNKS // (2 if one_by_one else 1)
    for seed in range(chunk * size, (chunk + 1) * size):
        for debugger in run(seed, one_by_one=one_by_one).debuggers:
            for made in debugger.made:
                end = "died" if made.end is None else "failed" if made.error else "answered"
                ends[end] += 1
    assert min(ends.values()) > size // 20, ends  # or nothing was tried
