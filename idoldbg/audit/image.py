"""State shared by the checks of one build: the build, its hiffy, and computed facts."""

from __future__ import annotations

from idol.records import dataclass
from idoldbg.audit.finding import Finding
from idoldbg.audit.hiffy import Hiffy
from idoldbg.build.program import Program

__all__ = ["Image", "check_hiffy"]


@dataclass(frozen=True)
class Image:
    """A build as the checks see it; `hiffy` is None where it cannot be used."""

    program: Program
    hiffy: Hiffy | None
    hiffy_findings: tuple[Finding, ...] = ()


def check_hiffy(image: Image) -> tuple[Finding, ...]:
    """Report a hiffy that is missing, damaged, or of another version."""
    if image.program.archive.other_processor:  # hiffy makes no difference
        return ()
    return image.hiffy_findings
