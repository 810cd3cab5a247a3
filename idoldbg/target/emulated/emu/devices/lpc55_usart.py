"""An LPC55 Flexcomm USART as a plain serial port (NXP UM11126, chapter "USARTs").

A character takes no time to send. Received characters wait in the port until the FIFO has room.
"""

from __future__ import annotations

from collections.abc import Callable

from idoldbg.target.emulated.emu.clock import Clock
from idoldbg.target.emulated.emu.devices.flexcomm_fifo import FlexcommFifo
from idoldbg.target.emulated.emu.devices.uart_port import UartPort

__all__ = ["Lpc55Usart"]

_CFG, _STAT, _INTENSET, _INTENCLR, _INTSTAT = 0x00, 0x08, 0x0C, 0x10, 0x24
_ENABLE = 1
_RX_IDLE, _TX_IDLE = 1 << 1, 1 << 3


class Lpc55Usart(FlexcommFifo):
    """FIFOs of 16 entries."""

    STATE = (*FlexcommFifo.STATE, "_enables")

    DEPTH = 16
    FUNCTION = 1
    PRESENT = 1 << 4

    def __init__(self, _clock: Clock, interrupt: Callable[[bool], None]) -> None:
        self.port = UartPort()
        self._enables = 0
        super().__init__(interrupt)
        self.port.on_input = self.update

    def reset(self) -> None:
        self._enables = 0
        super().reset()

    def advance(self) -> None:
        if not self._words.get(_CFG, 0) & _ENABLE or not self.selected():
            return
        while (entry := self.take()) is not None:
            self.port.send(entry)
        while self.port.waiting and len(self._received) < self.DEPTH and self.receiving():
            self.deliver(self.port.receive())

    def status_interrupts(self) -> int:
        return (_RX_IDLE | _TX_IDLE) & self._enables

    def read_word(self, offset: int) -> int:
        self.advance()
        if offset == _STAT:
            return _RX_IDLE | _TX_IDLE
        if offset == _INTENSET:
            return self._enables
        return self.status_interrupts() if offset == _INTSTAT else super().read_word(offset)

    def write_word(self, offset: int, value: int) -> None:
        if offset == _INTENSET:
            self._enables |= value
            self.update()
        elif offset == _INTENCLR:
            self._enables &= ~value
            self.update()
        elif offset != _STAT:
            super().write_word(offset, value)
