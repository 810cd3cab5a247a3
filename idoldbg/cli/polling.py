"""Repetition on the target's clock, for commands that follow what happens."""

from __future__ import annotations

from collections.abc import Iterator

import click

from idoldbg.cli.options import parse_seconds
from idoldbg.model.memory import Clock
from idoldbg.session import Session

__all__ = ["follow_option", "rounds"]

DEFAULT_S = 0.5

follow_option = click.option(
    "--follow",
    "follow_s",
    is_flag=False,
    flag_value=str(DEFAULT_S),
    type=float,
    callback=parse_seconds,
    metavar="[SECONDS]",
    help=f"Go on until Ctrl-C, and look every so many seconds of the target ({DEFAULT_S:g}).",
)


def rounds(session: Session, seconds: float) -> Iterator[int]:
    """Yield 0 at once, then 1, 2, … every so many seconds of the target's time, without end.

    Raises `Unsupported` for a target that does not run.
    """
    clock = session.target.need(Clock)
    number = 0
    while True:
        yield number
        clock.wait(seconds)
        number += 1
