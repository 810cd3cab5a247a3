"""Code and operations that were executed, from the raw records of emulated boards.

A line counts as executed when any of the code that debug information has for it was: the compiler
may have left out other parts of the line. Code that is not in the image is in no line. Files are
those of debug information; names of functions are those of symbols, so inlined ones have none.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from idol.records import dataclass, field
from idoldbg.build.program import Program
from idoldbg.errors import IdoldbgError
from idoldbg.model.archive import KERNEL
from idoldbg.model.coverage_records import BlockRecord, MessageRecord
from idoldbg.model.symbols import SymbolKind
from idoldbg.model.types import CEnum, Enum, Type
from idoldbg.views.idol_messages import IdolMessages, Outcome

__all__ = [
    "LIBRARIES",
    "Coverage",
    "FileCoverage",
    "FunctionCoverage",
    "InterfaceCoverage",
    "ObjectCoverage",
    "OperationCoverage",
    "Ranges",
    "measure_coverage",
    "merge_coverage",
]

LIBRARIES = (
    "/rustc/*",
    "*/library/core/*",
    "*/library/alloc/*",
    "*/library/std/*",
    "*/compiler_builtins*",
    "*/crates.io/*",
    "*/.cargo/*",
    "*/cargo/registry/*",
)
"""Patterns of files that are not the firmware's own."""


class Ranges:
    """A set of addresses."""

    def __init__(self, pieces: Iterable[tuple[int, int]]) -> None:
        """Take (start, end) in any order; they may overlap."""
        merged: list[tuple[int, int]] = []
        for start, end in sorted(pieces):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        self._starts = [start for start, _ in merged]
        self._ends = [end for _, end in merged]

    def overlaps(self, start: int, end: int) -> bool:
        """Return whether any address from `start` up to `end` is in the set."""
        index = bisect_right(self._starts, end - 1) - 1
        return index >= 0 and self._ends[index] > start


@dataclass(frozen=True, slots=True)
class FunctionCoverage:
    """A function, the line where its code begins, and whether it was called."""

    name: str
    line: int
    is_hit: bool


@dataclass(frozen=True, slots=True)
class FileCoverage:
    """A source file: for each line with code, whether it was executed."""

    path: str
    lines: Mapping[int, bool]
    functions: tuple[FunctionCoverage, ...]


@dataclass(frozen=True, slots=True)
class ObjectCoverage:
    """Sums of one task, or of the kernel. `problem` says why there are none."""

    image: str
    name: str
    lines: int
    lines_hit: int
    functions: int
    functions_hit: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class OperationCoverage:
    """An operation: whether it was called, which of its errors were seen, and which were not.

    `other_answers` are response codes that no variant has.
    """

    name: str
    is_called: bool
    errors: Mapping[str, bool] = field(default_factory=dict)
    other_answers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class InterfaceCoverage:
    """The operations of an interface, as one task serves it."""

    interface: str
    task: str
    operations: tuple[OperationCoverage, ...]

    @property
    def called(self) -> int:
        """Number of operations that were called."""
        return sum(each.is_called for each in self.operations)

    @property
    def errors(self) -> tuple[int, int]:
        """Number of error variants that were seen, and of all."""
        seen = [is_seen for each in self.operations for is_seen in each.errors.values()]
        return sum(seen), len(seen)


@dataclass(frozen=True, slots=True)
class Coverage:
    """All of it; files by path, the rest in the order of the images and their tasks."""

    files: tuple[FileCoverage, ...]
    objects: tuple[ObjectCoverage, ...]
    interfaces: tuple[InterfaceCoverage, ...]

    @property
    def lines(self) -> tuple[int, int]:
        """Number of lines that were executed, and of all."""
        hits = [is_hit for file in self.files for is_hit in file.lines.values()]
        return sum(hits), len(hits)

    @property
    def percent(self) -> float:
        """Share of the lines that were executed; 100 where there are none."""
        hit, total = self.lines
        return 100 * hit / total if total else 100.0


Keeps = Callable[[str], bool]


def measure_coverage(
    program: Program,
    records: Iterable[BlockRecord | MessageRecord],
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = LIBRARIES,
) -> Coverage:
    """Return the coverage that records of boards running this build show.

    `include` and `exclude` are patterns of source files; without `include` all are meant.
    """
    records = list(records)
    executed = Ranges(
        (r.address, r.address + r.size) for r in records if isinstance(r, BlockRecord)
    )
    messages = {r for r in records if isinstance(r, MessageRecord)}

    def keeps(path: str) -> bool:
        if include and not any(fnmatchcase(path, pattern) for pattern in include):
            return False
        return not any(fnmatchcase(path, pattern) for pattern in exclude)

    files: list[FileCoverage] = []
    objects = []
    image = program.archive.name or program.archive.path
    for name in (KERNEL, *(task.name for task in program.archive.tasks)):
        try:
            found = _measure_object(program, name, executed, keeps)
        except IdoldbgError as error:
            objects.append(ObjectCoverage(image, name, 0, 0, 0, 0, error.message))
            continue
        files += found
        hits = [is_hit for file in found for is_hit in file.lines.values()]
        functions = [f.is_hit for file in found for f in file.functions]
        objects.append(
            ObjectCoverage(image, name, len(hits), sum(hits), len(functions), sum(functions))
        )
    interfaces = _measure_interfaces(program, messages)
    return Coverage(_merge_files(files), tuple(objects), interfaces)


def _measure_object(
    program: Program, name: str, executed: Ranges, keeps: Keeps
) -> list[FileCoverage]:
    info = program.object(name)
    lines: dict[str, dict[int, bool]] = {}
    starts: dict[int, tuple[str, int]] = {}
    kept: dict[str, bool] = {}
    for span in info.read_lines():
        if span.file not in kept:
            kept[span.file] = keeps(span.file)
        if not kept[span.file]:
            continue
        of_file = lines.setdefault(span.file, {})
        of_file[span.line] = of_file.get(span.line, False) or executed.overlaps(
            span.start, span.end
        )
        starts.setdefault(span.start, (span.file, span.line))
    functions: dict[str, dict[tuple[str, int], bool]] = {}
    for symbol in info.symbols:
        place = starts.get(symbol.address)
        if symbol.kind is not SymbolKind.FUNCTION or place is None:
            continue
        is_hit = executed.overlaps(symbol.address, symbol.address + 2)
        of_path = functions.setdefault(place[0], {})
        key = (symbol.path, place[1])
        of_path[key] = of_path.get(key, False) or is_hit
    return [
        FileCoverage(path, found, _functions(functions.get(path, {})))
        for path, found in lines.items()
    ]


def _functions(found: Mapping[tuple[str, int], bool]) -> tuple[FunctionCoverage, ...]:
    return tuple(
        FunctionCoverage(name, line, is_hit)
        for (name, line), is_hit in sorted(found.items(), key=lambda each: (each[0][1], each[0][0]))
    )


def _measure_interfaces(
    program: Program, messages: Iterable[MessageRecord]
) -> tuple[InterfaceCoverage, ...]:
    decoder = IdolMessages(program)
    seen: dict[tuple[int, int], list[MessageRecord]] = {}
    for message in messages:
        seen.setdefault((message.server, message.code), []).append(message)
    found = []
    for served in program.servers:
        operations = []
        for operation in served.interface.operations:
            answers = seen.get((served.task.index, operation.code), [])
            resolved = decoder.operation(served.task.index, operation.code)
            error = None if resolved is None or resolved.error is None else resolved.error.type
            errors = dict.fromkeys(_variants(error), False)
            others = set()
            for answer in answers:
                result = decoder.result(answer.server, answer.code, answer.response, answer.data)
                if result.outcome is Outcome.ERROR and result.variant in errors:
                    errors[result.variant or ""] = True
                elif result.outcome is Outcome.ERROR:
                    others.add(answer.response)
            operations.append(
                OperationCoverage(operation.name, bool(answers), errors, tuple(sorted(others)))
            )
        found.append(InterfaceCoverage(served.interface.name, served.task.name, tuple(operations)))
    return tuple(found)


def _variants(error: Type | None) -> list[str]:
    if isinstance(error, CEnum):
        return [each.name for each in error.enumerators]
    return [each.name for each in error.variants] if isinstance(error, Enum) else []


def merge_coverage(parts: Sequence[Coverage]) -> Coverage:
    """Join what several images have: a line counts as executed if it was in any of them."""
    if len(parts) == 1:
        return parts[0]
    interfaces: dict[tuple[str, str], InterfaceCoverage] = {}
    for part in parts:
        for each in part.interfaces:
            key = (each.interface, each.task)
            before = interfaces.get(key)
            interfaces[key] = each if before is None else _join_interfaces(before, each)
    return Coverage(
        _merge_files(file for part in parts for file in part.files),
        tuple(each for part in parts for each in part.objects),
        tuple(interfaces.values()),
    )


def _join_interfaces(one: InterfaceCoverage, other: InterfaceCoverage) -> InterfaceCoverage:
    operations = {each.name: each for each in one.operations}
    for each in other.operations:
        before = operations.get(each.name)
        if before is None:
            operations[each.name] = each
            continue
        names = [*before.errors, *(n for n in each.errors if n not in before.errors)]
        operations[each.name] = OperationCoverage(
            each.name,
            before.is_called or each.is_called,
            {n: before.errors.get(n, False) or each.errors.get(n, False) for n in names},
            tuple(sorted({*before.other_answers, *each.other_answers})),
        )
    return InterfaceCoverage(one.interface, one.task, tuple(operations.values()))


def _merge_files(files: Iterable[FileCoverage]) -> tuple[FileCoverage, ...]:
    """Join the parts of each file, by path: several tasks have code of one file."""
    lines: dict[str, dict[int, bool]] = {}
    functions: dict[str, dict[tuple[str, int], bool]] = {}
    for file in files:
        of_file = lines.setdefault(file.path, {})
        for number, is_hit in file.lines.items():
            of_file[number] = of_file.get(number, False) or is_hit
        of_path = functions.setdefault(file.path, {})
        for each in file.functions:
            key = (each.name, each.line)
            of_path[key] = of_path.get(key, False) or each.is_hit
    return tuple(
        FileCoverage(path, dict(sorted(lines[path].items())), _functions(functions[path]))
        for path in sorted(lines)
    )
