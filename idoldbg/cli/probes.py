"""`idoldbg probes`."""

from __future__ import annotations

import click

from idol.records import replace
from idoldbg.cli.options import Settings, hostwide_options
from idoldbg.cli.output import say, show
from idoldbg.model.board import match_boards
from idoldbg.render import json, text
from idoldbg.target.board_files import board_names, load_board


@click.command("probes")
@hostwide_options
def command(settings: Settings) -> None:
    """List debug probes and emulated boards.

    The unique id is what `--probe pyocd:UID` takes; a part of it that fits only one probe does too.
    BOARD is what the probe says it is part of, in the words of `idoldbg boards` where that is known
    (of several boards with the same chip, all that are not excluded). A probe that another process
    of yours uses through idoldbg is not asked.

    \b
    Example: idoldbg probes -v
    """
    from idoldbg.target.probe.link import list_probes  # loads pyOCD: only where it is needed

    listing = list_probes()
    known = [load_board(name) for name in board_names()]
    found = [
        replace(p, boards=match_boards(known, p.board_guess, p.target_guess))
        for p in listing.probes
    ]
    if not settings.is_json:
        for notice in listing.notices:
            say(notice)
    show(
        settings,
        lambda: text.probes(found),
        lambda: json.probes(found, listing.notices),
    )
