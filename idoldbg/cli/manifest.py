"""`idoldbg manifest`."""

from __future__ import annotations

import click

from idoldbg.cli.options import Settings, build_options
from idoldbg.cli.output import show
from idoldbg.opening import open_program
from idoldbg.render import manifest
from idoldbg.views.manifest import compare_manifests, read_manifest
from idoldbg.views.source import read_source


@click.command("manifest")
@click.option("--diff", "other", metavar="OTHER", help="Show what is different in another build.")
@click.option("--members", is_flag=True, help="Also the files of the build, with their SHA-256.")
@build_options
def command(settings: Settings, other: str | None, members: bool) -> None:
    """Show what a build says of itself: versions, tasks, devices, sensors, sockets.

    Needs no board.

    \b
    idoldbg manifest -a build.zip
    idoldbg manifest -a old.zip --diff new.zip
    """
    program = open_program(settings.build())
    found = read_manifest(program, with_members=members)
    source = read_source(program, "archive")
    if other is None:
        show(settings, lambda: manifest.text(found), lambda: manifest.json(found, source))
        return
    second = open_program(Settings(archive=other, no_cache=settings.no_cache).build())
    changes = compare_manifests(found, read_manifest(second))
    show(
        settings,
        lambda: manifest.changes_text(changes),
        lambda: manifest.changes_json(changes, source, other),
    )
