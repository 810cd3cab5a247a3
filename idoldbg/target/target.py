"""A target that is open, whatever kind of link leads to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from idoldbg.target.capability import refusal
from idoldbg.target.link import BaseLink
from idoldbg.target.spec import Spec
from idoldbg.target.trace import Trace

if TYPE_CHECKING:
    from idoldbg.target.recording import Recorder

__all__ = ["Target"]

C = TypeVar("C")


class Target:
    """Opened target. `memory` counts the traffic of all its users.

    Others ask for what else they need (`idoldbg.target.capability`), never for the kind of link.
    """

    def __init__(self, link: BaseLink, recorder: Recorder | None = None) -> None:
        self._link = link
        self.memory = Trace(link, recorder)

    @property
    def spec(self) -> Spec:
        """The SPEC that leads here again."""
        return Spec.parse(self._link.spec)

    @property
    def description(self) -> str:
        """Description of the other end, for people."""
        return self._link.description

    @property
    def source(self) -> str:
        """Kind of the other end, for programs: a `link` of `idoldbg.views.source`."""
        return self._link.source

    @property
    def ticks(self) -> int | None:
        """The kernel's time, where it is known without reading the kernel (dumps of one task)."""
        return self._link.ticks

    @property
    def is_in_past(self) -> bool:
        """Whether it stands at a moment of its past, where no time is to pass by looking."""
        return self._link.is_in_past

    @property
    def notices(self) -> tuple[str, ...]:
        """Notices about this target for the user, one sentence each; often empty."""
        return self._link.notices

    def can(self, capability: type) -> bool:
        """Return whether the target has a capability."""
        return isinstance(self._link, capability)

    def need(self, capability: type[C]) -> C:
        """Return what can do it; raise `Unsupported`, which says what this is and what to try."""
        if not isinstance(self._link, capability):
            raise refusal(self._link, capability)
        return self.memory if isinstance(self.memory, capability) else self._link

    def close(self) -> None:
        """Let go of the target; closing twice is harmless."""
        self.memory.close()
