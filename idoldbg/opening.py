"""Opens the builds that options mean, without a target; `idoldbg.session` adds that.

A module of its own because it loads in a tenth of the time: questions about a build need no links.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from idol.records import dataclass
from idoldbg.build.cache import Cache
from idoldbg.build.load import Build, open_build, open_dump
from idoldbg.build.program import Program
from idoldbg.errors import ArchiveError, ArgumentError, NotFound

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "Notify",
    "TargetOptions",
    "demo_archive",
    "demo_boards",
    "find_build",
    "ignore",
    "open_program",
]

DEMO_BOARD = "stm32f4-discovery"
KINDS = ("emu", "pyocd", "remote", "dump")
SPECS = "emu, emu:NAME, pyocd, pyocd:UID, pyocd:emu, remote:HOST:PORT or dump:PATH"

Notify = Callable[[str], None]


def ignore(_notice: str) -> None:
    """Drop what a library's caller did not ask for."""


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """What to debug: the texts of `--archive`, `--board` and `--probe`, None where not given.

    `uart` is a file for what an emulated board sends on its serial ports. `use_cache` reads and
    keeps an index of the archive in the user's cache directory; `notify` is told where that fails.
    `wait_s` is how long to wait for a probe that another process has open.
    """

    archive: str | None = None
    board: str | None = None
    probe: str | None = None
    timeout_s: float = 5.0
    uart: str | None = None
    use_cache: bool = True
    notify: Notify = ignore
    wait_s: float = 0.0


def open_program(options: TargetOptions) -> Program:
    """Open the build that the options mean, without a target; see `find_build`."""
    build = find_build(options)
    program = Program(build.archive, build, results=build.results)
    # What is learned from the archive is kept when nobody asks any more, at the latest at exit.
    weakref.finalize(program, build.save)
    return program


def find_build(options: TargetOptions) -> Build:
    """Open `--archive`; without it the dump of `--probe dump:PATH`, what the board of `emu:NAME`
    runs, or the board's demo image.

    Raises `MismatchError` where `--archive` is not the build that the dump of `--probe` is of.
    """
    kind, _, rest = (options.probe or "").partition(":")
    if options.probe and kind not in KINDS:
        raise ArgumentError(f"`{options.probe}` is no target: use {SPECS}", name="--probe")
    if options.archive == "":
        raise ArgumentError("give the path of a build", name="--archive")
    cache = Cache(notify=options.notify) if options.use_cache else None
    if options.archive is not None:
        build = open_build(options.archive, cache=cache)
        if kind == "dump" and rest:
            open_dump(rest, build.archive)
        return build
    if kind == "dump" and rest:
        return open_build(rest, cache=cache)
    if kind == "emu" and rest:
        from idoldbg.target.emulated.socket import connect_board

        with connect_board(rest) as board:
            archive = str(board.status().get("archive"))
        if not archive:
            raise ArgumentError(
                f"board `{rest}` was flashed by another program, and what it holds is not known "
                f"here: give its build, or flash one (`idoldbg -p {options.probe} flash BUILD`)",
                name="--archive",
            )
        try:
            return open_build(archive, cache=cache)
        except ArchiveError as error:
            error.add_note(
                f"it is what {options.probe} was started with; --archive says where it is"
            )
            raise
    return open_build(str(demo_archive(options.board or DEMO_BOARD)), cache=cache)


def demo_boards() -> tuple[str, ...]:
    """Return the boards that have a bundled demo image."""
    from idoldbg.target.board_files import board_names

    return tuple(name for name in board_names() if _demo_path(name).is_file())


def demo_archive(board: str) -> Path:
    """Return the path of the bundled image for a board; raise `NotFound`, or as `load_board`."""
    if board != DEMO_BOARD and board not in (known := demo_boards()):
        from idoldbg.target.board_files import load_board

        load_board(board)  # says what is wrong with one that there is not
        names = ", ".join(known)
        raise NotFound(
            "bundled image for board", board, hint=f"give --archive PATH (bundled: {names})"
        )
    return _demo_path(board)


def _demo_path(board: str) -> Path:
    from pathlib import Path

    images = import_module("idoldbg._images").__file__ or ""
    return Path(images).parent / f"{board}.zip"
