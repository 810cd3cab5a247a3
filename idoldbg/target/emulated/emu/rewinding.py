"""Moves an emulated board through its recorded past, and searches it.

Going back is going to an earlier checkpoint and doing again what came after it. A search runs
through the past from the latest stretch to the earliest, with an observer that notes what it sees.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

from idol.records import dataclass
from idoldbg.errors import LinkError, LinkTimeout
from idoldbg.target.emulated.emu.history import RAN, Checkpoint
from idoldbg.target.emulated.emu.observers import Observer

if TYPE_CHECKING:
    from idoldbg.target.emulated.emu.board import EmulatedBoard

__all__ = ["Finder", "Hit", "ResetFinder", "Rewinding", "StateFinder", "Write", "WriteFinder"]

REAL_LIMIT_S = 120.0
_STRETCH = 100_000_000  # cycles between two looks at the time
_SAVE_AFTER_S = 0.5
_NEAR = 256
"""Instructions before the goal of the nearest of the checkpoints that a rewind leaves behind; the
others are four times as far each, so that the next step back is quick."""


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that a search found; `cycle` is the moment right before it."""

    cycle: int
    detail: object = None


class Finder(Protocol):
    """Notes hits while the board does its past again."""

    hits: list[Hit]

    def watching(self, board: EmulatedBoard) -> AbstractContextManager[None]:
        """Return a context manager in which hits are noted."""


@dataclass(frozen=True, slots=True)
class Write:
    """A write to memory. `pc` is the instruction's, None for a debugger's or the hardware's."""

    address: int
    size: int
    value: int | None
    pc: int | None
    by: str


class StateFinder(Observer):
    """Finds when what `read` returns changed as `is_hit(before, after)` says, as at exceptions.

    A hit is the moment before the instruction that led into the exception after which it was so.
    """

    def __init__(
        self,
        read: Callable[[], object],
        board: EmulatedBoard,
        is_hit: Callable[[object, object], bool],
    ) -> None:
        self.hits: list[Hit] = []
        self._read, self._board, self._is_hit = read, board, is_hit
        self._before: object = None
        self._entered_at: int | None = None

    def entered(self, number: int) -> None:
        if self._entered_at is None:
            self._entered_at = self._board.now
        self._ask()

    def returned(self) -> None:
        self._ask()
        self._entered_at = None

    def reset(self) -> None:
        self._entered_at = None
        self._before = self._read()

    def _ask(self) -> None:
        after = self._read()
        if self._is_hit(self._before, after):
            at = self._entered_at if self._entered_at is not None else self._board.now
            self.hits.append(Hit(max(at - 1, 0)))
        self._before = after

    @contextmanager
    def watching(self, board: EmulatedBoard) -> Iterator[None]:
        """Note hits while the block runs."""
        self._before = self._read()
        self._entered_at = None
        stop = board.observe(lambda _core: self)
        try:
            yield
        finally:
            stop()


class ResetFinder(Observer):
    """Finds resets of the core."""

    def __init__(self, board: EmulatedBoard) -> None:
        self.hits: list[Hit] = []
        self._board = board

    def reset(self) -> None:
        self.hits.append(Hit(max(self._board.now - 1, 0)))

    @contextmanager
    def watching(self, board: EmulatedBoard) -> Iterator[None]:
        """Note hits while the block runs."""
        stop = board.observe(lambda _core: self)
        try:
            yield
        finally:
            stop()


class _SleepFinder(Observer):
    """Notes the last cycle at which the core was awake: it looks at each slice of execution."""

    def __init__(self, board: EmulatedBoard) -> None:
        self._board = board
        self.awake_at = 0

    def look(self) -> None:
        if not self._board.is_sleeping:
            self.awake_at = self._board.cycles
        self.next_look = self._board.cycles + 1

    @contextmanager
    def watching(self, board: EmulatedBoard) -> Iterator[None]:
        """Note what is seen while the block runs."""
        self.next_look = board.cycles
        stop = board.observe(lambda _core: self)
        try:
            yield
        finally:
            stop()


class WriteFinder:
    """Finds writes to a range of memory, whoever makes them."""

    def __init__(self, address: int, size: int) -> None:
        self.hits: list[Hit] = []
        self._address, self._size = address, size

    @contextmanager
    def watching(self, board: EmulatedBoard) -> Iterator[None]:
        """Note hits while the block runs."""

        def wrote(address: int, size: int, value: int | None, pc: int | None, by: str) -> None:
            before = 1 if pc is not None or by != "debugger" else 0
            self.hits.append(Hit(max(board.now - before, 0), Write(address, size, value, pc, by)))

        board.watch_writes(self._address, self._size, wrote)
        try:
            yield
        finally:
            board.watch_writes(0, 0, None)


class Rewinding:
    """The past of one board; `history` of the board must not be full."""

    def __init__(self, board: EmulatedBoard) -> None:
        self._board = board
        self._history = board.history
        if self._history.is_full:
            raise LinkError(
                "this board has had more inputs than its history keeps: it cannot go back; attach "
                "anew, or go back to a snapshot",
                link="emu",
            )

    @property
    def now(self) -> int:
        """The board's cycle, wherever it is."""
        return self._board.cycles

    @property
    def end(self) -> int:
        """The last cycle of the recorded past."""
        if self._history.position is None:
            return self.now
        entries = self._history.entries
        return max(entries[-1][0], self.now) if entries else self.now

    def live(self) -> None:
        """Live the whole past from its start, and stand at its end."""
        self._replay(self._starts()[0], None, [], saves=True)
        entries = self._history.entries
        self._history.position = (len(entries), self._board.cycles)

    def go_to(self, cycle: int) -> None:
        """Go to a cycle of the past, from 0 to `end`; memory, registers and devices are as then."""
        goal = min(max(cycle, self._first()), self.end)
        start = self._checkpoint_before(goal)
        marks = []
        distance = _NEAR
        while goal - distance > start.cycle:
            marks.append(goal - distance)
            distance *= 4
        self._replay(start, goal, sorted(marks))

    def find_last(self, finder: Finder, *, before: int | None = None) -> Hit | None:
        """Search backwards from now for the last hit; the board stays where it is.

        A hit at the present position does not count, so that searches can be repeated.
        """
        here = self.now if before is None else before
        position = self._history.position
        end, last = here, len(self._history.entries)
        try:
            for start in sorted(self._starts(), key=lambda c: (c.length, c.cycle), reverse=True):
                if start.cycle >= here:
                    continue
                finder.hits.clear()
                self._restore(start)
                with finder.watching(self._board):
                    self._run_from(start, end, last=last)
                found = [hit for hit in finder.hits if hit.cycle < here]
                if found:
                    return max(found, key=lambda hit: hit.cycle)
                end, last = start.cycle, start.length
            return None
        finally:
            self._come_back(here if before is None else self.now, position)

    def step_back(self) -> None:
        """Go to the instruction before; an IT block may skip several at once."""
        now = self.now
        for distance in range(1, 8):
            self.go_to(now - distance)
            if self.now < now:
                return

    def go_to_end(self) -> None:
        """Go to the end of the recorded past, the present."""
        if self._history.position is not None:
            self._replay(self._checkpoint_before(self.end), None, [])

    def last_awake(self) -> int:
        """Return the last cycle before now at which the core did not sleep."""
        low, high = self._first(), self.now
        start = self._checkpoint_before(max(high - 1, low))
        slept = _SleepFinder(self._board)
        self._restore(start)
        with slept.watching(self._board):
            self._run_from(start, high)
        return max(slept.awake_at, low)

    def run_until(self, condition: Callable[[], bool], limit_s: float) -> bool:
        """Run on until a condition holds; return whether it did. The past is not done again."""
        board, history = self._board, self._history
        last = board.cycles
        history.past()  # goes another way from here

        def ask() -> bool:
            nonlocal last
            if condition():
                return True
            last = board.cycles
            return False

        history.checkpoints.append(
            Checkpoint(len(history.entries), board.cycles, board.bare_snapshot())
        )
        if board.run_until(ask, limit_s).name != "CONDITION":
            return False
        low, high = last, board.cycles
        while high - low > 1:
            middle = (low + high) // 2
            self.go_to(middle)
            if condition():
                high = middle
            else:
                low = middle
        self.go_to(high)
        return True

    def _come_back(self, cycle: int, position: tuple[int, int] | None) -> None:
        if position is None:
            self._replay(self._checkpoint_before(cycle), None, [])
        else:
            self.go_to(position[1])

    # ------------------------------------------------------------------ doing it again

    def _first(self) -> int:
        return min((c.cycle for c in self._starts()), default=0)

    def _starts(self) -> list[Checkpoint]:
        return self._history.checkpoints

    def _checkpoint_before(self, cycle: int) -> Checkpoint:
        """Return the nearest one; at the cycle itself, inputs of that moment may be done in it."""
        first, *others = sorted(self._starts(), key=lambda c: (c.cycle, c.length))
        return max([first, *(c for c in others if c.cycle < cycle)], key=lambda c: c.cycle)

    def _restore(self, start: Checkpoint) -> None:
        self._board.restore_state(start.snapshot)

    def _replay(
        self, start: Checkpoint, goal: int | None, marks: list[int], *, saves: bool = False
    ) -> None:
        """Go to a checkpoint and on to a cycle, or to the end; leave checkpoints at `marks`.

        `saves` leaves some between inputs as well.
        """
        self._restore(start)
        for mark in marks:
            length = self._run_from(start, mark)
            if self._board.cycles == mark and self._board.is_between_instructions():
                snapshot = self._board.bare_snapshot()
                start = Checkpoint(length, mark, snapshot)
                self._history.checkpoints.append(start)
            else:
                start = Checkpoint(length, self._board.cycles, start.snapshot)
        length = self._run_from(start, goal, saves=saves)
        self._history.position = None if goal is None else (length, self._board.cycles)
        if len(self._history.checkpoints) > 200:
            del self._history.checkpoints[1:-100]

    def _run_from(
        self,
        start: Checkpoint,
        goal: int | None,
        *,
        saves: bool = False,
        last: int | None = None,
    ) -> int:
        """Do the entries after a checkpoint up to a cycle; return how many are done then.

        Inputs at the cycle itself are not done, unless they are among the first `last` entries.
        """
        entries, board, history = self._history.entries, self._board, self._history
        give_up_at = time.monotonic() + REAL_LIMIT_S
        save_at = time.monotonic() + _SAVE_AFTER_S
        history.is_busy += 1
        try:
            for index in range(start.length, len(entries)):
                cycle, operation, arguments = entries[index]
                if goal is not None and board.cycles >= goal and index >= (last or 0):
                    return index
                if operation != RAN:
                    board.do_again(operation, arguments)
                    continue
                end = cycle if goal is None else min(cycle, goal)
                _run_to(board, end, give_up_at)
                if end < cycle:
                    return index
                if saves and time.monotonic() >= save_at and board.is_between_instructions():
                    point = Checkpoint(index + 1, board.cycles, board.bare_snapshot())
                    history.checkpoints.append(point)
                    save_at = time.monotonic() + _SAVE_AFTER_S
            return len(entries)
        finally:
            history.is_busy -= 1


def _run_to(board: EmulatedBoard, end: int, give_up_at: float) -> None:
    while board.cycles < end:
        board.run_to(min(end, board.cycles + _STRETCH))
        if time.monotonic() > give_up_at:
            raise LinkTimeout(
                f"gave up after {REAL_LIMIT_S:g} s of living the past again, at "
                f"{board.time_s:.1f} s of the board's time",
                timeout_s=REAL_LIMIT_S,
                link="emu",
            )
