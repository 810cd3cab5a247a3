"""`idoldbg dump`."""

from __future__ import annotations

import click

from idoldbg.cli.groups import Group
from idoldbg.cli.options import Settings, command_options
from idoldbg.cli.output import say, show
from idoldbg.cli.progress import ProgressLine
from idoldbg.cli.reading import Reading, reading
from idoldbg.cli.throwaway import is_throwaway
from idoldbg.dumping import check_path, take_snapshot, write_snapshot
from idoldbg.render import dump as render
from idoldbg.session import find_board
from idoldbg.startup import check_image, settle


@click.group("dump", cls=Group, invoke_without_command=True)
@click.option(
    "-o",
    "--output",
    "path",
    metavar="FILE",
    help="Write to FILE. Default: the first free one of hubris.core.0, hubris.core.1, …",
)
@click.option("--task", metavar="NAME", help="Dump one task: what it owns, and what nobody writes.")
@command_options
def command(settings: Settings, path: str | None, task: str | None) -> None:
    """Write a core dump of a target.

    The dump has memory, registers and the build, and is read with `--probe dump:FILE`, or by
    Humility. Its moment is one: the core is halted meanwhile, and runs on afterwards. Nothing is
    ever overwritten.

    \b
    Examples:
      idoldbg -p pyocd dump
      idoldbg dump --task net -o net.core
    """
    context = click.get_current_context()
    if context.invoked_subcommand is not None:
        if path is not None or task is not None:
            raise click.UsageError(f"`dump {context.invoked_subcommand}` takes its own options")
        context.obj = settings
        return
    check_path(path)
    with reading(settings, settles=False) as found:
        _be_ready(found)
        options = settings.target()
        board = find_board(options, found.program.archive)
        with ProgressLine("dumping") as line:
            snapshot = take_snapshot(found.session, task, board=board, progress=line.update)
        for caution in snapshot.cautions:
            found.notify(caution)
        done = write_snapshot(snapshot, found.program.archive, path)
        if not done.has_build:
            found.notify("the build is not in the dump, for it is not an archive: keep it with it")
        source = found.source()
    show(settings, lambda: render.text(done), lambda: render.json(done, source))


def _be_ready(found: Reading) -> None:
    """Compare the images; let tasks start on a board that was made for this command."""
    if is_throwaway(found.session):
        settle(found.session)
        say("this emulated board was started for the dump")
    else:
        check_image(found.session)
