"""Emulated boards that are offered as probes; does not import pyOCD.

- `register_board` adds boards from Python.
- The environment variable `IDOLDBG_EMULATED` adds boards by name: entries `NAME=BOARD[,ARCHIVE]`
  separated by `;`, for instance `rot=lpcxpresso55s69,build/app.zip;disco=stm32f4-discovery`. NAME
  is the probe's unique id; BOARD a file of `targets/boards/` or the path of one; ARCHIVE the build
  to run, by default the bundled one for that board.
- Where the variable is not set, each bundled demo image is a board called `emu-BOARD`. Set but
  empty, it offers none.
- Boards that `idoldbg board start NAME` keeps running are there as `board-NAME`.

Listing boards starts none: a board is made and booted when its probe is opened first, and lives,
with its memory, as long as the process. Those of the environment and the demo images need Unicorn;
without it they are left out.
"""

from __future__ import annotations

import importlib.resources
import importlib.util
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from idol.printable import one_line
from idoldbg.errors import LinkError, NotFound
from idoldbg.target.emulated.entries import read_board_entries
from idoldbg.target.emulated.link import Board
from idoldbg.target.emulated.pyocd_probe.live import LiveBoard
from idoldbg.target.emulated.socket import connect_board

__all__ = [
    "ENVIRONMENT",
    "RUNNING_PREFIX",
    "OfferedBoard",
    "list_boards",
    "parse_environment",
    "register_board",
    "unregister_board",
]

ENVIRONMENT = "IDOLDBG_EMULATED"
DEMO_PREFIX = "emu-"
RUNNING_PREFIX = "board-"
IMAGES = "idoldbg._images"
TARGETS = "idoldbg._targets"

log = logging.getLogger(__name__)


@dataclass(slots=True)
class OfferedBoard:
    """A board that can be opened; `live` is None until it was.

    With `stays_up`, `make` connects to a board of another process, anew for each user, and has it
    closed afterwards.
    """

    unique_id: str
    board_name: str
    make: Callable[[], Board]
    live: LiveBoard | None = field(default=None, repr=False)
    stays_up: bool = False

    def start(self) -> LiveBoard:
        """Return the running board; the first time, make it. Raises what its factory raises."""
        if self.stays_up:
            return LiveBoard(self.make(), follows_wall=True)
        if self.live is None:
            self.live = LiveBoard(self.make())
        return self.live


_boards: dict[str, OfferedBoard] = {}


def register_board(unique_id: str, make: Callable[[], Board], *, board_name: str = "") -> None:
    """Offer what `make` returns as the probe `unique_id`, replacing one of that id."""
    _boards[unique_id] = OfferedBoard(unique_id, board_name or unique_id, make)


def unregister_board(unique_id: str) -> None:
    """Offer the board no longer; whoever has it open keeps it."""
    if _boards.pop(unique_id, None) is None:
        raise NotFound("emulated board", unique_id, near=sorted(_boards))


def list_boards() -> tuple[OfferedBoard, ...]:
    """Return all boards on offer. What is wrong with the environment's text is logged."""
    for unique_id, board_name, archive in _named_boards():
        if unique_id not in _boards:
            register_board(unique_id, _maker(board_name, archive), board_name=board_name)
    return (*_boards.values(), *_running())


def _running() -> tuple[OfferedBoard, ...]:
    """Return the emulated boards that other processes keep running."""
    try:
        entries = read_board_entries()
    except LinkError as error:  # a runtime folder that is not to be trusted
        log.warning("%s", one_line(str(error)))
        return ()
    return tuple(
        OfferedBoard(
            RUNNING_PREFIX + entry.name,
            entry.board,
            partial(connect_board, entry.name, clock="wall"),
            stays_up=True,
        )
        for entry in entries
        if entry.probe is None
    )


def parse_environment(text: str) -> tuple[tuple[tuple[str, str, str | None], ...], tuple[str, ...]]:
    """Split the variable's text into (unique id, board, archive) and into what is wrong with it."""
    entries: list[tuple[str, str, str | None]] = []
    problems: list[str] = []
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        unique_id, _, rest = (part.strip() for part in entry.partition("="))
        board_name, comma, archive = (part.strip() for part in rest.partition(","))
        if not unique_id or not board_name or (comma and not archive):
            problems.append(f"`{entry}` is not NAME=BOARD or NAME=BOARD,ARCHIVE")
        elif any(unique_id == known for known, _, _ in entries):
            problems.append(f"`{unique_id}` is there twice")
        else:
            entries.append((unique_id, board_name, archive or None))
    return tuple(entries), tuple(problems)


def _named_boards() -> tuple[tuple[str, str, str | None], ...]:
    text = os.environ.get(ENVIRONMENT)
    if importlib.util.find_spec("unicorn") is None:
        return ()
    if text is None:
        return tuple((DEMO_PREFIX + name, name, None) for name in _demo_names())
    entries, problems = parse_environment(text)
    for problem in problems:
        log.warning("%s: %s", ENVIRONMENT, one_line(problem))
    return entries


def _demo_names() -> tuple[str, ...]:
    """Name the boards that have a bundled image, which is a file called after its board."""
    if importlib.util.find_spec(IMAGES) is None:
        return ()
    images = {image.name for image in importlib.resources.files(IMAGES).iterdir()}
    boards = importlib.resources.files(TARGETS).joinpath("boards").iterdir()
    names = (board.name.removesuffix(".toml") for board in boards)
    return tuple(sorted(name for name in names if f"{name}.zip" in images))


def _maker(board_name: str, archive: str | None) -> Callable[[], Board]:
    def make() -> Board:
        from idoldbg.opening import emulated_board

        return emulated_board(board_name, archive)

    return make
