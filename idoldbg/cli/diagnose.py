"""`idoldbg diagnose`."""

from __future__ import annotations

import click

from idoldbg.cli.options import Settings, command_options
from idoldbg.cli.output import show
from idoldbg.cli.reading import reading
from idoldbg.diagnosing import examine
from idoldbg.render import diagnosis as render

DEFAULT_WAIT_S = 1.0


@click.command("diagnose")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, max=60),
    default=DEFAULT_WAIT_S,
    show_default=True,
    help="How long to let a running target go on between the two looks, by its own clock.",
)
@click.option("--keep-held", is_flag=True, help="Leave tasks held that were caught at a fault.")
@command_options
def command(settings: Settings, seconds: float, keep_held: bool) -> None:
    """Look for what is wrong with a target, and say what to do.

    Kernel, clock, tasks, waits, stacks and call counters, on a board twice, some time apart; a core
    dump is looked at once. A task that keeps restarting is held at its next fault, to see its
    stack, and let go of again. Exit code 1 where there are errors.

    \b
    idoldbg diagnose
    idoldbg -p dump:hubris.core.0 diagnose --format json
    """
    with reading(settings, settles=False) as found:
        result = examine(found.session, seconds=seconds, keep_held=keep_held)
        source = found.source()
    show(settings, lambda: render.text(result), lambda: render.json(result, source))
    if result.has_errors:
        click.get_current_context().exit(1)
