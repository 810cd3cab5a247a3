"""State of a core as values, and reasons for the end of a run."""

from __future__ import annotations

from enum import Enum

from idol.records import dataclass

__all__ = ["CoreState", "StopReason"]


class StopReason(Enum):
    """Reason for the end of a run."""

    TIME = "the time is over"
    HALTED = "the core is halted"
    LOCKUP = "the core is locked up"
    CONDITION = "the condition holds"


@dataclass(frozen=True, slots=True)
class CoreState:
    """Snapshot of the core itself."""

    registers: tuple[int, ...]
    sleeping: bool
    lockup: str | None
    masked: tuple[int, int] = (0, 0)
    """Exceptions that wait to be unmasked, and the cycle of the next look at them."""
