"""STM32 USARTs as plain serial ports (ST RM0090 chapter 30 is v1; RM0444 chapter 33 is v2).

A character takes no time to send: TXE and TC are always set. Received characters wait in the queue
of the port, not in a one-character register, so that none is overrun.
"""

from __future__ import annotations

from collections.abc import Callable

from idoldbg.target.emulated.emu.clock import Clock
from idoldbg.target.emulated.emu.devices.device import Device
from idoldbg.target.emulated.emu.devices.uart_port import UartPort

__all__ = ["Stm32UsartV1", "Stm32UsartV2"]

_RXNE, _TC, _TXE = 1 << 5, 1 << 6, 1 << 7
_TE_ACK, _RE_ACK = 1 << 21, 1 << 22


class _Usart(Device):
    STATE = ("_words",)

    CONTROL = 0
    ENABLE, TRANSMIT, RECEIVE = 0, 1 << 3, 1 << 2

    def __init__(self, _clock: Clock, interrupt: Callable[[bool], None]) -> None:
        self.port = UartPort()
        self.port.on_input = self._update
        self._interrupt = interrupt
        self._words: dict[int, int] = {}

    def reset(self) -> None:
        self._words = {}
        self._update()

    def _on(self, bits: int) -> bool:
        wanted = bits | self.ENABLE
        return self._words.get(self.CONTROL, 0) & wanted == wanted

    def _flags(self) -> int:
        return _TXE | _TC | (_RXNE if self.port.waiting and self._on(self.RECEIVE) else 0)

    def _update(self) -> None:
        # The enables TXEIE, TCIE and RXNEIE are at the positions of the flags.
        control = self._words.get(self.CONTROL, 0)
        enabled = bool(control & self.ENABLE)
        self._interrupt(enabled and bool(self._flags() & control & (_TXE | _TC | _RXNE)))

    def _transmit(self, value: int) -> None:
        if self._on(self.TRANSMIT):
            self.port.send(value)

    def _receive(self) -> int:
        if not self._flags() & _RXNE:
            return 0
        value = self.port.receive()
        self._update()
        return value


class Stm32UsartV1(_Usart):
    """The USART of STM32F4: SR, DR, BRR, CR1 …"""

    CONTROL = 0x0C
    ENABLE = 1 << 13

    def read_word(self, offset: int) -> int:
        if offset == 0x00:
            return self._flags()
        return self._receive() if offset == 0x04 else self._words.get(offset, 0)

    def peek_word(self, offset: int) -> int:
        return 0 if offset == 0x04 else self.read_word(offset)

    def write_word(self, offset: int, value: int) -> None:
        if offset == 0x04:
            self._transmit(value)
        elif offset != 0x00:
            self._words[offset] = value
        self._update()


class Stm32UsartV2(_Usart):
    """The USART of STM32G0, F3 and H7: CR1 …, ISR, ICR, RDR, TDR."""

    CONTROL = 0x00
    ENABLE = 1 << 0

    def read_word(self, offset: int) -> int:
        if offset == 0x1C:
            return (
                self._flags()
                | (_TE_ACK if self._on(self.TRANSMIT) else 0)
                | (_RE_ACK if self._on(self.RECEIVE) else 0)
            )
        if offset == 0x24:
            return self._receive()
        return 0 if offset in (0x18, 0x20) else self._words.get(offset, 0)

    def peek_word(self, offset: int) -> int:
        return 0 if offset == 0x24 else self.read_word(offset)

    def write_word(self, offset: int, value: int) -> None:
        if offset == 0x28:
            self._transmit(value)
        elif offset not in (0x1C, 0x24):
            self._words[offset] = value
        self._update()
