"""`idoldbg profile`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from idol.whole_file import write_whole
from idoldbg.build.program import Program
from idoldbg.cli.collected import collecting, run_command
from idoldbg.cli.options import Settings, command_options, parse_seconds
from idoldbg.cli.output import say, show
from idoldbg.cli.reading import reading
from idoldbg.collected import programs_of
from idoldbg.errors import ArgumentError
from idoldbg.render import profile as rendered
from idoldbg.render.flame_graph import flame_graph
from idoldbg.views.profile import Profile, read_profile

DEFAULT_S = 1.0
DEFAULT_HZ = 9973.0
"""A prime: a sampler must not go in step with the firmware's own ticks."""
FOLDED = (".folded", ".txt")


@click.command("profile", context_settings={"allow_interspersed_args": False})
@click.option(
    "--seconds",
    type=float,
    callback=parse_seconds,
    metavar="SECONDS",
    help=f"How much of the board's time ({DEFAULT_S:g}).",
)
@click.option(
    "--rate",
    "rate_hz",
    type=click.FloatRange(0, 1_000_000, min_open=True),
    default=DEFAULT_HZ,
    show_default=True,
    metavar="HZ",
    help="Samples a second of the board's time.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Write FILE.svg (a flame graph), FILE.json (speedscope.app) or FILE.folded.",
)
@click.argument("command_line", metavar="[-- COMMAND…]", nargs=-1, type=click.UNPROCESSED)
@command_options
def command(
    settings: Settings,
    command_line: tuple[str, ...],
    *,
    seconds: float | None,
    rate_hz: float,
    output: str | None,
) -> int:
    """Show where the board's time goes, per task, interrupt and function.

    The core is looked at at a steady pace of the board's time, and stacks are walked, with inlined
    functions. One instruction takes one cycle there: memories that a chip waits for are not in it.
    With COMMAND: the boards that it uses.

    \b
    idoldbg profile -o flame.svg
    idoldbg profile --seconds 5 -o x.speedscope.json
    idoldbg profile -- idoldbg call Spi.exchange --device-index 0 --source hex:9f --sink 1
    """
    if command_line and seconds is not None:
        raise click.UsageError("COMMAND says how long: --seconds is for the board")
    if output is not None:
        _check_output(output)
    if not command_line:
        found = _profile_board(settings, seconds or DEFAULT_S, rate_hz)
        _show(settings, [found], output)
        return 0
    boards: list[tuple[str, Profile]] = []
    with collecting({"profile": {"rate_hz": rate_hz}}) as (collection, environment):
        code = run_command(command_line, environment)
        for program, collected in programs_of(collection.read(), say):
            for each in collected:
                title = f"{each.board}: {Path(each.copied_from).name}"
                boards.append((title, read_profile(program, each.data, rate_hz)))
    if not boards:
        say("the command used no emulated board that it started itself: there is no profile")
        return code
    _show(settings, boards, output)
    return code


def _profile_board(settings: Settings, seconds: float, rate_hz: float) -> tuple[str, Profile]:
    from idoldbg.instruments import profile_board  # not for --help

    with reading(settings, settles=False) as opened:
        data = profile_board(opened.session, seconds, rate_hz)
        return _title(opened.program), read_profile(opened.program, data, rate_hz)


def _title(program: Program) -> str:
    return program.archive.name or program.archive.path


def _check_output(output: str) -> None:
    if Path(output).suffix not in (".json", ".svg", *FOLDED):
        raise ArgumentError(
            f"{output}: its name must say the format: .svg (a flame graph), .json (speedscope) or "
            ".folded (stacks)",
            name="--output",
        )
    if not Path(output).absolute().parent.is_dir():
        raise ArgumentError(f"{output}: there is no such directory", name="--output")


def _show(settings: Settings, boards: Sequence[tuple[str, Profile]], output: str | None) -> None:
    if len(boards) > 1:
        say(f"{len(boards)} boards; the first with the most samples is shown")
    title, profile = max(boards, key=lambda each: each[1].count)
    if output is not None:
        suffix = Path(output).suffix
        is_speedscope = suffix == ".json"
        if is_speedscope:
            content = rendered.speedscope(profile, title)
        else:
            content = flame_graph(profile, title) if suffix == ".svg" else rendered.folded(profile)
        write_whole(Path(output), content.encode())
        if is_speedscope:
            say(f"{output} is for https://www.speedscope.app (or `speedscope {output}`)")
    show(settings, lambda: rendered.text(profile), lambda: rendered.json(profile))
