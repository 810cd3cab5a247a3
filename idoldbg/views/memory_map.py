"""Memory map of an image: regions, what the build needs of them, gaps, and whole memories.

A task gets memory in regions of sizes and alignments that the MPU can do, which is more than its
ELF file needs; what a region has beyond is lost to rounding.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from idol.records import dataclass
from idoldbg.build.kept import USED_SIZES
from idoldbg.build.program import Program
from idoldbg.errors import IdoldbgError
from idoldbg.model.archive import KERNEL
from idoldbg.model.regions import Region, RegionKind, StackArea
from idoldbg.views.regions import memories, read_regions

if TYPE_CHECKING:
    from idoldbg.build.debuginfo import ObjectInfo

__all__ = ["Gap", "MapRow", "Memory", "MemoryMap", "read_memory_map"]

TOP_BITS = 24  # addresses that share the bits above are of one memory
LAID_OUT = (RegionKind.FLASH, RegionKind.RAM, RegionKind.STACK)


@dataclass(frozen=True, slots=True)
class MapRow:
    """A region, and how much of it the programs of its owners need.

    `used` is in bytes, None where that cannot be known (peripherals, damaged files). `overlaps` are
    the regions that share some of its memory with other owners or rights.
    """

    region: Region
    used: int | None
    overlaps: tuple[Region, ...] = ()

    @property
    def waste(self) -> int | None:
        """Bytes that nothing uses."""
        return None if self.used is None else self.region.size - self.used


@dataclass(frozen=True, slots=True)
class Gap:
    """Memory between two regions that belongs to nobody."""

    low: int
    size: int


@dataclass(frozen=True, slots=True)
class Memory:
    """One memory of the chip: bytes that regions take up, and that programs need of these."""

    name: str
    low: int
    size: int
    allocated: int
    used: int


@dataclass(frozen=True, slots=True)
class MemoryMap:
    """All regions by address, or those of one task; gaps and memories are of the whole image."""

    rows: tuple[MapRow, ...]
    gaps: tuple[Gap, ...]
    memories: tuple[Memory, ...]
    stacks: tuple[StackArea, ...]


def read_memory_map(program: Program, owner: str | None = None) -> MemoryMap:
    """Return the map of the build, or what `owner` (a task, or `kernel`) may touch.

    Raises `NotFound` for unknown tasks, and as `read_regions`.
    """
    if owner is not None and owner != KERNEL:
        program.task(owner)
    found = read_regions(program)
    sizes = program.recall(
        USED_SIZES, "", lambda: _UsedSizes(program, found.stacks).read(found.regions)
    )
    pairs = list(zip(found.regions, sizes, strict=True))
    rows = tuple(
        MapRow(region, used, _overlaps(region, found.regions))
        for region, used in pairs
        if owner is None or owner in region.owners
    )
    stacks = tuple(s for s in found.stacks if owner in (None, s.owner))
    gaps = () if owner is not None else tuple(_find_gaps(found.regions))
    return MemoryMap(rows, gaps, tuple(_memories(program, pairs)), stacks)


def _overlaps(region: Region, others: Iterable[Region]) -> tuple[Region, ...]:
    return tuple(
        other
        for other in others
        if other is not region and other.low < region.end and region.low < other.end
    )


def _find_gaps(regions: Iterable[Region]) -> Iterable[Gap]:
    """Yield gaps between neighbours in flash or RAM; in address order."""
    laid_out = [r for r in regions if r.kind in LAID_OUT]
    end = laid_out[0].end if laid_out else 0
    for region in laid_out:
        if end < region.low and region.low >> TOP_BITS == end >> TOP_BITS:
            yield Gap(end, region.low - end)
        end = max(end, region.end)


def _memories(program: Program, pairs: list[tuple[Region, int | None]]) -> Iterable[Memory]:
    for name, (low, size) in memories(program.archive).items():
        inside = [(r, u) for r, u in pairs if low <= r.low < low + size and r.kind in LAID_OUT]
        if inside:
            allocated = _covered((r.low, r.end) for r, _ in inside)
            used = sum(region.size if u is None else u for region, u in inside)
            yield Memory(name, low, size, allocated, min(used, allocated))


def _covered(spans: Iterable[tuple[int, int]]) -> int:
    """Return how many bytes are in any of these spans (first address, and the one after)."""
    total, reached = 0, 0
    for low, end in sorted(spans):
        total += max(0, end - max(low, reached))
        reached = max(reached, end)
    return total


class _UsedSizes:
    """Measures how much of each region its owners' programs need."""

    def __init__(self, program: Program, stacks: Iterable[StackArea]) -> None:
        self.program = program
        self.stacks = {s.owner: s for s in stacks}
        program.archive.prefetch([t.name for t in program.archive.tasks])

    def read(self, regions: Iterable[Region]) -> tuple[int | None, ...]:
        return tuple(self.used(region) for region in regions)

    def used(self, region: Region) -> int | None:
        if region.kind not in LAID_OUT:
            return None
        if region.owners == (KERNEL,):
            return region.size  # what its ELF file has
        spans: list[tuple[int, int]] = []
        for owner in region.owners:
            try:
                spans += self.spans(self.program.object(owner))
            except IdoldbgError:
                return None
            stack = self.stacks.get(owner)
            if stack is not None:
                spans.append((stack.low, stack.high))
        inside = ((max(low, region.low), min(end, region.end)) for low, end in spans)
        return _covered((low, end) for low, end in inside if low < end)

    def spans(self, info: ObjectInfo) -> Iterable[tuple[int, int]]:
        """Yield what a program has in memory, and in flash to be copied there."""
        for segment in info.elf.segments:
            if segment.type != "PT_LOAD":
                continue
            yield segment.address, segment.address + segment.memory_size
            yield segment.load_address, segment.load_address + segment.file_size
