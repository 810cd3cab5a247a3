"""`idoldbg flash`."""

from __future__ import annotations

from dataclasses import asdict

import click

from idol.records import replace
from idoldbg.cli.interrupts import ending_tidily
from idoldbg.cli.options import Settings, options_except
from idoldbg.cli.output import say, show
from idoldbg.cli.progress import ProgressLine
from idoldbg.flashing import Flashed, flash_board
from idoldbg.render.printable import one_line


@click.command("flash")
@click.argument("archive_path", metavar="[ARCHIVE]", required=False)
@click.option(
    "--force",
    is_flag=True,
    help="Flash although build, board and chip do not seem to belong together.",
)
@click.option(
    "--under-reset",
    is_flag=True,
    help="Hold the reset line while connecting: for firmware that sleeps, or shuts debuggers out.",
)
@options_except(unused=("--record",))
def command(settings: Settings, archive_path: str | None, force: bool, under_reset: bool) -> None:
    """Program a board with a build, verify it, and see it boot.

    Through a probe this is pyOCD with the exact chip (`idoldbg boards` names it, and the CMSIS pack
    that some chips need). Emulated boards are flashed too: one that is kept running (emu:NAME) then
    runs the new image. The build must be for the board; the target's processor, and the board that
    the probe says it is part of, are compared first.

    If it fails or is interrupted half-way, the message says what the board has now; for a failure
    `state` does as JSON: partly-written, unverified or not-running.

    \b
    Examples:
      idoldbg -p pyocd flash build.zip
      idoldbg -p emu:desk flash build.zip
    """
    options = settings.target()
    if archive_path is not None:
        options = replace(options, archive=archive_path)
    with ending_tidily(), ProgressLine("flashing") as line:
        done = flash_board(
            options,
            force=force,
            under_reset=under_reset,
            notify=say,
            progress=lambda phase, part: line.update(round(100 * part), 100, f"% ({phase})"),
        )
    show(settings, lambda: _text(done), lambda: {"schema": "idoldbg.flash/1", **asdict(done)})


def _text(done: Flashed) -> str:
    image = f"image id {done.image_id}" if done.image_id else "an image without id"
    return one_line(
        f"{done.spec}: {done.board} runs {image} ({done.size} bytes of {done.archive}, flashed and "
        f"verified in {done.seconds:.1f} s)"
    )
