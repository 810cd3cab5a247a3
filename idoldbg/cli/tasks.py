"""`idoldbg tasks`."""

from __future__ import annotations

import click

from idoldbg.cli.options import Settings, command_options
from idoldbg.cli.output import show
from idoldbg.cli.reading import reading
from idoldbg.render import json, text
from idoldbg.views.tasks import read_tasks


@click.command("tasks")
@command_options
def command(settings: Settings) -> None:
    """Show the tasks and what each is doing.

    Index, name, generation (how often it was restarted), priority and state. A task that faulted
    says why. Works on a board, on the emulated board (once hiffy waits for work) and on core dumps.
    """
    with reading(settings) as found:
        table, source = read_tasks(found.program), found.source()
    show(settings, lambda: text.tasks(table), lambda: json.tasks(table, source))
