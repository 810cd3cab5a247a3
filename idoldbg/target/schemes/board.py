"""`board:NAME`: a board that `idoldbg board start NAME` keeps, emulated or behind a probe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idoldbg.errors import ArgumentError
from idoldbg.target.open import Site, Wanted, opener
from idoldbg.target.spec import Spec

if TYPE_CHECKING:
    from idoldbg.target.link import BaseLink


def find_build(spec: Spec) -> str | None:
    """Ask a board that is kept which build it runs."""
    from idoldbg.target.emulated.socket import connect_board

    with connect_board(spec.rest or "", scheme=spec.scheme) as board:
        status = board.status()
    archive = str(status.get("archive"))
    if not archive and status.get("probe") is not None:
        raise ArgumentError(
            f"board `{spec.rest}` was started without a build: give the one that it runs",
            name="--archive",
        )
    if not archive:
        raise ArgumentError(
            f"board `{spec.rest}` was flashed by another program, and what it holds is not known "
            f"here: give its build, or flash one (`idoldbg -p {spec} flash BUILD`)",
            name="--archive",
        )
    return archive


def open_kept(spec: Spec, wanted: Wanted) -> BaseLink:
    """Connect to a board that is kept, of the kind of `--board` where that is given."""
    from idoldbg.target.emulated.socket import connect_board, open_board

    where = spec.rest or ""
    if wanted.options.board is not None:
        with connect_board(where, scheme=spec.scheme) as board:
            _check_board(spec, wanted.options.board, str(board.status().get("board")))
    return open_board(where, spec.scheme)


def _check_board(spec: Spec, board: str, found: str) -> None:
    """Refuse a board that is another one than `--board`; "" is one of which that is not known."""
    from idoldbg.target.board_files import load_board

    if found and load_board(board).name != found:
        raise ArgumentError(f"{spec} is a {found}, not a `{board}`", name="--board")


@opener("board:NAME", site=lambda _: Site.ELSEWHERE, build=find_build)
def open_board(spec: Spec, wanted: Wanted) -> BaseLink:
    """Connect to a board of either kind."""
    return open_kept(spec, wanted)
