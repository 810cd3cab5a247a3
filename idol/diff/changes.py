"""Result of a comparison of two interfaces."""

from __future__ import annotations

from enum import StrEnum

from idol.records import dataclass
from idol.source import Span
from idol.syntax import Interface


class Level(StrEnum):
    """Effect of a change on callers and servers built before it."""

    #: One side takes what the other sends for something else, or refuses it.
    BREAKING = "breaking"
    #: Types are written differently; only a compiler knows whether the bytes differ.
    UNSURE = "unsure"
    #: The bytes are the same; code that names things has to be adapted.
    SOURCE = "source"
    #: Old callers notice nothing.
    COMPATIBLE = "compatible"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference; `old` and `new` are what stood and stands there, None for nothing."""

    level: Level
    #: Stable, for programs: `operation-removed`, `type-changed`, …
    kind: str
    #: The operation by its new name, or the old one if it is gone; None: the interface.
    operation: str | None
    message: str
    old: str | None
    new: str | None
    #: Places in the old and in the new text.
    old_span: Span | None
    new_span: Span | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All changes between two interfaces, by operation code."""

    old: Interface
    new: Interface
    changes: tuple[Change, ...]

    @property
    def is_breaking(self) -> bool:
        """Return whether any change breaks callers, or might."""
        return any(change.level in (Level.BREAKING, Level.UNSURE) for change in self.changes)
