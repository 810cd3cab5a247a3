"""Faults that were injected, and what became of the firmware."""

from __future__ import annotations

from idol.records import dataclass

__all__ = ["ChaosReport", "Round"]


@dataclass(frozen=True, slots=True)
class Round:
    """One fault and what became of the firmware.

    `plan` is what `board.inject` takes, `title` says it to people. `problems` are sentences, empty
    where the firmware survived; `notes` what happened on the way. `history` is a file, "" for none.
    """

    number: int
    title: str
    plan: dict[str, object]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    history: str = ""


@dataclass(frozen=True, slots=True)
class ChaosReport:
    """All rounds of one seed; `seconds` are of the board."""

    seed: int
    seconds: float
    rounds: tuple[Round, ...]

    @property
    def failed(self) -> tuple[Round, ...]:
        """The rounds whose fault the firmware did not survive."""
        return tuple(each for each in self.rounds if each.problems)
