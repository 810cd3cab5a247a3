"""`idoldbg board`."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import asdict

import click
from click.core import ParameterSource

from idol.records import replace
from idoldbg.cli.groups import Group
from idoldbg.cli.options import Settings, hostwide_options, options_except, parse_seconds
from idoldbg.cli.output import show
from idoldbg.errors import ArgumentError
from idoldbg.render import running_boards as render
from idoldbg.target.emulated.server import (
    BoardEntry,
    BoardRequest,
    board_status,
    list_boards,
    serve_board,
    start_board,
    stop_board,
)
from idoldbg.target.open import Site, find_scheme

PORT = click.option(
    "--pyocd-port",
    metavar="PORT",
    type=click.IntRange(0, 65535),
    help="Also serve it as a pyOCD probe on this port of this host (0: any free one), for `pyocd "
    "gdbserver -u remote:localhost:PORT` and the like. Every user of this host can connect there.",
)

IDLE = click.option(
    "--idle",
    metavar="SECONDS",
    type=float,
    callback=parse_seconds,
    help="End when nobody has been connected for so long. Default: an hour for a board behind a "
    "probe, which others may want; never for an emulated one.",
)
PROBE_IDLE_S = 3600.0


@click.group("board", cls=Group)
def command() -> None:
    """Keep boards running, for any number of users.

    Each has a process of its own. Every command reaches it with `--probe board:NAME`, several at a
    time. An emulated board (also `emu:NAME`) runs the build that it was started with. With --probe
    the process keeps a real board attached, so that commands begin at once and take turns; a probe
    that was unplugged is attached again when it is back. The build is the default for --archive.

    \b
    Examples:
      idoldbg board start desk build.zip
      idoldbg -p board:desk call Jefe.get_state
      idoldbg board start bench build.zip -p pyocd:0669FF
      idoldbg board stop desk
    """


@command.command("start")
@click.argument("name")
@click.argument("archive_path", metavar="[ARCHIVE]", required=False)
@PORT
@IDLE
@options_except(unused=("--wait", "--timeout", "--record"))
def start(
    settings: Settings,
    name: str,
    archive_path: str | None,
    pyocd_port: int | None,
    idle: float | None,
) -> None:
    """Start a board in the background.

    It runs ARCHIVE (or that of --archive, or a bundled demo image) on the board that the build
    names, or --board. It stays until it is stopped or the host goes down.

    With --probe, written here, it is a real board: the one behind that probe, which should run
    ARCHIVE.
    """
    request = _request(settings, name, archive_path, pyocd_port, idle)
    entry = start_board(
        name,
        request.archive,
        board=request.board,
        uart=request.uart,
        pyocd_port=request.pyocd_port,
        probe=request.probe,
        idle_s=request.idle_s,
        speed_hz=request.speed_hz,
        connect=request.connect,
    )
    _show_started(settings, entry)


@command.command("serve")
@click.argument("name")
@click.argument("archive_path", metavar="[ARCHIVE]", required=False)
@PORT
@click.option(
    "--until-stdin-closes",
    is_flag=True,
    help="End when standard input is closed, as it is when the process that holds its other end "
    "ends in whatever way.",
)
@IDLE
@options_except(unused=("--wait", "--timeout", "--record"))
def serve(
    settings: Settings,
    name: str,
    archive_path: str | None,
    pyocd_port: int | None,
    until_stdin_closes: bool,
    idle: float | None,
) -> None:
    """Run a board in the foreground, until Ctrl-C or SIGTERM.

    The same as `board start`, for a service manager or a terminal. What is printed says that the
    board is ready.
    """
    request = _request(settings, name, archive_path, pyocd_port, idle)
    if until_stdin_closes:
        request = replace(request, lifeline=_stdin())

    def ready(entry: BoardEntry) -> None:
        _show_started(settings, entry)
        sys.stdout.flush()

    serve_board(request, ready)


@command.command("list")
@hostwide_options
def list_(settings: Settings) -> None:
    """List the boards that are running, yours on this host."""
    entries = [asdict(entry) for entry in list_boards()]
    show(
        settings,
        lambda: render.boards_text(entries, bool(settings.verbose)),
        lambda: render.boards_object(entries),
    )


@command.command("status")
@click.argument("name")
@hostwide_options
def status(settings: Settings, name: str) -> None:
    """Ask a board how it is: its image, clock, lights, clients, and whether its core runs.

    Of a real one, also whether its probe is there.
    """
    found = board_status(name)
    show(settings, lambda: render.status_text(found), lambda: render.status_object(found))


@command.command("stop")
@click.argument("names", metavar="NAME...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Stop all that are running.")
@hostwide_options
def stop(settings: Settings, names: tuple[str, ...], everything: bool) -> None:
    """Stop boards; the memory of emulated ones is lost.

    Probes are let go of. Stopping all where none runs is not an error.
    """
    if everything == bool(names):
        raise ArgumentError("give the names of boards, or --all", name="NAME")
    wanted = [entry.name for entry in list_boards()] if everything else list(names)
    stopped = [asdict(stop_board(name)) for name in wanted]
    show(settings, lambda: render.stopped_text(stopped), lambda: render.boards_object(stopped))


def _show_started(settings: Settings, entry: BoardEntry) -> None:
    facts = asdict(entry)
    show(settings, lambda: render.started_text(facts), lambda: render.boards_object([facts]))


def _request(
    settings: Settings,
    name: str,
    archive_path: str | None,
    pyocd_port: int | None,
    idle_s: float | None,
) -> BoardRequest:
    request = BoardRequest(
        name=name,
        archive=archive_path or settings.archive,
        board=settings.board,
        uart=settings.uart,
        pyocd_port=pyocd_port,
        idle_s=idle_s,
    )
    if not _is_written("probe") and not _is_written("target_name"):
        return request  # one of the environment is for the commands that use a board
    options = settings.target()
    spec = options.spec
    if spec is None or spec.scheme in ("emu", "board") or find_scheme(spec).site(spec) is Site.FILE:
        raise ArgumentError(
            f"`{spec}` is not a probe that could be kept: give pyocd:UID, or leave --probe out for "
            "an emulated board",
            name="--probe",
        )
    if pyocd_port is not None or settings.uart is not None:
        option = "--uart" if pyocd_port is None else "--pyocd-port"
        raise ArgumentError("only an emulated board has one", name=option)
    return replace(
        request,
        archive=archive_path or options.archive,
        board=options.board,
        probe=str(spec),
        idle_s=PROBE_IDLE_S if idle_s is None else idle_s,
        speed_hz=options.speed_hz,
        connect=options.connect,
    )


def _is_written(parameter: str) -> bool:
    """Return whether a parameter is on the command line."""
    context = click.get_current_context()
    sources = {c.get_parameter_source(parameter) for c in (context, context.find_root())}
    return ParameterSource.COMMANDLINE in sources


def _stdin() -> int:
    """Return standard input's descriptor; a file has no other end that could be closed."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        raise ArgumentError(
            "standard input is closed already", name="--until-stdin-closes"
        ) from None
    if stat.S_ISREG(mode):
        raise ArgumentError(
            "standard input is a file: give a pipe, a socket or a terminal",
            name="--until-stdin-closes",
        )
    return 0
