"""`idoldbg task`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import click

from idoldbg.call.hiffy.transport import use_alone
from idoldbg.call.supervisor import Request, Supervisor
from idoldbg.cli.groups import Group
from idoldbg.cli.options import Settings, command_options
from idoldbg.cli.output import show
from idoldbg.cli.reading import Reading, reading
from idoldbg.cli.throwaway import warn_if_throwaway
from idoldbg.dumping import check_path, take_snapshot, write_snapshot
from idoldbg.render import control as render
from idoldbg.session import find_board
from idoldbg.startup import check_image
from idoldbg.target.capability import RunControl
from idoldbg.views.backtrace import read_backtrace
from idoldbg.views.saved import read_saved


@click.group("task", cls=Group)
def command() -> None:
    """Hold, release, restart or fault a task, through the supervisor.

    These are requests in the supervisor's memory, not calls: they work while hiffy does not. The
    same request once more changes nothing further.

    \b
    Examples:
      idoldbg task hold net --until-fault --timeout 60
      idoldbg task release net
    """


@command.command("hold")
@click.argument("name")
@click.option(
    "--until-fault",
    is_flag=True,
    help="Wait until it faults, within --timeout; then show its fault, stack and registers.",
)
@click.option(
    "--dump",
    "dump_path",
    metavar="FILE",
    help="With --until-fault: write a core dump to FILE, which must not exist yet.",
)
@command_options
def hold(settings: Settings, name: str, until_fault: bool, dump_path: str | None) -> None:
    """Leave a task alone when it faults next, instead of restarting it.

    \b
    Example: idoldbg task hold net --until-fault --timeout 60 --dump net.core
    """
    if dump_path is not None and not until_fault:
        raise click.UsageError("--dump needs --until-fault")
    check_path(dump_path)
    if not until_fault:
        _control(settings, Request.HOLD, name)
        return
    with _supervised(settings, name) as (found, supervisor):
        done = supervisor.hold_until_fault(name, timeout_s=settings.timeout_s)
        at_fault = render.AtFault(
            read_backtrace(found.program, done.after.index),
            read_saved(found.program, done.after.index),
            None if dump_path is None else _write_dump(settings, found, dump_path),
        )
        source = found.source()
    show(
        settings,
        lambda: render.text(done, at_fault),
        lambda: render.json(done, source, at_fault),
    )


def _write_dump(settings: Settings, found: Reading, path: str) -> str:
    board = find_board(settings.target(), found.program.archive)
    snapshot = take_snapshot(found.session, board=board)
    return write_snapshot(snapshot, found.program.archive, path).path


@command.command("release")
@click.argument("name")
@command_options
def release(settings: Settings, name: str) -> None:
    """Undo `hold`: restart the task at its faults again, and now if it has faulted meanwhile.

    \b
    Example: idoldbg task release net
    """
    _control(settings, Request.RELEASE, name)


@command.command("restart")
@click.argument("name")
@command_options
def restart(settings: Settings, name: str) -> None:
    """Restart a task, or start one that is stopped; a `hold` stays.

    \b
    Example: idoldbg task restart net
    """
    _control(settings, Request.START, name)


@command.command("fault")
@click.argument("name")
@command_options
def fault(settings: Settings, name: str) -> None:
    """Make a task fault, and hold it there; one that has faulted keeps its fault.

    \b
    Example: idoldbg task fault net
    """
    _control(settings, Request.FAULT, name)


@contextmanager
def _supervised(settings: Settings, name: str) -> Iterator[tuple[Reading, Supervisor]]:
    """Open the target of a request; refuse one that does not run, or has no such task."""
    with reading(settings, settles=False) as found:
        found.target.need(RunControl)
        found.program.task(name)
        warn_if_throwaway(found.session)
        check_image(found.session)
        yield found, Supervisor(found.program, found.session.link)


def _control(settings: Settings, request: Request, name: str) -> None:
    with _supervised(settings, name) as (found, supervisor):
        control = partial(supervisor.control, request, name)
        done = use_alone(found.session.link, control)  # else it may come into another's call
        source = found.source()
    show(settings, lambda: render.text(done), lambda: render.json(done, source))
