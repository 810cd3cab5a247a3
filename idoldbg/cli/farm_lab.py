"""Commands of `idoldbg farm` about the lab: doctor, reserve, queue, cancel, dashboard, exporter."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import click

from idol.whole_file import write_whole
from idoldbg.cli.options import PROBE_FLAGS, Settings, options_except, parse_seconds
from idoldbg.cli.output import show
from idoldbg.errors import ArgumentError, LinkError

if TYPE_CHECKING:
    from idoldbg.farm.coordinator import Coordinator, Reservation
    from idoldbg.farm.doctor import Check

__all__ = [
    "cancel", "coordinator_option", "dashboard", "doctor", "exporter", "import_labgrid_user",
    "parse_tags", "queue", "reserve",
]  # fmt: skip

coordinator_option = click.option(
    "--coordinator",
    metavar="HOST[:PORT]",
    envvar="LG_COORDINATOR",
    help="labgrid's coordinator. Default: 127.0.0.1:20408.",
)


def import_labgrid_user(name: str) -> ModuleType:
    """Import what needs labgrid, or say how to get it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name in sys.stdlib_module_names:  # labgrid needs what only Unix has
            raise LinkError(
                "`idoldbg farm` needs Linux; `pytest` with `--idoldbg-probe` runs tests here",
                link="labgrid",
            ) from None
        raise LinkError(
            f"`idoldbg farm` needs the Python package `{error.name}`: pip install "
            "'idoldbg[labgrid]'",
            link="labgrid",
        ) from None


def parse_tags(
    _ctx: click.Context, param: click.Parameter, values: Sequence[str]
) -> dict[str, str]:
    """Read TAG=VALUE, as often as it is given."""
    tags = {}
    for value in values:
        key, equals, wanted = value.partition("=")
        if not key or not equals:
            raise click.BadParameter(f"`{value}` is not TAG=VALUE", param=param)
        tags[key] = wanted
    return tags


def _person(address: str | None) -> Coordinator:
    """Ask under the name that labgrid-client has, so that it can use what is reserved."""
    module = import_labgrid_user("idoldbg.farm.coordinator")
    found: Coordinator = module.Coordinator(address, module.Holder.of_this_user())
    return found


# -- doctor


@click.command("doctor")
@coordinator_option
@options_except(unused=("--record", *PROBE_FLAGS))
def doctor(settings: Settings, coordinator: str | None) -> int:
    """Look for what is wrong with the lab, and say what to do.

    Checks the packages of this environment, the coordinator, every exporter and its version, every
    place, and the probes of this host with their permissions. Takes no place and changes nothing.

    \b
    Examples:
      idoldbg farm doctor
      idoldbg farm doctor --coordinator lab.example:20408 --format json

    Exits with 1 when there are errors; warnings and notes do not count.
    """
    module = import_labgrid_user("idoldbg.farm.doctor")
    client = import_labgrid_user("idoldbg.farm.coordinator").Coordinator(coordinator)
    checks: list[Check] = module.diagnose_lab(client)
    show(settings, lambda: _checks_text(checks), lambda: _checks_json(client.address, checks))
    return 1 if any(check.level == "error" for check in checks) else 0


def _checks_text(checks: Sequence[Check]) -> str:
    from idoldbg.render.printable import join_lines

    width = max(len(check.subject) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{check.level:7}  {check.subject:{width}}  {check.message}")
        if check.advice:
            lines.append(f"{'':7}  {'':{width}}  do: {check.advice}")
    counts = [(level, sum(c.level == level for c in checks)) for level in ("error", "warning")]
    lines.append(", ".join(f"{n} {level}{'' if n == 1 else 's'}" for level, n in counts))
    return join_lines(lines)


def _checks_json(address: str, checks: Sequence[Check]) -> dict[str, Any]:
    return {
        "schema": "idoldbg.farm.doctor/1",
        "coordinator": address,
        "checks": [
            {"level": str(c.level), "subject": c.subject, "message": c.message, "advice": c.advice}
            for c in checks
        ],
    }


# -- reservations


@click.command("reserve")
@coordinator_option
@click.argument("tags", nargs=-1, required=True, metavar="TAG=VALUE…", callback=parse_tags)
@click.option(
    "--wait",
    "wait_s",
    type=float,
    callback=parse_seconds,
    metavar="SECONDS",
    default=3600.0,
    help="How long to wait for a place. Default: 3600.",
)
@options_except("--wait", unused=("--record", *PROBE_FLAGS))
def reserve(
    settings: Settings, tags: dict[str, str], wait_s: float, coordinator: str | None
) -> None:
    """Queue for a place that has all these tags, and print it when it is ours.

    The place is kept for a minute; acquire it meanwhile, with labgrid-client or with pytest. `name`
    is a tag that every place has. `idoldbg farm run --queue` waits in the same queue.

    \b
    Examples:
      idoldbg farm reserve chip=stm32f4
      labgrid-client -p $(idoldbg farm reserve chip=stm32f4 --format json | jq -r .place) acquire
    """
    client = _person(coordinator)
    module = import_labgrid_user("idoldbg.farm.reservations")

    def say(reservation: Reservation) -> None:
        click.echo(f"waiting in the queue as {reservation.token}", err=True)

    found: Reservation = module.wait_for_place(client, tags, wait_s, on_wait=say)
    show(
        settings,
        lambda: f"{found.places[0]} is reserved for {found.owner} as {found.token}, for a minute",
        lambda: {"schema": "idoldbg.farm.reserve/1", "place": found.places[0], **_entry(found)},
    )


@click.command("queue")
@coordinator_option
@options_except(unused=("--record", *PROBE_FLAGS))
def queue(settings: Settings, coordinator: str | None) -> None:
    """Show who waits for a place with which tags, and who has one reserved."""
    found = _person(coordinator).reservations()
    show(
        settings,
        lambda: _queue_text(found),
        lambda: {"schema": "idoldbg.farm.queue/1", "queue": [_entry(one) for one in found]},
    )


def _queue_text(found: Sequence[Reservation]) -> str:
    from idoldbg.render.text import table

    if not found:
        return "nobody waits, and nothing is reserved"
    rows = [["TOKEN", "STATE", "TAGS", "PLACE", "OWNER", "SINCE"]]
    for one in found:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.created))
        tags = " ".join(f"{k}={v}" for k, v in sorted(one.tags.items())) or "-"
        rows.append([one.token, one.state, tags, ",".join(one.places) or "-", one.owner, since])
    return table(rows)


def _entry(one: Reservation) -> dict[str, Any]:
    return {
        "token": one.token,
        "state": one.state,
        "tags": one.tags,
        "places": list(one.places),
        "owner": one.owner,
        "created": one.created,
    }


@click.command("cancel")
@coordinator_option
@click.argument("token")
@options_except(unused=("--record", *PROBE_FLAGS))
def cancel(settings: Settings, token: str, coordinator: str | None) -> None:
    """Leave the queue, or give back a reserved place: TOKEN is what `reserve` or `queue` shows."""
    _person(coordinator).cancel_reservation(token)
    show(
        settings,
        lambda: f"{token} is cancelled",
        lambda: {"schema": "idoldbg.farm.cancel/1", "token": token},
    )


# -- dashboard


@click.command("dashboard")
@coordinator_option
@click.option(
    "-o", "--output", metavar="FILE", default="farm.html",
    type=click.Path(dir_okay=False), help="The page. Default: farm.html.",
)  # fmt: skip
@click.option(
    "--every", "interval_s", type=float, callback=parse_seconds, metavar="SECONDS", default=10.0,
    help="How often it is written, and loads itself again. Default: 10.",
)  # fmt: skip
@click.option("--once", is_flag=True, help="Write it once and end.")
@options_except(unused=("--record", *PROBE_FLAGS))
def dashboard(
    settings: Settings, coordinator: str | None, output: str, interval_s: float, once: bool
) -> None:
    """Keep a page with the state of the lab up to date, until Ctrl-C.

    Open the file in a browser, or let a web server offer its folder. It loads itself again, says
    how old it is, and turns red when nobody writes it any more. When the coordinator is away the
    page says so, and this goes on.

    \b
    Examples:
      idoldbg farm dashboard -o /srv/www/lab/index.html
      idoldbg farm dashboard --once
    """
    client = import_labgrid_user("idoldbg.farm.coordinator").Coordinator(coordinator)
    page = import_labgrid_user("idoldbg.farm.dashboard")

    def write() -> str:
        problem, places, waiting = "", [], []
        try:
            places, waiting = client.places(), client.reservations()
        except ArgumentError:
            raise
        except LinkError as error:
            problem = str(error)
        board = page.Board(client.address, time.time(), interval_s, places, waiting, problem)
        # Names from the network may hold half of a surrogate pair, which no file can.
        write_whole(Path(output), page.to_html(board).encode(errors="backslashreplace"))
        return problem

    _repeat(write, interval_s, once=once, path=output)


def _repeat(write: Callable[[], str], interval_s: float, *, once: bool, path: str) -> None:
    """Write, and say what changed: that it is written at all, and what is in the way."""
    last: str | None = None
    try:
        while True:
            problem = write()
            if once and problem:
                raise LinkError(problem, link="labgrid")
            if problem != last:
                click.echo(problem or f"{path} is written every {interval_s:g} s", err=True)
                last = problem
            if once:
                return
            time.sleep(interval_s)
    except KeyboardInterrupt:
        click.echo(f"{path} is not written any more", err=True)


# -- exporter


@click.command("exporter", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("config", metavar="CONFIG", type=click.Path())
@click.option("-c", "--coordinator", metavar="HOST[:PORT]", help="labgrid's coordinator. "
              "Default: LG_COORDINATOR, else 127.0.0.1:20408.")  # fmt: skip
@click.option("-n", "--name", metavar="NAME", help="Name of this exporter. Default: this host's.")
@click.option(
    "--hostname", metavar="HOST", help="Name or address at which clients reach this host."
)
@click.option("--fqdn", is_flag=True, help="The default of --hostname is the full domain name.")
@click.option("-i", "--isolated", is_flag=True, help="Clients come through ssh to this host.")
@click.option("-d", "--debug", is_flag=True, help="Log more.")
@click.option("--check", is_flag=True, help="Only check CONFIG, and say what would be offered.")
@click.option("--pystuck", is_flag=True, hidden=True, help="labgrid's.")
@click.option("--pystuck-port", type=int, hidden=True, help="labgrid's.")
def exporter(config: str, *, check: bool, **options: Any) -> None:
    """Offer the boards of this host to the lab, until Ctrl-C.

    It is labgrid's exporter, with idoldbg's resources. CONFIG is YAML: places (labgrid's groups),
    in each the resources that it offers.

    \b
      bench-1:
        IdoldbgProbe:                # a debug probe; `idoldbg probes` shows ids
          uid: "0671FF3731"
          board: stm32f4-discovery
      bench-2:
        IdoldbgEmulatedBoard:
          board: nucleo-g031
          archive: /builds/g031.zip

    Each board is offered by a server of pyOCD that runs while its place is acquired. It has no
    authentication: keep the lab in a network of its own, or use --isolated.

    \b
    Examples:
      idoldbg farm exporter boards.yaml --check
      idoldbg farm exporter boards.yaml -c lab.example:20408 --hostname 192.0.2.7

    Exits with 2 when CONFIG is wrong. `idoldbg farm doctor` says whether the lab sees it.
    """
    module = import_labgrid_user("idoldbg.labgrid.exporter")
    if check:
        click.echo(_offered(config))
        return
    arguments = [config]
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            arguments.append(flag)
        elif value not in (None, False):
            arguments += [flag, str(value)]
    module.run_exporter(arguments)


def _offered(config: str) -> str:
    from idoldbg.render.printable import join_lines
    from idoldbg.render.text import table_lines

    found = import_labgrid_user("idoldbg.labgrid.exporter_config").ExporterConfig(config)
    rows = [["PLACE", "RESOURCE", "PARAMETERS"]]
    for place, resources in found.data.items():
        for resource, parameters in resources.items():
            if resource != "location":
                given = " ".join(f"{k}={v}" for k, v in (parameters or {}).items()) or "-"
                rows.append([place, resource, given])
    return join_lines([*table_lines(rows), f"{config}: nothing to report"])
