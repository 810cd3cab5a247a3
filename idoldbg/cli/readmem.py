"""`idoldbg readmem`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from idol.whole_file import write_whole
from idoldbg.cli.options import Settings, command_options
from idoldbg.cli.output import say, show
from idoldbg.cli.reading import Reading, reading
from idoldbg.errors import MismatchError
from idoldbg.render import memory
from idoldbg.startup import settle
from idoldbg.target.capability import Registers
from idoldbg.views.locations import REGISTERS, Location, find_location, parse_size
from idoldbg.views.memory_dump import default_size, read_memory_dump

__all__ = ["command", "located"]


@click.command("readmem")
@click.argument("what")
@click.argument("length", required=False)
@click.option("-w", "--width", type=click.Choice(["1", "2", "4"]), help="Bytes of one value.")
@click.option("-n", "--count", type=click.IntRange(1), help="Values to read, instead of LENGTH.")
@click.option("-s", "--symbols", is_flag=True, help="Show what each 32-bit word points to.")
@click.option("--device", is_flag=True, help="Read device registers, which that may change.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write the bytes to a file.")
@command_options
def command(
    settings: Settings,
    what: str,
    length: str | None,
    *,
    width: str | None,
    count: int | None,
    symbols: bool,
    device: bool,
    output: str | None,
) -> None:
    """Read memory: bytes, with the symbols in them.

    WHAT is an address, PERIPHERAL[+OFFSET], [TASK/]STATIC, a symbol, a register such as sp, or
    task:NAME:stack. LENGTH is in bytes (64, 0x40, 4KiB); without it all of what was named is read,
    from an address 256 bytes, of device registers one. What cannot be read to its end is shown as
    far as it goes, and ends with exit code 3.

    \b
    idoldbg readmem JEFE_LAST_FAULT
    idoldbg readmem task:victim:stack -s
    idoldbg readmem usart2+0x1c --device
    """
    if count is not None and length is not None:
        raise click.UsageError("give LENGTH or --count, not both")
    with located(settings, what) as (found, place):
        program = found.program
        size = default_size(program, place) if length is None else parse_size(length)
        unit = int(width or (4 if device and size % 4 == 0 else 1))
        dump = read_memory_dump(
            program,
            place.address,
            size if count is None else count * unit,
            width=unit,
            allow_device=device,
            follows=symbols,
        )
        source = found.source()
    if output is not None:
        write_whole(output, dump.data)
    else:
        show(settings, lambda: memory.text(dump), lambda: memory.json(dump, source))
    if dump.problem:
        say(f"{len(dump.data)} of {dump.wanted} bytes could be read: {dump.problem}")
        click.get_current_context().exit(3)


@contextmanager
def located(settings: Settings, what: str) -> Iterator[tuple[Reading, Location]]:
    """Open the session of a command about a place in memory, and find the place.

    A target that runs another image may be looked at where the build does not matter.
    """
    with reading(settings, settles=False) as found:
        target = found.target
        is_wanted = what in REGISTERS or target.can(Registers)
        registers = target.need(Registers) if is_wanted else None
        read_register = None if registers is None else registers.read_register
        place: Location | None = None
        try:
            settle(found.session)
        except MismatchError as error:
            place = find_location(found.program, what, read_register)
            if place.needs_build:
                raise
            found.notify(f"{error}; names and regions are those of the build")
        yield found, place or find_location(found.program, what, read_register)
