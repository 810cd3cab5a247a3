"""Differences between two core dumps of one build: registers, tasks, statics, memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from idol.records import dataclass, replace
from idoldbg.build.load.dump_file import DumpFile
from idoldbg.build.program import Program
from idoldbg.call.codec import image
from idoldbg.errors import FaultError, IdoldbgError
from idoldbg.model.memory import MemoryImage, MemoryReader
from idoldbg.model.snapshot import Range
from idoldbg.model.values import ArrayValue, EnumValue, StructValue, Value
from idoldbg.views.dump_info import subtract
from idoldbg.views.regions import find_place
from idoldbg.views.tasks import Notification, TaskRow, read_tasks
from idoldbg.views.variables import RAM, iter_statics

__all__ = ["Change", "DumpDiff", "MemoryChange", "StaticChange", "TaskChange", "compare_dumps"]

NEAR = 16  # bytes that are equal between two changes that are one


@dataclass(frozen=True, slots=True)
class Change:
    """A register, None where a dump lacks it; or a part of a static by its path in there."""

    name: str
    before: int | Value | None
    after: int | Value | None


@dataclass(frozen=True, slots=True)
class TaskChange:
    """A task that does something else, or was restarted."""

    before: TaskRow
    after: TaskRow


@dataclass(frozen=True, slots=True)
class StaticChange:
    """A static of other content; `path` is such as `net/STATE`. `changes` are its parts."""

    path: str
    address: int
    size: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class MemoryChange:
    """Memory of other content. `changed` of its bytes differ; `place` is what it belongs to."""

    address: int
    size: int
    changed: int
    place: str | None


@dataclass(frozen=True, slots=True)
class DumpDiff:
    """Differences between two dumps; the kernel's times are in ticks.

    `only_before` and `only_after` is memory that one of them lacks. `unreadable` is what could not
    be compared, and why.
    """

    ticks_before: int | None
    ticks_after: int | None
    registers: tuple[Change, ...]
    tasks: tuple[TaskChange, ...]
    statics: tuple[StaticChange, ...]
    memory: tuple[MemoryChange, ...]
    only_before: tuple[Range, ...]
    only_after: tuple[Range, ...]
    unreadable: tuple[str, ...] = ()

    @property
    def is_same(self) -> bool:
        """Whether there are no differences."""
        return not (
            self.registers or self.tasks or self.memory or self.only_before or self.only_after
        )


def compare_dumps(program: Program, before: DumpFile, after: DumpFile) -> DumpDiff:
    """Compare two dumps of `program`'s build, whose own memory is not looked at."""
    first, second = MemoryImage(before.segments), MemoryImage(after.segments)
    flash = program.archive.flash_segments()
    old, new = (
        Program(program.archive, MemoryImage([*flash, *each.segments])) for each in (before, after)
    )
    problems: list[str] = []
    tasks = _compare_tasks(old, new, problems)
    ranges = [tuple((s.address, len(s.data)) for s in m.segments) for m in (first, second)]
    only = [
        tuple(piece for each in mine for piece in subtract(each, others))
        for mine, others in (ranges, reversed(ranges))
    ]
    shared = [piece for each in ranges[0] for piece in subtract(each, only[0])]
    return DumpDiff(
        _ticks(old) if before.ticks is None else before.ticks,
        _ticks(new) if after.ticks is None else after.ticks,
        tuple(_compare_registers(before.registers, after.registers)),
        tasks,
        tuple(_compare_statics(program, first, second)),
        tuple(_compare_memory(program, first, second, shared)),
        only[0],
        only[1],
        tuple(problems),
    )


def _ticks(program: Program) -> int | None:
    try:
        return program.ticks()
    except IdoldbgError:
        return None


def _compare_registers(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[Change]:
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield Change(name, before.get(name), after.get(name))


def _compare_tasks(before: Program, after: Program, problems: list[str]) -> tuple[TaskChange, ...]:
    try:
        rows = zip(read_tasks(before).rows, read_tasks(after).rows, strict=True)
        return tuple(TaskChange(a, b) for a, b in rows if _timeless(a) != _timeless(b))
    except IdoldbgError as error:
        problems.append(f"tasks: {error}")
        return ()


def _timeless(row: TaskRow) -> TaskRow:
    """Return a row without how long its timer has to go: that differs at any moment."""
    if row.timer is not None:
        row = replace(row, timer=replace(row.timer, deadline=None, in_ticks=None))
    state = row.scheduler
    if state is None or not state.notifications:
        return row
    bits: tuple[Notification, ...] = tuple(
        replace(each, deadline=None, ticks_left=None) for each in state.notifications
    )
    return replace(row, scheduler=replace(state, notifications=bits))


def _compare_statics(
    program: Program, before: MemoryReader, after: MemoryReader
) -> Iterator[StaticChange]:
    for static in iter_statics(program):
        variable = static.variable
        if static.memory != RAM or variable.address is None:
            continue
        try:
            pair = [m.read(variable.address, variable.size) for m in (before, after)]
        except FaultError:
            continue  # ranges that one of them lacks are listed
        if pair[0] == pair[1]:
            continue
        try:
            values = [image.decode(variable.type, d, address=variable.address) for d in pair]
            parts = tuple(_changes("", *values))
        except IdoldbgError:
            parts = ()
        yield StaticChange(static.path, variable.address, variable.size, parts)


def _changes(path: str, before: Value, after: Value) -> Iterator[Change]:
    """Yield the smallest parts that differ; padding is none."""
    match before, after:
        case StructValue(), StructValue():
            theirs = dict(after.fields)
            for name, value in before.fields:
                yield from _changes(f"{path}.{name}" if path else name, value, theirs[name])
        case ArrayValue(), ArrayValue():
            for index, pair in enumerate(zip(before.elements, after.elements, strict=True)):
                yield from _changes(f"{path}[{index}]", *pair)
        case EnumValue(payload=StructValue()), EnumValue(payload=StructValue()) if (
            before.variant == after.variant
        ):
            yield from _changes(path, before.payload, after.payload)  # type: ignore[arg-type]
        case _ if before != after:
            yield Change(path, before, after)


def _compare_memory(
    program: Program, before: MemoryReader, after: MemoryReader, shared: list[Range]
) -> Iterator[MemoryChange]:
    for address, size in shared:
        a, b = before.read(address, size), after.read(address, size)
        if a == b:
            continue
        for low, high, changed in _differences(a, b):
            place = find_place(program, address + low)
            name = place.symbol or place.region
            yield MemoryChange(address + low, high - low, changed, name)


def _differences(a: bytes, b: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield start, end and number of differing bytes of each change."""
    start = end = count = 0
    for at in (i for i in range(len(a)) if a[i] != b[i]):
        if count and at - end >= NEAR:
            yield start, end, count
            count = 0
        if not count:
            start = at
        end, count = at + 1, count + 1
    if count:
        yield start, end, count
