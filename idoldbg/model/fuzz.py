"""Crashes that made-up inputs have found."""

from __future__ import annotations

from idol.records import dataclass

__all__ = ["Crash", "FuzzReport", "Tried"]


@dataclass(frozen=True, slots=True)
class Crash:
    """A way in which an operation brings the firmware down, by its smallest input.

    `kind` is `server`, `task` (another one), `hiffy`, `timeout`, `kernel` or `core`. `command` is
    the command line that makes the call, `count` how many inputs came to the same. `history` is a
    file, "" for none.
    """

    operation: str
    task: str
    kind: str
    message: str
    command: str
    count: int
    history: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """Effort for one operation; `skipped` says why nothing was. `blocks` is new code."""

    operation: str
    task: str
    inputs: int
    blocks: int
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class FuzzReport:
    """All that was tried, and the crashes."""

    seed: int
    tried: tuple[Tried, ...]
    crashes: tuple[Crash, ...]

    @property
    def inputs(self) -> int:
        """Number of calls that were made, without those that made an input smaller."""
        return sum(each.inputs for each in self.tried)
