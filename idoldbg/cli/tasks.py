"""`idoldbg tasks`."""

from __future__ import annotations

from collections.abc import Mapping

import click

from idoldbg.cli.options import Settings, command_options
from idoldbg.cli.output import say, show
from idoldbg.cli.reading import reading
from idoldbg.render import task_details
from idoldbg.target.halting import with_registers
from idoldbg.views.source import Source
from idoldbg.views.task_details import TaskParts, TaskReport, read_task_report


@click.command("tasks")
@click.argument("names", nargs=-1, metavar="[TASK]…")
@click.option("-s", "--stack", is_flag=True, help="Show the stack of each task.")
@click.option("-l", "--line", is_flag=True, help="Show files and lines on stacks.")
@click.option("-r", "--registers", is_flag=True, help="Show the registers of each task.")
@click.option("--guess", is_flag=True, help="Follow frame pointers where a stack overflowed.")
@click.option("--stack-use", is_flag=True, help="Show how far each stack has been used.")
@click.option("--check", is_flag=True, help="Exit with 1 if a task is stopped by a fault.")
@command_options
def command(
    settings: Settings,
    names: tuple[str, ...],
    stack: bool,
    line: bool,
    registers: bool,
    guess: bool,
    stack_use: bool,
    check: bool,
) -> None:
    """Show the tasks and what each is doing.

    Index, name, generation (how often it was restarted), priority and state. A task that faulted
    says why. With -v also the kernel's whole entry of each task. Works on a board, on the emulated
    board (once hiffy waits for work) and on core dumps; for stacks and registers a board is halted
    while they are read.

    \b
    idoldbg tasks -sl net
    """
    has_stack = stack or line or guess
    wanted = TaskParts(has_stack, registers, bool(settings.verbose), stack_use, guess)
    with reading(settings) as found:

        def read(live: Mapping[str, int]) -> tuple[TaskReport, Source]:
            return read_task_report(found.program, names, wanted, live), found.source()

        if has_stack or registers:
            report, source = with_registers(found.target, read, floats=registers)
        else:
            report, source = read({})
    show(
        settings,
        lambda: task_details.text(report, sources=line),
        lambda: task_details.json(report, source),
    )
    if check and report.faulted:
        say(f"stopped by a fault: {', '.join(report.faulted)}")
        click.get_current_context().exit(1)
