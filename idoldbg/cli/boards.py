"""`idoldbg boards`."""

from __future__ import annotations

import click

from idoldbg.cli.options import Settings, hostwide_options
from idoldbg.cli.output import show
from idoldbg.render import json, text
from idoldbg.target.board_files import board_names, load_board


@click.command("boards")
@hostwide_options
def command(settings: Settings) -> None:
    """List the boards that are known by name.

    What each needs to be reached by pyOCD (target name, CMSIS pack to flash it), whether it can be
    emulated, and what to watch out for.

    \b
    Example: idoldbg boards -v
    """
    known = [load_board(name) for name in board_names()]
    show(settings, lambda: text.boards(known, bool(settings.verbose)), lambda: json.boards(known))
