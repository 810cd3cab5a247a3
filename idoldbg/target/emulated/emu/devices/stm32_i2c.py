"""STM32 I2C controllers as masters (ST RM0433 chapter 47 is v2; RM0090 chapter 27 is v1).

Addresses have 7 bits. In v2 a byte takes no time. In v1, whose drivers must say in time that a byte
is the last one, a received byte takes 200 cycles. Not modelled: slave mode, SMBus and DMA.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from idoldbg.target.emulated.emu.clock import Clock
from idoldbg.target.emulated.emu.devices.device import Device
from idoldbg.target.emulated.emu.devices.i2c_bus import I2cBus

__all__ = ["Stm32I2cV1", "Stm32I2cV2"]


class Stm32I2cV2(Device):
    """The controller of STM32G0, F3 and H7: CR1, CR2, …, ISR, ICR, RXDR, TXDR."""

    STATE = ("_words", "_flags", "_left", "_read", "_received", "_busy")

    _CR1, _CR2, _ISR, _ICR, _RXDR, _TXDR = 0x00, 0x04, 0x18, 0x1C, 0x24, 0x28
    _PE = 1
    _TXE, _TXIS, _RXNE, _NACKF, _STOPF, _TC, _TCR = 1, 2, 4, 1 << 4, 1 << 5, 1 << 6, 1 << 7
    _BUSY = 1 << 15
    _RD_WRN, _START, _STOP, _RELOAD, _AUTOEND = 1 << 10, 1 << 13, 1 << 14, 1 << 24, 1 << 25
    _INTERRUPTS: ClassVar = {
        1 << 1: _TXIS, 1 << 2: _RXNE, 1 << 4: _NACKF, 1 << 5: _STOPF, 1 << 6: _TC | _TCR
    }  # fmt: skip

    def __init__(self, interrupt: Callable[[bool], None]) -> None:
        self.i2c = I2cBus()
        self._interrupt = interrupt
        self._words: dict[int, int] = {}
        self._flags = 0
        self._left = 0
        self._read = False
        self._received = 0
        self._busy = False

    def reset(self) -> None:
        if self._busy:
            self.i2c.stop()
        self._words = {}
        self._clear()
        self._interrupt(False)

    def _clear(self) -> None:
        self._flags = 0
        self._left = self._received = 0
        self._read = self._busy = False

    def read_word(self, offset: int) -> int:
        if offset == self._ISR:
            return self._flags | self._TXE | (self._BUSY if self._busy else 0)
        if offset == self._RXDR:
            return self._take()
        return 0 if offset in (self._ICR, self._TXDR) else self._words.get(offset, 0)

    def peek_word(self, offset: int) -> int:
        return self._received if offset == self._RXDR else self.read_word(offset)

    def write_word(self, offset: int, value: int) -> None:
        if offset == self._CR1:
            self._words[offset] = value
            if not value & self._PE:  # a software reset: the lines are let go
                if self._busy:
                    self.i2c.stop()
                self._clear()
        elif offset == self._CR2:
            self._control(value)
        elif offset == self._ICR:
            self._flags &= ~(value & (self._NACKF | self._STOPF))
        elif offset == self._TXDR:
            self._transmit(value & 0xFF)
        elif offset not in (self._ISR, self._RXDR):
            self._words[offset] = value
        self._update()

    def _control(self, value: int) -> None:
        self._words[self._CR2] = value & ~(self._START | self._STOP)
        if not self._words.get(self._CR1, 0) & self._PE:
            return
        count = value >> 16 & 0xFF
        if value & self._START:
            self._begin(value, count)
        elif value & self._STOP:
            self._end()
        elif self._flags & self._TCR and count:
            self._flags &= ~self._TCR
            self._left = count
            self._go_on()

    def _begin(self, value: int, count: int) -> None:
        self._flags &= ~(self._TC | self._TCR | self._TXIS | self._RXNE)
        self._busy = True
        self._read = bool(value & self._RD_WRN)
        self._left = count
        if not self.i2c.start(value >> 1 & 0x7F, read=self._read):
            self._refused()
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Ask for the next byte, or end the transfer as CR2 says."""
        if self._left:
            if self._read:
                self._left -= 1
                self._received = self.i2c.read() & 0xFF
                self._flags |= self._RXNE
            else:
                self._flags |= self._TXIS
            return
        control = self._words.get(self._CR2, 0)
        if control & self._RELOAD:
            self._flags |= self._TCR
        elif control & self._AUTOEND:
            self._end()
        else:
            self._flags |= self._TC

    def _take(self) -> int:
        value = self._received
        if self._flags & self._RXNE:
            self._flags &= ~self._RXNE
            self._go_on()
            self._update()
        return value

    def _transmit(self, value: int) -> None:
        if not self._flags & self._TXIS:
            return
        self._flags &= ~self._TXIS
        self._left -= 1
        if self.i2c.write(value):
            self._go_on()
        else:
            self._refused()

    def _refused(self) -> None:
        """Set NACKF; the controller sends a stop condition by itself."""
        self._flags |= self._NACKF
        self._end()

    def _end(self) -> None:
        if self._busy:
            self.i2c.stop()
            self._busy = False
            self._flags = self._flags & ~(self._TC | self._TCR | self._TXIS) | self._STOPF

    def _update(self) -> None:
        control = self._words.get(self._CR1, 0)
        active = any(control & e and self._flags & f for e, f in self._INTERRUPTS.items())
        self._interrupt(active)


class Stm32I2cV1(Device):
    """The controller of STM32F4: CR1, CR2, …, DR, SR1, SR2. It has a line for events and errors."""

    STATE = (
        "_words", "_flags", "_busy", "_sending", "_addressing", "_seen", "_held", "_more",
        "_next_at", "_stops",
    )  # fmt: skip

    BYTE_CYCLES = 200
    _CR1, _CR2, _DR, _SR1, _SR2 = 0x00, 0x04, 0x10, 0x14, 0x18
    _PE, _START, _STOP, _ACK, _POS, _SWRST = 1, 1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 15
    _ITERREN, _ITEVTEN, _ITBUFEN = 1 << 8, 1 << 9, 1 << 10
    _SB, _ADDR, _BTF, _RXNE, _TXE = 1, 2, 4, 1 << 6, 1 << 7
    _AF = 1 << 10
    _ERRORS = 0xDF00
    _MSL, _BUSY, _TRA = 1, 2, 4

    def __init__(
        self,
        clock: Clock,
        interrupt: Callable[[bool], None],
        error_interrupt: Callable[[bool], None],
    ) -> None:
        self.i2c = I2cBus()
        self._interrupt, self._error_interrupt = interrupt, error_interrupt
        self._clock = clock
        self._timer = clock.timer(self._arrived)
        self._words: dict[int, int] = {}
        self._clear()

    def reset(self) -> None:
        if self._busy:
            self.i2c.stop()
        self._words = {}
        self._clear()
        self._update()

    def _clear(self) -> None:
        self._flags = 0
        self._busy = False
        self._sending = False
        self._addressing = False
        self._seen = 0  # flags that were read in SR1: reading SR2 or writing DR clears them then
        self._held: list[int] = []  # bytes received: in DR and in the shift register
        self._more = False
        self._next_at: int | None = None
        self._stops = False  # after the byte that is on its way
        self._timer.stop()

    def read_word(self, offset: int) -> int:
        self._advance()
        if offset == self._SR1:
            self._seen = self._flags
            return self._flags
        if offset == self._SR2:
            if self._seen & self._ADDR and self._flags & self._ADDR:
                self._address_seen()
            return self._status()
        if offset == self._DR:
            return self._take()
        return self._words.get(offset, 0)

    def peek_word(self, offset: int) -> int:
        if offset == self._SR1:
            return self._flags
        if offset == self._SR2:
            return self._status()
        if offset == self._DR:
            return self._held[0] if self._held else 0
        return self._words.get(offset, 0)

    def write_word(self, offset: int, value: int) -> None:
        self._advance()
        if offset == self._CR1:
            self._control(value)
        elif offset == self._DR:
            self._write_data(value & 0xFF)
        elif offset == self._SR1:
            self._flags &= value | ~self._ERRORS  # zeros clear the errors
        elif offset != self._SR2:
            self._words[offset] = value
        self._update()

    def _status(self) -> int:
        busy = self._MSL | self._BUSY if self._busy else 0
        return busy | (self._TRA if self._busy and self._sending else 0)

    def _control(self, value: int) -> None:
        if value & self._SWRST or not value & self._PE:
            if self._busy:
                self.i2c.stop()
            self._clear()
            self._words[self._CR1] = value & ~(self._START | self._STOP)
            return
        self._words[self._CR1] = value & ~(self._START | self._STOP)
        if value & self._STOP and self._busy:
            self._stops = self._next_at is not None
            if not self._stops:
                self._stop()
        if value & self._START:
            self._busy = self._addressing = True
            self._more = False
            self._flags = self._flags & ~(self._TXE | self._BTF | self._ADDR) | self._SB
            self._schedule(None)

    def _stop(self) -> None:
        self.i2c.stop()
        self._busy = self._more = self._sending = self._stops = False
        self._flags &= ~(self._ADDR | self._TXE | self._SB)
        if not self._held:
            self._flags &= ~self._BTF

    def _write_data(self, value: int) -> None:
        if self._addressing:
            if not self._seen & self._SB:
                return
            self._flags &= ~self._SB
            self._addressing = False
            self._sending = not value & 1
            if self.i2c.start(value >> 1, read=bool(value & 1)):
                self._flags |= self._ADDR
            else:
                self._flags |= self._AF
        elif self._busy and self._sending and self._flags & self._TXE:
            if self.i2c.write(value):
                self._flags |= self._TXE | self._BTF
            else:
                self._flags = self._flags & ~(self._TXE | self._BTF) | self._AF

    def _address_seen(self) -> None:
        """Clear ADDR: bytes go on from here."""
        self._flags &= ~self._ADDR
        if self._sending:
            self._flags |= self._TXE
        else:
            self._more = True
            self._schedule(self._clock.now + self.BYTE_CYCLES)
        self._update()

    def _schedule(self, at: int | None) -> None:
        self._next_at = at
        if at is None:
            self._timer.stop()
        else:
            self._timer.start_at(at)

    def _arrived(self) -> None:
        self._advance()

    def _advance(self) -> None:
        """Receive the byte whose time has come, if there is room for it."""
        while self._next_at is not None and self._next_at <= self._clock.now:
            at = self._next_at
            self._schedule(None)
            self._held.append(self.i2c.read() & 0xFF)
            first = len(self._held) == 1
            control = self._words.get(self._CR1, 0)
            # With POS the ACK bit is about the second byte.
            acknowledged = bool(control & self._ACK) or (first and bool(control & self._POS))
            self._more = self._more and acknowledged
            self._flags |= self._RXNE if first else self._BTF
            if self._stops:
                self._stop()
            elif first and self._more:
                self._schedule(at + self.BYTE_CYCLES)
            self._update()

    def _take(self) -> int:
        if not self._held:
            return 0
        value = self._held.pop(0)
        self._flags &= ~self._BTF
        if not self._held:
            self._flags &= ~self._RXNE
        if self._more and self._next_at is None:
            self._schedule(self._clock.now + self.BYTE_CYCLES)
        self._update()
        return value

    def _update(self) -> None:
        control = self._words.get(self._CR2, 0)
        events = self._SB | self._ADDR | self._BTF
        if control & self._ITBUFEN:
            events |= self._RXNE | self._TXE
        self._interrupt(bool(control & self._ITEVTEN and self._flags & events))
        self._error_interrupt(bool(control & self._ITERREN and self._flags & self._ERRORS))
