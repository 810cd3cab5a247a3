"""`history:FILE`, an emulated board at the end of a recorded past, from which it can go back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idoldbg.errors import ArgumentError, MismatchError
from idoldbg.target.open import Site, Wanted, opener
from idoldbg.target.spec import Spec

if TYPE_CHECKING:
    from idoldbg.target.link import BaseLink


def _find_build(spec: Spec) -> str:
    from idoldbg.target.emulated.history_file import read_history

    return read_history(spec.rest or "").archive


@opener("history:FILE", site=lambda _: Site.HERE, build=_find_build)
def open_history(spec: Spec, wanted: Wanted) -> BaseLink:
    """Make the board and let it live its past again."""
    from idol.records import replace
    from idoldbg.target.board_files import board_names
    from idoldbg.target.emulated.history_file import read_history
    from idoldbg.target.emulated.link import LocalLink
    from idoldbg.target.emulated.making import emulate

    recording, archive = read_history(spec.rest or ""), wanted.archive
    image_id = archive.image_id.hex() if archive.image_id else ""
    if recording.image_id != image_id:
        raise MismatchError(
            f"{spec} is of another build: of image {recording.image_id or 'none'}, and "
            f"{archive.path} is image {image_id or 'none'}",
            expected=recording.image_id,
            actual=image_id,
        )
    options = wanted.options
    if options.board is None and recording.board is None:
        raise ArgumentError(
            f"{spec} is of a board `{recording.board_name}` with a file of its own, which may "
            "bring device models, that is code: give the file yourself",
            name="--board",
        )
    if recording.board is not None and recording.board not in board_names():
        raise ArgumentError(f"{spec}: `{recording.board}` is not a bundled board", name="--probe")
    board = emulate(replace(options, board=options.board or recording.board), archive)
    try:
        board.live_again(recording.entries)
    except BaseException:
        board.close()
        raise
    return LocalLink(
        board,
        spec=str(spec),
        description=f"emulated {board.board.name} in its past",
        notices=tuple(board.notices),
    )
