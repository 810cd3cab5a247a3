"""`idoldbg flash`."""

from __future__ import annotations

from dataclasses import asdict

import click

from idol.records import replace
from idoldbg.cli.interrupts import ending_tidily
from idoldbg.cli.options import Settings, options_except
from idoldbg.cli.output import say, show
from idoldbg.cli.progress import ProgressLine
from idoldbg.flashing import Compared, Flashed, compare_board, flash_board
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
@click.option(
    "--check",
    is_flag=True,
    help="Only compare the board's flash with the build: exit code 1 where they differ.",
)
@click.option(
    "--if-different",
    is_flag=True,
    help="Write nothing where the flash holds every byte of the build; the board goes on then.",
)
@options_except(unused=("--record",))
def command(
    settings: Settings,
    archive_path: str | None,
    force: bool,
    under_reset: bool,
    check: bool,
    if_different: bool,
) -> int:
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
      idoldbg -p pyocd flash --check build.zip
    """
    if check and (under_reset or if_different):
        raise click.UsageError("--check writes nothing, so it is given alone")
    options = settings.target()
    if archive_path is not None:
        options = replace(options, archive=archive_path)
    with ending_tidily(), ProgressLine("comparing" if check else "flashing") as line:

        def progress(phase: str, part: float) -> None:
            line.update(round(100 * part), 100, f"% ({phase})")

        if check:
            found = compare_board(options, force=force, notify=say, progress=progress)
        else:
            done = flash_board(
                options,
                force=force,
                under_reset=under_reset,
                if_different=if_different,
                notify=say,
                progress=progress,
            )
    if check:
        show(
            settings,
            lambda: _comparison(found),
            lambda: {"schema": "idoldbg.flash-check/1", **asdict(found)},
        )
        return 1 if found.different else 0
    show(settings, lambda: _text(done), lambda: {"schema": "idoldbg.flash/1", **asdict(done)})
    return 0


def _comparison(found: Compared) -> str:
    image = f"image id {found.image_id}" if found.image_id else "an image without id"
    head = f"{found.spec}: {found.board}"
    if not found.different:
        return one_line(f"{head} holds {image} ({found.size} bytes of {found.archive})")
    return one_line(
        f"{head} holds another image than {found.archive} ({image}): {found.different} of "
        f"{found.size} bytes differ, the first at 0x{found.first:08x}"
    )


def _text(done: Flashed) -> str:
    image = f"image id {done.image_id}" if done.image_id else "an image without id"
    if not done.written:
        return one_line(
            f"{done.spec}: {done.board} has {image} already ({done.size} bytes of {done.archive}, "
            f"compared in {done.seconds:.1f} s); nothing was written"
        )
    return one_line(
        f"{done.spec}: {done.board} runs {image} ({done.size} bytes of {done.archive}, flashed and "
        f"verified in {done.seconds:.1f} s)"
    )
