"""`idoldbg coverage`."""

from __future__ import annotations

from collections.abc import Mapping

import click

from idoldbg.cli.collected import collecting, run_command
from idoldbg.cli.options import Settings, hostwide_options
from idoldbg.cli.output import say, show
from idoldbg.collected import Sources, check_outputs, read_coverage, write_coverage
from idoldbg.render import coverage as rendered
from idoldbg.views.coverage import Coverage


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
    """Run a command, and show which lines and operations its boards executed.

    Counts every emulated board that COMMAND and its children start, in all their processes, and
    needs nothing in the images. The exit code is COMMAND's; with --fail-under 1 where too few lines
    were executed. With pytest, `pytest --idoldbg-cov=FILE` does the same.

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
        coverage, boards = read_coverage(collection, sources, say)
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
