"""`idoldbg farm`: one test suite on many boards."""

from __future__ import annotations

import importlib.util
import json
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from idol.printable import escape_json
from idol.whole_file import write_whole
from idoldbg.cli import farm_lab
from idoldbg.cli.groups import Group
from idoldbg.cli.interrupts import ending_tidily
from idoldbg.cli.options import NAMED_FLAGS, PROBE_FLAGS, Settings, options_except, parse_seconds
from idoldbg.cli.output import show
from idoldbg.errors import LinkError

if TYPE_CHECKING:
    from idoldbg.farm.coordinator import FarmPlace
    from idoldbg.farm.records import FarmResult
    from idoldbg.farm.runner import Progress

REPORT, JUNIT, RESULTS = "report.html", "junit.xml", "results.json"
PLACE_LIMIT_S = 3600.0


@click.group("farm", cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Run tests on many boards of a labgrid lab at a time.

    A coordinator (`labgrid-coordinator`) knows the boards as places; exporters (`idoldbg farm
    exporter`) offer them, each on the host that a board is plugged into.
    """


# -- run


@command.command("run")
@farm_lab.coordinator_option
@click.option(
    "--match",
    "tags",
    multiple=True,
    metavar="TAG=VALUE",
    callback=farm_lab.parse_tags,
    help="Only places with this tag, such as chip=stm32f4. Repeatable.",
)
@click.option("--places", metavar="NAME,…", default="", help="Only these places.")
@click.option(
    "--lg-env",
    "lg_env",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help='labgrid environment with the target `main`, its place `!template "$LG_PLACE"`. '
    "Default: one with the device and its strategy.",
)
@click.option(
    "--queue",
    "queue_s",
    type=float,
    callback=parse_seconds,
    metavar="SECONDS",
    help="When no place that matches is free, wait in the queue for one, at most so long.",
)
@click.option("--flash/--no-flash", help="Flash --archive onto boards that run another image.")
@click.option(
    "--place-timeout",
    type=float,
    callback=parse_seconds,
    metavar="SECONDS",
    default=PLACE_LIMIT_S,
    help="Time for the whole suite on one place. Default: 3600.",
)
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=click.Path(file_okay=False),
    default="farm-report",
    help="Where the report goes. Default: farm-report.",
)
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED)
@options_except(unused=("--record", "--wait", *PROBE_FLAGS, *NAMED_FLAGS))
def run(
    settings: Settings,
    pytest_arguments: tuple[str, ...],
    coordinator: str | None,
    tags: dict[str, str],
    places: str,
    lg_env: str | None,
    queue_s: float | None,
    flash: bool,
    place_timeout: float,
    output: str,
) -> int:
    """Run pytest on every free place that matches, all at a time.

    What follows `--` goes to pytest. Writes DIR/report.html, DIR/junit.xml, DIR/results.json, and
    for each place pytest's log and the evidence of failures. Places are given back on every way
    out, also when this program is killed.

    \b
    Examples:
      idoldbg farm run --match chip=stm32f4 -- tests/hardware
      idoldbg farm run -a build.zip --flash -- tests/hardware -k spi
      idoldbg farm run --match chip=lpc55 --queue 1800 -- tests/hardware

    Before a place is taken, archive and arguments are checked, and pytest collects the tests.

    Exits with 0 when all tests passed everywhere, 1 when tests failed or ended their process, 2
    when archive, places or pytest's arguments are wrong, 4 when no test failed but boards were
    lost to the lab, or nothing passed, 130 after Ctrl-C.
    """
    _check_options(settings, lg_env, flash)
    coordinators = farm_lab.import_labgrid_user("idoldbg.farm.coordinator")
    runner = farm_lab.import_labgrid_user("idoldbg.farm.runner")
    if importlib.util.find_spec("pytest") is None:
        raise LinkError(
            "`idoldbg farm run` needs the Python package `pytest`: pip install 'idoldbg[pytest]'",
            link="labgrid",
        )
    options = runner.FarmOptions(
        output=Path(output),
        pytest_arguments=pytest_arguments,
        tags=tags,
        names=tuple(name for name in places.split(",") if name),
        place_limit_s=place_timeout,
        environment=None if lg_env is None else Path(lg_env),
        archive=settings.archive,
        flash=flash,
        timeout_s=settings.timeout,
        queue_s=queue_s,
    )
    status = _StatusLine()
    try:
        with ending_tidily():  # while nothing is run yet; the run has its own way
            result = runner.run_farm(coordinators.Coordinator(coordinator), options, status.report)
    finally:
        status.clear()
    _write(Path(output), result)
    show(settings, lambda: _summary(result, Path(output)), lambda: _as_json(result))
    return _exit_code(result)


def _check_options(settings: Settings, lg_env: str | None, flash: bool) -> None:
    """Raise for options that have no effect here."""
    for name, value in (
        ("--board", settings.board),
        ("--probe", settings.probe),
        ("--uart", settings.uart),
    ):
        if value is not None:
            raise click.UsageError(
                f"{name} (or IDOLDBG_{name[2:].upper()}) has no effect: boards are the "
                "coordinator's places; choose them with --match or --places"
            )
    if flash and lg_env is not None:
        raise click.UsageError(
            "--flash has no effect with --lg-env: say `IdoldbgStrategy: {flash: true}` there"
        )
    if flash and settings.archive is None:
        raise click.UsageError("--flash needs the build to flash: give --archive")


class _StatusLine:
    """One line on a terminal's standard error that says how far it is; nothing in a pipe."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr is not None and sys.stderr.isatty()
        self._places: dict[str, Progress] = {}
        self._lock = threading.Lock()

    def report(self, progress: Progress) -> None:
        """Show a place's progress; called from any thread."""
        with self._lock:
            self._places[progress.place] = progress
            if not self._is_shown:
                return
            known = self._places.values()
            ended = sum(p.state in {"done", "lost"} for p in known)
            tests, total = sum(p.done for p in known), sum(p.total for p in known)
            line = f"{ended}/{len(known)} boards done, {tests}/{total} tests"
            click.echo(f"\r\x1b[K{line}", nl=False, err=True)

    def clear(self) -> None:
        """Make room for the summary."""
        if self._is_shown and self._places:
            click.echo("\r\x1b[K", nl=False, err=True)


def _write(folder: Path, result: FarmResult) -> None:
    from idoldbg.farm.html import to_html
    from idoldbg.farm.junit_xml import to_junit

    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (
        (REPORT, to_html(result, folder)),
        (JUNIT, to_junit(result)),
        (RESULTS, escape_json(json.dumps(_as_json(result), sort_keys=True, indent=1)) + "\n"),
    ):
        # What tests say may hold half of a surrogate pair, which no file can.
        write_whole(folder / name, text.encode(errors="backslashreplace"))


def _counts(count: Callable[[Any], int]) -> dict[str, int]:
    from idoldbg.farm.records import Outcome

    return {str(outcome): count(outcome) for outcome in Outcome}


def _as_json(result: FarmResult) -> dict[str, Any]:
    return {
        "schema": "idoldbg.farm.run/1",
        "started": result.started,
        "duration_s": round(result.duration_s, 3),
        "problem": result.problem,
        "summary": _counts(result.count),
        "tests": _counts(result.count_tests),
        "places": [
            {
                "place": place.name,
                "tags": place.tags,
                "board": place.facts.get("board"),
                "duration_s": round(place.duration_s, 3),
                "problem": place.problem,
                "summary": _counts(place.count),
                "tests": [
                    {
                        "test": test.node_id,
                        "outcome": str(test.outcome),
                        "duration_s": round(test.duration_s, 3),
                        "message": test.message,
                        "evidence": test.properties.get("evidence"),
                    }
                    for test in place.tests
                ],
            }
            for place in result.places
        ],
    }


def _summary(result: FarmResult, folder: Path) -> str:
    from idoldbg.farm.records import Outcome
    from idoldbg.render.printable import join_lines
    from idoldbg.render.text import table_lines

    rows = [["PLACE", "BOARD", *(str(o).upper() for o in Outcome), "TIME"]]
    for place in result.places:
        counts = [str(place.count(outcome)) for outcome in Outcome]
        board = place.facts.get("board", "-")
        rows.append([place.name, board, *counts, f"{place.duration_s:.1f} s"])
    lines = table_lines(rows)
    for place in result.places:
        lost = dict.fromkeys(t.message for t in place.tests if t.outcome is Outcome.INFRASTRUCTURE)
        reasons = [reason for reason in lost if not place.problem or place.problem not in reason]
        lines += [f"{place.name}: {reason}" for reason in [place.problem, *reasons] if reason]
        bad = [t for t in place.tests if t.outcome in (Outcome.FAILED, Outcome.ERROR)]
        lines += [f"{place.name}: {t.node_id}: {t.message}" for t in bad]
    tests = [f"{n} {o}" for o in Outcome if (n := result.count_tests(o))]
    lines.append(f"tests, each counted once: {', '.join(tests) or 'none'}")
    lines.append(f"report: {folder / REPORT}")
    return join_lines(lines)


def _exit_code(result: FarmResult) -> int:
    from idoldbg.farm.records import Outcome
    from idoldbg.farm.runner import USAGE_STATUS

    if result.ended_by == signal.SIGINT:
        return 128 + signal.SIGINT
    if result.places and all(place.exit_status == USAGE_STATUS for place in result.places):
        return 2  # pytest did not understand its arguments
    if result.count(Outcome.FAILED) or result.count(Outcome.ERROR):
        return 1
    lost = any(p.problem or p.count(Outcome.INFRASTRUCTURE) for p in result.places)
    return 4 if lost or result.problem or not result.count(Outcome.PASSED) else 0


# -- status


@command.command("status")
@farm_lab.coordinator_option
@options_except(unused=("--record",))
def status(settings: Settings, coordinator: str | None) -> None:
    """Show the places: what they are, who has them, since when.

    States: free; in use; reserved; away (its exporter is not connected); broken (its exporter
    could not start it); stale (left behind by a farm run on this host that was killed).
    """
    client = farm_lab.import_labgrid_user("idoldbg.farm.coordinator").Coordinator(coordinator)
    places: list[FarmPlace] = client.places()
    show(settings, lambda: _status_text(places), lambda: _status_json(client.address, places))


def _status_text(places: list[FarmPlace]) -> str:
    from idoldbg.render.text import table

    if not places:
        return "the coordinator has no places; add one: labgrid-client -p NAME create"
    rows = [["PLACE", "STATE", "TAGS", "EXPORTER", "HOLDER"]]
    for place in places:
        tags = " ".join(f"{k}={v}" for k, v in sorted(place.tags.items())) or "-"
        exporters = ",".join(place.exporters) or "-"
        rows.append([place.name, place.state, tags, exporters, _holder(place)])
    return table(rows)


def _holder(place: FarmPlace) -> str:
    if place.broken:
        return "; ".join(place.broken)
    if place.acquired_by:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(place.changed))
        return f"{place.acquired_by} since {since}"
    return f"no resource matches {', '.join(place.missing)}" if place.missing else "-"


def _status_json(address: str, places: list[FarmPlace]) -> dict[str, Any]:
    return {
        "schema": "idoldbg.farm.status/1",
        "coordinator": address,
        "places": [
            {
                "place": place.name,
                "state": place.state,
                "tags": place.tags,
                "comment": place.comment,
                "acquired_by": place.acquired_by,
                "since": place.changed if place.acquired_by else None,
                "exporters": list(place.exporters),
                "missing": list(place.missing),
                "broken": list(place.broken),
            }
            for place in places
        ],
    }


for part in (
    farm_lab.doctor,
    farm_lab.reserve,
    farm_lab.queue,
    farm_lab.cancel,
    farm_lab.dashboard,
    farm_lab.exporter,
):
    command.add_command(part)
