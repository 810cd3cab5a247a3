"""`idoldbg replay`."""

from __future__ import annotations

import click

from idol.records import replace
from idoldbg.cli.options import Settings, command_options
from idoldbg.cli.output import show
from idoldbg.cli.reading import reading
from idoldbg.errors import ArgumentError
from idoldbg.render import moment as shown
from idoldbg.render import stacks
from idoldbg.render.printable import join_lines
from idoldbg.render.source import json as source_json
from idoldbg.rewinding import EVENTS, Traveller
from idoldbg.target.halting import with_registers
from idoldbg.views.backtrace import read_backtrace

__all__ = ["command"]


@click.command("replay")
@click.argument("file", metavar="FILE")
@click.option("--to", "event", metavar="EVENT", help=f"Go back to the last {EVENTS}.")
@click.option("--last-write", metavar="WHAT", help="Go back to the last write to it.")
@click.option("--back", type=float, metavar="SECONDS", help="Go back by a time, after the others.")
@click.option("--steps", type=click.IntRange(1), metavar="N", help="Go back by instructions, last.")
@click.option("--shell", is_flag=True, help="Start Python there, with the device as `dev`.")
@command_options
def command(
    settings: Settings,
    file: str,
    *,
    event: str | None,
    last_write: str | None,
    back: float | None,
    steps: int | None,
    shell: bool,
) -> None:
    """Open the recorded past of an emulated board, and go back in it.

    FILE is a history, as pytest leaves it for a failed test (NAME.history). The board stands where
    it stood at the end of the recording; the options go back from there, in this order. What is
    shown is where it stands then, and the stack.

    \b
    idoldbg replay test_x.history --to "fault of victim"
    idoldbg replay test_x.history --to "fault of victim" --steps 100 --shell
    idoldbg -p history:test_x.history readvar JEFE_STATE
    """
    if settings.probe is not None:
        raise ArgumentError("a history is a target of its own: leave --probe out", name="--probe")
    settings = replace(settings, probe=f"history:{file}")
    with reading(settings) as found:
        traveller = Traveller(found.session)
        moment = traveller.now()
        if event is not None:
            moment = traveller.rewind_to(event)
        if last_write is not None:
            moment = traveller.last_write(last_write)
        if back is not None:
            moment = traveller.rewind(back)
        if steps is not None:
            moment = traveller.step_back(steps)
        if shell:
            from idoldbg.cli.shell import start_in  # brings prompt_toolkit

            click.get_current_context().exit(start_in(found.session))
        task = moment.task
        trace = None
        if task is not None:
            index = found.program.task(task).index
            trace = with_registers(
                found.target, lambda live: read_backtrace(found.program, index, live)
            )
        source = found.source()
    lines = [] if trace is None else [f"  {line}" for line in stacks.lines(trace, sources=True)]
    show(
        settings,
        lambda: join_lines([*shown.text(moment).split("\n"), *lines]),
        lambda: {
            "schema": "idoldbg.replay/1",
            "moment": shown.json(moment),
            "stack": None if trace is None else stacks.json(trace),
            "source": source_json(source),
        },
    )
