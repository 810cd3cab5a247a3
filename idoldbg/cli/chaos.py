"""`idoldbg chaos`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from idoldbg.chaos import ROUND_S, run_chaos
from idoldbg.cli.options import Settings, command_options
from idoldbg.cli.output import show
from idoldbg.cli.progress import ProgressLine
from idoldbg.cli.reading import reading
from idoldbg.errors import ArgumentError
from idoldbg.render import chaos as shown

__all__ = ["command"]


@click.command("chaos")
@click.option("--seed", type=click.IntRange(0), default=0, help="Which faults to choose (0).")
@click.option(
    "--seconds",
    type=click.FloatRange(ROUND_S, 100_000),
    default=5.0,
    help="How long, in seconds of the board: four faults each (5).",
)
@click.option(
    "--call",
    "calls",
    multiple=True,
    metavar="'[TASK/]IFACE.OP [NAME=VALUE]…'",
    help="A call to make after each fault, so that its server runs. May be repeated.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for histories of faults that were not survived, for `idoldbg replay`.",
)
@command_options
def command(
    settings: Settings, *, seed: int, seconds: float, calls: tuple[str, ...], output: Path | None
) -> None:
    """Inject faults into an emulated board, and report those not survived.

    Each begins with the board as it is after its start: a task is killed, a bit of its RAM flips,
    ticks get lost or come twice, the clock goes wrong, the chip resets, power fails. Not survived
    is a task that stays dead or restarts again and again, a hiffy that takes no calls, a panic of
    the kernel, a core that is locked up. The same seed gives the same faults. Exits with 1 if one
    was not survived.

    \b
    idoldbg -a build.zip chaos --seed 7 --seconds 60 -o found
    idoldbg chaos --call "Sensor.get id=0" --call victim/Victim.ping
    """
    wanted = [_read_call(text) for text in calls]
    with reading(settings) as found, ProgressLine("faults") as line:
        total = max(1, round(seconds / ROUND_S))
        report = run_chaos(
            found.session,
            seed=seed,
            seconds=seconds,
            calls=wanted,
            histories=output,
            progress=lambda number: line.update(number, total, ""),
        )
    show(settings, lambda: shown.text(report), lambda: shown.json(report))
    if report.failed:
        click.get_current_context().exit(1)


def _read_call(text: str) -> tuple[str, dict[str, str]]:
    try:
        name, *rest = shlex.split(text)
    except ValueError as error:
        raise ArgumentError(f"`{text}` is not a call: {error}", name="--call") from None
    arguments = dict(part.partition("=")[::2] for part in rest)
    if not all("=" in part for part in rest):
        raise ArgumentError(f"`{text}`: arguments are NAME=VALUE", name="--call")
    return name, arguments
