"""Opens the builds that options mean, without a target; `idoldbg.session` adds that.

A module of its own because it loads in a tenth of the time: questions about a build need no links.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from idol.records import replace
from idoldbg.build.cache import Cache
from idoldbg.build.learned import keep_later
from idoldbg.build.load import Build, open_build
from idoldbg.build.program import Program
from idoldbg.errors import ArchiveError, ArgumentError, NotFound
from idoldbg.target.open import Notify, TargetOptions, find_scheme, ignore
from idoldbg.target.spec import Spec

if TYPE_CHECKING:
    from pathlib import Path

    from idoldbg.target.emulated.emu import EmulatedBoard

__all__ = [
    "Notify",
    "TargetOptions",
    "demo_archive",
    "demo_boards",
    "emulated_board",
    "find_build",
    "ignore",
    "open_program",
]

DEMO_BOARD = "stm32f4-discovery"


def open_program(options: TargetOptions) -> Program:
    """Open the build that the options mean, without a target; see `find_build`.

    What is learned from it is written to the index by `save_learned`, at the latest at exit.
    """
    build = find_build(options)
    program = Program(build.archive, build, results=build.results)
    program.build = build
    keep_later(program, build.save)
    return program


def find_build(options: TargetOptions) -> Build:
    """Open `--archive`; without it what the target of `--probe` says that it runs (a core dump, a
    board that is kept running), or the board's demo image.

    Raises `MismatchError` where `--archive` is not the build that the dump of `--probe` is of.
    """
    spec = options.spec if options.probe else None
    scheme = None if spec is None else find_scheme(spec)
    if options.archive == "":
        raise ArgumentError("give the path of a build", name="--archive")
    cache = Cache(notify=options.notify) if options.use_cache else None
    if options.archive is not None:
        build = open_build(options.archive, cache=cache)
        if spec is not None and scheme is not None and scheme.open_with is not None:
            opened = scheme.open_with(spec, build.archive)
            return replace(opened, results=build.results, save=build.save)
        return build
    if spec is not None and scheme is not None and scheme.build is not None:
        path = scheme.build(spec)
        if path is not None:
            return _open_named(path, spec, cache)
    return open_build(str(demo_archive(options.board or DEMO_BOARD)), cache=cache)


def _open_named(path: str, spec: Spec, cache: Cache | None) -> Build:
    """Open the build that a target says it runs."""
    try:
        return open_build(path, cache=cache)
    except ArchiveError as error:
        if path != spec.rest:
            error.add_note(f"it is what {spec} was started with; --archive says where it is")
        raise


def emulated_board(board_name: str, archive: str | None = None) -> EmulatedBoard:
    """Make a board that runs the image of `archive` (default: bundled), fresh from reset."""
    from idoldbg.target.emulated.making import emulate

    options = TargetOptions(archive=archive, board=board_name)
    return emulate(options, find_build(options).archive)


def demo_boards() -> tuple[str, ...]:
    """Return the boards that have a bundled demo image."""
    from idoldbg.target.board_files import board_names

    return tuple(name for name in board_names() if _demo_path(name).is_file())


def demo_archive(board: str) -> Path:
    """Return the path of the bundled image for a board; raise `NotFound`, or as `load_board`."""
    if board != DEMO_BOARD and board not in (known := demo_boards()):
        from idoldbg.target.board_files import load_board

        load_board(board)  # says what is wrong with an unknown one
        names = ", ".join(known)
        raise NotFound(
            "bundled image for board", board, hint=f"give --archive PATH (bundled: {names})"
        )
    return _demo_path(board)


def _demo_path(board: str) -> Path:
    from pathlib import Path

    images = import_module("idoldbg._images").__file__ or ""
    return Path(images).parent / f"{board}.zip"
