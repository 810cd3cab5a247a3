"""An LPC55 Flexcomm SPI as master (NXP UM11126, chapter "Serial Peripheral Interfaces").

A bit takes DIV + 1 core clock cycles (the Flexcomm clock is taken to be the core's); the delays of
DLY take none. Not modelled: slave mode and DMA.
"""

from __future__ import annotations

from collections.abc import Callable

from idoldbg.target.emulated.emu.clock import Clock
from idoldbg.target.emulated.emu.devices.flexcomm_fifo import FlexcommFifo
from idoldbg.target.emulated.emu.devices.spi_bus import SpiBus

__all__ = ["Lpc55Spi"]

_CFG, _STAT, _INTENSET, _INTENCLR, _DIV, _INTSTAT = 0x400, 0x408, 0x40C, 0x410, 0x424, 0x428
_FIFOWR = 0xE20
_ENABLE, _MASTER, _LSBF, _LOOP = 1, 1 << 2, 1 << 3, 1 << 7
_SSA, _SSD, _STALLED, _END_TRANSFER, _MASTER_IDLE = 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 8
_EOT, _RX_IGNORE = 1 << 20, 1 << 22
_SELECTS = 4


class Lpc55Spi(FlexcommFifo):
    """FIFOs of 8 entries. `lines` says which bus device each SSEL output selects."""

    STATE = (*FlexcommFifo.STATE, "_shifting", "_asserted", "_sticky", "_enables", "_upper")

    FUNCTION = 2
    PRESENT = 1 << 5

    def __init__(self, clock: Clock, interrupt: Callable[[bool], None]) -> None:
        self.bus = SpiBus()
        self.lines: dict[int, int] = {}
        self._clock = clock
        self._timer = clock.timer(self.update)
        self._shifting: tuple[int, int, int] | None = None  # (entry, answer, cycle of its end)
        self._asserted = 0
        self._sticky = self._enables = self._upper = 0
        super().__init__(interrupt)

    def reset(self) -> None:
        self._shifting = None
        self._sticky = self._enables = self._upper = 0
        self._timer.stop()
        self._select(0)
        super().reset()

    def advance(self) -> None:
        if self._shifting is None and not self._to_send:
            return
        now = self._clock.now
        while True:
            start = now
            if self._shifting is not None:
                entry, answer, end = self._shifting
                if end > now:
                    return
                self._complete(entry, answer)
                start = end
            wanted = _ENABLE | _MASTER
            if self._words.get(_CFG, 0) & wanted != wanted or not self.selected():
                return
            entry_or_none = self.take()
            if entry_or_none is None:
                return
            self._begin(entry_or_none, start)

    def _begin(self, entry: int, start: int) -> None:
        self._select(~(entry >> 16) & (1 << _SELECTS) - 1)
        bits = max((entry >> 24 & 0xF) + 1, 4)
        value = entry & (1 << bits) - 1
        config = self._words.get(_CFG, 0)
        if config & _LOOP:
            answer = value
        elif config & _LSBF:
            answer = _reverse(self.bus.exchange(_reverse(value, bits), bits), bits)
        else:
            answer = self.bus.exchange(value, bits)
        divisor = (self._words.get(_DIV, 0) & 0xFFFF) + 1
        self._shifting = (entry, answer, start + bits * divisor)

    def _complete(self, entry: int, answer: int) -> None:
        self._shifting = None
        if not entry & _RX_IGNORE:
            self.deliver(answer | (entry & 0xF << 16))
        if entry & _EOT:
            self._select(0)

    def _select(self, asserted: int) -> None:
        changed = asserted ^ self._asserted
        if asserted & ~self._asserted:
            self._sticky |= _SSA
        if self._asserted and not asserted:
            self._sticky |= _SSD
        self._asserted = asserted
        for line, index in self.lines.items():
            if changed >> line & 1:
                self.bus.select(index, bool(asserted >> line & 1))

    def _status(self) -> int:
        idle = self._shifting is None and not self._to_send
        stalled = self._shifting is None and not self._to_send and bool(self._asserted)
        return self._sticky | (_MASTER_IDLE if idle else 0) | (_STALLED if stalled else 0)

    def status_interrupts(self) -> int:
        return self._status() & self._enables

    def update(self) -> None:
        super().update()
        if self._shifting is not None and (self._fifo_enables or self._enables):
            self._timer.start_at(self._shifting[2])
        else:
            self._timer.stop()

    def write(self, offset: int, size: int, value: int) -> None:
        if offset & ~3 != _FIFOWR:
            super().write(offset, size, value)
        elif offset == _FIFOWR:
            # A write of only the data uses the control bits written last.
            if size == 4:
                self._upper = value & 0xFFFF0000
            self.write_word(_FIFOWR, value & 0xFFFF | self._upper)
        elif size == 2:
            self._upper = value << 16  # the control bits alone: nothing is sent

    def read_word(self, offset: int) -> int:
        if offset == _INTENSET:
            return self._enables
        if offset not in (_STAT, _INTSTAT):
            return super().read_word(offset)
        self.advance()
        return self._status() if offset == _STAT else self.status_interrupts()

    def write_word(self, offset: int, value: int) -> None:
        if offset == _STAT:
            self.advance()
            self._sticky &= ~value
            if value & _END_TRANSFER and self._shifting is None:
                self._select(0)
            self.update()
        elif offset == _INTENSET:
            self._enables |= value
            self.update()
        elif offset == _INTENCLR:
            self._enables &= ~value
            self.update()
        else:
            super().write_word(offset, value)


def _reverse(value: int, bits: int) -> int:
    return int(f"{value:0{bits}b}"[::-1], 2)
