"""`idoldbg trace`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from idol.near import near_misses
from idol.records import dataclass
from idol.whole_file import write_whole
from idoldbg.build.program import Program
from idoldbg.cli.collected import collecting, run_command
from idoldbg.cli.options import Settings, command_options, parse_seconds
from idoldbg.cli.output import print_text, say
from idoldbg.cli.reading import reading
from idoldbg.collected import programs_of
from idoldbg.errors import ArgumentError, NotFound
from idoldbg.render import json
from idoldbg.render.perfetto import BoardTrace, perfetto_trace
from idoldbg.render.task_trace import SHOWN, event_json, line
from idoldbg.views.task_trace import EventKind, TaskEvent, matches, trace_events

DEFAULT_S = 1.0


@dataclass(frozen=True, slots=True)
class _Filter:
    tasks: frozenset[str]
    interfaces: tuple[str, ...]
    kinds: frozenset[str]

    def lets_through(self, event: TaskEvent) -> bool:
        return matches(event, self.tasks, self.interfaces, self.kinds)


@click.command(
    "trace",
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
)
@click.option(
    "--seconds",
    type=float,
    callback=parse_seconds,
    metavar="SECONDS",
    help=f"How much of the board's time ({DEFAULT_S:g}).",
)
@click.option("--follow", is_flag=True, help="Go on until Ctrl-C.")
@click.option("--task", "tasks", metavar="NAME", multiple=True, help="Events of this task alone.")
@click.option(
    "--interface",
    "interfaces",
    metavar="IFACE[.OP]",
    multiple=True,
    help="Calls of this interface or operation alone.",
)
@click.option(
    "--kind",
    "kinds",
    type=click.Choice([kind.value for kind in EventKind]),
    multiple=True,
    help="Events of this kind; default: calls, posts, faults, restarts, resets.",
)
@click.option("--all", "shows_all", is_flag=True, help="Events of all kinds.")
@click.option("-o", "--output", metavar="FILE", help="Also write all of it for ui.perfetto.dev.")
@click.argument("command_line", metavar="[-- COMMAND…]", nargs=-1, type=click.UNPROCESSED)
@command_options
def command(
    settings: Settings,
    command_line: tuple[str, ...],
    *,
    seconds: float | None,
    follow: bool,
    tasks: tuple[str, ...],
    interfaces: tuple[str, ...],
    kinds: tuple[str, ...],
    shows_all: bool,
    output: str | None,
) -> int:
    """Show what tasks say to each other, decoded.

    For the emulated board, whose image needs nothing for it. With COMMAND: what happens on the
    boards that it uses (`-- idoldbg call …`, `-- pytest …`); the exit code is COMMAND's. JSON is a
    line an event. Times are the board's.

    \b
    idoldbg trace --all
    idoldbg trace -- idoldbg call Spi.exchange --device-index 0 --source hex:9f000000 --sink 4
    idoldbg -p emu:desk trace --follow --interface Spi
    idoldbg trace --seconds 2 -o boot.pftrace
    """
    chosen = frozenset(kinds) or (frozenset() if shows_all else frozenset(SHOWN))
    wanted = _Filter(frozenset(tasks), interfaces, chosen)
    if command_line and (follow or seconds is not None):
        raise click.UsageError("COMMAND says how long: --seconds and --follow are for the board")
    if follow and seconds is not None:
        raise click.UsageError("--follow goes on for ever: --seconds is not for it")
    if output is not None and not Path(output).absolute().parent.is_dir():
        raise ArgumentError(f"{output}: there is no such directory", name="--output")
    if command_line:
        return _trace_command(settings, wanted, command_line, output)
    _trace_board(settings, wanted, None if follow else seconds or DEFAULT_S, output)
    return 0


def _trace_board(
    settings: Settings, wanted: _Filter, seconds: float | None, output: str | None
) -> None:
    from idoldbg.instruments import Tracing  # not for --help

    kept: list[TaskEvent] = []
    with reading(settings, settles=False) as opened:
        _check(opened.program, wanted)
        tracing = Tracing(opened.session)
        try:
            for event in tracing.follow(seconds):
                kept += [event] if output is not None else []
                _print(settings, wanted, event)
        finally:
            rest = tracing.stop()
            kept += rest
            for event in rest:
                _print(settings, wanted, event)
            if output is not None:
                _write(output, [_board(opened.program, kept)])


def _trace_command(
    settings: Settings, wanted: _Filter, command_line: Sequence[str], output: str | None
) -> int:
    boards: list[BoardTrace] = []
    with collecting({"trace": {}}) as (collection, environment):
        code = run_command(command_line, environment)
        for program, found in programs_of(collection.read(), say):
            _check(program, wanted)
            for each in found:
                events = trace_events(program, each.data)
                boards.append(
                    _board(program, events, f"{each.board}: {Path(each.copied_from).name}")
                )
    if not boards:
        say("the command used no emulated board that it started itself: there is no trace")
    for number, board in enumerate(boards, 1):
        if len(boards) > 1 and not settings.is_json:
            print_text(f"# board {number}: {board.title}")
        for event in board.events:
            _print(settings, wanted, event, number if len(boards) > 1 else None)
    if output is not None:
        _write(output, boards)
    return code


def _board(program: Program, events: Sequence[TaskEvent], title: str = "") -> BoardTrace:
    archive = program.archive
    tasks = tuple(task.name for task in archive.tasks)
    ordered = sorted(events, key=lambda event: (event.time_ns, event.end_ns))
    return BoardTrace(title or archive.name or archive.path, tasks, tuple(ordered))


def _write(output: str, boards: Sequence[BoardTrace]) -> None:
    write_whole(Path(output), perfetto_trace(boards))
    say(f"{output} is for https://ui.perfetto.dev (Open trace file)")


def _print(settings: Settings, wanted: _Filter, event: TaskEvent, board: int | None = None) -> None:
    if not wanted.lets_through(event):
        return
    if settings.is_json:
        number = {} if board is None else {"board": board}
        click.echo(json.line({**event_json(event), **number}))
    else:
        print_text(line(event))
    sys.stdout.flush()


def _check(program: Program, wanted: _Filter) -> None:
    """Raise `NotFound` for names that the build does not have."""
    for name in wanted.tasks:
        if name != "kernel":
            program.task(name)
    served = {s.interface.name: s.interface for s in program.servers} if wanted.interfaces else {}
    for name in wanted.interfaces:
        interface, _, operation = name.partition(".")
        if interface == "kernel":
            continue
        if interface not in served:
            raise program.no_interface(interface)
        names = [o.name for o in served[interface].operations]
        if operation and operation not in names:
            near = tuple(f"{interface}.{n}" for n in near_misses(operation, names))
            raise NotFound("operation", name, near=near)
