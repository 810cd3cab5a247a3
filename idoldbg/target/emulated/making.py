"""Makes emulated boards: the board that options and a build mean, running that build."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from idoldbg.errors import ArgumentError, LinkError
from idoldbg.model.archive import Archive
from idoldbg.model.board import Board
from idoldbg.target.board_files import chip_names
from idoldbg.target.chosen_board import chip_of, get_board
from idoldbg.target.emulated.collecting import collect
from idoldbg.target.open import TargetOptions
from idoldbg.views.regions import peripherals

if TYPE_CHECKING:
    from idoldbg.target.emulated.emu import EmulatedBoard

__all__ = ["emulate"]


def _check_chip(board: Board, archive: Archive) -> None:
    """Refuse to run a build on a chip of another family: it would never start."""
    built_for, known = chip_of(archive), chip_names()
    if built_for in known and board.chip.name in known and built_for != board.chip.name:
        raise ArgumentError(
            f"{board.name} has a {board.chip.name}, and the build is for a {built_for} "
            f"(board `{archive.board}`)",
            name="--board",
        )
    for name, (address, _) in peripherals(archive).items():
        known_as = board.chip.find_peripheral(name)
        if known_as is not None and known_as.address != address:
            raise ArgumentError(
                f"{board.name} has a {board.chip.name} with `{name}` at 0x{known_as.address:08x}; "
                f"the build is for a chip that has it at 0x{address:08x} (its chip.toml)",
                name="--board",
            )


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
    made = EmulatedBoard(board, segments, uart_sink=sink)
    collect(made, archive)
    return made


def _uart_file(path: Path) -> Callable[[str, bytes], None]:
    """Empty the file; return what appends to it. Nothing is lost when the process is killed."""
    path.write_bytes(b"")

    def append(_port: str, data: bytes) -> None:
        with path.open("ab") as file:
            file.write(data)

    return append
