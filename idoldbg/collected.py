"""Records of several boards, by build; coverage of all of them, and its files."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from idol.records import replace
from idol.whole_file import write_whole
from idoldbg.build.program import Program
from idoldbg.errors import ArgumentError
from idoldbg.model.coverage_records import read_coverage_records
from idoldbg.opening import TargetOptions, open_program
from idoldbg.render import coverage as rendered
from idoldbg.target.emulated.collecting import Collected, Collection
from idoldbg.views.coverage import LIBRARIES, Coverage, measure_coverage, merge_coverage

__all__ = ["Sources", "check_outputs", "programs_of", "read_coverage", "write_coverage"]

FORMATS = (".info", ".xml", ".json")


class Sources:
    """Source files that count, and their places here: prefixes of paths become others."""

    def __init__(
        self,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        mapped: Sequence[str] = (),
        *,
        libraries: bool = False,
    ) -> None:
        self.include = tuple(include)
        self.exclude = (*exclude, *(() if libraries else LIBRARIES))
        self._mapped: dict[str, str] = {}
        for each in mapped:
            before, sign, after = each.partition("=")
            if not sign or not before:
                raise ArgumentError(f"`{each}` is not FROM=TO", name="--map")
            self._mapped[before] = after

    def place(self, coverage: Coverage) -> Coverage:
        """Return the coverage with paths as they are here."""
        files = [replace(file, path=self._path(file.path)) for file in coverage.files]
        return replace(coverage, files=tuple(sorted(files, key=lambda file: file.path)))

    def _path(self, path: str) -> str:
        for before, after in self._mapped.items():
            if path.startswith(before):
                return after + path[len(before) :]
        return path


def check_outputs(outputs: Sequence[str]) -> None:
    """Raise `ArgumentError` for names of files that say no format, or cannot be written."""
    for name in outputs:
        if Path(name).suffix not in FORMATS:
            raise ArgumentError(
                f"{name}: its name must say the format: .info (lcov), .xml (Cobertura), .json",
                name="--output",
            )
        if not Path(name).absolute().parent.is_dir():
            raise ArgumentError(f"{name}: there is no such directory", name="--output")


def programs_of(
    collected: Sequence[Collected], notify: Callable[[str], None]
) -> Iterator[tuple[Program, Sequence[Collected]]]:
    """Return each build with what its boards have recorded; `notify` gets what is missing."""
    by_archive: dict[str, list[Collected]] = {}
    for each in collected:
        if each.problem:
            notify(f"{each.copied_from} on {each.board}: {each.problem}")
        by_archive.setdefault(each.archive, []).append(each)
    for archive, found in by_archive.items():
        yield open_program(TargetOptions(archive=archive)), found


def read_coverage(
    collection: Collection, sources: Sources, notify: Callable[[str], None]
) -> tuple[Coverage | None, int]:
    """Return what all boards together have executed, None without boards; and their number."""
    parts, boards = [], 0
    for program, found in programs_of(collection.read(), notify):
        boards += len(found)
        records = (record for each in found for record in read_coverage_records(each.data))
        parts.append(
            measure_coverage(program, records, include=sources.include, exclude=sources.exclude)
        )
    return (sources.place(merge_coverage(parts)) if parts else None), boards


def write_coverage(coverage: Coverage, outputs: Sequence[str]) -> None:
    """Write files, each in the format that its name says."""
    for name in outputs:
        match Path(name).suffix:
            case ".info":
                content = rendered.lcov(coverage)
            case ".xml":
                now_s = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
                content = rendered.cobertura(coverage, timestamp_s=now_s)
            case _:
                from idoldbg.render.json import dumps  # rarely asked for

                content = dumps(rendered.json(coverage)) + "\n"
        write_whole(Path(name), content.encode())
