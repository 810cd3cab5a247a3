"""Memory regions of an image: who may touch what, and how.

Regions are what the kernel sets the MPU to for each task (sys/kern/src/descs.rs: `RegionDesc`), and
the kernel's own memory, which has no descriptors.
"""

from __future__ import annotations

from enum import StrEnum

from idol.records import dataclass
from idoldbg.model.archive import KERNEL

__all__ = ["Region", "RegionKind", "RegionMap", "StackArea"]


class RegionKind(StrEnum):
    """Contents of a region."""

    FLASH = "flash"
    RAM = "ram"
    STACK = "stack"  # the kernel's; those of tasks are part of their RAM
    PERIPHERAL = "peripheral"
    EXTERNAL = "external"  # memory that a task shares with others than tasks: `extern-regions`


@dataclass(frozen=True, slots=True)
class Region:
    """Memory with the same rights throughout; `owners` are tasks, or the kernel.

    `name` is the peripheral's or the external region's, None where the build does not give it.
    `descriptor` is the address of its first `RegionDesc`, None for the kernel's memory.
    """

    low: int
    size: int
    kind: RegionKind
    owners: tuple[str, ...]
    read: bool
    write: bool
    execute: bool
    device: bool = False
    dma: bool = False
    name: str | None = None
    descriptor: int | None = None

    @property
    def end(self) -> int:
        """First address after the region."""
        return self.low + self.size

    def __contains__(self, address: int) -> bool:
        return self.low <= address < self.end


@dataclass(frozen=True, slots=True)
class StackArea:
    """Memory of one stack, which grows down from `high` to `low`. `owner` is a task or `kernel`."""

    owner: str
    low: int
    high: int

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self.high - self.low

    def __contains__(self, address: int) -> bool:
        return self.low <= address < self.high


@dataclass(frozen=True, slots=True)
class RegionMap:
    """All regions of an image by address, and the stacks in them."""

    regions: tuple[Region, ...]
    stacks: tuple[StackArea, ...]

    def at(self, address: int) -> tuple[Region, ...]:
        """Return the regions that cover an address: overlapping ones, in the map's order."""
        return tuple(r for r in self.regions if address in r)

    def of(self, owner: str) -> tuple[Region, ...]:
        """Return the regions of a task, or of `kernel`."""
        return tuple(r for r in self.regions if owner in r.owners)

    def stack_of(self, owner: str) -> StackArea | None:
        """Return the stack of a task or of the kernel; None where no region holds it."""
        return next((s for s in self.stacks if s.owner == owner), None)

    def stack_at(self, address: int) -> StackArea | None:
        """Return the stack that covers an address."""
        return next((s for s in self.stacks if address in s), None)

    def below_stack(self, owner: str, address: int, limit: int = 4096) -> int | None:
        """Return how many bytes below the stack of `owner` an address is.

        None where it is further off than `limit`, or in memory that `owner` may touch.
        """
        stack = self.stack_of(owner)
        if stack is None or not 0 < stack.low - address <= limit:
            return None
        if owner != KERNEL and any(address in r for r in self.of(owner)):
            return None
        return stack.low - address
