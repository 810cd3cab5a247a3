"""Choice of the board from options and build."""

from __future__ import annotations

from idoldbg.errors import ArgumentError, Unsupported
from idoldbg.model.archive import Archive
from idoldbg.model.board import Board
from idoldbg.target.board_files import board_names, find_board_for_archive, load_board
from idoldbg.target.open import TargetOptions

__all__ = ["chip_of", "find_board", "get_board", "refuse_processor"]


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
        message = f"{what}; give --board NAME{_nearest(archive)} or the path of your own"
        raise ArgumentError(message, name="--board")
    return board


def chip_of(archive: Archive) -> str:
    """Return the name of the chip's file that a build was made for, "" where it does not say."""
    return archive.chip.rpartition("/")[2].removesuffix(".toml")


def _nearest(archive: Archive) -> str:
    """Name the board of the same chip whose name resembles that of the archive most."""
    chip = chip_of(archive)
    same = [name for name in board_names() if load_board(name).chip.name == chip]
    if not chip or not same:
        return ""
    from difflib import SequenceMatcher  # 4 ms, for messages alone

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
