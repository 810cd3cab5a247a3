"""Ways to a target: the emulated board, a debug probe, a core dump.

A link is a `BaseLink` with the methods of what it can do (`idoldbg.target.capability`). Others hold
a `Target`, whose `memory` is a `Link`: it has all methods, and refuses what the link cannot do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import ClassVar, Protocol, Self, runtime_checkable

from idoldbg.errors import FaultError
from idoldbg.model.memory import Clock, MemoryReader, MemoryWriter
from idoldbg.target.capability import Halting, Registers, RunControl

__all__ = ["BaseLink", "Link"]

ADDRESS_END = 1 << 32


@runtime_checkable
class Link(MemoryReader, MemoryWriter, Clock, Registers, RunControl, Halting, Protocol):
    """One connection to one target; a context manager that closes itself."""

    @property
    def spec(self) -> str:
        """SPEC that opens this link again, such as `pyocd:0669FF`."""

    @property
    def description(self) -> str:
        """Description of the other end, for people."""

    @property
    def notices(self) -> tuple[str, ...]:
        """Notices about this link for the user, one sentence each; often empty."""

    def close(self) -> None:
        """Let go of the target; closing twice is harmless."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class BaseLink(ABC):
    """Base of the links: names, reading, and closing at the end of a `with` block."""

    kind: ClassVar[str]
    """What it leads to, in two words."""
    source: str
    """The same for programs: a `link` of `idoldbg.views.source`."""
    ticks: int | None = None
    """The kernel's time, where the link knows it without reading the kernel."""

    is_in_past: bool = False
    """Whether the target stands at a moment of its past, where no time is to pass."""

    def __init__(self, spec: str, description: str, notices: tuple[str, ...] = ()) -> None:
        self.spec = spec
        self.description = description
        self.notices = notices

    @abstractmethod
    def read(self, address: int, size: int) -> bytes:
        """Read as `MemoryReader.read`."""

    def check_range(self, doing: str, address: int, size: int) -> None:
        """Raise `FaultError` for what is not within 32 bits; `doing` is "read" or "write"."""
        if address < 0 or size < 0 or address + size > ADDRESS_END:
            raise FaultError(
                f"{self.spec}: cannot {doing} {size} bytes at 0x{address:08x}: beyond the 32-bit "
                "address space",
                address=address,
                size=size,
            )

    def close(self) -> None:  # noqa: B027  many links have nothing to let go of
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
