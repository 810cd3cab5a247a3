"""`idoldbg extract`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from idol.near import near_misses
from idol.whole_file import write_whole
from idoldbg.cli.options import Settings, build_options
from idoldbg.cli.output import say, show
from idoldbg.errors import ArgumentError, NotFound
from idoldbg.model.archive import Archive
from idoldbg.opening import open_program
from idoldbg.render import source as source_object
from idoldbg.render.printable import one_line
from idoldbg.render.text import table
from idoldbg.views.source import Source, read_source


@click.command("extract")
@click.argument("member", required=False)
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write it to a file.")
@click.option("--all", "folder", type=click.Path(file_okay=False), help="Write all to a folder.")
@build_options
def command(settings: Settings, member: str | None, output: str | None, folder: str | None) -> None:
    """List the files of a build, or write one: to standard output, or to --output.

    MEMBER is a name, or a part of one that only one file has. Works on archives, and on the build
    in a core dump. Nothing is written outside of the folder of --all, and nothing over.

    \b
    idoldbg extract
    idoldbg extract app.toml
    idoldbg extract elf/kernel -o kernel.elf
    idoldbg extract --all build/
    """
    program = open_program(settings.build())
    archive = program.archive
    if folder is not None:
        if member is not None or output is not None:
            raise ArgumentError("takes no MEMBER, and no --output", name="--all")
        _write_all(archive, Path(folder))
        return
    if member is None:
        if output is not None:
            raise ArgumentError("name a MEMBER to write", name="--output")
        _list(settings, archive, read_source(program, "archive"))
        return
    data = archive.get_member(_find(archive, member))
    if output is not None:
        write_whole(output, data)
    else:
        sys.stdout.buffer.write(data)


def _find(archive: Archive, member: str) -> str:
    names = list(archive.members.names())
    found = [name for name in names if member in name]
    if member in names or len(found) == 1:
        return member if member in names else found[0]
    if not found:
        near = near_misses(member, names)
        hint = "" if near else "`idoldbg extract` lists them"
        raise NotFound("member", member, near=near, where=archive.path, hint=hint)
    listed = ", ".join(f"`{name}`" for name in found[:12])
    raise ArgumentError(f"`{member}` is a part of {listed}: give more of it", name="MEMBER")


def _list(settings: Settings, archive: Archive, source: Source) -> None:
    rows = [(name, len(archive.get_member(name))) for name in archive.members.names()]
    shown = [["SIZE", "NAME"], *([str(size), name] for name, size in rows)]
    members = [{"name": name, "size": size} for name, size in rows]
    facts = {
        "schema": "idoldbg.extract/1",
        "source": source_object.json(source),
        "members": members,
    }
    show(settings, lambda: table(shown), lambda: facts)


def _write_all(archive: Archive, folder: Path) -> None:
    names = list(archive.members.names())
    root = folder.resolve()
    for name in names:
        path = (root / name).resolve()
        if not path.is_relative_to(root) or path == root:
            raise ArgumentError(f"the build has a file `{name}`, outside of it", name="--all")
        if path.exists():
            raise ArgumentError(f"{path} exists already: give an empty folder", name="--all")
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, archive.get_member(name))
    say(one_line(f"{len(names)} files written to {folder}"))
