"""Output of commands: results to standard output, everything else to standard error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from idoldbg.cli.options import Settings
from idoldbg.render import json
from idoldbg.render.printable import join_lines, one_line

__all__ = ["print_text", "say", "show"]


def say(message: str) -> None:
    """Print a message that is not part of the result."""
    click.echo(one_line(f"note: {message}"), err=True)


def print_text(text: str, *, err: bool = False) -> None:
    """Print a text of one or several lines that names of unknown origin went into.

    Whoever made its lines kept names from beginning others (`join_lines`).
    """
    click.echo(join_lines(text.split("\n")), err=err)


def show(settings: Settings, as_text: Callable[[], str], as_json: Callable[[], Any]) -> None:
    """Print the result in the format that was asked for."""
    if settings.is_json:
        click.echo(json.dumps(as_json()))
    else:
        print_text(as_text())
