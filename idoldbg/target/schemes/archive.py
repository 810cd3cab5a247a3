"""`archive`: the flash of the build itself, for questions that need no RAM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idoldbg.errors import ArgumentError
from idoldbg.target.open import Site, Wanted, opener
from idoldbg.target.spec import Spec

if TYPE_CHECKING:
    from idoldbg.target.link import BaseLink


@opener("archive", site=lambda _: Site.FILE)
def open_archive(spec: Spec, wanted: Wanted) -> BaseLink:
    """Open a build as a target that holds its flash and nothing else."""
    from idoldbg.model.memory import MemoryImage
    from idoldbg.target.dump import ArchiveLink

    if spec.rest is not None:
        raise ArgumentError(f"`{spec}`: give the build with --archive", name="--probe")
    return ArchiveLink(MemoryImage(wanted.archive.flash_segments()), path=wanted.archive.path)
