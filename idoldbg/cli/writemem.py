"""`idoldbg writemem`."""

from __future__ import annotations

import click

from idoldbg.cli.data import read_data
from idoldbg.cli.options import Settings, command_options
from idoldbg.cli.output import show
from idoldbg.cli.readmem import located
from idoldbg.cli.throwaway import warn_if_throwaway
from idoldbg.errors import ArgumentError
from idoldbg.render import memory
from idoldbg.views.memory_dump import WIDTHS
from idoldbg.writing import encode_values, write_memory


@click.command("writemem", context_settings={"ignore_unknown_options": True})
@click.argument("what")
@click.argument("values", nargs=-1, required=True, metavar="VALUE…")
@click.option(
    "-w", "--width", type=click.Choice(["1", "2", "4"]),
    help="Bytes of a number. Default: the size of what was named, if it is one of these, else 4.",
)  # fmt: skip
@click.option("--device", is_flag=True, help="Write device registers.")
@command_options
def command(
    settings: Settings, what: str, values: tuple[str, ...], *, width: str | None, device: bool
) -> None:
    """Write memory, and show it before and after.

    WHAT is as for `readmem`, VALUE a number of --width bytes, hex:0102, str:TEXT, @FILE or - for
    standard input. Flash is refused. The firmware runs on meanwhile: `idoldbg halt` stops it.

    \b
    idoldbg writemem 0x20001400 0x1234 0x5678
    idoldbg writemem spi/COUNT -w 1 5
    """
    with located(settings, what) as (found, place):
        warn_if_throwaway(found.session)
        unit = int(width) if width else place.size if place.size in WIDTHS else 4
        data = encode_values(values, unit, read_data)
        if place.size is not None and place.needs_build and len(data) > place.size:
            raise ArgumentError(
                f"`{what}` has {place.size} bytes: {len(data)} would change what follows it; give "
                "--width, or the address", name="VALUE",
            )  # fmt: skip
        if place.address % unit or len(data) % unit:
            unit = 1
        done = write_memory(found.session, place.address, data, width=unit, allow_device=device)
        source = found.source()
    show(settings, lambda: memory.write_text(done), lambda: memory.write_json(done, source))
