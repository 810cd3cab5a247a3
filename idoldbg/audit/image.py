"""What the checks of one build share: the build, its hiffy, and what is found out once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idol.records import dataclass, field
from idoldbg.audit.by_hand import find_by_hand
from idoldbg.audit.finding import Finding
from idoldbg.audit.hiffy import Hiffy, read_hiffy
from idoldbg.build.program import Program

if TYPE_CHECKING:
    from idoldbg.build.debuginfo import DebugInfo

__all__ = ["Image", "check_hiffy"]


@dataclass(frozen=True)
class Image:
    """A build as the checks see it; `hiffy` is None where it cannot be used."""

    program: Program
    hiffy: Hiffy | None
    hiffy_findings: tuple[Finding, ...] = ()
    _by_hand: dict[str, dict[str, str]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, program: Program) -> Image:
        """Read hiffy, and begin to read the servers."""
        program.prefetch()
        return cls(program, *read_hiffy(program))

    def by_hand(self, info: DebugInfo) -> dict[str, str]:
        """Return the types of an object that are serialized by hand, each with the evidence."""
        if info.name not in self._by_hand:
            self._by_hand[info.name] = find_by_hand(info)
        return self._by_hand[info.name]


def check_hiffy(image: Image) -> tuple[Finding, ...]:
    """Report a hiffy that is missing, damaged, or of another version."""
    if image.program.archive.other_processor:  # hiffy makes no difference
        return ()
    return image.hiffy_findings
