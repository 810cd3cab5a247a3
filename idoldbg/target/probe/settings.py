"""How a board's file and the user's options want a probe to be attached."""

from __future__ import annotations

from idol.records import replace
from idoldbg.model.archive import Archive
from idoldbg.target.chosen_board import find_board
from idoldbg.target.open import Notify, TargetOptions, ignore
from idoldbg.target.probe.link import ProbeOptions

__all__ = ["probe_options"]


def probe_options(
    options: TargetOptions, archive: Archive, notify: Notify = ignore
) -> ProbeOptions:
    """Return how the board's file wants to be attached to, and how long the user wants to wait."""
    how = ProbeOptions(wait_s=options.wait_s, on_wait=notify)
    board = find_board(options, archive)
    if board is None:
        return how
    return replace(how, speed_hz=board.probe.speed_hz, access_port=board.probe.access_port)
