"""`idoldbg types`."""

from __future__ import annotations

import click

from idoldbg.cli.options import Settings, build_options, type_option
from idoldbg.cli.output import say, show
from idoldbg.cli.progress import ProgressLine
from idoldbg.opening import open_program
from idoldbg.render import json, layout
from idoldbg.views.source import read_source
from idoldbg.views.types import query_names, read_types


@click.command("types")
@click.argument("name")
@click.option("--task", metavar="NAME", help="Look into this task alone, or into `kernel`.")
@click.option(
    "--depth",
    type=click.IntRange(0, 16),
    default=2,
    show_default=True,
    help="How many levels of types inside types to open.",
)
@click.option("--all", "show_all", is_flag=True, help="Draw all types of the name, however many.")
@type_option
@build_options
def command(
    settings: Settings,
    name: str,
    task: str | None,
    depth: int,
    show_all: bool,
    types: dict[str, str],
) -> None:
    """Show how a type lies in memory, and its size on the wire.

    NAME is a type as an interface writes it: the end of its path is enough, also inside generic
    arguments. Where several types have that name, all are shown, with the tasks that they are in
    and how they differ. Needs no board.

    \b
    idoldbg types SensorError
    idoldbg types 'Result<Reading, NoData>' --depth 3
    idoldbg types '[u32; 3]'
    idoldbg types TaskState --task kernel
    idoldbg types Option                        every Option, whatever is in it
    """
    program = open_program(settings.build())
    program.override_types(types, also=query_names(name), option="--type")
    with ProgressLine("searching") as line:
        report = read_types(program, name, task=task, depth=depth, progress=line.update)
    for task_name, reason in report.unreadable:
        say(f"`{task_name}` is left out: {reason}")
    for unused in report.unused_overrides:
        say(f"--type {unused}: it does not occur in `{name}`")
    show(
        settings,
        lambda: layout.types(report, show_all=show_all),
        lambda: json.types(report, read_source(program, "archive")),
    )
