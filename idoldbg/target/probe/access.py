"""Memory of a target behind a debug probe, in pieces that one watched call can move."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from idoldbg.target.link import BaseLink
from idoldbg.target.probe.errors import Attempt
from idoldbg.target.probe.memory import exchange_blocks, read_blocks, read_bytes, write_bytes

__all__ = ["ProbeMemory"]

T = TypeVar("T")

# One watched call moves at most this much: two seconds at an SWD clock of 100 kHz.
CHUNK_SIZE = 16 << 10


class ProbeMemory(BaseLink):
    """The memory of a link through a probe.

    Reads are tried once more after a garbled answer, writes never are. A read of 1, 2 or 4 aligned
    bytes is one access of that width; others are rounded out to whole words, writes are not.
    """

    reads_at_once = True
    """Whether the last `read_many` was one exchange."""
    _exchanges = False

    def _do(
        self,
        attempt: Attempt,
        action: Callable[[Any], T],
        *,
        again: bool = False,
        retry: Callable[[Any], T | None] | None = None,
    ) -> T:
        """Run `action` on the access port; repeat it once if `again`, or as `retry` does."""
        raise NotImplementedError

    def read(self, address: int, size: int) -> bytes:
        self.check_range("read", address, size)
        parts = []
        for at in range(address, address + size, CHUNK_SIZE):
            part = min(CHUNK_SIZE, address + size - at)
            attempt = Attempt(self.spec, f"read {part} bytes at 0x{at:08x}", at, part)
            parts.append(self._do(attempt, partial(read_bytes, address=at, size=part), again=True))
        return b"".join(parts)

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Read several ranges, in one exchange with the probe where it queues accesses."""
        for address, size in ranges:
            self.check_range("read", address, size)
        if sum(size for _, size in ranges) > CHUNK_SIZE:
            self.reads_at_once = False
            return [self.read(address, size) for address, size in ranges]
        (first, size), what = ranges[0], f"read {len(ranges)} blocks from 0x{ranges[0][0]:08x} on"
        attempt = Attempt(self.spec, what, first, size)
        found = self._do(attempt, partial(read_blocks, ranges=ranges), again=True)
        self.reads_at_once, self._exchanges = found.at_once, found.exchanges
        return found.data

    @property
    def exchanges(self) -> bool:
        """Whether writes can be made together with reads, as the last `read_many` has shown."""
        return self._exchanges

    def exchange(
        self, writes: Sequence[tuple[int, bytes]], ranges: Sequence[tuple[int, int]]
    ) -> Sequence[bytes]:
        """Write, then read several ranges, in one exchange with the probe where that is short."""
        for address, data in writes:
            self.check_range("write", address, len(data))
        for address, size in ranges:
            self.check_range("read", address, size)
        total = sum(len(data) for _, data in writes) + sum(size for _, size in ranges)
        try:
            if total > CHUNK_SIZE:
                raise NotImplementedError
            return self._exchange(writes, ranges)
        except NotImplementedError:
            for address, data in writes:
                self.write(address, data)
            return self.read_many(ranges) if ranges else []

    def _exchange(
        self, writes: Sequence[tuple[int, bytes]], ranges: Sequence[tuple[int, int]]
    ) -> Sequence[bytes]:
        """Do all at once; after a garbled answer read once more, if the writes were made."""
        address, size = ranges[0] if ranges else (writes[0][0], len(writes[0][1]))
        attempt = Attempt(self.spec, f"write and read {size} bytes at 0x{address:08x}")

        def once(ap: Any) -> Sequence[bytes]:
            return exchange_blocks(ap, writes, ranges)

        def again(ap: Any) -> Sequence[bytes] | None:
            is_made = all(read_bytes(ap, at, len(data)) == data for at, data in writes)
            return read_blocks(ap, ranges).data if is_made else None

        return self._do(attempt, once, retry=again if ranges else None)

    def write(self, address: int, data: bytes) -> None:
        self.check_range("write", address, len(data))
        for offset in range(0, len(data), CHUNK_SIZE):
            part = data[offset : offset + CHUNK_SIZE]
            at = address + offset
            attempt = Attempt(self.spec, f"write {len(part)} bytes at 0x{at:08x}", at, len(part))
            self._do(attempt, partial(write_bytes, address=at, data=part))

    def read_word(self, address: int) -> int:
        """Read one aligned word."""
        return int.from_bytes(self.read(address, 4), "little")

    def write_word(self, address: int, value: int) -> None:
        """Write one aligned word in one access."""
        self.write(address, value.to_bytes(4, "little"))
