"""Content of a core dump: what it is of, which build it belongs to, and what it lacks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from idol.records import dataclass
from idoldbg.build.load.dump_file import DCRSR_NUMBERS, PACKED_NAMES, DumpFile
from idoldbg.build.program import Program
from idoldbg.errors import IdoldbgError
from idoldbg.model.regions import RegionKind
from idoldbg.model.snapshot import Range
from idoldbg.views.dump_ranges import find_ranges
from idoldbg.views.regions import read_regions

__all__ = ["BuildFacts", "DumpInfo", "Gap", "read_info", "subtract"]

KINDS = {RegionKind.RAM: "RAM", RegionKind.STACK: "stack"}
REGISTERS = (*(name for name, number in DCRSR_NUMBERS.items() if number < 20), *PACKED_NAMES)


@dataclass(frozen=True, slots=True)
class BuildFacts:
    """The build that a dump is read with. `is_inside` is whether it came from the dump."""

    path: str
    name: str
    board: str
    image_id: str
    git_rev: str
    is_inside: bool


@dataclass(frozen=True, slots=True)
class Gap:
    """RAM that a dump should have and lacks; `region` is such as `net RAM`, None where unknown."""

    address: int
    size: int
    region: str | None


@dataclass(frozen=True, slots=True)
class DumpInfo:
    """Content of a dump.

    `task` is the index of the only task in it, `name` that task's. `build` is None where none is at
    hand: then nothing is known of gaps. `doubt` is why build and dump may not belong together,
    `mismatch` why they do not. `cut` is how many bytes are cut off the file. `unknown` is why gaps
    could not be looked for.
    """

    path: str
    task: int | None
    name: str | None
    ticks: int | None
    build: BuildFacts | None
    segments: tuple[Range, ...]
    registers: tuple[str, ...]
    gaps: tuple[Gap, ...] = ()
    cut: int = 0
    epitaph: str | None = None
    doubt: str = ""
    mismatch: str = ""
    unknown: str = ""

    @property
    def missing_registers(self) -> tuple[str, ...]:
        """Registers that a dump of the system should have."""
        if self.task is not None:
            return ()
        return tuple(name for name in REGISTERS if name not in self.registers)

    @property
    def is_complete(self) -> bool:
        """Whether everything is there that Humility dumps, as far as that is known."""
        lacks = self.gaps or self.cut or self.missing_registers or self.unknown or self.mismatch
        return self.build is not None and not lacks

    @property
    def size(self) -> int:
        """Bytes of memory."""
        return sum(size for _, size in self.segments)


def read_info(
    path: str,
    dump: DumpFile,
    program: Program | None,
    *,
    is_inside: bool = True,
    doubt: str = "",
    mismatch: str = "",
) -> DumpInfo:
    """Describe a dump; `program` is the build that it is read with, None where there is none."""
    segments = tuple((s.address, len(s.data)) for s in dump.segments)
    name, build, epitaph, unknown, ticks = None, None, None, "", dump.ticks
    gaps: tuple[Gap, ...] = ()
    if program is not None:
        archive = program.archive
        tasks = archive.tasks
        if dump.task is not None and dump.task < len(tasks):
            name = tasks[dump.task].name
        build = _facts(program, is_inside=is_inside)
        if not mismatch:
            gaps, unknown = _gaps(program, dump, segments)
            try:
                ticks = program.ticks() if ticks is None else ticks
                epitaph = program.epitaph()
            except IdoldbgError as error:
                unknown = unknown or str(error)
    return DumpInfo(
        path, dump.task, name, ticks, build, segments, tuple(dump.registers), gaps,
        dump.missing_size, epitaph, doubt, mismatch, unknown,
    )  # fmt: skip


def _facts(program: Program, *, is_inside: bool) -> BuildFacts:
    archive = program.archive
    try:
        image_id = archive.image_id
    except IdoldbgError:
        image_id = None
    return BuildFacts(
        archive.path, archive.name, archive.board, image_id.hex() if image_id else "",
        archive.git_rev, is_inside,
    )  # fmt: skip


def _gaps(
    program: Program, dump: DumpFile, segments: Sequence[Range]
) -> tuple[tuple[Gap, ...], str]:
    """Return what RAM is not there, and why that is not known, if so."""
    tasks = program.archive.tasks
    task = None if dump.task is None else tasks[dump.task] if dump.task < len(tasks) else None
    if dump.task is not None and task is None:
        return (), f"the build has no task {dump.task}"
    try:
        expected = find_ranges(program, task, only_ram=True)
    except IdoldbgError as error:
        return (), str(error)
    found = (piece for each in expected for piece in subtract(each, segments))
    return tuple(Gap(a, n, _region(program, a)) for a, n in found), ""


def _region(program: Program, address: int) -> str | None:
    """Name the region that an address is in; None for the table entry of a task, and the like."""
    try:
        found = read_regions(program).at(address)
    except IdoldbgError:
        return None
    return f"{found[0].owners[0]} {KINDS.get(found[0].kind, 'memory')}" if found else None


def subtract(whole: Range, parts: Iterable[Range]) -> list[Range]:
    """Return what is left of a range without others."""
    at, end = whole[0], sum(whole)
    left = []
    for address, size in sorted(parts):
        if address + size <= at or address >= end:
            continue
        if address > at:
            left.append((at, address - at))
        at = max(at, address + size)
    if at < end:
        left.append((at, end - at))
    return left
