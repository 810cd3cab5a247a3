"""`emu`, the emulated board in this process; `emu:NAME`, one that another process keeps running."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idoldbg.errors import ArgumentError
from idoldbg.target.open import Site, Wanted, opener
from idoldbg.target.spec import Spec

if TYPE_CHECKING:
    from idoldbg.target.link import BaseLink


def _find_build(spec: Spec) -> str | None:
    """Ask a board that is kept running what it runs."""
    if spec.rest is None:
        return None
    from idoldbg.target.emulated.socket import connect_board

    with connect_board(spec.rest) as board:
        archive = str(board.status().get("archive"))
    if not archive:
        raise ArgumentError(
            f"board `{spec.rest}` was flashed by another program, and what it holds is not known "
            f"here: give its build, or flash one (`idoldbg -p {spec} flash BUILD`)",
            name="--archive",
        )
    return archive


@opener(
    "emu",
    "emu:NAME",
    site=lambda spec: Site.HERE if spec.rest is None else Site.ELSEWHERE,
    build=_find_build,
)
def open_emu(spec: Spec, wanted: Wanted) -> BaseLink:
    """Make a board for the build, or connect to one."""
    if spec.rest is None:
        from idoldbg.target.emulated.link import LocalLink
        from idoldbg.target.emulated.making import emulate

        made = emulate(wanted.options, wanted.archive)
        return LocalLink(
            made, description=f"emulated {made.board.name}", notices=tuple(made.notices)
        )
    from idoldbg.target.emulated.socket import connect_board, open_board

    if wanted.options.board is not None:
        with connect_board(spec.rest) as board:
            _check_board(spec, wanted.options.board, str(board.status().get("board")))
    return open_board(spec.rest)


def _check_board(spec: Spec, board: str, found: str) -> None:
    """Refuse a board that is kept running and is another one than `--board`."""
    from idoldbg.target.board_files import load_board

    if load_board(board).name != found:
        raise ArgumentError(f"{spec} is a {found}, not a `{board}`", name="--board")
