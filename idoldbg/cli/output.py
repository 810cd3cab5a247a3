"""Where commands write: results to standard output, everything else to standard error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from idoldbg.cli.options import Settings
from idoldbg.render import json

__all__ = ["say", "show"]


def say(message: str) -> None:
    """Tell the user something that is not the result."""
    click.echo(f"note: {message}", err=True)


def show(settings: Settings, as_text: Callable[[], str], as_json: Callable[[], Any]) -> None:
    """Print the result in the format that was asked for."""
    click.echo(json.dumps(as_json()) if settings.is_json else as_text())
