"""The emulated board in this process, reached directly: the shortest way to a reply."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from idoldbg.errors import LinkTimeout
from idoldbg.target.capability import FlashImage, Identity, Progress
from idoldbg.target.link import BaseLink
from idoldbg.target.signals import hold_lock

if TYPE_CHECKING:
    from idoldbg.target.emulated.emu.instruments import InstrumentSet

__all__ = ["REAL_LIMIT_S", "Board", "EmulatedLink", "LocalBoard", "LocalLink"]

T = TypeVar("T")

REAL_LIMIT_S = 60.0
"""How long waiting may take in real seconds, counted from the last write to the board, or reset."""


class Board(Protocol):
    """Protocol of an `EmulatedBoard` for a link; tests implement it too."""

    @property
    def time_s(self) -> float:
        """Virtual seconds since the board was made."""

    @property
    def is_halted(self) -> bool:
        """Whether the debugger has stopped the core."""

    def read(self, address: int, size: int) -> bytes:
        """Read as a debug probe does; raise `FaultError` on holes."""

    def write(self, address: int, data: bytes) -> None:
        """Write as a debug probe does; raise `FaultError` on holes."""

    def read_register(self, name: str) -> int:
        """Return a core register; raise `Unsupported` for an unknown name."""

    def run(self, seconds: float) -> object:
        """Let virtual time pass; the core does nothing meanwhile if it is halted."""

    def halt(self) -> None:
        """Stop the core."""

    def resume(self) -> None:
        """Let the core run when time passes next."""

    def reset(self) -> None:
        """Reset the chip."""

    def flash(self, segments: Sequence[tuple[int, bytes]]) -> None:
        """Erase the flash, program it, reset; raise `TargetFileError` before anything is erased."""


class EmulatedLink(BaseLink):
    """Forwards to a board; waiting is what makes its virtual time pass."""

    kind = "emulated board"
    source = "emulated"

    def __init__(
        self,
        board: Board,
        *,
        spec: str = "emu",
        description: str = "emulated board",
        notices: tuple[str, ...] = (),
    ) -> None:
        super().__init__(spec, description, notices)
        self.board = board
        self._idle_s = 0.0
        self._waited_s = 0.0  # in real seconds

    def read(self, address: int, size: int) -> bytes:
        return self.board.read(address, size)

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Read several ranges; no time passes on the board meanwhile."""
        return [self.board.read(address, size) for address, size in ranges]

    def write(self, address: int, data: bytes) -> None:
        self.board.write(address, data)
        self._waited_s = 0.0

    def read_register(self, name: str) -> int:
        return self.board.read_register(name)

    def halt(self) -> None:
        self.board.halt()

    def resume(self) -> None:
        self.board.resume()

    @property
    def is_atomic(self) -> bool:
        return True

    def identify(self) -> Identity | None:
        """Return None: a board of this process is the one that was asked for."""
        return None

    def flash(self, image: FlashImage, progress: Progress) -> None:
        progress("program", 0.0)
        self.board.flash([(s.address, s.data) for s in image.segments])
        progress("program", 1.0)

    def reset(self) -> None:
        self.reset_with(halt=False, line=False)

    def reset_with(self, *, halt: bool, line: bool) -> None:
        """Reset the chip; both ways are one here."""
        self.board.reset()
        self._waited_s = 0.0
        if halt:
            self.board.halt()
        elif self.board.is_halted:  # by a vector catch that some debugger left behind
            self.board.resume()

    def wait(self, seconds: float) -> None:
        """Let virtual time pass; raise `LinkTimeout` when that takes too long in real time.

        Firmware that never sleeps runs several times slower than on a chip.
        """
        if self._waited_s > REAL_LIMIT_S:
            self._waited_s = 0.0  # who asks again has as much patience again
            raise LinkTimeout(
                f"{self.spec}: gave up after {REAL_LIMIT_S:g} s of emulation (the "
                f"board's own clock is at {self.board.time_s:.1f} s): the firmware is busy; look "
                "with `idoldbg tasks`, or give a smaller --timeout",
                timeout_s=REAL_LIMIT_S,
                link=self.spec,
            )
        before, began = self.board.time_s, time.monotonic()
        self.board.run(seconds)
        self._waited_s += time.monotonic() - began
        # Whoever waits with a limit must reach it, also where a board's time stands still.
        self._idle_s += max(0.0, seconds - (self.board.time_s - before))

    def monotonic(self) -> float:
        return self.board.time_s + self._idle_s

    def halted(self, action: Callable[[], T]) -> T:
        if self.board.is_halted:
            return action()
        return hold_lock(self.board.halt, action, self.board.resume)


class LocalBoard(Board, Protocol):
    """Board of this process, which can also be asked for all of its state."""

    @property
    def is_in_past(self) -> bool:
        """Whether the board was rewound."""

    @property
    def uart(self) -> dict[str, bytes]:
        """The last 64 KiB that each serial port has sent, by name."""

    def uart_feed(self, name: str, data: bytes) -> None:
        """Let a serial port receive bytes."""

    def uart_sent(self, name: str) -> bytes:
        """Return what a port has sent, by its own name or its USART's; raise `NotFound`."""

    def device(self, name: str) -> object:
        """Return a device of the user; raise `NotFound`."""

    def set_device(self, name: str, attribute: str, value: object) -> None:
        """Set an attribute of a device."""

    def call_device(
        self, name: str, method: str, arguments: Sequence[object], options: Mapping[str, object]
    ) -> object:
        """Return what a method of a device does."""

    def i2c_transfer(self, bus: str, address: int, data: bytes, read: int) -> bytes | None:
        """Talk to the devices of a bus as a second controller; None where one refuses."""

    def pin_level(self, port: str, pin: int) -> bool:
        """Return what the chip reads of a pin; raise `NotFound`."""

    @property
    def instruments(self) -> InstrumentSet:
        """Trace, coverage and profile."""

    def inject(self, fault: dict[str, object]) -> None:
        """Plan a fault; raise `ArgumentError`."""

    def snapshot(self) -> Any:
        """Return the whole state."""

    def restore(self, snapshot: Any) -> None:
        """Go back to a state."""


class LocalLink(EmulatedLink):
    """Link to a board that nobody else uses."""

    board: LocalBoard

    @property
    def is_in_past(self) -> bool:  # type: ignore[override]  # a constant of other links
        """Whether the board was rewound."""
        return self.board.is_in_past

    def inject(self, plan: dict[str, object]) -> None:
        """Plan a fault; raise `ArgumentError`."""
        self.board.inject(plan)

    def past_of(self) -> Any:
        """Return the board whose past it is."""
        return self.board

    def uart_output(self) -> dict[str, bytes]:
        """Return the last 64 KiB that each serial port has sent, by name."""
        return self.board.uart

    def uart_feed(self, name: str, data: bytes) -> None:
        """Let a serial port receive bytes."""
        self.board.uart_feed(name, data)

    def uart_sent(self, name: str) -> bytes:
        """Return what a port has sent, by its own name or its USART's; raise `NotFound`."""
        return self.board.uart_sent(name)

    def own_device(self, name: str) -> object:
        """Return a device of the user, to be read; raise `NotFound`."""
        return self.board.device(name)

    def set_own_device(self, name: str, attribute: str, value: object) -> None:
        """Set an attribute of a device."""
        self.board.set_device(name, attribute, value)

    def call_own_device(
        self, name: str, method: str, arguments: Sequence[object], options: Mapping[str, object]
    ) -> object:
        """Return what a method of a device does."""
        return self.board.call_device(name, method, arguments, options)

    def i2c_transfer(self, bus: str, address: int, data: bytes, read: int) -> bytes | None:
        """Talk to the devices of a bus as a second controller; None where one refuses."""
        return self.board.i2c_transfer(bus, address, data, read)

    def pin_level(self, port: str, pin: int) -> bool:
        """Return what the chip reads of a pin; raise `NotFound`."""
        return self.board.pin_level(port, pin)

    def start_instrument(self, name: str, settings: Mapping[str, Any]) -> None:
        """Start `trace`, `coverage` or `profile`."""
        self.board.instruments.start(name, settings)

    def take_instrument(self, name: str) -> bytes:
        """Return what it has recorded since the last time."""
        return self.board.instruments.take(name)

    def stop_instrument(self, name: str) -> bytes:
        """End it and return the rest."""
        return self.board.instruments.stop(name)

    def snapshot(self) -> object:
        """Return the board's whole state."""
        return self.board.snapshot()

    def restore(self, state: object) -> None:
        """Go back to a state that `snapshot` returned."""
        self.board.restore(state)
        self._waited_s = 0.0
