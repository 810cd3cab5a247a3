"""`idoldbg counters` and `idoldbg counters ipc`."""

from __future__ import annotations

from typing import Any

import click

from idoldbg.cli.options import Settings, command_options, parse_seconds
from idoldbg.cli.output import print_text, say, show
from idoldbg.cli.reading import Reading, reading
from idoldbg.errors import IdoldbgError
from idoldbg.model.memory import Clock
from idoldbg.opening import open_program
from idoldbg.render import counters, task_calls
from idoldbg.render.json import dumps
from idoldbg.views.counters import find_counters, read_counter_statics, select_counters
from idoldbg.views.source import read_source
from idoldbg.views.task_calls import (
    TaskCalls,
    read_edges,
    read_task_calls,
    select_calls,
    subtract_calls,
)
from idoldbg.views.variables import checked_task

UNREADABLE = 3  # exit code


class _Counters(click.Command):
    """A command that takes filters, of which `ipc` as the first means the other command."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> click.Context:
        if args[:1] == ["ipc"]:
            return ipc.make_context(f"{info_name} ipc", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command("counters", cls=_Counters)
@click.argument("filters", metavar="[FILTER]…", nargs=-1)
@click.option("--task", metavar="NAME", help="The counters of this task alone.")
@click.option(
    "--sort",
    "order",
    type=click.Choice(["value", "decl", "alpha"]),
    help="Largest first (default), as declared (default with --full), or by name.",
)
@click.option("--full", is_flag=True, help="All of them as a tree with sums, zeros too.")
@click.option("--list", "lists", is_flag=True, help="One line for each static of counters.")
@command_options
def command(
    settings: Settings,
    filters: tuple[str, ...],
    *,
    task: str | None,
    order: str | None,
    full: bool,
    lists: bool,
) -> int:
    """Show event counters, and who calls whom.

    Those of statics of their own, of ring buffers and of Idol's stubs. FILTER is a part of a task's
    or static's name. `idoldbg counters ipc` shows who called whom.

    \b
    idoldbg counters
    idoldbg counters net --full
    idoldbg counters ipc --errors
    """
    with reading(settings) as opened:
        if task is not None:
            checked_task(opened.program, task)
        sets = select_counters(find_counters(opened.program), filters, task=task)
        found = read_counter_statics(opened.program, sets)
        if filters and not found:
            say(f"nothing fits {' or '.join(filters)}; `idoldbg counters --list` has all")
        source = opened.source()

    def as_text() -> str:
        if lists:
            return counters.listing(found)
        return counters.text(found, order=order or ("decl" if full else "value"), full=full)

    show(settings, as_text, lambda: counters.json(source, found))
    return UNREADABLE if found and not lists and all(s.problem for s in found) else 0


@click.command("ipc")
@click.option("--client", "clients", metavar="NAME", multiple=True, help="Calls by these tasks.")
@click.option("--server", "servers", metavar="NAME", multiple=True, help="Calls of these tasks.")
@click.option(
    "--interface", "interfaces", metavar="NAME", multiple=True, help="Calls of these interfaces."
)
@click.option("--errors", is_flag=True, help="Operations that failed alone.")
@click.option("--full", is_flag=True, help="Also operations that were never called.")
@click.option("--matrix", is_flag=True, help="A table of clients by servers.")
@click.option(
    "--delta",
    "delta_s",
    type=float,
    callback=parse_seconds,
    metavar="SECONDS",
    help="What is counted within so many seconds of the target, with rates.",
)
@click.option(
    "--graph",
    type=click.Choice(["mermaid", "dot"]),
    help="Who may call whom by task slots, with counts; of an archive alone without them.",
)
@command_options
def ipc(
    settings: Settings,
    *,
    clients: tuple[str, ...],
    servers: tuple[str, ...],
    interfaces: tuple[str, ...],
    errors: bool,
    full: bool,
    matrix: bool,
    delta_s: float | None,
    graph: str | None,
) -> None:
    """Show which task called which, how often, and what came of it.

    Counts are those of the clients; where the server counts too and differs, both are told: calls
    were lost, or one side was restarted. Names are parts of names.

    \b
    idoldbg counters ipc
    idoldbg counters ipc --client net --errors
    idoldbg counters ipc --delta 5
    idoldbg -a build.zip -p archive counters ipc --graph mermaid
    """

    def chosen(found: TaskCalls) -> TaskCalls:
        return select_calls(
            found, clients=clients, servers=servers, interfaces=interfaces, errors_only=errors
        )

    if graph is not None:
        _graph(settings, graph)
        return
    with reading(settings) as opened:
        found = read_task_calls(opened.program)
        if delta_s is not None:
            found = _delta(opened, found, delta_s)
        found = chosen(found)
        source = opened.source()
    show(
        settings,
        lambda: task_calls.matrix(found) if matrix else task_calls.text(found, full=full),
        lambda: task_calls.json(source, found),
    )


def _delta(opened: Reading, before: TaskCalls, delta_s: float) -> TaskCalls:
    clock = opened.target.need(Clock)
    start, began_s = opened.program.ticks(), clock.monotonic()
    clock.wait(delta_s)
    after = read_task_calls(opened.program)
    end = opened.program.ticks()
    if start is None or end is None:
        interval = round(1000 * (clock.monotonic() - began_s))
    else:
        interval = end - start
    return subtract_calls(before, after, interval)


def _graph(settings: Settings, form: str) -> None:
    is_alone = settings.probe == "archive"
    if is_alone:
        program = open_program(settings.target())
        edges, source = read_edges(program), read_source(program, "archive")
    else:
        with reading(settings) as opened:
            edges = read_edges(opened.program, _counted(opened))
            source = opened.source()
    if settings.is_json:
        click.echo(dumps(task_calls.graph_json(source, edges)))
    else:
        print_text(task_calls.mermaid(edges) if form == "mermaid" else task_calls.dot(edges))


def _counted(opened: Reading) -> TaskCalls | None:
    """Return what was counted, None for a target without that memory."""
    try:
        return read_task_calls(opened.program)
    except IdoldbgError as error:
        opened.notify(f"the graph has no counts: {error}")
        return None
