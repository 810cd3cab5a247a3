"""The FIFO half of an LPC55 Flexcomm interface (NXP UM11126): common to its USART and its SPI."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from idoldbg.target.emulated.emu.devices.device import Device

__all__ = ["FlexcommFifo"]

_FIFOCFG, _FIFOSTAT, _FIFOTRIG = 0xE00, 0xE04, 0xE08
_FIFOINTENSET, _FIFOINTENCLR, _FIFOINTSTAT = 0xE10, 0xE14, 0xE18
_FIFOWR, _FIFORD, _FIFORDNOPOP, _FIFOSIZE = 0xE20, 0xE30, 0xE40, 0xE48
_PSELID, _ID = 0xFF8, 0xFFC
_ENABLE_TX, _ENABLE_RX, _EMPTY_TX, _EMPTY_RX = 1, 2, 1 << 16, 1 << 17
_TX_ERROR, _RX_ERROR, _PERIPHERAL_INT = 1, 2, 1 << 3
_TX_EMPTY, _TX_NOT_FULL, _RX_NOT_EMPTY, _RX_FULL = 1 << 4, 1 << 5, 1 << 6, 1 << 7
_INT_TX_LEVEL, _INT_RX_LEVEL, _INT_PERIPHERAL = 1 << 2, 1 << 3, 1 << 4


class FlexcommFifo(Device):
    """FIFO registers; a subclass moves entries and has the registers below 0xe00."""

    STATE: ClassVar[tuple[str, ...]] = (
        "_words",
        "_to_send",
        "_received",
        "_errors",
        "_fifo_enables",
    )

    DEPTH = 8
    FUNCTION = 0  # PSELID.PERSEL of the function that this model is
    PRESENT = 0  # PSELID's bits that say which functions exist

    def __init__(self, interrupt: Callable[[bool], None]) -> None:
        self._drive_line = interrupt
        self._words: dict[int, int] = {}
        self._to_send: list[int] = []
        self._received: list[int] = []
        self._errors = 0
        self._fifo_enables = 0

    def reset(self) -> None:
        self._words = {}
        self._to_send = []
        self._received = []
        self._errors = self._fifo_enables = 0
        self.update()

    # ------------------------------------------------------------------ for subclasses

    def advance(self) -> None:
        """Move entries between the FIFOs and the wire, as far as time has come."""

    def status_interrupts(self) -> int:
        """Return the enabled interrupt bits of the interface itself (its INTSTAT)."""
        return 0

    def update(self) -> None:
        """Bring everything up to now, and the interrupt line with it."""
        self.advance()
        self._drive_line(bool(self._interrupt_status()))

    def selected(self) -> bool:
        """Whether PSELID has chosen this function."""
        return self._words.get(_PSELID, 0) & 7 == self.FUNCTION

    def receiving(self) -> bool:
        """Whether the receive FIFO is enabled."""
        return bool(self._words.get(_FIFOCFG, 0) & _ENABLE_RX)

    def deliver(self, entry: int) -> None:
        """Put an entry into the receive FIFO."""
        if not self.receiving():
            return
        if len(self._received) < self.DEPTH:
            self._received.append(entry)
        else:
            self._errors |= _RX_ERROR

    def take(self) -> int | None:
        """Take the next entry to send, if sending is enabled."""
        if self._to_send and self._words.get(_FIFOCFG, 0) & _ENABLE_TX:
            return self._to_send.pop(0)
        return None

    def push(self, entry: int) -> None:
        """Put an entry into the transmit FIFO, as a write to FIFOWR does."""
        if not self._words.get(_FIFOCFG, 0) & _ENABLE_TX:
            return
        if len(self._to_send) < self.DEPTH:
            self._to_send.append(entry)
        else:
            self._errors |= _TX_ERROR

    # ------------------------------------------------------------------ registers

    def _levels(self) -> int:
        """Return the bits of FIFOINTSTAT that hold, enabled or not."""
        trigger = self._words.get(_FIFOTRIG, 0)
        value = self._errors
        if trigger & 1 and len(self._to_send) <= trigger >> 8 & 0xF:
            value |= _INT_TX_LEVEL
        if trigger & 2 and len(self._received) > trigger >> 16 & 0xF:
            value |= _INT_RX_LEVEL
        return value

    def _interrupt_status(self) -> int:
        peripheral = _INT_PERIPHERAL if self.status_interrupts() else 0
        return self._levels() & self._fifo_enables | peripheral

    def _fifo_status(self) -> int:
        sending, received = len(self._to_send), len(self._received)
        return (
            self._errors
            | (_PERIPHERAL_INT if self.status_interrupts() else 0)
            | (_TX_EMPTY if not sending else 0)
            | (_TX_NOT_FULL if sending < self.DEPTH else 0)
            | (_RX_NOT_EMPTY if received else 0)
            | (_RX_FULL if received >= self.DEPTH else 0)
            | sending << 8
            | received << 16
        )

    def read_word(self, offset: int) -> int:
        self.advance()
        if offset == _FIFOSTAT:
            return self._fifo_status()
        if offset == _FIFORD:
            value = self._received.pop(0) if self._received else 0
            self.update()
            return value
        if offset == _FIFORDNOPOP:
            return self._received[0] if self._received else 0
        if offset == _FIFOINTENSET:
            return self._fifo_enables
        if offset == _FIFOINTSTAT:
            return self._interrupt_status()
        if offset == _FIFOSIZE:
            return self.DEPTH
        if offset == _PSELID:
            return self._words.get(_PSELID, 0) | self.PRESENT
        return 0x12000000 if offset == _ID else self._words.get(offset, 0)

    def peek_word(self, offset: int) -> int:
        return 0 if offset == _FIFORD else self.read_word(offset)

    def write_word(self, offset: int, value: int) -> None:
        self.advance()
        if offset == _FIFOWR:
            self.push(value)
        elif offset == _FIFOSTAT:
            self._errors &= ~value
        elif offset == _FIFOINTENSET:
            self._fifo_enables |= value & 0xF
        elif offset == _FIFOINTENCLR:
            self._fifo_enables &= ~value
        elif offset == _FIFOCFG:
            if value & _EMPTY_TX:
                self._to_send.clear()
            if value & _EMPTY_RX:
                self._received.clear()
            self._words[offset] = value & ~(_EMPTY_TX | _EMPTY_RX)
        elif offset == _PSELID:
            if not self._words.get(_PSELID, 0) & 8:  # LOCK
                self._words[offset] = value & 0xF
        else:
            self._words[offset] = value
        self.update()
