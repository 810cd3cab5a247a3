"""`idoldbg i2c`."""

from __future__ import annotations

import click

from idoldbg.call.peripherals import find_bus, scan_bus
from idoldbg.cli.groups import Group
from idoldbg.cli.options import Settings, command_options
from idoldbg.cli.output import show
from idoldbg.cli.reading import reading
from idoldbg.errors import ArgumentError
from idoldbg.render import peripherals as render


@click.group("i2c", cls=Group)
def command() -> None:
    """Look at I2C buses, through hiffy's functions.

    \b
    Example: idoldbg i2c scan front
    """


@command.command("scan")
@click.argument("bus", required=False, metavar="[BUS]")
@click.option(
    "--mux", metavar="MUX:SEGMENT", help="Scan behind a multiplexer: its number, a segment."
)
@click.option("--device", metavar="ADDRESS", help="Scan the registers of the device at ADDRESS.")
@click.option("--register", metavar="REGISTER", help="Read that register of each address.")
@command_options
def scan(
    settings: Settings, bus: str | None, mux: str | None, device: str | None, register: str | None
) -> None:
    """Find devices on a bus, or the registers of one.

    BUS is a name in app.toml, CONTROLLER:PORT, or CONTROLLER where that has one port. A byte is
    read of each address, which may have effects on some devices. What the build has at an address
    is named.

    \b
    Examples:
      idoldbg i2c scan front
      idoldbg i2c scan 2:F --mux 1:2 --device 0x48
    """
    if device is not None and register is not None:
        raise click.UsageError("--register is for scans of addresses, --device for registers")
    segment = None if mux is None else _mux(mux)
    address = None if device is None else _number(device, "--device", 0x80)
    wanted = None if register is None else _number(register, "--register", 0x100)
    with reading(settings) as found:
        chosen = find_bus(found.program.archive, bus)
        done = scan_bus(found.session.caller, chosen, mux=segment, device=address, register=wanted)
        source = found.source()
    show(settings, lambda: render.scan_text(done), lambda: render.scan_json(done, source))


def _mux(text: str) -> tuple[int, int]:
    mux, colon, segment = text.partition(":")
    if not colon:
        raise ArgumentError("write MUX:SEGMENT, such as 1:2", name="--mux")
    return _number(mux, "--mux", 0x100), _number(segment, "--mux", 0x100)


def _number(text: str, name: str, limit: int) -> int:
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number < limit:
        raise ArgumentError(f"`{text}` is not a number from 0 to 0x{limit - 1:x}", name=name)
    return number
