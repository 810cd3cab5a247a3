"""Ways to a target: the emulated board, a debug probe, a core dump.

Every link offers the same small surface, `Link`; what a link cannot do raises `Unsupported`, which
says what to try. `idoldbg.session` chooses the link for a SPEC. Nothing here imports pyocd: only
`idoldbg.target.probe.link` and its neighbours `pyocd_*` do, when a probe is asked for.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from idoldbg.model.memory import Clock, MemoryReader, MemoryWriter, Registers, RunControl

__all__ = ["BaseLink", "Link"]


@runtime_checkable
class Link(MemoryReader, MemoryWriter, Clock, Registers, RunControl, Protocol):
    """One connection to one target; a context manager that closes itself."""

    @property
    def spec(self) -> str:
        """What a user writes to get this link again, such as `pyocd:0669FF`."""

    @property
    def description(self) -> str:
        """What is at the other end, for people."""

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know about this link, one sentence each; often empty."""

    def halted(self) -> AbstractContextManager[None]:
        """Keep the core still for a while, then leave it as it was found.

        Registers may also be read outside, but then each read stops the core for itself.
        """

    def close(self) -> None:
        """Let go of the target; closing twice is harmless."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class BaseLink:
    """What the links share: their names, and closing at the end of a `with` block."""

    def __init__(self, spec: str, description: str, notices: tuple[str, ...] = ()) -> None:
        self.spec = spec
        self.description = description
        self.notices = notices

    def close(self) -> None:
        """Let go of the target; closing twice is harmless."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
