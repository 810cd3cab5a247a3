"""Actions that a state machine asks of its driver, and a driver over a link.

A machine is a generator. It yields an action and is sent its result: bytes for `Read`, a tuple of
bytes for `ReadMany`, None for `Write`, and the clock's time in seconds for `Wait`.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, TypeAlias, TypeVar

from idol.records import dataclass
from idoldbg.model.memory import Clock, Exchanger, MemoryReader, MemoryWriter, MultiReader

__all__ = [
    "MAX_GAP",
    "ONE_MOMENT",
    "Action",
    "Block",
    "Machine",
    "Range",
    "Read",
    "ReadMany",
    "ReadPlan",
    "Wait",
    "Write",
    "drive",
    "plan_blocks",
    "plan_reads",
]

Range: TypeAlias = tuple[int, int]
"""An address and a size."""

ONE_MOMENT = 64
"""Bytes that a probe reads in less time than hiffy takes for the shortest call."""
MAX_GAP = 64
"""Bytes worth reading for nothing to save a transaction: 16 words take a probe less time than one
more USB round trip."""
ONE_BY_ONE_GAP = 256
"""The same where each read costs two or three round trips by itself, as with ST-Link."""


@dataclass(frozen=True, slots=True)
class Read:
    """Read `size` bytes of target memory."""

    address: int
    size: int


@dataclass(frozen=True, slots=True)
class ReadMany:
    """Read several ranges, as few transactions as that takes.

    They may be read in any order, except that none from a position of `barriers` on is read before
    those in front of it. Of the last `spare` ranges the result may be b"", where reading them takes
    transactions of their own.
    """

    ranges: tuple[Range, ...]
    barriers: tuple[int, ...] = ()
    spare: int = 0

    @property
    def stages(self) -> tuple[tuple[Range, ...], ...]:
        """The ranges between the barriers, to be read one after the other."""
        ends = (*self.barriers, len(self.ranges))
        return tuple(self.ranges[a:b] for a, b in zip((0, *self.barriers), ends, strict=True))


@dataclass(frozen=True, slots=True)
class Write:
    """Write target memory.

    One that `joins` is made no later than the next action, and in one transaction with it where
    the target can. What goes wrong may then show at the next action.
    """

    address: int
    data: bytes
    joins: bool = False


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
    performer = _Performer(reader, writer, clock, max_gap)
    result: Any = None
    failure: BaseException | None = None
    while True:
        try:
            action = machine.send(result) if failure is None else machine.throw(failure)
        except StopIteration as stop:
            performer.flush()
            value: T = stop.value
            return value
        result, failure = None, None
        try:
            result = performer.perform(action)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (the machine raises it)
            failure = error


class _Performer:
    """Does actions on a target; writes that join the next action are held back for it."""

    def __init__(
        self, reader: MemoryReader, writer: MemoryWriter, clock: Clock, max_gap: int
    ) -> None:
        self._reader, self._writer, self._clock = reader, writer, clock
        self._max_gap = max_gap
        self._held: list[tuple[int, bytes]] = []

    def perform(self, action: Action) -> Any:
        """Do an action; return its result."""
        match action:
            case Read(address=address, size=size):
                self.flush()
                return self._reader.read(address, size)
            case ReadMany():
                return self._read_stages(action)
            case Write():
                return self._write(action)
            case Wait(seconds=seconds):
                self.flush()
                if seconds > 0:
                    self._clock.wait(seconds)
                return self._clock.monotonic()

    def flush(self) -> None:
        """Make the writes that were held back."""
        if self._held:
            self._exchange(())

    def _write(self, action: Write) -> None:
        can_join = action.joins and isinstance(self._reader, Exchanger) and self._reader.exchanges
        if self._held or can_join:
            self._held.append((action.address, action.data))
            if not can_join:
                self.flush()
        else:
            self._writer.write(action.address, action.data)

    def _exchange(self, places: Sequence[Range]) -> Sequence[bytes]:
        assert isinstance(self._reader, Exchanger)  # or nothing was held back
        held, self._held = self._held, []
        return self._reader.exchange(held, places)

    def _read_stages(self, action: ReadMany) -> tuple[bytes, ...]:
        """Read blocks in order, at once where the target can."""
        reader = self._reader
        at_once = bool(self._held) or (
            isinstance(reader, MultiReader) and getattr(reader, "reads_at_once", True)
        )
        gap = self._max_gap if at_once else max(self._max_gap, ONE_BY_ONE_GAP)
        plan = plan_blocks(action, gap, at_once=at_once)
        places = [block.place for block in plan.blocks]
        if self._held:
            return plan.cut(self._exchange(places))
        if isinstance(reader, MultiReader) and len(places) > 1:
            return plan.cut(reader.read_many(places))
        return plan.cut([reader.read(address, size) for address, size in places])


@dataclass(frozen=True, slots=True)
class Block:
    """Memory that is read as one, for the ranges of the stages from `first` to `last`."""

    ranges: tuple[Range, ...]
    first: int
    last: int

    @property
    def place(self) -> Range:
        """Its address and size."""
        begin = min(address for address, _ in self.ranges)
        return begin, max(address + size for address, size in self.ranges) - begin


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """Blocks to read in their order, for an action whose last `spare` ranges are left out."""

    stages: tuple[tuple[Range, ...], ...]
    blocks: tuple[Block, ...]
    spare: int

    def cut(self, found: Sequence[bytes]) -> tuple[bytes, ...]:
        """Return the action's ranges out of what was read of each block."""
        parts: list[bytes] = []
        for number, stage in enumerate(self.stages):
            near = [
                (block.place[0], data)
                for block, data in zip(self.blocks, found, strict=True)
                if block.first <= number <= block.last
            ]
            parts += [_cut(near, address, size) for address, size in stage]
        return (*parts, *[b""] * self.spare)


def plan_blocks(action: ReadMany, max_gap: int, *, at_once: bool) -> ReadPlan:
    """Return how to read: all of it at once, or what is not spare in as few reads as it takes."""
    if at_once:
        return ReadPlan(action.stages, tuple(_plan_stages(action.stages, max_gap)), 0)
    count = len(action.ranges) - action.spare
    kept = ReadMany(action.ranges[:count], tuple(b for b in action.barriers if b < count))
    return ReadPlan(kept.stages, tuple(_join_stages(kept.stages, max_gap)), action.spare)


def _plan_stages(stages: Sequence[Sequence[Range]], max_gap: int) -> list[Block]:
    """Return the blocks of each stage, one after the other."""
    return [
        Block((place,), number, number)
        for number, stage in enumerate(stages)
        for place in plan_reads(stage, max_gap)
    ]


def _join_stages(stages: Sequence[Sequence[Range]], max_gap: int) -> list[Block]:
    """Return fewer blocks, where each costs a transaction.

    The block of a stage that is read last may hold ranges of the next as well: those behind it, or
    all if it is so short that nothing comes between.
    """
    blocks: list[Block] = []
    movable: list[Block] = []  # of the stage before, those that may be read last
    for number, stage in enumerate(stages):
        left = [range_ for range_ in stage if range_[1] > 0]
        joined = [(block, _near(block, left, max_gap)) for block in movable]
        block, near = max(joined, key=lambda pair: len(pair[1]), default=(None, ()))
        movable = []
        if block is not None and near:
            blocks.remove(block)
            blocks.append(Block((*block.ranges, *near), block.first, number))
            left = [range_ for range_ in left if range_ not in near]
            movable = blocks[-1:] if not left else []
        places = plan_reads(left, max_gap)
        added = [Block(_inside(place, left), number, number) for place in places]
        blocks += added
        movable += added
    return blocks


def _near(block: Block, ranges: Sequence[Range], max_gap: int) -> tuple[Range, ...]:
    """Return the ranges that a block can hold besides its own, which are to be read before.

    Those behind all of its own, for memory is read in order, and others where it stays short.
    """
    near: tuple[Range, ...] = ()
    end = max(address + size for address, size in block.ranges)
    for range_ in sorted(ranges):
        plan = plan_reads((*block.ranges, *near, range_), max_gap)
        if len(plan) == 1 and (plan[0][1] <= ONE_MOMENT or range_[0] >= end):
            near = (*near, range_)
    return near


def _inside(place: Range, ranges: Sequence[Range]) -> tuple[Range, ...]:
    return tuple(r for r in sorted(ranges) if place[0] <= r[0] < place[0] + place[1])


def _cut(blocks: Sequence[tuple[int, bytes]], address: int, size: int) -> bytes:
    for start, data in blocks:
        if start <= address and address + size <= start + len(data):
            return data[address - start : address - start + size]
    return b""  # a range of no bytes
