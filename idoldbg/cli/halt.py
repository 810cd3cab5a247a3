"""`idoldbg halt`."""

from __future__ import annotations

import click

from idoldbg.cli.interrupts import ending_tidily
from idoldbg.cli.options import Settings, command_options
from idoldbg.cli.output import say, show
from idoldbg.cli.throwaway import KEEP_ONE, is_throwaway
from idoldbg.errors import Unsupported
from idoldbg.render.printable import one_line
from idoldbg.session import open_session
from idoldbg.target.capability import RunControl
from idoldbg.views.tasks import is_halted

__all__ = ["command", "control_core"]


@click.command("halt")
@command_options
def command(settings: Settings) -> None:
    """Halt the core, and leave it so when the command ends.

    For probes and emulated boards that keep running; others on the same board find it halted too.
    `idoldbg resume` lets it run again.

    \b
    Example: idoldbg -p pyocd halt
    """
    control_core(settings, halts=True)


def control_core(settings: Settings, *, halts: bool) -> None:
    """Halt or resume the core of the target that is meant; print its state before and after."""
    with ending_tidily(), open_session(settings.target(), notify=say, falls_back=False) as session:
        control, link = session.target.need(RunControl), session.link
        if is_throwaway(session):
            raise Unsupported(KEEP_ONE, capability="run", link=link.spec)
        was_halted = is_halted(link)
        if halts:
            control.halt()
        else:
            control.resume()
        halted_now = is_halted(link)
        pc = link.read_register("pc") if halted_now else None
        spec = link.spec
    state = f"halted at pc 0x{pc:08x}" if pc is not None else "running"
    again = " as before" if was_halted == halted_now else ""
    show(
        settings,
        lambda: one_line(f"{spec}: {state}{again}"),
        lambda: {
            "schema": f"idoldbg.{'halt' if halts else 'resume'}/1",
            "spec": spec,
            "was_halted": was_halted,
            "halted": halted_now,
            "pc": pc,
        },
    )
