"""`idoldbg probes`."""

from __future__ import annotations

import click

from idoldbg.cli.options import Settings, command_options
from idoldbg.cli.output import say, show
from idoldbg.render import json, text


@click.command("probes")
@command_options
def command(settings: Settings) -> None:
    """List debug probes and emulated boards.

    The unique id is what `--probe pyocd:UID` takes; a part of it that fits only one probe does too.
    """
    from idoldbg.link.pyocd import list_probes  # loads pyOCD: only where it is needed

    listing = list_probes()
    if not settings.is_json:
        for notice in listing.notices:
            say(notice)
    show(
        settings,
        lambda: text.probes(listing.probes),
        lambda: json.probes(listing.probes, listing.notices),
    )
