"""`idoldbg hydrate`."""

from __future__ import annotations

import click

from idoldbg.build.load import open_build, open_dump, read_dump_file
from idoldbg.cli.dump_files import FILES, OpenedDump
from idoldbg.cli.options import Settings
from idoldbg.cli.output import say, show
from idoldbg.dumping import check_path, snapshot_of, write_snapshot
from idoldbg.render import dump as render


@click.command("hydrate")
@click.argument("zip_path", metavar="ZIP")
@click.option(
    "-o",
    "--output",
    "path",
    metavar="FILE",
    help="Write to FILE. Default: the first free one of hubris.core.TASK.0 and so on.",
)
@FILES
def command(settings: Settings, zip_path: str, path: str | None) -> None:
    """Make a core dump of what a service processor sent about a crashed task.

    ZIP has the task's memory, and names the image that it was; --archive is the build of that
    image. The dump then has the build inside, with its flash.

    \b
    Example: idoldbg hydrate crash.zip -a build.zip
    """
    if settings.archive is None:
        raise click.UsageError("give the build of the image with --archive")
    check_path(path)
    archive = open_build(settings.archive).archive
    build = open_dump(zip_path, archive)  # compares the images
    for notice in build.notices:
        say(notice)
    dump = read_dump_file(zip_path)
    done = write_snapshot(snapshot_of(dump, archive.flash_segments()), archive, path)
    source = OpenedDump(zip_path, dump, None).source()
    show(settings, lambda: render.text(done), lambda: render.json(done, source))
