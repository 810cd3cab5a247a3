"""`idoldbg ringbuf`."""

from __future__ import annotations

import click

from idol.records import replace
from idoldbg.cli.options import Settings, command_options
from idoldbg.cli.output import print_text, say, show
from idoldbg.cli.polling import follow_option, rounds
from idoldbg.cli.reading import Reading, reading
from idoldbg.render import json, ring_buffers
from idoldbg.views.ring_buffers import (
    NewEntries,
    RingBuffer,
    entries_since,
    read_ring_buffers,
    select_ring_buffers,
)
from idoldbg.views.variables import checked_task

UNREADABLE = 3  # exit code


@click.command("ringbuf")
@click.argument("filters", metavar="[FILTER]…", nargs=-1)
@click.option("--task", metavar="NAME", help="The ring buffers of this task alone.")
@click.option("--last", type=click.IntRange(0), metavar="N", help="The N newest entries of each.")
@click.option("--expand", is_flag=True, help="Repeat an entry as often as it was counted.")
@click.option(
    "--totals",
    type=click.Choice(ring_buffers.TOTALS),
    default="nonzero",
    show_default=True,
    help="The counts of counted ring buffers.",
)
@click.option("--list", "lists", is_flag=True, help="One line for each ring buffer.")
@follow_option
@command_options
def command(
    settings: Settings,
    filters: tuple[str, ...],
    *,
    task: str | None,
    last: int | None,
    expand: bool,
    totals: str,
    lists: bool,
    follow_s: float | None,
) -> int:
    """Show the ring buffers of the firmware.

    Oldest entry first. FILTER is a part of a task's or ring buffer's name, or a variant, which
    chooses entries.

    \b
    idoldbg ringbuf
    idoldbg ringbuf thermal --last 5
    idoldbg ringbuf Err
    idoldbg ringbuf --follow
    """
    with reading(settings) as opened:
        if task is not None:
            checked_task(opened.program, task)

        def read(newest: int | None) -> tuple[RingBuffer, ...]:
            rings = read_ring_buffers(opened.program)
            return select_ring_buffers(rings, filters, task=task, last=newest)

        if follow_s is not None:
            _follow(settings, opened, filters, task, last or 0, follow_s)
            return 0
        found = read(last)
        if filters and not found:
            say(f"nothing fits {' or '.join(filters)}; `idoldbg ringbuf --list` has all")
        source = opened.source()

    def as_text() -> str:
        if lists:
            return ring_buffers.listing(found)
        return ring_buffers.text(found, totals=totals, expand=expand)

    show(settings, as_text, lambda: ring_buffers.json(source, found))
    return UNREADABLE if found and not lists and all(r.problem for r in found) else 0


def _follow(
    settings: Settings,
    opened: Reading,
    filters: tuple[str, ...],
    task: str | None,
    last: int,
    follow_s: float,
) -> None:
    """Print the `last` entries, then what is written, as it comes."""
    before: dict[tuple[str, int], RingBuffer] = {}
    for number in rounds(opened.session, follow_s):
        rings = {(ring.task, ring.address): ring for ring in read_ring_buffers(opened.program)}
        for key, ring in rings.items():
            found = entries_since(before.get(key, ring), ring)
            if number == 0 and last:
                found = NewEntries(ring.entries[-last:])
            fresh = replace(ring, entries=found.entries)
            for chosen in select_ring_buffers([fresh], filters, task=task):
                _print(settings, chosen, replace(found, entries=chosen.entries))
        before = rings


def _print(settings: Settings, ring: RingBuffer, found: NewEntries) -> None:
    if settings.is_json:
        for each in ring_buffers.news_objects(ring, found):
            click.echo(json.line(each))
        return
    for line in ring_buffers.news(ring, found):
        print_text(line)
