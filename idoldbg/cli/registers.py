"""`idoldbg registers`."""

from __future__ import annotations

from collections.abc import Mapping

import click

from idoldbg.cli.options import Settings, command_options
from idoldbg.cli.output import say, show
from idoldbg.cli.reading import Reading, reading
from idoldbg.errors import MismatchError
from idoldbg.render import registers
from idoldbg.startup import check_image, settle
from idoldbg.target.halting import no_registers, with_registers
from idoldbg.views.core_registers import RegisterReport, read_registers
from idoldbg.views.source import Source
from idoldbg.views.tasks import current_task


@click.command("registers")
@click.option("-s", "--stack", is_flag=True, help="Show the stack, also below an exception.")
@click.option("-l", "--line", is_flag=True, help="Show files and lines.")
@click.option("-f", "--floats", is_flag=True, help="Show s0 to s31.")
@click.option("--task", metavar="NAME", help="Show those of one task, also while others run.")
@command_options
def command(settings: Settings, stack: bool, line: bool, floats: bool, task: str | None) -> None:
    """Show the core's registers and what they point to.

    Addresses are explained by stack, region, symbol and peripheral; the exception that is handled
    and the fault registers in words. A board is halted while they are read. A core dump has them
    unless it is of before mid-2021, or of one task.

    \b
    idoldbg registers -s
    """
    with reading(settings, settles=False) as found:
        target, program = found.target, found.program
        _prepare(found)
        if task is not None:
            program.task(task)  # an unknown one is an error of its own

        def read(live: Mapping[str, int]) -> tuple[RegisterReport, Source]:
            if not live and task is None:
                raise no_registers(target)
            own = live if task is None or current_task(program) == task else {}
            report = read_registers(program, own, task=task, stack=stack, floats=floats)
            return report, found.source()

        report, source = with_registers(target, read, floats=floats)
    show(
        settings,
        lambda: registers.text(report, sources=line),
        lambda: registers.json(report, source),
    )


def _prepare(found: Reading) -> None:
    """Let an emulated board start its tasks; another image is a reason to doubt, not an error."""
    try:
        if found.target.source == "emulated":
            settle(found.session)
        else:
            check_image(found.session)
    except MismatchError as error:
        say(f"warning: {error}")
        found.add("image-mismatch", str(error))
