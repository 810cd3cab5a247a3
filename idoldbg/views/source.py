"""Origin of answers: link, build, moment, and reasons to doubt them."""

from __future__ import annotations

from idol.records import dataclass
from idoldbg.build.program import Program
from idoldbg.errors import ArchiveError, DebugInfoError
from idoldbg.views.tasks import is_halted

__all__ = ["Caution", "Source", "read_source"]

STILL = ("dump", "task-dump")  # links to what was taken while the core was halted


@dataclass(frozen=True, slots=True)
class Caution:
    """Reason to doubt an answer. Programs go by `code`, people read `message`."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Source:
    """Origin of an answer.

    `link` is "probe", "emulated", "dump", "task-dump", "net", "replay" or "archive" (a build alone,
    without a target). `image_id` is in hexadecimal, "" for builds without one. `ticks` is the
    kernel's uptime in milliseconds. `halted` is whether all reads were of one moment, None where
    nothing could have moved.
    """

    link: str
    archive: str
    image_id: str
    ticks: int | None = None
    halted: bool | None = None
    cautions: tuple[Caution, ...] = ()


def read_source(
    program: Program, link: str, *, ticks: int | None = None, cautions: tuple[Caution, ...] = ()
) -> Source:
    """Read the origin of answers about `program`'s memory, which is reached by `link`.

    `ticks` is the kernel's time where the link knows it.
    """
    try:
        image_id = program.archive.image_id
    except (ArchiveError, DebugInfoError):  # whoever asks for more of the kernel is told
        image_id = None
    halted: bool | None = None
    if link != "archive":
        halted = link in STILL or is_halted(program.memory)
        ticks = _ticks(program) if ticks is None else ticks
    return Source(
        link, program.archive.path, image_id.hex() if image_id else "", ticks, halted, cautions
    )


def _ticks(program: Program) -> int | None:
    try:
        return program.ticks()
    except DebugInfoError:
        return None
