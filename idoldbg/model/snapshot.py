"""Content of core dumps, apart from the files that hold it."""

from __future__ import annotations

from collections.abc import Mapping

from idol.records import dataclass
from idoldbg.model.memory import Segment

__all__ = ["Range", "Snapshot", "Written"]

Range = tuple[int, int]
"""Address and size of memory, in bytes."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Content of a dump: memory and registers of one moment.

    `task` and `ticks` are set for a dump of one task: its index, and the kernel's time. `gaps` are
    (address, size) of what could not be read. `cautions` are reasons to doubt it.
    """

    segments: tuple[Segment, ...]
    registers: Mapping[str, int]
    task: int | None = None
    ticks: int | None = None
    gaps: tuple[Range, ...] = ()
    cautions: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of memory."""
        return sum(len(segment.data) for segment in self.segments)


@dataclass(frozen=True, slots=True)
class Written:
    """A dump that was written. `has_build` is whether the build is inside, `task` a name."""

    path: str
    size: int
    snapshot: Snapshot
    task: str | None
    has_build: bool
