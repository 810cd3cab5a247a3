"""Actions that a state machine asks of its driver, and a driver over a link.

A machine is a generator. It yields an action and is sent its result: bytes for `Read`, a tuple of
bytes for `ReadMany`, None for `Write`, and the clock's time in seconds for `Wait`.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, TypeAlias, TypeVar

from idol.records import dataclass
from idoldbg.model.memory import Clock, MemoryReader, MemoryWriter, MultiReader

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

ONE_MOMENT = 64
"""Bytes that a probe reads in less time than hiffy takes for the shortest call."""
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
    """Read several ranges, as few transactions as that takes.

    They may be read in any order, except that none from a position of `barriers` on is read before
    those in front of it.
    """

    ranges: tuple[Range, ...]
    barriers: tuple[int, ...] = ()

    @property
    def stages(self) -> tuple[tuple[Range, ...], ...]:
        """The ranges between the barriers, to be read one after the other."""
        ends = (*self.barriers, len(self.ranges))
        return tuple(self.ranges[a:b] for a, b in zip((0, *self.barriers), ends, strict=True))


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

    An exception of the link, or Ctrl-C, is thrown into the machine at the action that met it, and
    comes out of here unless the machine knows what to do.
    """
    result: Any = None
    failure: BaseException | None = None
    while True:
        try:
            action = machine.send(result) if failure is None else machine.throw(failure)
        except StopIteration as stop:
            value: T = stop.value
            return value
        result, failure = None, None
        try:
            result = _perform(action, reader, writer, clock, max_gap)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (the machine raises it)
            failure = error


def _perform(
    action: Action, reader: MemoryReader, writer: MemoryWriter, clock: Clock, max_gap: int
) -> Any:
    match action:
        case Read(address=address, size=size):
            return reader.read(address, size)
        case ReadMany(stages=stages):
            return _read_stages(stages, reader, max_gap)
        case Write(address=address, data=data):
            return writer.write(address, data)
        case Wait(seconds=seconds):
            if seconds > 0:
                clock.wait(seconds)
            return clock.monotonic()


def _read_stages(
    stages: Sequence[Sequence[Range]], reader: MemoryReader, max_gap: int
) -> tuple[bytes, ...]:
    """Read blocks in order, at once where the target can."""
    if not isinstance(reader, MultiReader):
        stages = _join_stages(stages, max_gap)
    plans = [plan_reads(stage, max_gap) for stage in stages]
    wanted = [block for plan in plans for block in plan]
    if isinstance(reader, MultiReader) and len(wanted) > 1:
        found = iter(reader.read_many(wanted))
    else:
        found = (reader.read(address, size) for address, size in wanted)
    parts: list[bytes] = []
    for stage, plan in zip(stages, plans, strict=True):
        blocks = [(address, next(found)) for address, _ in plan]
        parts += [_cut(blocks, address, size) for address, size in stage]
    return tuple(parts)


def _join_stages(stages: Sequence[Sequence[Range]], max_gap: int) -> list[tuple[Range, ...]]:
    """Join stages that are in one block so short that nothing comes between."""
    joined: list[tuple[Range, ...]] = []
    for stage in stages:
        both = (*joined[-1], *stage) if joined else ()
        plan = plan_reads(both, max_gap)
        if len(plan) == 1 and plan[0][1] <= ONE_MOMENT:
            joined[-1] = both
        else:
            joined.append(tuple(stage))
    return joined


def _cut(blocks: Sequence[tuple[int, bytes]], address: int, size: int) -> bytes:
    for start, data in blocks:
        if start <= address and address + size <= start + len(data):
            return data[address - start : address - start + size]
    return b""  # a range of no bytes
