"""`idoldbg demo`."""

from __future__ import annotations

import os
import sys
import textwrap

import click

from idol.records import dataclass
from idoldbg.cli.options import PROBE_FLAGS, Settings, options_except

WIDTH = 88


@dataclass(frozen=True, slots=True)
class Step:
    """One command to show: what it is good for, its words, and the exit code it must give."""

    why: str
    arguments: tuple[str, ...]
    exit_code: int = 0


STEPS = (
    Step(
        "Hubris is an operating system for microcontrollers: a small kernel and isolated tasks "
        "that call each other. This image holds these tasks. It is a real build for a real chip; "
        "here it runs on an emulated board.",
        ("tasks",),
    ),
    Step(
        "What tasks offer each other is written in Idol, and the image carries that text. "
        "The types come from its debug information (DWARF).",
        ("list", "Spi.exchange"),
    ),
    Step(
        "The main job: call an operation from outside. A task called hiffy makes the call, the spi "
        "task drives the chip's SPI controller, a flash memory sits at the other end. "
        "Command 0x9f asks it who it is; the last three bytes are its JEDEC id.",
        ("call", "Spi.exchange", "--device-index", "0", "--source", "hex:9f000000", "--sink", "4"),
    ),
    Step(
        "An error of the operation is an answer too. The exit code is 1, so scripts notice.",
        ("call", "Spi.exchange", "--device-index", "7", "--source", "hex:9f", "--sink", "1"),
        exit_code=1,
    ),
    Step("The same for programs.", ("call", "Sensor.reading", "--id", "0", "--format", "json")),
    Step(
        "When a server crashes, the call says which task died, why, and its state now. "
        "The exit code is 3: the firmware failed, not the operation.",
        ("call", "Victim.panic", "--task", "victim", "--code", "42"),
        exit_code=3,
    ),
)


@click.command("demo")
@options_except(
    unused=("--archive", "--probe", "--uart", "--wait", "--timeout", "--record", *PROBE_FLAGS)
)
def command(settings: Settings) -> None:
    """Walk through the main job on an emulated board.

    Runs a handful of idoldbg's own commands on the bundled demo image and explains each.
    """
    from idoldbg.cli import run  # the list of commands names this module

    os.environ.pop("IDOLDBG_ARCHIVE", None)  # what is explained is the bundled image
    board = [] if settings.board is None else ["--board", settings.board]
    for number, step in enumerate(STEPS, 1):
        text = textwrap.fill(f"{number}. {step.why}", WIDTH, subsequent_indent="   ")
        click.echo(f"\n{text}\n\n$ idoldbg {' '.join(step.arguments)}")
        sys.stdout.flush()  # what follows may go to standard error
        code = run(["--probe", "emu", *board, *step.arguments])
        if code != step.exit_code:
            click.echo(f"step {number} should have ended with exit code {step.exit_code}", err=True)
            click.get_current_context().exit(code or 1)
        if code:
            click.echo(f"(exit code {code})")
    click.echo(
        "\nThat was all of it: no hardware, no Rust. On a board with a debug probe the same "
        "commands\ntake `--archive build.zip --probe pyocd`; README.md goes on from here."
    )
