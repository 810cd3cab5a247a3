"""Where commands write: results to standard output, everything else to standard error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from idoldbg.cli.options import Settings
from idoldbg.render import json
from idoldbg.render.printable import LAYOUT, printable

__all__ = ["say", "show"]


def say(message: str) -> None:
    """Tell the user something that is not the result."""
    click.echo(f"note: {printable(message, LAYOUT)}", err=True)


def show(settings: Settings, as_text: Callable[[], str], as_json: Callable[[], Any]) -> None:
    """Print the result in the format that was asked for."""
    # Names and documentation come from the build, and may hold what terminals obey.
    click.echo(json.dumps(as_json()) if settings.is_json else printable(as_text(), LAYOUT))
