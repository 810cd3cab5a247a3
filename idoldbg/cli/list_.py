"""`idoldbg list`."""

from __future__ import annotations

import click

from idoldbg.cli.options import Settings, command_options
from idoldbg.cli.output import say, show
from idoldbg.render import json, text
from idoldbg.session import open_program
from idoldbg.views.interfaces import read_interfaces


@click.command("list")
@click.argument("what", required=False, metavar="[IFACE[.OP]]")
@command_options
def command(settings: Settings, what: str | None) -> None:
    """List interfaces, operations and their types.

    Every type is the one that the image's own debug information settled on. `???` marks a type that
    is missing there: such an operation cannot be called. Needs no board.
    """
    program = open_program(settings.target())
    for task, reason in program.unreadable_interfaces:
        say(f"task `{task}` is left out: {reason}")
    servers = read_interfaces(program, what)
    detailed = what is not None
    show(settings, lambda: text.interfaces(servers, detailed), lambda: json.interfaces(servers))
