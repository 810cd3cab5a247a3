"""`idoldbg map`."""

from __future__ import annotations

import click

from idol.whole_file import write_whole
from idoldbg.cli.options import Settings, command_options
from idoldbg.cli.output import show
from idoldbg.cli.reading import reading
from idoldbg.errors import ArgumentError
from idoldbg.opening import open_program
from idoldbg.render import memory_map
from idoldbg.render import source as source_object
from idoldbg.render.printable import one_line
from idoldbg.views.memory_map import read_memory_map
from idoldbg.views.regions import find_place
from idoldbg.views.source import read_source
from idoldbg.views.stack_use import read_stack_use


@click.command("map")
@click.argument("address", required=False, metavar="[ADDRESS]")
@click.option("--task", metavar="NAME", help="What this task may touch (`kernel`: the kernel).")
@click.option(
    "--html",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write the map as a page with drawings; with a target, also how deep stacks are.",
)
@command_options
def command(settings: Settings, address: str | None, task: str | None, html: str | None) -> None:
    """Show who may touch what memory, or what is at an address.

    One line a region, by address, with gaps between them. UNUSED are bytes that the owner's program
    does not need: sizes that the MPU can do are larger. Needs no board.

    \b
    idoldbg map
    idoldbg map 0x20001404
    idoldbg map --html map.html
    """
    if html is not None:
        if address is not None or task is not None:
            raise ArgumentError("the page is of the whole image", name="--html")
        _write_page(settings, html)
        return
    where = None if address is None else _parse(address)
    program = open_program(settings.build())
    found = read_memory_map(program, task)
    source = read_source(program, "archive")
    if where is None:
        show(settings, lambda: memory_map.text(found), lambda: memory_map.json(found, source))
        return
    place = find_place(program, where, task=task, with_source=True)
    rows = [row for row in found.rows if where in row.region]
    show(
        settings,
        lambda: memory_map.at_text(place, rows),
        lambda: memory_map.at_json(place, rows, source),
    )


def _write_page(settings: Settings, path: str) -> None:
    from idoldbg.render.map_page import to_html

    with reading(settings) as opened:
        program = opened.program
        found = read_memory_map(program)
        has_target = opened.target.source != "archive"
        uses = read_stack_use(program, has_target=has_target)
        source = opened.source()
    name = f"{program.archive.name} {program.archive.image_name}".strip() or source.archive
    write_whole(path, to_html(found, uses, source, name).encode())
    written = {"schema": "idoldbg.map/1", "source": source_object.json(source), "file": path}
    show(settings, lambda: one_line(f"{path}: written"), lambda: written)


def _parse(address: str) -> int:
    try:
        value = int(address, 0)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 32:
        raise ArgumentError(f"`{address}` is not an address, such as 0x20001404", name="ADDRESS")
    return value
