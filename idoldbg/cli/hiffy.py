"""`idoldbg hiffy`."""

from __future__ import annotations

import click

from idoldbg.call.functions import call_function, read_functions
from idoldbg.call.hiffy.functions import parse_bytes
from idoldbg.cli.data import read_data
from idoldbg.cli.options import Settings, command_options
from idoldbg.cli.output import show
from idoldbg.cli.reading import reading
from idoldbg.opening import open_program
from idoldbg.render import functions as render
from idoldbg.views.source import read_source


@click.command("hiffy")
@click.argument("function", required=False, metavar="[FUNCTION]")
@click.argument("arguments", nargs=-1, metavar="[ARG]...")
@click.option(
    "--data", metavar="DATA", help="Bytes for HIFFY_DATA: hex:0102, str:TEXT, @FILE or -."
)
@command_options
def command(
    settings: Settings, function: str | None, arguments: tuple[str, ...], data: str | None
) -> int:
    """Call one of hiffy's own functions, or list those of the image.

    Arguments are numbers in any base, variants of the argument's enum, names of tasks, `None` for
    an empty place, and bytes (hex:0102) where a function takes a buffer. Functions that send
    messages are left to `idoldbg call`. Exit code 1: the function failed, with the code's name.

    \b
    Examples:
      idoldbg hiffy
      idoldbg hiffy GpioSet A 5
      idoldbg hiffy I2cRead I2C3 0 None None 0x48 0 2
    """
    if function is None:
        if data is not None:
            raise click.UsageError("--data is for a function; name one")
        program = open_program(settings.build())
        found = read_functions(program)
        show(
            settings,
            lambda: render.list_text(found),
            lambda: render.list_json(found, read_source(program, "archive")),
        )
        return 0
    loaded = b"" if data is None else parse_bytes(data, "--data", read_data)
    with reading(settings) as session:
        caller = session.session.caller
        done = call_function(caller, function, arguments, data=loaded, read_data=read_data)
        source = session.source()
    show(settings, lambda: render.text(done), lambda: render.json(done, source))
    return 0 if done.error is None else 1
