"""Target state that a call reads besides its answer: hiffy's words, task, clock, image.

Types: `abi::TaskState` (Hubris, sys/abi/src/lib.rs), as the image's own DWARF describes it.
"""

from __future__ import annotations

from collections.abc import Sequence

from idol.records import dataclass
from idoldbg.call.codec import image
from idoldbg.call.hiffy.actions import Range, ReadMany
from idoldbg.call.hiffy.layout import HiffyLayout
from idoldbg.errors import DecodeError, MismatchError, NotFound
from idoldbg.model.values import EnumValue, StructValue, Unreadable, Value

__all__ = ["WORD", "ImageMark", "Status", "StatusReader", "Words"]

WORD = 4
_STARTED = {"InSend", "InReply", "InRecv"}
_MANY_PROGRAMS = 1 << 20
_MANY_TICKS = 1 << 32  # fifty days


@dataclass(frozen=True, slots=True)
class ImageMark:
    """Bytes in flash that tell one build from others, such as the image id; `what` names them."""

    what: str
    address: int
    expected: bytes

    def mismatch(self, actual: bytes) -> MismatchError:
        """Build the error for a target that holds other bytes there."""
        return MismatchError(
            f"the target runs another image: its {self.what} is {actual.hex()}, this build's is "
            f"{self.expected.hex()}; flash this build, or give the archive of what is flashed",
            expected=self.expected.hex(),
            actual=actual.hex(),
        )


@dataclass(frozen=True, slots=True)
class Words:
    """HIFFY_KICK, HIFFY_READY, HIFFY_REQUESTS and HIFFY_ERRORS.

    Where they are read in this order, a kick that is gone has been taken, hiffy that is ready then
    has done it, and has counted it then.
    """

    kick: int
    ready: int
    requests: int
    errors: int

    @property
    def counters(self) -> tuple[int, int]:
        """Programs that ended well, and those that failed, since hiffy started."""
        return self.requests, self.errors

    @property
    def is_idle(self) -> bool:
        """Whether hiffy waits for a program and has been given none."""
        return self.ready == 1 and self.kick == 0

    def are_anew(self, earlier: Words) -> bool:
        """Return whether hiffy has counted anew since `earlier`, or memory has lost its power.

        Counters that went back, or on by more than programs can have been executed.
        """
        pairs = zip(self.counters, earlier.counters, strict=True)
        return any((now - before) & 0xFFFFFFFF >= _MANY_PROGRAMS for now, before in pairs)


@dataclass(frozen=True, slots=True)
class Status:
    """hiffy and its surroundings at one moment.

    `state` is None and `generation` empty where the task table is not known, `ticks` (milliseconds
    since the kernel started) and `image` are None where they are not read.
    """

    words: Words
    state: Value | None
    generation: bytes
    ticks: int | None
    image: bytes | None

    @property
    def scheduler_state(self) -> EnumValue | None:
        """`abi::SchedState` of a healthy task."""
        healthy = self._state_as("Healthy")
        scheduler = None if healthy is None else healthy.get(0)
        return scheduler if isinstance(scheduler, EnumValue) else None

    @property
    def is_started(self) -> bool:
        """Whether hiffy is in a system call, which it makes none of before its `main`."""
        if self.state is None:
            return True  # the task table is not known: believe HIFFY_READY
        scheduler = self.scheduler_state
        return scheduler is not None and scheduler.variant in _STARTED

    @property
    def is_ready(self) -> bool:
        return self.is_started and self.words.is_idle

    @property
    def is_faulted(self) -> bool:
        return self._state_as("Faulted") is not None

    def _state_as(self, variant: str) -> EnumValue | None:
        if self.state is None or isinstance(self.state, Unreadable):
            return None
        return self.state.as_variant(variant)

    @property
    def is_sound(self) -> bool:
        """Whether all of hiffy's state is a value of its type; not so in memory without power."""
        return self.state is None or not _has_unreadable(self.state)

    @property
    def reply_fault(self) -> tuple[int, str] | None:
        """The task id and reason of `FaultInfo::FromServer`, if that is what hiffy died of."""
        faulted = self._state_as("Faulted")
        try:
            fault = None if faulted is None else faulted["fault"].as_variant("FromServer")
            if fault is not None and isinstance(reason := fault[1], EnumValue):
                return int(fault[0]), reason.variant
        except (DecodeError, NotFound):
            pass  # a kernel of another version, or memory that holds no fault
        return None

    def is_back(self, earlier: Status) -> bool:
        """Return whether the kernel's clock has begun anew since `earlier`, or lost its power."""
        if self.ticks is None or earlier.ticks is None:
            return False
        return not 0 <= self.ticks - earlier.ticks < _MANY_TICKS

    def is_as(self, earlier: Status) -> bool:
        """Return whether hiffy has neither executed a program nor begun anew since `earlier`."""
        is_same = self.generation == earlier.generation and not self.is_back(earlier)
        return is_same and self.words.counters == earlier.words.counters

    @property
    def generation_number(self) -> int | None:
        """Number of restarts of hiffy (modulo 64, on most kernels)."""
        return int.from_bytes(self.generation, "little") if self.generation else None


def _has_unreadable(value: Value) -> bool:
    match value:
        case EnumValue(payload=payload):
            return payload is not None and _has_unreadable(payload)
        case StructValue(fields=fields):
            return any(_has_unreadable(field) for _, field in fields)
    return isinstance(value, Unreadable)


class StatusReader:
    """Knows which memory makes up a `Status`, and decodes it."""

    def __init__(self, layout: HiffyLayout, mark: ImageMark | None, ticks: int | None) -> None:
        self.mark = mark
        self._task = layout.task
        self._states: dict[bytes, Value] = {}
        task: list[Range] = []
        if layout.task is not None:
            areas = (layout.task.generation, layout.task.state)
            task = [(area.address, area.size) for area in areas]
        self._has_ticks = ticks is not None
        clock: list[Range] = [] if ticks is None else [(ticks, 8)]
        self.mark_ranges: tuple[Range, ...] = ()
        if mark is not None:
            self.mark_ranges = ((mark.address, len(mark.expected)),)
        self._kernel: tuple[Range, ...] = (*task, *clock)
        self._around: tuple[Range, ...] = (*self._kernel, *self.mark_ranges)
        at = (layout.kick, layout.ready, layout.requests, layout.errors)
        #: Of `Words`, in their order.
        self.word_ranges: tuple[Range, ...] = tuple((address, WORD) for address in at)

    def before(self, *more: Range) -> ReadMany:
        """Return a read of a `Status`, its words last, and of more.

        A restart or reset that the words show then, and the task does not, is noticed later. The
        generation is read first: a state that belongs to an earlier one shows no readiness. The
        image's mark, and what more there is, come as b"" where they cost transactions.
        """
        spare = (*self.mark_ranges, *more)
        first = (1,) if self._task is not None else ()
        barriers = (*first, len(self._kernel))
        return ReadMany((*self._kernel, *self.word_ranges, *spare), barriers, spare=len(spare))

    def after(self, *around_words: Range) -> ReadMany:
        """Return a read of some ranges, the words in their order, the same ranges, then the rest.

        What the words or the ranges show of a restart or reset, the task shows then.
        """
        ranges = (*around_words, *self.word_ranges, *around_words, *self._around)
        count = len(around_words)
        barriers = (count, count + 1, count + 2, count + 4, 2 * count + 4)
        return ReadMany(ranges, barriers=barriers)

    def poll(self, first: Range) -> ReadMany:
        """Return a read of the words, and of `first` after them where that costs nothing."""
        count = len(self.word_ranges)
        return ReadMany((*self.word_ranges, first), barriers=(count,), spare=1)

    def read_poll(self, parts: Sequence[bytes]) -> tuple[Words, bytes]:
        """Decode what was read by `poll`; b"" where `first` would have cost a transaction."""
        return self.words(parts[:-1]), parts[-1]

    def proof(self, results: Sequence[Range], *written: Range) -> ReadMany:
        """Return a read of results, then of what shows whose they are: what was written, the words.

        What was written last, and is there after the results were read, was there before.
        """
        ranges = (*results, *written, *self.mark_ranges, *self.word_ranges)
        words = len(ranges) - len(self.word_ranges)
        return ReadMany(ranges, barriers=(len(results), words + 1, words + 2))

    def read_proof(
        self, parts: Sequence[bytes], count: int
    ) -> tuple[Words, Sequence[bytes], Sequence[bytes]]:
        """Return words, image mark and what was written, of a `proof` of `count` results."""
        words = len(parts) - len(self.word_ranges)
        mark = words - len(self.mark_ranges)
        return self.words(parts[words:]), parts[mark:words], parts[count:mark]

    def left_by(self, results: Sequence[Range], *written: Range) -> ReadMany:
        """Return a read of results, then of what was written."""
        return ReadMany((*results, *written), barriers=(len(results),))

    def last(self, *, with_mark: bool) -> ReadMany:
        """Return a read of the words, and of the image's mark if wanted."""
        mark = self.mark_ranges if with_mark else ()
        count = len(mark)
        return ReadMany((*mark, *self.word_ranges), barriers=(count + 1, count + 2))

    def read_last(self, parts: Sequence[bytes]) -> tuple[Words, Sequence[bytes]]:
        """Decode what was read by `last`; return also the image's mark, if it is there."""
        mark = len(parts) - len(self.word_ranges)
        return self.words(parts[mark:]), parts[:mark]

    def words(self, parts: Sequence[bytes]) -> Words:
        """Decode what was read of `word_ranges`."""
        kick, ready, requests, errors = (int.from_bytes(part, "little") for part in parts)
        return Words(kick, ready, requests, errors)

    def status_before(self, parts: Sequence[bytes]) -> tuple[Status, tuple[bytes, ...]]:
        """Decode what was read by `before`; return also what else was asked for."""
        words = len(self._kernel)
        mark = words + len(self.word_ranges)
        more = mark + len(self.mark_ranges)
        status = self._status(parts[words:mark], (*parts[:words], *parts[mark:more]))
        return status, tuple(parts[more:])

    def status_after(self, parts: Sequence[bytes]) -> tuple[Status, tuple[bytes, ...]]:
        """Decode what was read by `after`; return also what its ranges held, first and then."""
        count = (len(parts) - len(self._around) - len(self.word_ranges)) // 2
        end = count + len(self.word_ranges)
        status = self._status(parts[count:end], parts[end + count :])
        return status, (*parts[:count], *parts[end : end + count])

    def _status(self, words: Sequence[bytes], around: Sequence[bytes]) -> Status:
        left = iter(around)
        state, generation = None, b""
        if self._task is not None:
            generation, state = next(left), self._state(next(left))
        ticks = int.from_bytes(next(left), "little") if self._has_ticks else None
        return Status(self.words(words), state, generation, ticks, next(left, None))

    def check_image(self, found: bytes | None = None) -> None:
        """Raise `MismatchError` where that is read of `mark_ranges` and is not this build's."""
        if self.mark is not None and found is not None and found != self.mark.expected:
            raise self.mark.mismatch(found)

    def _state(self, data: bytes) -> Value:
        """Decode `abi::TaskState`, remembering a few: a call sees the same ones all the time."""
        if data not in self._states:
            assert self._task is not None  # or there is nothing to decode
            if len(self._states) >= 16:
                self._states.clear()
            self._states[data] = image.decode(self._task.state_type, data)
        return self._states[data]
