"""`emu`, the emulated board in this process; `emu:NAME`, one that another process keeps running."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idoldbg.target.open import Site, Wanted, opener
from idoldbg.target.schemes.board import find_build, open_kept
from idoldbg.target.spec import Spec

if TYPE_CHECKING:
    from idoldbg.target.link import BaseLink


def _find_build(spec: Spec) -> str | None:
    """Ask a board that is kept running what it runs."""
    return None if spec.rest is None else find_build(spec)


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
    return open_kept(spec, wanted)
