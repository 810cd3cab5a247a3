"""An LPC55 Flexcomm I2C as master (NXP UM11126, chapter "I2C-bus interfaces").

A byte takes no time, so the controller is never busy: MSTPENDING is set while it is enabled. Not
modelled: slave mode, monitor mode, timeouts and DMA.
"""

from __future__ import annotations

from collections.abc import Callable

from idoldbg.target.emulated.emu.devices.device import Device
from idoldbg.target.emulated.emu.devices.i2c_bus import I2cBus

__all__ = ["Lpc55I2c"]

_CFG, _STAT, _INTENSET, _INTENCLR, _INTSTAT = 0x800, 0x804, 0x808, 0x80C, 0x818
_MSTCTL, _MSTDAT = 0x820, 0x828
_PSELID, _ID = 0xFF8, 0xFFC
_MSTEN, _PENDING = 1, 1
_CONTINUE, _START, _STOP = 1, 2, 4
_IDLE, _RX_READY, _TX_READY, _NACK_ADDRESS, _NACK_DATA = range(5)
_FUNCTION, _PRESENT = 3, 1 << 6


class Lpc55I2c(Device):
    """The master half: MSTCTL does the next step with MSTDAT, STAT says what came of it."""

    STATE = ("_words", "_state", "_data", "_enables")

    def __init__(self, interrupt: Callable[[bool], None]) -> None:
        self.i2c = I2cBus()
        self._interrupt = interrupt
        self._words: dict[int, int] = {}
        self._state = _IDLE
        self._data = 0
        self._enables = 0

    def reset(self) -> None:
        if self._state != _IDLE:
            self.i2c.stop()
        self._words = {}
        self._state, self._data, self._enables = _IDLE, 0, 0
        self._interrupt(False)

    def _is_on(self) -> bool:
        selected = self._words.get(_PSELID, 0) & 7 == _FUNCTION
        return selected and bool(self._words.get(_CFG, 0) & _MSTEN)

    def _status(self) -> int:
        return _PENDING | self._state << 1 if self._is_on() else 0

    def read_word(self, offset: int) -> int:
        if offset == _STAT:
            return self._status()
        if offset == _INTENSET:
            return self._enables
        if offset == _INTSTAT:
            return self._status() & self._enables & 1
        if offset == _MSTDAT:
            return self._data
        if offset == _PSELID:
            return self._words.get(_PSELID, 0) | _PRESENT
        return 0xE0901300 if offset == _ID else self._words.get(offset, 0)

    def write_word(self, offset: int, value: int) -> None:
        if offset == _INTENSET:
            self._enables |= value
        elif offset == _INTENCLR:
            self._enables &= ~value
        elif offset == _MSTDAT:
            self._data = value & 0xFF
        elif offset == _MSTCTL:
            if self._is_on():
                self._step(value)
        elif offset == _PSELID:
            if not self._words.get(_PSELID, 0) & 8:  # LOCK
                self._words[offset] = value & 0xF
        elif offset not in (_STAT, _INTSTAT, _ID):
            self._words[offset] = value
        self._interrupt(bool(self._status() & self._enables & 1))

    def _step(self, value: int) -> None:
        if value & _START:
            read = bool(self._data & 1)
            if not self.i2c.start(self._data >> 1, read=read):
                self._state = _NACK_ADDRESS
            elif read:
                self._receive()
            else:
                self._state = _TX_READY
        elif value & _STOP:
            self.i2c.stop()
            self._state = _IDLE
        elif value & _CONTINUE and self._state == _TX_READY:
            self._state = _TX_READY if self.i2c.write(self._data) else _NACK_DATA
        elif value & _CONTINUE and self._state == _RX_READY:
            self._receive()

    def _receive(self) -> None:
        self._data = self.i2c.read() & 0xFF
        self._state = _RX_READY
