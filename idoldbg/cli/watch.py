"""`idoldbg watch`: another command again and again, on one open target."""

from __future__ import annotations

import io
import json as json_module
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from itertools import islice
from typing import Any

import click

from idol.near import near_misses
from idol.records import replace
from idoldbg.cli.options import Settings, command_options, parse_seconds
from idoldbg.cli.polling import rounds
from idoldbg.cli.reading import Reading, holding, reading
from idoldbg.render import json

WATCHED = ("tasks", "ringbuf", "counters", "readvar", "stackmargin", "registers", "readmem")
HOME, ERASE_LINE, ERASE_REST = "\x1b[H", "\x1b[K", "\x1b[J"
MARK, PLAIN = "\x1b[7m", "\x1b[0m"
_CELL = re.compile(r"\S+")


@click.command("watch", context_settings={"ignore_unknown_options": True})
@click.option(
    "-n",
    "--every",
    "every_s",
    type=float,
    default=1.0,
    show_default=True,
    callback=parse_seconds,
    metavar="SECONDS",
    help="Time between two looks, by the target's clock.",
)
@click.option("--count", type=click.IntRange(1), metavar="N", help="Stop after N looks.")
@click.argument("arguments", metavar="COMMAND…", nargs=-1, required=True, type=click.UNPROCESSED)
@command_options
def command(
    settings: Settings, *, every_s: float, count: int | None, arguments: tuple[str, ...]
) -> None:
    """Repeat a command that reads the target's state.

    COMMAND is tasks, ringbuf, counters, readvar or another such, with its arguments; `--` before it
    keeps its options its own. On a terminal the answer is drawn anew, with the cells marked that
    have changed. Elsewhere each answer that differs from the last is a line of JSON. Ctrl-C ends
    it.

    \b
    idoldbg watch tasks
    idoldbg watch -n 5 counters ipc --client net
    idoldbg watch readvar TICKS | jq .source.ticks
    """
    inner, rest = _find(arguments)
    draws = sys.stdout.isatty() and not settings.is_json
    settings = replace(settings, format="text" if draws else "json")
    with reading(settings) as opened:
        answers = _answers(opened, settings, inner, arguments[0], rest, every_s)
        shown = _draw if draws else _print_lines
        shown(islice(answers, count), f"every {every_s:g} s: idoldbg {' '.join(arguments)}")


def _find(arguments: tuple[str, ...]) -> tuple[click.Command, list[str]]:
    """Return the command to repeat and its arguments; raise `UsageError`."""
    name, *rest = arguments
    group = click.get_current_context().find_root().command
    context = click.get_current_context()
    assert isinstance(group, click.Group)
    names = [n for n in WATCHED if n in group.list_commands(context)]
    found = group.get_command(context, name) if name in names else None
    if found is None:
        near = near_misses(name, names)
        hint = f"did you mean `{near[0]}`?" if near else f"it repeats {', '.join(names)}"
        raise click.UsageError(f"`{name}` cannot be watched; {hint}")
    if any(argument.split("=")[0] in ("--follow", "--set") for argument in rest):
        raise click.UsageError("--follow and --set are not for `watch`")
    return found, rest


def _answers(
    opened: Reading,
    settings: Settings,
    inner: click.Command,
    name: str,
    rest: list[str],
    every_s: float,
) -> Iterator[str]:
    """Yield what the command prints, at once and then every so many seconds."""
    for _ in rounds(opened.session, every_s):
        printed = io.StringIO()
        with holding(opened), redirect_stdout(printed):
            context = inner.make_context(name, list(rest), click.get_current_context())
            context.obj = settings
            with context:
                context.command.invoke(context)
        yield printed.getvalue().rstrip("\n")


# ---- as lines of JSON ---------------------------------------------------------------------------


def _print_lines(answers: Iterator[str], _title: str) -> None:
    before: Any = None
    for answer in answers:
        found = json_module.loads(answer)
        now = {name: part for name, part in found.items() if name not in ("source", "time_ms")}
        if now != before:
            click.echo(json.line(found))
            sys.stdout.flush()
        before = now


# ---- on a terminal ------------------------------------------------------------------------------


def _draw(answers: Iterator[str], title: str) -> None:
    before: list[str] = []
    marks = not os.environ.get("NO_COLOR")
    click.echo(HOME + ERASE_REST, nl=False)
    for answer in answers:
        lines = answer.split("\n")
        click.echo(screen([title, "", *lines], ["", "", *before] if before else None, marks=marks))
        before = lines


def screen(lines: list[str], before: list[str] | None, *, marks: bool = True) -> str:
    """Return what redraws a terminal, with cells marked that are not what they were `before`."""
    columns, rows = shutil.get_terminal_size()
    drawn = []
    for index, line in enumerate(lines[: max(rows - 2, 1)]):
        old = before[index] if before is not None and index < len(before) else ""
        is_marked = marks and before is not None and index > 1
        drawn.append(_marked(line[:columns], old[:columns]) if is_marked else line[:columns])
    if len(lines) > len(drawn):
        drawn[-1] = f"… {len(lines) - len(drawn) + 1} lines more"
    return HOME + "\n".join(f"{line}{ERASE_LINE}" for line in drawn) + ERASE_REST


def _marked(line: str, old: str) -> str:
    """Mark the cells of a line, between blanks, that the old line has not at their number."""
    cells = _CELL.findall(old)

    def mark(found: re.Match[str]) -> str:
        number = len(_CELL.findall(line[: found.start()]))
        is_same = number < len(cells) and cells[number] == found[0]
        return found[0] if is_same else f"{MARK}{found[0]}{PLAIN}"

    return _CELL.sub(mark, line)
