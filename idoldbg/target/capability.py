"""Capabilities of a target besides reading, as small protocols.

`Target.need` returns what can do it, or raises the error that `refusal` makes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from idol.records import dataclass
from idoldbg.errors import Unsupported
from idoldbg.model.memory import Clock, MemoryWriter, Segment

if TYPE_CHECKING:
    from idoldbg.build.load.dump_file import DumpFile
    from idoldbg.model.board import Board
    from idoldbg.target.link import BaseLink

__all__ = [
    "FaultInjection",
    "Flash",
    "FlashImage",
    "Halting",
    "BoardParts",
    "Identity",
    "Instruments",
    "Progress",
    "Recorded",
    "Registers",
    "ResetCheck",
    "ResetControl",
    "RunControl",
    "SerialPorts",
    "Snapshots",
    "TimeTravel",
    "refusal",
]

T = TypeVar("T")


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

    def halted(self, action: Callable[[], T]) -> T:
        """Return what `action` does while the core stands still; leave it as it was found.

        Also where a signal's handler raises, anywhere in it. Registers may also be read outside,
        but then each read stops the core for itself.
        """


@runtime_checkable
class Recorded(Protocol):
    """A target that is the core dump of another."""

    @property
    def dump(self) -> DumpFile:
        """The dump, without the build in it."""


@runtime_checkable
class Snapshots(Protocol):
    """Keeps its whole state, memory and devices included, and goes back to it."""

    def snapshot(self) -> object:
        """Return the state; it is good for this target alone."""

    def restore(self, state: object) -> None:
        """Go back to a state that `snapshot` returned; time goes back, too."""


@runtime_checkable
class Instruments(Protocol):
    """Watches its core while it runs: `trace`, `coverage`, `profile` (docs/instruments.md)."""

    def start_instrument(self, name: str, settings: Mapping[str, Any]) -> None:
        """Start an instrument; raise `ArgumentError` for settings that make no sense."""

    def take_instrument(self, name: str) -> bytes:
        """Return what it has recorded since the last time, in its own format; whole records."""

    def stop_instrument(self, name: str) -> bytes:
        """End it and return the rest; nothing where it does not run."""


@runtime_checkable
class SerialPorts(Protocol):
    """Keeps what the target sends on its serial ports, and sends it what it is to receive."""

    def uart_output(self) -> dict[str, bytes]:
        """Return the last 64 KiB that each port has sent, by name."""

    def uart_feed(self, name: str, data: bytes) -> None:
        """Let a port receive bytes; raise `NotFound`."""

    def uart_sent(self, name: str) -> bytes:
        """Return what a port has sent, by its own name or its USART's; raise `NotFound`."""


@runtime_checkable
class BoardParts(Protocol):
    """Has the board's devices in this process, to be looked at and changed."""

    def own_device(self, name: str) -> object:
        """Return a device, to be read; raise `NotFound`."""

    def set_own_device(self, name: str, attribute: str, value: object) -> None:
        """Set an attribute of a device."""

    def call_own_device(
        self, name: str, method: str, arguments: Sequence[object], options: Mapping[str, object]
    ) -> object:
        """Return what a method of a device does."""

    def i2c_transfer(self, bus: str, address: int, data: bytes, read: int) -> bytes | None:
        """Talk to the devices of a bus as a second controller; None where one refuses."""

    def pin_level(self, port: str, pin: int) -> bool:
        """Return what the chip reads of a pin; raise `NotFound`."""


@runtime_checkable
class FaultInjection(Protocol):
    """Can be given faults."""

    def inject(self, plan: dict[str, object]) -> None:
        """Plan a fault, of plain values; raise `ArgumentError`."""


@runtime_checkable
class TimeTravel(Protocol):
    """Records its inputs, and goes back to any moment of its past."""

    def past_of(self) -> Any:
        """Return the board whose past it is: an `EmulatedBoard`."""


@runtime_checkable
class ResetControl(Protocol):
    """Resets in the ways that a debugger chooses from."""

    def reset_with(self, *, halt: bool, line: bool) -> None:
        """Reset the chip, by its reset line if `line`, else as firmware would.

        With `halt` the core stays halted at its first instruction.
        """


@runtime_checkable
class ResetCheck(Protocol):
    """A target that cannot be reset in every way of `ResetControl`."""

    def check_reset(self, *, line: bool) -> None:
        """Raise `Unsupported` for a reset that it cannot do, before anything is done for one."""


Progress = Callable[[str, float], None]
"""Gets `erase` or `program`, and how much of it is done, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class FlashImage:
    """Image to program, and the board.

    `path` is the build's, absolute; `image_id` is hexadecimal, "" for builds without one.
    `under_reset` connects while the reset line is held, for firmware that shuts the debugger out.
    """

    segments: tuple[Segment, ...]
    board: Board
    path: str
    image_id: str
    under_reset: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """Description of a target, introduced by `description` (`emu:desk is a`).

    `board` is a board file's name where `is_certain`, else what the probe's firmware calls it;
    `pyocd_target` is then pyOCD's target type for that.
    """

    description: str
    board: str
    pyocd_target: str | None = None
    is_certain: bool = False


@runtime_checkable
class Flash(Protocol):
    """Programs flash memory."""

    @property
    def is_atomic(self) -> bool:
        """Whether it programs all of an image or nothing."""

    def identify(self) -> Identity | None:
        """Return what board this is, None where that is not known."""

    def flash(self, image: FlashImage, progress: Progress) -> None:
        """Erase, program and reset; the target runs afterwards.

        Raises `Unsupported`, `LinkError` or `TargetFileError` while nothing has been changed, and
        `FlashError` from then on. An interrupt lets go of the target before it is passed on.
        """


# Protocol → the name that `Unsupported.capability` has for it, and what a target without it says.
_REFUSALS: dict[type, tuple[str, str]] = {
    MemoryWriter: ("write", "its memory cannot be written"),
    Registers: ("registers", "it holds no registers"),
    Halting: ("run", "it does not run"),
    Recorded: ("dump", "it is not a core dump"),
    Clock: ("run", "it does not run, so there is nothing to wait for"),
    RunControl: ("run", "it does not run"),
    Flash: ("flash", "it cannot be flashed"),
    ResetControl: ("reset", "it cannot be reset"),
    Snapshots: ("snapshots", "its state cannot be kept"),
    BoardParts: ("devices", "its devices are not in this process"),
    Instruments: ("instruments", "its core cannot be watched while it runs"),
    FaultInjection: ("inject", "faults cannot be injected there"),
    TimeTravel: ("time travel", "its past is not recorded"),
    SerialPorts: ("uart", "what it sends on its serial ports is not seen here"),
}


def refusal(link: BaseLink, capability: type) -> Unsupported:
    """Return the error for a link without a capability: what it is, and what to try."""
    fallback = (capability.__name__, f"it is not a {capability.__name__}")
    name, why = _REFUSALS.get(capability, fallback)
    if capability is Instruments:
        return Unsupported(
            f"{link.spec} is a {link.kind}: {why}; run the same image on the emulated board for "
            "that (`--probe emu`, or emu:NAME for a board of `idoldbg board start`)",
            capability=name,
            link=link.spec,
        )
    return Unsupported(
        f"{link.spec} is a {link.kind}: {why}; use a probe (`--probe pyocd`) or the emulated "
        "board (`--probe emu`) for that",
        capability=name,
        link=link.spec,
    )
