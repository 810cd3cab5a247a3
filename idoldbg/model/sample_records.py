"""Raw samples of a profile, as an emulated board writes them: registers and stacks, once each."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from idol.records import dataclass, field
from idoldbg.errors import DecodeError

__all__ = ["CHUNK", "NEW", "PIECE", "USE", "Sample", "SampleReader"]

NEW = struct.Struct("<BBHH16IH")
"""1, whether the core slept, exception, task, r0 to r15, and of how many pieces its stack is; the
number of each piece follows (`PIECE`), from the stack pointer upwards."""
USE = struct.Struct("<BIIQ")
"""2, which of the samples so far, how often in a row, nanoseconds of the board's time."""
CHUNK = struct.Struct("<BH")
"""3, size of a piece of a stack, which follows: pieces are numbered as they come."""
PIECE = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Sample:
    """State of the core at one moment; `stack` has bytes from the stack pointer upwards.

    `exception` is 0 where a task had the core, `task` an index or `NO_TASK`.
    """

    is_asleep: bool
    exception: int
    task: int
    registers: tuple[int, ...]
    stack: bytes = field(repr=False)


class SampleReader:
    """Reads a stream of samples piece by piece, each whole."""

    def __init__(self) -> None:
        self._known: list[Sample] = []
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> Iterator[tuple[Sample, int, int]]:
        """Return (sample, how often, when); raise `DecodeError` for what no sampler writes."""
        at = 0
        while at < len(data):
            try:
                if data[at] == 1:
                    at = self._learn(data, at)
                elif data[at] == 3:
                    at = self._keep(data, at)
                else:
                    kind, index, weight, time_ns = USE.unpack_from(data, at)
                    if kind != 2 or index >= len(self._known):
                        raise ValueError("unknown")
                    yield self._known[index], weight, time_ns
                    at += USE.size
            except (struct.error, ValueError) as error:
                raise DecodeError(
                    f"not a profile: the record at byte {at}: {error}", type="profile", offset=at
                ) from None

    def _keep(self, data: bytes, at: int) -> int:
        _, size = CHUNK.unpack_from(data, at)
        piece = data[at + CHUNK.size : at + CHUNK.size + size]
        if len(piece) < size:
            raise ValueError("it is cut off")
        self._pieces.append(piece)
        return at + CHUNK.size + len(piece)

    def _learn(self, data: bytes, at: int) -> int:
        _, is_asleep, exception, task, *registers, count = NEW.unpack_from(data, at)
        at += NEW.size
        pieces = []
        for _ in range(count):
            (number,) = PIECE.unpack_from(data, at)
            if number >= len(self._pieces):
                raise ValueError("an unknown piece of a stack")
            pieces.append(self._pieces[number])
            at += PIECE.size
        stack = b"".join(pieces)
        self._known.append(Sample(bool(is_asleep), exception, task, tuple(registers), stack))
        return at
