"""`idoldbg reset`."""

from __future__ import annotations

import click

from idoldbg.cli.interrupts import ending_tidily
from idoldbg.cli.options import Settings, command_options
from idoldbg.cli.output import say, show
from idoldbg.cli.throwaway import warn_if_throwaway
from idoldbg.render.printable import one_line
from idoldbg.session import open_session
from idoldbg.startup import reset_with, wait_until_up


@click.command("reset")
@click.option(
    "--hard",
    is_flag=True,
    help="Use the reset line, which resets more than firmware can. Default: the core's own "
    "request, and the line where that has no effect.",
)
@click.option("--halt", is_flag=True, help="Leave the core halted at its first instruction.")
@click.option(
    "--no-token",
    is_flag=True,
    help="Write no token for a kernel that waits to be measured: it resets itself some times then.",
)
@command_options
def command(settings: Settings, hard: bool, halt: bool, no_token: bool) -> None:
    """Reset a board and wait until it is up.

    It is up when hiffy waits for work (in an image without it: when the kernel has started its
    tasks), within --timeout. The image on the board must be that of --archive. A kernel with the
    feature `measurement-handoff` finds a token in its memory that has it start at once.

    \b
    Example: idoldbg -a build.zip -p pyocd reset --halt
    """
    with ending_tidily(), open_session(settings.target(), notify=say, falls_back=False) as session:
        warn_if_throwaway(session)
        has_token = reset_with(session, halt=halt, line=hard, token=not no_token)
        is_up = not halt and wait_until_up(session)
        spec = session.link.spec
        image_id = (session.program.archive.image_id or b"").hex()
    state = "halted" if halt else "running"
    text = f"{spec}: reset; "
    if halt:
        text += "halted at its first instruction"
    else:
        text += f"{'up' if is_up else 'running'}, image id {image_id or 'none'}"
    if has_token:
        text += "; told not to wait to be measured"
    facts = {
        "schema": "idoldbg.reset/1",
        "spec": spec,
        "state": state,
        "token": has_token,
        "image_id": image_id or None,
    }
    show(settings, lambda: one_line(text), lambda: facts)
