"""`idoldbg readvar`."""

from __future__ import annotations

import click

from idoldbg.cli.options import Settings, command_options
from idoldbg.cli.output import print_text, show
from idoldbg.cli.polling import follow_option, rounds
from idoldbg.cli.reading import Reading, reading
from idoldbg.cli.throwaway import warn_if_throwaway
from idoldbg.errors import ArgumentError
from idoldbg.render import json, variables
from idoldbg.views.expressions import parse_expression
from idoldbg.views.parts import Part, VarRead, evaluate, find_parts, read_part
from idoldbg.writing import set_variable


@click.command("readvar")
@click.argument("expressions", metavar="EXPR…", nargs=-1, required=True)
@click.option("-d", "--decimal", is_flag=True, help="Write integers in decimal.")
@click.option("--depth", type=click.IntRange(0, 64), help="Levels of parts in parts to show.")
@click.option("--raw", is_flag=True, help="Write the bytes as a hex dump.")
@click.option("--c-string", is_flag=True, help="Write arrays of bytes as strings, up to a NUL.")
@click.option("--one", is_flag=True, help="Refuse a name that several statics have.")
@click.option("--set", "new", metavar="VALUE", help="Write this value, and read it back.")
@click.option("--force", is_flag=True, help="Set even what takes several stores while code runs.")
@follow_option
@command_options
def command(
    settings: Settings,
    expressions: tuple[str, ...],
    *,
    decimal: bool,
    depth: int | None,
    raw: bool,
    c_string: bool,
    one: bool,
    new: str | None,
    force: bool,
    follow_s: float | None,
) -> None:
    """Read statics or parts of them, or set one.

    EXPR is [TASK/]PATH and what is wanted of it: `.field`, `[i]`, `[i..j]`, and `.*` for what a
    pointer points to. TASK may be `kernel`, PATH the end of a path. Fields are found inside cells;
    those of an enum under its variant's name. `idoldbg vars` lists the statics.

    \b
    idoldbg readvar TICKS
    idoldbg readvar net/STATE.phase 'spi/__RINGBUF.buffer[3..6]'
    idoldbg readvar 'kernel/HUBRIS_TASK_TABLE_SPACE[2].descriptor.*' -d
    idoldbg readvar pong/LIMIT --set 5
    """
    if new is not None and (len(expressions) > 1 or follow_s is not None):
        raise click.UsageError("--set takes one EXPR, and no --follow")
    parsed = [parse_expression(expression) for expression in expressions]

    def as_text(found: list[VarRead]) -> str:
        return variables.text(
            found, hexadecimal=not decimal, depth=depth, raw=raw, c_string=c_string
        )

    with reading(settings) as opened:
        if new is not None:
            found = [_set(opened, expressions[0], new, force=force)]
        elif follow_s is not None:
            parts = [part for each in parsed for part in find_parts(opened.program, each)]
            _follow(settings, opened, parts, follow_s, as_text)
            return
        else:
            found = [r for e in expressions for r in evaluate(opened.program, e, one=one)]
        source = opened.source()
    show(settings, lambda: as_text(found), lambda: variables.json(source, found))


def _set(opened: Reading, expression: str, new: str, *, force: bool) -> VarRead:
    parts = find_parts(opened.program, parse_expression(expression))
    if len(parts) > 1:
        names = ", ".join(f"`{part.expression}`" for part in parts[:20])
        raise ArgumentError(f"`{expression}` is ambiguous; choose one of {names}", name="EXPR")
    warn_if_throwaway(opened.session)
    return set_variable(opened.session, parts[0], new, force=force)


def _follow(
    settings: Settings,
    opened: Reading,
    parts: list[Part],
    follow_s: float,
    as_text: object,
) -> None:
    """Print the values, then each that changes, with the kernel's time."""
    assert callable(as_text)
    before: list[VarRead] = []
    for _ in rounds(opened.session, follow_s):
        after = [read_part(opened.program, part) for part in parts]
        news = variables.changed(before, after)
        before = after
        if not news:
            continue
        source = opened.source()
        if settings.is_json:
            click.echo(json.line(variables.json(source, news)))
        else:
            ticks = "" if source.ticks is None else f"at {source.ticks} ms\n"
            print_text(f"{ticks}{as_text(news)}\n")
