"""Makes emulated boards: the board that options and a build mean, running that build."""

from __future__ import annotations

from collections.abc import Callable
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING

from idoldbg.errors import ArgumentError, LinkError, Unsupported
from idoldbg.model.archive import Archive
from idoldbg.model.board import Board
from idoldbg.opening import TargetOptions, find_build
from idoldbg.target.board_files import (
    board_names,
    chip_names,
    find_board_for_archive,
    load_board,
)

if TYPE_CHECKING:
    from idoldbg.target.emulated.emu import EmulatedBoard

__all__ = ["emulate", "emulated_board", "find_board", "get_board", "refuse_processor"]


def find_board(options: TargetOptions, archive: Archive) -> Board | None:
    """Return the board of `--board`, else the one that the archive names."""
    if options.board is not None:
        return load_board(options.board)
    return find_board_for_archive(archive.board)


def get_board(options: TargetOptions, archive: Archive) -> Board:
    """Return what `find_board` returns; raise `ArgumentError` where no board file covers it."""
    refuse_processor(archive, options.probe or "emu")
    board = find_board(options, archive)
    if board is None:
        what = (
            f"the build is for board `{archive.board}`, which no board file covers"
            if archive.board
            else f"{archive.path} does not say what board it is for, as archives (build-*.zip) do"
        )
        words = f"{what}; give --board NAME{_nearest(archive)} or the path of your own"
        raise ArgumentError(words, name="--board")
    return board


def _chip_of(archive: Archive) -> str:
    """Return the name of the chip's file that a build was made for, "" where it does not say."""
    return archive.chip.rpartition("/")[2].removesuffix(".toml")


def _check_chip(board: Board, archive: Archive) -> None:
    """Refuse to run a build on a chip of another family: it would never start."""
    built_for, known = _chip_of(archive), chip_names()
    if built_for in known and board.chip.name in known and built_for != board.chip.name:
        raise ArgumentError(
            f"{board.name} has a {board.chip.name}, and the build is for a {built_for} "
            f"(board `{archive.board}`)",
            name="--board",
        )


def _nearest(archive: Archive) -> str:
    """Name the board of the same chip whose name resembles that of the archive most."""
    chip = _chip_of(archive)
    same = [name for name in board_names() if load_board(name).chip.name == chip]
    if not chip or not same:
        return ""
    best = max(same, key=lambda name: SequenceMatcher(None, archive.board, name).ratio())
    return f" (`{best}` has the same chip, {chip})"


def refuse_processor(archive: Archive, spec: str) -> None:
    """Refuse targets for builds that no target here runs."""
    processor = archive.other_processor
    if processor:
        raise Unsupported(
            f"{archive.path} is a build for {processor}: only Arm processors are emulated and "
            "reached through probes. `list`, `types` and `audit` work, and `tasks` on a core dump",
            capability="run",
            link=spec,
        )


def emulated_board(board_name: str, archive: str | None = None) -> EmulatedBoard:
    """Make a board that runs the image of `archive` (default: bundled), fresh from reset."""
    options = TargetOptions(archive=archive, board=board_name)
    build = find_build(options)
    return emulate(options, build.archive)


def emulate(options: TargetOptions, archive: Archive) -> EmulatedBoard:
    """Make the board that the options and the build mean; it runs the build, fresh from reset."""
    board = get_board(options, archive)
    _check_chip(board, archive)
    try:
        from idoldbg.target.emulated.emu import EmulatedBoard
    except ModuleNotFoundError as error:
        raise LinkError(
            f"the emulated board needs the Python package `{error.name}`: "
            "pip install 'idoldbg[emu]'; or name a probe with --probe",
            link="emu",
        ) from None
    segments = [(s.address, s.data) for s in archive.flash_segments()]
    sink = None if options.uart is None else _uart_file(Path(options.uart))
    return EmulatedBoard(board, segments, uart_sink=sink)


def _uart_file(path: Path) -> Callable[[str, bytes], None]:
    """Empty the file; return what appends to it. Nothing is lost when the process is killed."""
    path.write_bytes(b"")

    def append(_port: str, data: bytes) -> None:
        with path.open("ab") as file:
            file.write(data)

    return append
