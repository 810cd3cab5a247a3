"""`idoldbg dump`."""

from __future__ import annotations

import click

from idol.records import replace
from idoldbg.build.program import Program
from idoldbg.cli.dump_files import FILES, open_dump_file
from idoldbg.cli.groups import Group
from idoldbg.cli.options import Settings, command_options
from idoldbg.cli.output import say, show
from idoldbg.cli.progress import ProgressLine
from idoldbg.cli.reading import Reading, reading
from idoldbg.cli.throwaway import is_throwaway
from idoldbg.dumping import (
    check_path,
    snapshot_of,
    take_by_agent,
    take_snapshot,
    write_snapshot,
)
from idoldbg.model.snapshot import Snapshot
from idoldbg.render import dump as render
from idoldbg.render import dump_contents as contents
from idoldbg.session import find_board
from idoldbg.startup import check_image, settle
from idoldbg.views.dump_areas import (
    AreaDump,
    DumpAreas,
    check_free,
    find_first_area,
    free_areas,
    read_areas,
)
from idoldbg.views.dump_areas import read_dump as read_area_dump
from idoldbg.views.dump_diff import compare_dumps


@click.group("dump", cls=Group, invoke_without_command=True)
@click.option(
    "-o",
    "--output",
    "path",
    metavar="FILE",
    help="Write to FILE. Default: the first free one of hubris.core.0, hubris.core.1, …",
)
@click.option("--task", metavar="NAME", help="Dump one task: what it owns, and what nobody writes.")
@click.option(
    "--agent",
    is_flag=True,
    help="With --task: let the firmware take it (DumpAgent.dump_task), into an area that stays in "
    "use.",
)
@command_options
def command(settings: Settings, path: str | None, task: str | None, agent: bool) -> None:
    """Write a core dump of a target.

    The dump has memory, registers and the build, and is read with `--probe dump:FILE`, or by
    Humility. Its moment is one: the core is halted meanwhile, and runs on afterwards. Nothing is
    ever overwritten.

    \b
    Examples:
      idoldbg -p pyocd dump
      idoldbg dump --task net -o net.core
      idoldbg dump info net.core
    """
    context = click.get_current_context()
    if context.invoked_subcommand is not None:
        if path is not None or task is not None or agent:
            raise click.UsageError(f"`dump {context.invoked_subcommand}` takes its own options")
        context.obj = settings
        return
    if agent and task is None:
        raise click.UsageError("--agent dumps one task: name it with --task")
    check_path(path)
    with reading(settings, settles=False) as found:
        _be_ready(found)
        snapshot = _take(found, settings, task, by_agent=agent)
        for caution in snapshot.cautions:
            found.notify(caution)
        done = write_snapshot(snapshot, found.program.archive, path)
        if not done.has_build:
            found.notify("the build is not in the dump, for it is not an archive: keep it with it")
        source = found.source()
    show(settings, lambda: render.text(done), lambda: render.json(done, source))


def _take(found: Reading, settings: Settings, task: str | None, *, by_agent: bool) -> Snapshot:
    if by_agent and task is not None:
        snapshot, problem = take_by_agent(found.session, task, find_first_area(found.program))
        return replace(snapshot, cautions=(f"not all of it: {problem}",) if problem else ())
    board = find_board(settings.target(), found.program.archive)
    with ProgressLine("dumping") as line:
        return take_snapshot(found.session, task, board=board, progress=line.update)


def _be_ready(found: Reading) -> None:
    """Compare the images; let tasks start on a board that was made for this command."""
    if is_throwaway(found.session):
        settle(found.session)
        say("this emulated board was started for the dump")
    else:
        check_image(found.session)


@command.command("info")
@click.argument("path", metavar="FILE")
@FILES
def info(settings: Settings, path: str) -> None:
    """Describe a core dump: what it is of, which build it belongs to, and what it lacks.

    \b
    Example: idoldbg dump info hubris.core.0
    """
    opened = open_dump_file(settings, path)
    found = opened.info()
    show(
        settings,
        lambda: contents.info_text(found),
        lambda: contents.info_json(found, opened.source()),
    )


@command.command("diff")
@click.argument("before", metavar="BEFORE")
@click.argument("after", metavar="AFTER")
@FILES
def diff(settings: Settings, before: str, after: str) -> None:
    """Compare two core dumps of one build: registers, tasks, statics, memory.

    \b
    Example: idoldbg dump diff hubris.core.0 hubris.core.1
    """
    first, second = (open_dump_file(settings, path) for path in (before, after))
    found = compare_dumps(first.same_build(second), first.dump, second.dump)
    show(
        settings,
        lambda: contents.diff_text(found),
        lambda: contents.diff_json(found, first.source(), second.source()),
    )


@command.command("areas")
@click.option("--extract", metavar="N", type=int, help="Write the dump in area N to a file.")
@click.option("--all", "all_", is_flag=True, help="Write every dump to a file of its own.")
@click.option(
    "--erase",
    is_flag=True,
    help="Free all areas, after --all or without it; what was not written is lost.",
)
@click.option(
    "--at", metavar="ADDRESS", help="Address of the first area, where the build does not say it."
)
@click.option("-o", "--output", "path", metavar="FILE", help="With --extract: write to FILE.")
@command_options
def areas(
    settings: Settings,
    extract: int | None,
    all_: bool,
    erase: bool,
    at: str | None,
    path: str | None,
) -> None:
    """List or fetch the dumps that wait in the target's memory.

    The supervisor takes them when tasks crash, or when it is asked to (`dump --task NAME --agent`).
    Areas are freed with --erase alone. Exit code 1 where something is missing of a dump.

    \b
    Examples:
      idoldbg -p pyocd dump areas
      idoldbg -p pyocd dump areas --all --erase
    """
    if extract is not None and (all_ or erase):
        raise click.UsageError("--extract goes with neither --all nor --erase")
    if path is not None and extract is None:
        raise click.UsageError("--output goes with --extract")
    check_path(path)
    with reading(settings, settles=False) as found:
        _be_ready(found)
        first = find_first_area(found.program) if at is None else _address(at)
        table = read_areas(found.program, first)
        chosen = (
            list(table.dumps) if all_ else [_choose(table, extract)] if extract is not None else []
        )
        if erase:
            check_free(table)
        written, is_whole = {}, True
        for dump in chosen:
            if dump.problem and all_:
                continue  # the list says so
            written[dump.index], problem = _extract(found.program, dump, path)
            if problem:
                found.notify(f"{written[dump.index]} is not all of the dump: {problem}")
                is_whole = False
        freed = _free(found, table) if erase and is_whole else None
        if erase and not is_whole:
            found.notify("no area was freed")
        source = found.source()
    show(
        settings,
        lambda: render.areas_text(table, written, freed),
        lambda: render.areas_json(table, written, freed, source),
    )
    if not is_whole or (extract is None and table.problem):
        raise click.exceptions.Exit(1)


def _address(text: str) -> int:
    try:
        address = int(text, 0)
    except ValueError:
        address = -1
    if not 0 <= address < 1 << 32:
        raise click.UsageError(f"--at: `{text}` is not an address")
    return address


def _choose(table: DumpAreas, number: int) -> AreaDump:
    for dump in table.dumps:
        if dump.index == number:
            return dump
    known = ", ".join(str(dump.index) for dump in table.dumps) or "none at all"
    raise click.UsageError(f"no dump begins in area {number}; there are {known}")


def _extract(program: Program, dump: AreaDump, path: str | None) -> tuple[str, str]:
    """Write a dump; return the file's name, and why not all of it is there, if so."""
    found, problem = read_area_dump(program, dump)
    snapshot = snapshot_of(found, program.archive.flash_segments())
    part = ".region" if dump.kind == "region" else ""
    done = write_snapshot(snapshot, program.archive, path, part=part)
    if found.missing_size:
        problem = f"{found.missing_size} bytes are missing: {problem}"
    return done.path, problem


def _free(found: Reading, table: DumpAreas) -> int:
    link = found.session.link
    return link.halted(lambda: free_areas(link, table))
