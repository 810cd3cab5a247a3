"""Profiles: the use of a board's time by tasks and interrupts, from samples of its core."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum

from idol.records import dataclass
from idoldbg.build.program import Program
from idoldbg.errors import FaultError
from idoldbg.model.archive import KERNEL
from idoldbg.model.memory import MemoryReader
from idoldbg.model.sample_records import Sample, SampleReader
from idoldbg.model.trace_records import NO_TASK
from idoldbg.views.backtrace import Backtrace, End, read_core_backtrace
from idoldbg.views.interrupts import interrupt_names
from idoldbg.views.task_trace import exception_name

__all__ = ["Context", "ContextKind", "Profile", "ProfileFrame", "Stack", "read_profile"]

_NAMES = (*(f"r{i}" for i in range(13)), "sp", "lr", "pc")


class ContextKind(StrEnum):
    """Kinds of contexts."""

    TASK = "task"
    HANDLER = "handler"
    KERNEL = "kernel"  # before the first task
    ASLEEP = "asleep"


@dataclass(frozen=True, slots=True)
class Context:
    """Owner of the core's time: a task, an exception or interrupt, or nobody."""

    kind: ContextKind
    name: str


@dataclass(frozen=True, slots=True)
class ProfileFrame:
    """A function; `file` is the source that its code is of, None where that is not known."""

    name: str
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    """A context and the functions in it, the outermost first, inlined ones too.

    `is_whole` tells whether they go down to where the context starts, `is_guess` that the innermost
    function has no call frame information, and its caller was taken from the link register.
    """

    context: Context
    frames: tuple[ProfileFrame, ...]
    is_whole: bool = True
    is_guess: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """Samples in the order of time: each a stack, and how many times it was seen in a row.

    `interval_ns` is the board's time between two samples. A sample counts where it ends up: what
    was shorter than an interval may be missing.
    """

    samples: tuple[tuple[Stack, int], ...]
    interval_ns: int

    @property
    def count(self) -> int:
        """Number of samples."""
        return sum(count for _, count in self.samples)

    @property
    def cut(self) -> int:
        """Number of samples whose stack could not be walked to its start."""
        return sum(count for stack, count in self.samples if not stack.is_whole)

    @property
    def guessed(self) -> int:
        """Number of samples in which a caller is a guess."""
        return sum(count for stack, count in self.samples if stack.is_guess)

    @property
    def by_context(self) -> Mapping[Context, int]:
        """Samples of each context, the most first."""
        found: Counter[Context] = Counter()
        for stack, count in self.samples:
            found[stack.context] += count
        return dict(found.most_common())

    @property
    def by_function(self) -> Mapping[tuple[str, str], int]:
        """Samples in which a function was the innermost, by context and name, the most first."""
        found: Counter[tuple[str, str]] = Counter()
        for stack, count in self.samples:
            if stack.context.kind is not ContextKind.ASLEEP:
                name = stack.frames[-1].name if stack.frames else "?"
                found[stack.context.name, name] += count
        return dict(found.most_common())


class _SampledStack:
    """Memory of which a sample has kept the top of a stack alone."""

    def __init__(self, start: int, data: bytes) -> None:
        self._start, self._data = start, data

    def read(self, address: int, size: int) -> bytes:
        offset = address - self._start
        if offset < 0 or offset + size > len(self._data):
            raise FaultError("the sample does not have it", address=address, size=size)
        return self._data[offset : offset + size]


def read_profile(program: Program, data: bytes, rate_hz: float) -> Profile:
    """Walk the stacks of samples; raise `DecodeError` for what is not a profile."""
    reader = _StackReader(program)
    samples = [(reader.read(sample), count) for sample, count, _ in SampleReader().feed(data)]
    return Profile(_joined(samples), round(1e9 / rate_hz))


def _joined(samples: Iterable[tuple[Stack, int]]) -> tuple[tuple[Stack, int], ...]:
    found: list[tuple[Stack, int]] = []
    for stack, count in samples:
        if found and found[-1][0] == stack:
            found[-1] = (stack, found[-1][1] + count)
        else:
            found.append((stack, count))
    return tuple(found)


class _StackReader:
    def __init__(self, program: Program) -> None:
        self._program = program
        self._interrupts = interrupt_names(program.archive)
        self._known: dict[int, tuple[Sample, Stack]] = {}
        self._stacks: dict[Stack, Stack] = {}

    def read(self, sample: Sample) -> Stack:
        known = self._known.get(id(sample))
        if known is None:
            stack = self._read(sample)
            stack = self._stacks.setdefault(stack, stack)
            known = self._known[id(sample)] = (sample, stack)
        return known[1]

    def _read(self, sample: Sample) -> Stack:
        registers = dict(zip(_NAMES, sample.registers, strict=True))
        registers["xpsr"] = sample.exception
        before: MemoryReader = self._program.memory
        self._program.memory = _SampledStack(registers["sp"], sample.stack)
        try:
            walked = read_core_backtrace(self._program, registers)
            callers = self._guessed_callers(walked, registers)
        finally:
            self._program.memory = before
        owner = walked.frames[0].place.region if walked.frames else None
        last = walked if callers is None else callers
        found = [*walked.frames, *(callers.frames if callers is not None else ())]
        frames: list[ProfileFrame] = []
        for frame in found:
            if frame.place.region != owner:
                break  # what an exception has interrupted
            name = frame.function or f"0x{frame.address:08x}"
            frames.append(ProfileFrame(name, frame.place.file))
        is_whole = len(frames) < len(found) or last.end in (End.TASK_START, End.KERNEL_ENTRY)
        context = self._context(sample, owner)
        return Stack(context, tuple(reversed(frames)), is_whole, callers is not None)

    def _guessed_callers(self, walked: Backtrace, registers: Mapping[str, int]) -> Backtrace | None:
        """Return who called a function without call frame information, if it calls none itself."""
        own = [frame for frame in walked.frames if not frame.is_inlined]
        if walked.end is not End.NO_CFI or len(own) != 1 or not registers["lr"] & 1:
            return None
        callers = read_core_backtrace(
            self._program, {**registers, "pc": registers["lr"] & ~1, "lr": 0}
        )
        first = callers.frames[0] if callers.frames else None
        if first is None or first.function in (None, own[0].function):
            return None
        return callers if first.place.region == own[0].place.region else None

    def _context(self, sample: Sample, owner: str | None) -> Context:
        tasks = self._program.archive.tasks
        if sample.is_asleep:
            return Context(ContextKind.ASLEEP, "asleep")
        if sample.exception:
            name = self._interrupts.get(sample.exception - 16) or exception_name(sample.exception)
            return Context(ContextKind.HANDLER, name)
        found = (owner or "").removesuffix(" flash")
        if found and found != KERNEL:
            return Context(ContextKind.TASK, found)
        if sample.task != NO_TASK and sample.task < len(tasks) and found != KERNEL:
            return Context(ContextKind.TASK, tasks[sample.task].name)
        return Context(ContextKind.KERNEL, KERNEL)
