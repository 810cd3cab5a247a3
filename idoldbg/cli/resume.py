"""`idoldbg resume`."""

from __future__ import annotations

import click

from idoldbg.cli.halt import control_core
from idoldbg.cli.options import Settings, command_options


@click.command("resume")
@command_options
def command(settings: Settings) -> None:
    """Let a halted core run on.

    For probes and emulated boards that keep running. One that runs goes on running.

    \b
    Example: idoldbg -p emu:desk resume
    """
    control_core(settings, halts=False)
