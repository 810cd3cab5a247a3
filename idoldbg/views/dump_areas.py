"""Dumps that wait in the target's own memory (`idoldbg.build.load.humpty` has the format).

The list of areas begins in the first external region of the supervisor (hubris, task/jefe/build.rs:
`output_dump_areas`). No help of the firmware is needed to read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from idol.records import dataclass, replace
from idoldbg.build.load.dump_file import DumpFile
from idoldbg.build.load.humpty import (
    HEADER_SIZE,
    RANGE_SIZE,
    TASK_SIZE,
    AreaContents,
    AreaHeader,
    decode_header,
    decode_ranges,
    decode_stream,
    decode_task,
    free_header,
    missing_size,
)
from idoldbg.build.program import Program
from idoldbg.errors import ArgumentError, DecodeError, FaultError
from idoldbg.model.archive import Archive
from idoldbg.model.memory import MemoryReader, MemoryWriter
from idoldbg.model.regions import RegionKind
from idoldbg.views.regions import read_regions

__all__ = [
    "AreaDump",
    "DumpAreas",
    "check_free",
    "check_unchanged",
    "find_first_area",
    "free_areas",
    "read_areas",
    "read_dump",
]

MOST_AREAS = 4096
MOST_BYTES = 16 << 20  # in the areas of one dump
KINDS = {
    AreaContents.TASK: "task",
    AreaContents.SYSTEM: "system",
    AreaContents.REGION: "region",
}


@dataclass(frozen=True, slots=True)
class AreaDump:
    """One dump, in the areas from number `index` on.

    `kind` is "task", "system", "region" (part of a task's memory), or "unknown". `task` is the
    index of a task, `name` its name in the build. `size` is in bytes, as it lies in the areas.
    `problem` is why there is nothing to read.
    """

    index: int
    areas: tuple[AreaHeader, ...]
    kind: str
    task: int | None = None
    name: str | None = None
    ticks: int | None = None
    problem: str = ""

    @property
    def size(self) -> int:
        """Bytes in use, headers included."""
        return sum(area.written for area in self.areas)

    @property
    def dumper(self) -> str | None:
        """Name of what took it: "jefe", "external", "emulated"."""
        return self.areas[0].dumper


@dataclass(frozen=True, slots=True)
class DumpAreas:
    """All areas, and the dumps in them. `problem` is why the list is damaged, if it is."""

    areas: tuple[AreaHeader, ...]
    dumps: tuple[AreaDump, ...]
    problem: str = ""

    @property
    def size(self) -> int:
        """Bytes of all areas."""
        return sum(area.length for area in self.areas)


def find_first_area(program: Program) -> int:
    """Return where the list of areas should begin; raise `ArgumentError` for builds without."""
    archive = program.archive
    tasks: Any = archive.app.get("tasks")
    supervisor = archive.tasks[0].name if archive.tasks else ""
    described = tasks.get(supervisor) if isinstance(tasks, Mapping) else None
    names = described.get("extern-regions") if isinstance(described, Mapping) else None
    if isinstance(names, Sequence) and names:
        low = _find_memory(archive, str(names[0]))
        if low is not None:
            return low
        owned = read_regions(program).of(supervisor)
        found = [region.low for region in owned if region.kind is RegionKind.EXTERNAL]
        if found:  # of builds of 2022, which do not say where each is
            return min(found)
    raise ArgumentError(
        f"this build has no dump areas: its supervisor `{supervisor}` has no `extern-regions` for "
        "them (--at gives the address of the first area)"
    )


def _find_memory(archive: Archive, name: str) -> int | None:
    """Return where `memory.toml` puts a memory: for this image, else for any."""
    parts = archive.memory_description.get(name)
    placed = {
        part.get("name"): part.get("address")
        for part in (parts if isinstance(parts, list) else ())
        if isinstance(part, Mapping)
    }
    for image in (archive.image_name, "default", *placed):
        low = placed.get(image)
        if isinstance(low, int):
            return low
    return None


def read_areas(program: Program, first: int) -> DumpAreas:
    """Read the headers from the address `first` on; raise `DecodeError` where there are none."""
    memory = program.memory
    areas: list[AreaHeader] = [_read_header(memory, first)]
    problem = ""
    seen = {first}
    while (address := areas[-1].next) and not problem:
        if address in seen or len(areas) >= MOST_AREAS:
            problem = f"the list of areas leads back to 0x{address:08x}"
            if address not in seen:
                problem = f"there are more than {MOST_AREAS} areas"
            break
        seen.add(address)
        try:
            areas.append(_read_header(memory, address))
        except (DecodeError, FaultError) as error:
            problem = error.message
    return DumpAreas(tuple(areas), tuple(_find_dumps(program, areas)), problem)


def _read_header(memory: MemoryReader, address: int) -> AreaHeader:
    return decode_header(memory.read(address, HEADER_SIZE), address)


def _find_dumps(program: Program, areas: Sequence[AreaHeader]) -> Iterator[AreaDump]:
    """Yield the dumps: an area that begins with no task goes on with the dump before it."""
    current: AreaDump | None = None
    for index, area in enumerate(areas):
        if not area.is_claimed:
            continue
        kind = next((name for number, name in KINDS.items() if number == area.contents), "unknown")
        if area.dumper is None:
            if kind == "system" and current is not None and current.kind == "system":
                continue  # claimed with the others, and not needed
            if current is not None:
                yield current
            current = AreaDump(
                index, (area,), kind, problem="it is being taken, or was given up: no data yet"
            )
            continue
        task = _read_task(program.memory, area)
        begins = current is None or task is not None or area.range_count > 0 or current.problem
        if current is not None and not begins:
            current = replace(current, areas=(*current.areas, area))
            continue
        if current is not None:
            yield current
        index_, ticks = task or (None, None)
        current = AreaDump(index, (area,), kind, index_, _name(program, index_), ticks)
    if current is not None:
        yield current


def _name(program: Program, index: int | None) -> str | None:
    tasks = program.archive.tasks
    return tasks[index].name if index is not None and index < len(tasks) else None


def _read_task(memory: MemoryReader, area: AreaHeader) -> tuple[int, int] | None:
    size = min(area.data_size, RANGE_SIZE * area.range_count + TASK_SIZE)
    return decode_task(area, memory.read(area.address + HEADER_SIZE, size))


def read_dump(program: Program, dump: AreaDump) -> tuple[DumpFile, str]:
    """Read what is in the areas of a dump, and why that is not all of it, if so.

    Raises `DecodeError` where there is nothing to read, and where the areas have changed since
    their headers were read.
    """
    memory = program.memory
    if dump.problem:
        raise DecodeError(f"dump in area {dump.index}: {dump.problem}")
    if dump.size > MOST_BYTES:
        raise DecodeError(f"dump in area {dump.index}: {dump.size} bytes, more than any board has")
    data = [memory.read(a.address + HEADER_SIZE, a.data_size) for a in dump.areas]
    ranges = [r for a, d in zip(dump.areas, data, strict=True) for r in decode_ranges(a, d)]
    found, problem = decode_stream(
        [d[RANGE_SIZE * a.range_count :] for a, d in zip(dump.areas, data, strict=True)]
    )
    check_unchanged(memory, dump.areas)
    missing = missing_size(ranges, found.segments)
    if missing and not problem:
        problem = "the areas had no room for it, or it is still being taken"
    return replace(found, missing_size=missing), problem


def check_unchanged(memory: MemoryReader, areas: Sequence[AreaHeader]) -> None:
    """Raise `DecodeError` where areas are not as they were: the target runs meanwhile."""
    for area in areas:
        if _read_header(memory, area.address) != area:
            raise DecodeError(
                f"dump area at 0x{area.address:08x}: it changed while it was read; try again"
            )


class _Target(MemoryReader, MemoryWriter, Protocol):
    """Memory that can be written."""


def check_free(found: DumpAreas) -> None:
    """Raise `DecodeError` where areas cannot be freed: the list is damaged, or a dump begun."""
    if found.problem:
        raise DecodeError(f"nothing was freed: {found.problem}")
    for dump in found.dumps:
        if dump.problem:
            raise DecodeError(
                f"nothing was freed: dump in area {dump.index}: {dump.problem}; to drop it all the "
                "same: `idoldbg call DumpAgent.initialize_dump`, or a reset"
            )


def free_areas(memory: _Target, found: DumpAreas) -> int:
    """Free all areas that hold dumps, while the core is halted; return how many these were.

    As the supervisor does it (humpty, `release_dump_areas_from`). Raises `DecodeError`, and frees
    nothing, as `check_free`, and where the areas are not as they were.
    """
    check_free(found)
    check_unchanged(memory, found.areas)
    claimed = [area for area in found.areas if area.is_claimed]
    for area in claimed:
        memory.write(area.address, free_header(area))
    return len(claimed)
