"""`idoldbg coverage`."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from idol.records import replace
from idol.whole_file import write_whole
from idoldbg.cli.collected import collecting, programs_of, run_command
from idoldbg.cli.options import Settings, hostwide_options
from idoldbg.cli.output import say, show
from idoldbg.errors import ArgumentError
from idoldbg.model.coverage_records import read_coverage_records
from idoldbg.render import coverage as rendered
from idoldbg.target.emulated.collecting import Collection
from idoldbg.views.coverage import LIBRARIES, Coverage, measure_coverage, merge_coverage

__all__ = ["Sources", "check_outputs", "read_coverage", "write_coverage"]

FORMATS = (".info", ".xml", ".json")


class Sources:
    """Which source files count, and where they lie here: from prefixes of paths to others."""

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


def read_coverage(collection: Collection, sources: Sources) -> tuple[Coverage | None, int]:
    """Return what all boards together have executed, None without boards; and their number."""
    parts, boards = [], 0
    for program, found in programs_of(collection.read()):
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


@click.command("coverage", context_settings={"allow_interspersed_args": False})
@click.option(
    "-o",
    "--output",
    "outputs",
    metavar="FILE",
    multiple=True,
    help="Write FILE.info (lcov), FILE.xml (Cobertura) or FILE.json.",
)
@click.option("--include", metavar="GLOB", multiple=True, help="Source files that count.")
@click.option("--exclude", metavar="GLOB", multiple=True, help="Source files that do not.")
@click.option(
    "--map",
    "mapped",
    metavar="FROM=TO",
    multiple=True,
    help="Where sources lie here: replace the front of paths, as in /hubris=$PWD.",
)
@click.option("--libraries", is_flag=True, help="Count Rust's library and crates.io, too.")
@click.option(
    "--fail-under", type=click.FloatRange(0, 100), metavar="PERCENT", help="Exit with 1 below."
)
@click.argument("command_line", metavar="-- COMMAND…", nargs=-1, type=click.UNPROCESSED)
@hostwide_options
def command(
    settings: Settings,
    command_line: tuple[str, ...],
    *,
    outputs: tuple[str, ...],
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    mapped: tuple[str, ...],
    libraries: bool,
    fail_under: float | None,
) -> int:
    """Run a command, and show which lines and operations its emulated boards executed.

    Counts every board that COMMAND and its children start, in all their processes, and needs
    nothing in the images. The exit code is COMMAND's; with --fail-under 1 where too few lines were
    executed. With pytest, `pytest --idoldbg-cov=FILE` does the same.

    \b
    idoldbg coverage -o lcov.info -- pytest tests/
    idoldbg coverage -o cobertura.xml --map /hubris=$PWD -- idoldbg call Sensor.get --id 0
    genhtml lcov.info -o html
    """
    if not command_line:
        raise click.UsageError("name a command: idoldbg coverage -o lcov.info -- pytest tests/")
    check_outputs(outputs)
    sources = Sources(include, exclude, mapped, libraries=libraries)
    with collecting({"coverage": {}}) as (collection, environment):
        code = run_command(command_line, environment)
        coverage, boards = read_coverage(collection, sources)
    if coverage is None:
        say("the command started no emulated board: there is no coverage, and no file is written")
        return code or (1 if fail_under else 0)
    write_coverage(coverage, outputs)
    found = coverage
    show(settings, lambda: rendered.text(found), lambda: _json(found, boards))
    if fail_under is not None and coverage.percent < fail_under:
        say(f"{coverage.percent:.1f} % of the lines were executed: less than {fail_under:g} %")
        return code or 1
    return code


def _json(coverage: Coverage, boards: int) -> Mapping[str, object]:
    return {**rendered.json(coverage), "boards": boards}
