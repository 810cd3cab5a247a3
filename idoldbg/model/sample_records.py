"""Raw samples of a profile, as an emulated board writes them: registers and stacks, once each."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from idol.records import dataclass, field
from idoldbg.errors import DecodeError

__all__ = ["NEW", "USE", "Sample", "SampleReader"]

NEW = struct.Struct("<BBHH16IH")
"""1, whether the core slept, exception, task, r0 to r15, size of the stack that follows."""
USE = struct.Struct("<BIIQ")
"""2, which of the samples so far, how often in a row, nanoseconds of the board's time."""


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

    def feed(self, data: bytes) -> Iterator[tuple[Sample, int, int]]:
        """Return (sample, how often, when); raise `DecodeError` for what no sampler writes."""
        at = 0
        while at < len(data):
            try:
                if data[at] == 1:
                    at = self._learn(data, at)
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

    def _learn(self, data: bytes, at: int) -> int:
        _, is_asleep, exception, task, *registers, size = NEW.unpack_from(data, at)
        start: int = at + NEW.size
        if len(data) < start + size:
            raise ValueError("it is cut off")
        stack = data[start : start + size]
        self._known.append(Sample(bool(is_asleep), exception, task, tuple(registers), stack))
        return start + len(stack)
