"""`idoldbg gpio`."""

from __future__ import annotations

import click

from idoldbg.call.peripherals import call_pins
from idoldbg.cli.options import Settings, command_options
from idoldbg.cli.output import show
from idoldbg.cli.reading import reading
from idoldbg.render import peripherals as render

FUNCTIONS = {
    "input": ("GpioInput", "read"),
    "set": ("GpioSet", "set"),
    "reset": ("GpioReset", "reset"),
    "toggle": ("GpioToggle", "toggled"),
    "configure": ("GpioConfigure", "configured"),
}


@click.command("gpio")
@click.argument("action", type=click.Choice(list(FUNCTIONS)))
@click.argument("pins", nargs=-1, metavar="[PIN]... [ARG]...")
@command_options
def command(settings: Settings, action: str, pins: tuple[str, ...]) -> int:
    """Read or drive pins, through hiffy's GPIO functions.

    PIN is PORT:PIN, such as A:5, or a name, such as PIO0_5: `idoldbg hiffy` lists those of the
    image. `input` without a pin reads all. `configure` takes one pin and the function's further
    arguments. Exit code 1: a function failed.

    \b
    Examples:
      idoldbg gpio input
      idoldbg gpio toggle C:6
      idoldbg gpio configure A:5 Output PushPull Low None AF0
    """
    function, verb = FUNCTIONS[action]
    if not pins and action != "input":
        raise click.UsageError(f"`gpio {action}` takes a pin")
    more = pins[1:] if action == "configure" else ()
    chosen = pins[:1] if action == "configure" else pins
    with reading(settings) as found:
        done = call_pins(found.session.caller, function, chosen, more)
        source = found.source()
    show(
        settings,
        lambda: render.pins_text(done, verb),
        lambda: render.pins_json(done, action, source),
    )
    return 1 if any(each.call.error is not None for each in done) else 0
