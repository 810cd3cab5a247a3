"""Recorded past of an emulated board: what came from outside, and when.

The board is deterministic. So its state at any time follows from how it was made and from its
inputs: what a debugger wrote, what a serial port received, how long it was let run. They are kept
as entries, with the cycle of each; checkpoints (snapshots) in between only save time.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from idol.records import dataclass

if TYPE_CHECKING:
    from idoldbg.target.emulated.emu.board import Snapshot

__all__ = ["LOOKS", "RAN", "Checkpoint", "Entry", "History", "Past"]

RAN = "ran"
"""Operation of an entry that says up to which cycle the board ran."""

LOOKS = frozenset({"halt", "resume", "_read_mixed"})
"""Operations that a debugger looks at the board with."""

Entry = tuple[int, str, tuple[object, ...]]
"""Cycle, operation (the name of a method of the board), arguments."""

MOST_ENTRIES = 500_000
_KEPT = 48  # checkpoints
_PAUSE_S = 1.0  # in real seconds: a checkpoint takes one millisecond


@dataclass(frozen=True, slots=True)
class Past:
    """The entries up to a moment: the first `length` of a list that may go on."""

    entries: list[Entry]
    length: int
    owner: History


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A snapshot, taken after the first `length` entries, maybe within the run that follows."""

    length: int
    cycle: int
    snapshot: Snapshot


class History:
    """Inputs of one board since it was made. Once it is `full` it records nothing more."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.checkpoints: list[Checkpoint] = []
        self.is_full = False
        self.begins_at_start = True
        """Whether the first entry is the first input since the board was made."""
        self.is_busy = 0
        """Counts operations that are under way: what they do in turn is not an input."""
        self._position: tuple[int, int] | None = None
        self._looks: list[Entry] = []
        self._next_s = time.monotonic() + _PAUSE_S

    @property
    def position(self) -> tuple[int, int] | None:
        """Entries done and cycle, while the board is in its past; None in the present."""
        return self._position

    @position.setter
    def position(self, position: tuple[int, int] | None) -> None:
        self._position = position
        self._looks = []

    def note(self, cycle: int, operation: str, arguments: tuple[object, ...]) -> None:
        """Add an input. In the past, what came after is forgotten: the board goes another way.

        A debugger's looks do not count there, until something does.
        """
        if self.position is not None:
            if operation in LOOKS:
                self._looks.append((cycle, operation, arguments))
                return
            self._branch()
        if len(self.entries) >= MOST_ENTRIES:
            self.is_full = True
        if not self.is_full:
            self.entries.append((cycle, operation, arguments))

    def _branch(self) -> None:
        assert self.position is not None
        (length, cycle), looks = self.position, self._looks
        self.position = None
        self.entries = self.entries[:length]
        self.checkpoints = [c for c in self.checkpoints if c.length <= length and c.cycle <= cycle]
        if not self.entries or self.entries[-1][0] < cycle or self.entries[-1][1] != RAN:
            self.entries.append((cycle, RAN, ()))
        self.entries += looks

    def is_checkpoint_due(self) -> bool:
        """Return whether it is time for a checkpoint between two inputs."""
        return (
            not self.is_busy
            and self.position is None
            and not self.is_full
            and time.monotonic() >= self._next_s
        )

    def add_checkpoint(self, cycle: int, snapshot: Snapshot) -> None:
        """Keep a checkpoint after all entries; the older ones are thinned out."""
        self.checkpoints.append(Checkpoint(len(self.entries), cycle, snapshot))
        if len(self.checkpoints) > _KEPT:
            half = len(self.checkpoints) // 2
            self.checkpoints = self.checkpoints[:half:2] + self.checkpoints[half:]
        self._next_s = time.monotonic() + _PAUSE_S

    def until_now(self, cycle: int) -> list[Entry]:
        """Return the entries that lead to the present position, at `cycle`."""
        if self.position is None:
            return list(self.entries)
        return [*self.entries[: self.position[0]], (cycle, RAN, ())]

    def past(self) -> Past:
        """Return the entries up to now."""
        if self.position is not None:
            self._branch()
        return Past(self.entries, len(self.entries), self)

    def begin_with(self, cycle: int, snapshot: Snapshot) -> None:
        """Forget everything, and begin with the snapshot of another board."""
        self.position = None
        self.entries, self.checkpoints = [], []
        self.is_full = self.begins_at_start = False
        self.add_checkpoint(cycle, snapshot)

    def go_to(self, past: Past) -> None:
        """Make a past this history's, as after going back to a snapshot."""
        self.position = None
        if past.entries is not self.entries:
            self.checkpoints = self.checkpoints[:1]  # the first is of the board's beginning
        if past.length < len(past.entries):
            self.entries = past.entries[: past.length]
        else:
            self.entries = past.entries
        self.checkpoints = [c for c in self.checkpoints if c.length <= past.length]
        self.is_full = False
