"""`idoldbg test`."""

from __future__ import annotations

import re
from pathlib import Path

import click

from idol.whole_file import write_whole
from idoldbg.cli.options import Settings, command_options
from idoldbg.cli.output import print_text, say, show
from idoldbg.cli.reading import Reading, reading
from idoldbg.dumping import take_snapshot, write_snapshot
from idoldbg.errors import ArgumentError
from idoldbg.opening import open_program
from idoldbg.render import suite as render
from idoldbg.render.printable import join_lines
from idoldbg.session import find_board
from idoldbg.suite import Suite
from idoldbg.target.capability import RunControl
from idoldbg.views.suite import CaseResult, Outcome, read_cases, select_cases

LONGEST_NAME = 80  # characters of a case's name in that of a file


@click.command("test")
@click.option(
    "-k",
    "expression",
    metavar="EXPR",
    help="Run only the cases whose names contain EXPR: names with and, or, not, parentheses.",
)
@click.option("--list", "lists", is_flag=True, help="Only list the cases; no target is needed.")
@click.option("--junit", "junit_path", metavar="FILE", help="Write a JUnit file, too.")
@click.option(
    "--dumps",
    metavar="DIR",
    help="Write a core dump of the target after each case that does not pass.",
)
@command_options
def command(
    settings: Settings,
    expression: str | None,
    lists: bool,
    junit_path: str | None,
    dumps: str | None,
) -> int:
    """Run Hubris's own test suite on a target.

    The image has tasks `suite` and `runner`.
    Each case runs for at most --timeout, by hiffy's function RunTest. One that does not pass is
    shown with its fault and stack; one that never ends costs a reset. Times are those of the
    kernel's clock. Exit code 1: a case did not pass.

    \b
    Examples:
      idoldbg -a tests.zip -p pyocd test -k "fault and not stack" --junit result.xml
      idoldbg -a tests.zip test --list
    """
    if lists:
        _list(settings, expression)
        return 0
    for path in (junit_path, dumps):
        if path is not None and not Path(path).parent.is_dir():
            raise ArgumentError(f"`{Path(path).parent}` is not a directory")
    with reading(settings) as found:
        found.target.need(RunControl)
        suite = Suite(found.session)
        results: list[CaseResult] = []
        for case in select_cases(suite.cases, expression):
            results.append(
                suite.run_case(case, lambda result: _dump(settings, found, dumps, result))
            )
            if not settings.is_json:
                print_text(render.text(results[-1]))
        source = found.source()
    if junit_path is not None:
        write_whole(Path(junit_path), render.junit(results, found.program.archive.name).encode())
    show(
        settings,
        lambda: render.summary(results, len(suite.cases)),
        lambda: render.json(results, len(suite.cases), source),
    )
    return 0 if all(result.outcome is Outcome.PASSED for result in results) else 1


def _list(settings: Settings, expression: str | None) -> None:
    cases = read_cases(open_program(settings.build()))
    chosen = select_cases(cases, expression)
    show(
        settings,
        lambda: join_lines([case.name for case in chosen]),
        lambda: {
            "schema": "idoldbg.test-list/1",
            "cases": [{"number": case.number, "name": case.name} for case in chosen],
        },
    )


def _dump(settings: Settings, found: Reading, folder: str | None, result: CaseResult) -> None:
    """Write a core dump to DIR/NUMBER-NAME.core, while the target is as the case left it."""
    if folder is None:
        return
    Path(folder).mkdir(exist_ok=True)
    board = find_board(settings.target(), found.program.archive)
    snapshot = take_snapshot(found.session, board=board)
    name = re.sub(r"\W+", "-", result.case.name, flags=re.ASCII)[:LONGEST_NAME]
    path = Path(folder) / f"{result.case.number:03}-{name}.core"
    say(f"core dump: {write_snapshot(snapshot, found.program.archive, path).path}")
