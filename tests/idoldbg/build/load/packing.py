"""Encoders of the tests for dump areas: the format's other direction."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from idoldbg.model.memory import Segment

CHUNK = 192  # bytes that jefe compresses at a time
LONGEST = 17  # bytes of a copy


def compress(data: bytes) -> bytes:
    """Compress as the crate `lzss` understands it; the longest match of the window wins."""
    window, at = bytearray(b" " * 64), 47
    bits: list[str] = []
    done = 0
    while done < len(data):
        best, start = 0, 0
        for position in range(64):
            size = _match(window, at, position, data[done : done + LONGEST])
            if size > best:
                best, start = size, position
        if best >= 2:
            bits.append(f"0{start:06b}{best - 2:04b}")
        else:
            best = 1
            bits.append(f"1{data[done]:08b}")
        for byte in data[done : done + best]:
            window[at] = byte
            at = (at + 1) % 64
        done += best
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))


def _match(window: bytearray, at: int, position: int, wanted: bytes) -> int:
    """Return how much of `wanted` a copy from `position` gives, which may overlap itself."""
    now = bytearray(window)
    for index, byte in enumerate(wanted):
        if now[(position + index) % 64] != byte:
            return index
        now[(at + index) % 64] = byte
    return len(wanted)


def register(number: int, value: int) -> bytes:
    return struct.pack("<2sHI", b"\xab\xba", number, value)


def task(index: int, ticks: int) -> bytes:
    return struct.pack("<2sHIQ", b"\xda\xda", index, 0, ticks)


def memory(segment: Segment) -> list[bytes]:
    """Return the pieces of a segment, which dumpers never cut."""
    pieces = []
    for at in range(0, len(segment.data), CHUNK):
        plain = segment.data[at : at + CHUNK]
        packed = compress(plain)
        head = struct.pack("<IHH", segment.address + at, len(packed), len(plain))
        pieces.append(head + packed + b"\x55" * (-len(packed) % 4))
    return pieces


def header(
    address: int, length: int, *, written: int = 24, contents: int = 0, dumper: int = 0xFF,
    count: int = 0, next_: int = 0,
) -> bytes:  # fmt: skip
    return struct.pack(
        "<4sIIIBBHI", b"\1\xde\xde\xad", address, length, written, contents, dumper, count, next_
    )


class Areas:
    """RAM with areas of `length` bytes from `base` on, filled as jefe does."""

    def __init__(self, base: int, length: int, count: int) -> None:
        self.base, self.length, self.count = base, length, count
        self.used = 0
        self.blocks = [
            header(base + i * length, length, next_=self._next(i)).ljust(length, b"\xa5")
            for i in range(count)
        ]

    def _next(self, index: int) -> int:
        return 0 if index + 1 == self.count else self.base + (index + 1) * self.length

    def add(
        self,
        segments: Sequence[Segment],
        *,
        contents: int = 1,
        dumper: int = 2,
        heads: Iterable[bytes] = (),
    ) -> None:
        """Put a dump into the next areas; `heads` are its task, or its registers."""
        ranges = b"".join(struct.pack("<II", s.address, len(s.data)) for s in segments)
        stream, count = ranges, len(segments)
        for piece in [*heads, *(p for s in segments for p in memory(s))]:
            if 24 + len(stream) + len(piece) >= self.length:
                self._put(stream, contents, dumper, count)
                stream, count = b"", 0
            stream += piece
        self._put(stream, contents, dumper, count)

    def _put(self, stream: bytes, contents: int, dumper: int, count: int) -> None:
        head = header(
            self.base + self.used * self.length, self.length, written=24 + len(stream),
            contents=contents, dumper=dumper, count=count, next_=self._next(self.used),
        )  # fmt: skip
        self.blocks[self.used] = (head + stream).ljust(self.length, b"\xa5")
        self.used += 1

    @property
    def ram(self) -> bytes:
        return b"".join(self.blocks)
