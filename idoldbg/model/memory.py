"""Memory, and what calls need of a target besides, as small protocols.

`idoldbg.target.capability` has what else a target may be able to do.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from idol.records import dataclass
from idoldbg.errors import FaultError

__all__ = [
    "Clock",
    "Exchanger",
    "Exclusive",
    "MemoryImage",
    "MemoryReader",
    "MemoryWriter",
    "MultiReader",
    "Segment",
    "TagSource",
    "read_u32",
]

T = TypeVar("T")


@runtime_checkable
class MemoryReader(Protocol):
    """Reads target memory while the firmware runs."""

    def read(self, address: int, size: int) -> bytes:
        """Return exactly `size` bytes; raise `FaultError` where there is no memory."""


@runtime_checkable
class MultiReader(Protocol):
    """Reads several pieces of target memory in one transaction.

    One whose attribute `reads_at_once` is False takes a transaction for each after all.
    """

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Return the bytes at each (address, size), read in this order; as `MemoryReader.read`."""


@runtime_checkable
class Exchanger(Protocol):
    """Writes and reads several pieces of target memory in one transaction."""

    @property
    def exchanges(self) -> bool:
        """Whether it can; known once something was read."""

    def exchange(
        self, writes: Sequence[tuple[int, bytes]], ranges: Sequence[tuple[int, int]]
    ) -> Sequence[bytes]:
        """Make all writes, each an address and bytes, then return ranges as `read_many`."""


@runtime_checkable
class MemoryWriter(Protocol):
    """Writes target memory while the firmware runs."""

    def write(self, address: int, data: bytes) -> None:
        """Write all of `data`; raise `FaultError` where there is no memory."""


@runtime_checkable
class Exclusive(Protocol):
    """A target that several processes use at once, and that one can have for a while."""

    def alone(self, action: Callable[[], T]) -> T:
        """Return what `action` does while others are kept from making calls; may be nested.

        Raises `LinkTimeout` if others make calls for too long. No context manager, for a signal's
        handler may raise as such a one is left, and others would be kept out for ever.
        """


@runtime_checkable
class TagSource(Protocol):
    """A target whose traffic is recorded, and with it what is not from the target."""

    def make_tag(self) -> bytes:
        """Return bytes that nobody else has, or the same as when it was recorded."""


@runtime_checkable
class Clock(Protocol):
    """The target's time, as far as waiting for it goes."""

    def wait(self, seconds: float) -> None:
        """Let the target run: real time on a probe, virtual time on the emulated board."""

    def monotonic(self) -> float:
        """Return seconds on the clock that `wait` advances."""


def read_u32(memory: MemoryReader, address: int) -> int:
    """Read one little-endian word."""
    (value,) = struct.unpack("<I", memory.read(address, 4))
    return int(value)


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes at an absolute address."""

    address: int
    data: bytes

    @property
    def end(self) -> int:
        """First address after the segment."""
        return self.address + len(self.data)


class MemoryImage:
    """A `MemoryReader` over segments that do not change: an archive's flash, a core dump's RAM.

    Reads may cross from one segment into the next where these touch. Of overlapping segments the
    one given later wins, as when a loader writes them in turn.
    """

    def __init__(self, segments: Iterable[Segment]) -> None:
        self._segments = _flatten([s for s in segments if s.data])
        self._starts = [s.address for s in self._segments]

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments in address order, without overlaps."""
        return tuple(self._segments)

    def read(self, address: int, size: int) -> bytes:
        parts: list[bytes] = []
        at, left = address, size
        while left > 0:
            index = bisect_right(self._starts, at) - 1
            segment = self._segments[index] if index >= 0 else None
            if segment is None or at >= segment.end:
                raise FaultError(
                    f"no memory at 0x{at:08x} ({size} bytes from 0x{address:08x} were asked for)",
                    address=at,
                    size=left,
                )
            part = segment.data[at - segment.address : at - segment.address + left]
            parts.append(part)
            at += len(part)
            left -= len(part)
        return b"".join(parts)


def _flatten(segments: list[Segment]) -> list[Segment]:
    result: list[Segment] = []
    for new in segments:
        kept: list[Segment] = []
        for old in result:
            if old.end <= new.address or new.end <= old.address:
                kept.append(old)
                continue
            if old.address < new.address:
                kept.append(Segment(old.address, old.data[: new.address - old.address]))
            if new.end < old.end:
                kept.append(Segment(new.end, old.data[new.end - old.address :]))
        kept.append(new)
        result = kept
    return sorted(result, key=lambda s: s.address)
