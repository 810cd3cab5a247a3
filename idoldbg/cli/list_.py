"""`idoldbg list`."""

from __future__ import annotations

import click

from idoldbg.call.functions import read_functions
from idoldbg.cli.options import Settings, build_options, type_option
from idoldbg.cli.output import say, show
from idoldbg.opening import open_program
from idoldbg.render import functions, json, text
from idoldbg.views.interfaces import read_interfaces
from idoldbg.views.source import read_source


@click.command("list")
@click.argument("what", required=False, metavar="[IFACE[.OP]]")
@click.option("--hiffy", is_flag=True, help="List hiffy's own functions instead.")
@type_option
@build_options
def command(settings: Settings, what: str | None, hiffy: bool, types: dict[str, str]) -> None:
    """List interfaces, operations and their types.

    Every type is the one that the image's own debug information settled on; -v says how, and how
    large messages and replies are. `???` marks a type that is missing there, or of which there are
    several: such an operation cannot be called, save where it is that of an error without data,
    which is then shown as a number. Needs no board.

    \b
    idoldbg list Spi
    idoldbg -a build.zip list Spi.exchange -v
    """
    program = open_program(settings.build())
    if hiffy:
        if what is not None or types:
            raise click.UsageError("--hiffy lists all functions, and takes nothing else")
        found = read_functions(program)
        show(
            settings,
            lambda: functions.list_text(found),
            lambda: functions.list_json(found, read_source(program, "archive")),
        )
        return
    program.override_types(types, option="--type")
    for task, reason in program.unreadable_interfaces:
        say(f"task `{task}` is left out: {reason}")
    servers = read_interfaces(program, what)
    for name in program.unused_overrides:
        say(f"--type {name}: {what} has no type of that name")
    detailed = what is not None
    explain = bool(settings.verbose)
    show(
        settings,
        lambda: text.interfaces(servers, detailed, explain=explain),
        lambda: json.interfaces(servers, read_source(program, "archive")),
    )
