"""`replay:FILE`, a recorded session instead of a board; the build is the one that it was of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idoldbg.errors import ArgumentError
from idoldbg.target.open import Site, Wanted, opener
from idoldbg.target.spec import Spec

if TYPE_CHECKING:
    from idoldbg.target.link import BaseLink


def _find_build(spec: Spec) -> str:
    from idoldbg.target.replay import open_recording

    path = spec.rest or ""
    archive = open_recording(path).head.get("archive")
    if not isinstance(archive, str) or not archive:
        raise ArgumentError(f"{spec} does not say which build it is of: give it", name="--archive")
    return archive


@opener("replay:FILE", site=lambda _: Site.FILE, build=_find_build)
def open_replay(spec: Spec, wanted: Wanted) -> BaseLink:
    """Open a recording."""
    from idoldbg.target.replay import open_recording

    path = spec.rest or ""
    link = open_recording(path)
    recorded_s = link.head.get("timeout_s")
    if recorded_s != wanted.options.timeout_s:
        wanted.notify(f"{spec} was recorded with a timeout of {recorded_s} s: give the same")
    return link
