"""`idoldbg stackmargin`."""

from __future__ import annotations

import click

from idoldbg.cli.options import Settings, command_options
from idoldbg.cli.output import say, show
from idoldbg.cli.reading import reading
from idoldbg.render import stack_use
from idoldbg.views.stack_use import read_stack_use


@click.command("stackmargin")
@click.argument("names", nargs=-1, metavar="[TASK]…")
@click.option(
    "--min-margin",
    type=click.IntRange(min=0),
    metavar="BYTES",
    help="Exit with 1 if a stack has less left than this, or it is not known how much.",
)
@command_options
def command(settings: Settings, names: tuple[str, ...], min_margin: int | None) -> None:
    """Show how far the stack of each task has been used.

    NOW is how deep a stack is, TOUCHED how deep it was since its task was last started, MARGIN what
    was never written. Of a build alone (-p archive) only the sizes are known.

    \b
    idoldbg stackmargin --min-margin 64
    """
    with reading(settings) as found:
        uses = read_stack_use(found.program, names, has_target=found.target.source != "archive")
        source = found.source()
    show(settings, lambda: stack_use.text(uses), lambda: stack_use.json(uses, source))
    if min_margin is None:
        return
    low = [use for use in uses if use.margin is None or use.margin < min_margin]
    for use in low:
        margin = "unknown" if use.margin is None else f"{use.margin} bytes"
        say(f"task `{use.task}`: margin {margin}, --min-margin is {min_margin}")
    if low:
        click.get_current_context().exit(1)
