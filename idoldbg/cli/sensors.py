"""`idoldbg sensors`."""

from __future__ import annotations

import click

from idoldbg.cli.options import Settings, command_options
from idoldbg.cli.output import show
from idoldbg.cli.reading import reading
from idoldbg.opening import open_program
from idoldbg.render import sensors as render
from idoldbg.views.sensors import list_sensors, read_sensors
from idoldbg.views.source import read_source


@click.command("sensors")
@click.argument("filters", nargs=-1, metavar="[FILTER]...")
@click.option("--list", "lists", is_flag=True, help="Only list the sensors; no target is needed.")
@click.option("--read", "reads", is_flag=True, help="Read their values: what happens without.")
@command_options
def command(settings: Settings, filters: tuple[str, ...], lists: bool, reads: bool) -> None:
    """Show sensors and their last readings.

    FILTER is an id, or part of a name, kind (temperature, …) or device. Readings are those in the
    memory of the image's sensor task: nothing is called or measured, and dumps have them too.
    Counts say how often there was no reading, up to 63.

    \b
    Examples:
      idoldbg -a build.zip sensors --list
      idoldbg -p dump:hubris.core.0 sensors temperature
    """
    if lists and reads:
        raise click.UsageError("--list reads nothing: leave out --read")
    if lists:
        program = open_program(settings.build())
        sensors = list_sensors(program, filters)
        show(
            settings,
            lambda: render.list_text(sensors),
            lambda: render.list_json(sensors, read_source(program, "archive")),
        )
        return
    with reading(settings) as found:
        readings, source = read_sensors(found.program, filters), found.source()
    show(settings, lambda: render.text(readings), lambda: render.json(readings, source))
