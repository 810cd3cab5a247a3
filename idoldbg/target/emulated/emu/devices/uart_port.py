"""The far end of a serial port: keeps what was sent, holds what is to be received."""

from __future__ import annotations

from collections.abc import Callable

from idoldbg.target.emulated.emu.devices.device import StatefulPart

__all__ = ["UartPort"]

_KEPT = 1 << 16


class UartPort(StatefulPart):
    """Characters out and in. `on_input` is called when there is something new to receive."""

    STATE = ("output", "_input")

    def __init__(self) -> None:
        self.output = bytearray()
        self.sink: Callable[[bytes], None] | None = None
        self.listener: Callable[[int], None] | None = None
        self.on_input: Callable[[], None] = lambda: None
        self._input = bytearray()

    def send(self, value: int) -> None:
        """Take a character from the USART."""
        self.output.append(value & 0xFF)
        del self.output[:-_KEPT]
        if self.sink is not None:
            self.sink(bytes((value & 0xFF,)))
        if self.listener is not None:
            self.listener(value & 0xFF)

    def feed(self, data: bytes) -> None:
        """Queue characters for the USART."""
        self._input += data
        self.on_input()

    @property
    def waiting(self) -> int:
        """Number of characters to receive."""
        return len(self._input)

    def receive(self) -> int:
        """Take the next character."""
        return self._input.pop(0)
