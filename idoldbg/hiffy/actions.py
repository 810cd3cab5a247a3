"""What a machine asks its driver to do, and a driver over a link.

A machine is a generator. It yields an action and is sent its result: bytes for `Read`, a tuple of
bytes for `ReadMany`, None for `Write`, and the clock's time in seconds for `Wait`.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, TypeAlias, TypeVar

from idol.records import dataclass
from idoldbg.memory import Clock, MemoryReader, MemoryWriter

__all__ = [
    "MAX_GAP",
    "Action",
    "Machine",
    "Range",
    "Read",
    "ReadMany",
    "Wait",
    "Write",
    "drive",
    "plan_reads",
]

Range: TypeAlias = tuple[int, int]
"""An address and a size."""

MAX_GAP = 64
"""Bytes worth reading for nothing to save a transaction: 16 words take a probe less time than one
more USB round trip."""


@dataclass(frozen=True, slots=True)
class Read:
    """Read `size` bytes of target memory."""

    address: int
    size: int


@dataclass(frozen=True, slots=True)
class ReadMany:
    """Read several ranges, as few transactions as that takes."""

    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class Write:
    """Write target memory."""

    address: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    """Let the target run for that long; zero only asks for the time."""

    seconds: float


Action: TypeAlias = Read | ReadMany | Write | Wait

T = TypeVar("T")
Machine: TypeAlias = Generator[Action, Any, T]


def plan_reads(ranges: Sequence[Range], max_gap: int = MAX_GAP) -> tuple[Range, ...]:
    """Return blocks, in address order, that cover all `ranges`.

    Ranges no further apart than `max_gap` bytes share a block.
    """
    blocks: list[Range] = []
    for address, size in sorted(r for r in ranges if r[1] > 0):
        if blocks:
            start, length = blocks[-1]
            if address <= start + length + max_gap:
                blocks[-1] = (start, max(length, address + size - start))
                continue
        blocks.append((address, size))
    return tuple(blocks)


def drive(
    machine: Machine[T],
    reader: MemoryReader,
    writer: MemoryWriter,
    clock: Clock,
    *,
    max_gap: int = MAX_GAP,
) -> T:
    """Carry out a machine's actions until it returns its result.

    An exception of the link is thrown into the machine at the action that met it, and comes out of
    here unless the machine knows what to do.
    """
    result: Any = None
    failure: Exception | None = None
    while True:
        try:
            action = machine.send(result) if failure is None else machine.throw(failure)
        except StopIteration as stop:
            value: T = stop.value
            return value
        result, failure = None, None
        try:
            result = _perform(action, reader, writer, clock, max_gap)
        except Exception as error:  # noqa: BLE001 (handed to the machine, which raises it again)
            failure = error


def _perform(
    action: Action, reader: MemoryReader, writer: MemoryWriter, clock: Clock, max_gap: int
) -> Any:
    match action:
        case Read(address=address, size=size):
            return reader.read(address, size)
        case ReadMany(ranges=ranges):
            blocks = [(a, reader.read(a, s)) for a, s in plan_reads(ranges, max_gap)]
            return tuple(_cut(blocks, address, size) for address, size in ranges)
        case Write(address=address, data=data):
            return writer.write(address, data)
        case Wait(seconds=seconds):
            if seconds > 0:
                clock.wait(seconds)
            return clock.monotonic()


def _cut(blocks: Sequence[tuple[int, bytes]], address: int, size: int) -> bytes:
    for start, data in blocks:
        if start <= address and address + size <= start + len(data):
            return data[address - start : address - start + size]
    return b""  # a range of no bytes
