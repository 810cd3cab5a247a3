"""An emulated board in real time: its virtual time follows the wall clock while someone looks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from idoldbg.target.emulated.link import Board

__all__ = ["LiveBoard"]

# The board runs in slices, so that a breakpoint or a slow host ends a long catch-up early.
SLICE_S = 0.002
# What one access may make up for, in virtual and in wall time; the rest is forgiven. It keeps an
# access quick after a pause, and on a host that cannot emulate in real time.
VIRTUAL_LIMIT_S = 0.25
WALL_LIMIT_S = 0.1


class LiveBoard:
    """A board that has caught up with the wall clock whenever it is accessed.

    There is no thread behind it. While the core is halted, or held in reset, no time passes. A
    board that `follows_wall` by itself is left to do so.
    """

    def __init__(
        self,
        board: Board,
        clock: Callable[[], float] = time.monotonic,
        *,
        follows_wall: bool = False,
    ) -> None:
        self.board = board
        self._clock = clock
        self._follows_wall = follows_wall
        self._lock = threading.RLock()
        self._seen_s = clock()
        self._in_reset = False
        self.claimed_by: object | None = None

    @property
    def in_reset(self) -> bool:
        """Whether nRESET is held low."""
        return self._in_reset

    @contextmanager
    def access(self) -> Iterator[Board]:
        """Give exclusive access to the board as it is now."""
        with self._lock:
            if not self._follows_wall:
                self._catch_up()
            yield self.board

    def hold_reset(self, asserted: bool) -> None:
        """Drive nRESET: the board starts from its vector table when the line is let go."""
        with self.access() as board:
            if self._in_reset and not asserted:
                board.reset()
            self._in_reset = asserted

    def _catch_up(self) -> None:
        start_s = self._clock()
        due_s = min(start_s - self._seen_s, VIRTUAL_LIMIT_S)
        while due_s > 0 and not self._in_reset and not self.board.is_halted:
            self.board.run(min(due_s, SLICE_S))
            due_s -= SLICE_S
            if self._clock() - start_s > WALL_LIMIT_S:
                break
        # What the emulation itself took is not owed, or a slow host would never be done.
        self._seen_s = self._clock()
