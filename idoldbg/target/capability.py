"""What a target can do besides being read, as small protocols.

`Target.need` returns what can do it, or raises the error that `refusal` makes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from idoldbg.errors import Unsupported
from idoldbg.model.memory import Clock, MemoryWriter

if TYPE_CHECKING:
    from idoldbg.target.link import BaseLink

__all__ = ["Flash", "Halting", "Registers", "ResetControl", "RunControl", "refusal"]


@runtime_checkable
class Registers(Protocol):
    """Core registers by their names in lower case: r0 … r12, sp, lr, pc, xpsr, msp, psp, …"""

    def read_register(self, name: str) -> int:
        """Return a 32-bit value; raise `Unsupported` for a name that the target lacks."""


@runtime_checkable
class RunControl(Protocol):
    """Stops and starts the core."""

    def halt(self) -> None:
        """Stop the core; raise `LinkTimeout` when it does not stop."""

    def resume(self) -> None:
        """Let the core run on."""

    def reset(self) -> None:
        """Reset the chip and let it run from its vector table."""


@runtime_checkable
class Halting(Protocol):
    """Keeps the core still for a while."""

    def halted(self) -> AbstractContextManager[None]:
        """Keep the core still for a while, then leave it as it was found.

        Registers may also be read outside, but then each read stops the core for itself.
        """


@runtime_checkable
class ResetControl(Protocol):
    """Resets in the ways that a debugger chooses from."""

    def reset_with(self, *, halt: bool, line: bool) -> None:
        """Reset the chip, by its reset line if `line`, else as firmware would.

        With `halt` the core stays halted at its first instruction.
        """


@runtime_checkable
class Flash(Protocol):
    """Programs flash memory."""

    def flash(self, segments: Sequence[tuple[int, bytes]]) -> None:
        """Erase the flash, program it, reset; raise `TargetFileError` before anything is erased."""


# Protocol → the name that `Unsupported.capability` has for it, and what a target without it says.
_REFUSALS: dict[type, tuple[str, str]] = {
    MemoryWriter: ("write", "its memory cannot be written"),
    Registers: ("registers", "it holds no registers"),
    Clock: ("run", "it does not run, so there is nothing to wait for"),
    RunControl: ("run", "it does not run"),
    Flash: ("flash", "it cannot be flashed"),
    ResetControl: ("reset", "it cannot be reset"),
}


def refusal(link: BaseLink, capability: type) -> Unsupported:
    """Return the error for a link without a capability: what it is, and what to try."""
    name, why = _REFUSALS[capability]
    return Unsupported(
        f"{link.spec} is a {link.kind}: {why}; use a probe (`--probe pyocd`) or the emulated "
        "board (`--probe emu`) for that",
        capability=name,
        link=link.spec,
    )
