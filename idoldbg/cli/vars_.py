"""`idoldbg vars`."""

from __future__ import annotations

import click

from idoldbg.cli.options import Settings, build_options
from idoldbg.cli.output import say, show
from idoldbg.opening import open_program
from idoldbg.render import variables
from idoldbg.views.source import read_source
from idoldbg.views.variables import FLASH, OPTIMISED, RAM, list_variables


@click.command("vars")
@click.argument("pattern", required=False)
@click.option("--task", metavar="NAME", help="Those of this task alone, or of `kernel`.")
@click.option("--type", "type_name", metavar="NAME", help="Those whose type's name contains NAME.")
@click.option(
    "--section",
    type=click.Choice([FLASH, RAM, OPTIMISED]),
    help="Those in flash, in RAM, or left out by the compiler alone.",
)
@build_options
def command(
    settings: Settings,
    pattern: str | None,
    *,
    task: str | None,
    type_name: str | None,
    section: str | None,
) -> None:
    """List the statics of a build.

    Task, name, address, size, memory and type. PATTERN is a part of a name, or a task. What the
    compiler optimised away or split up is marked as such; without a choice it is only counted. Of
    statics with equal contents at one address the other names are given. Needs no board.

    \b
    idoldbg vars
    idoldbg vars RINGBUF --task net
    idoldbg vars --type AtomicU32 --section ram
    """
    program = open_program(settings.build())
    found = list_variables(program, pattern, task=task, type_name=type_name, memory=section)
    for name, reason in found.unreadable:
        say(f"`{name}` is left out: {reason}")
    source = read_source(program, "archive")
    chosen = any(value is not None for value in (pattern, task, type_name, section))
    show(
        settings,
        lambda: variables.list_text(found, counts_optimised=not chosen),
        lambda: variables.list_json(source, found),
    )
