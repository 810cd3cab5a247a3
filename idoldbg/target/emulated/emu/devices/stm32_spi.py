"""STM32 SPI controllers as masters (ST RM0090 chapter 28 is v1; RM0444 chapter 35 is v2).

A frame takes its bits times the prescaler, in core clock cycles. Frames are exchanged with the bus
as they begin, and their answers arrive as they end. Not modelled: slave mode, CRC, I²S, DMA, half
duplex.
"""

from __future__ import annotations

from collections.abc import Callable

from idoldbg.target.emulated.emu.clock import Clock
from idoldbg.target.emulated.emu.devices.device import Device
from idoldbg.target.emulated.emu.devices.spi_bus import SpiBus

__all__ = ["Stm32SpiV1", "Stm32SpiV2"]

_CR1, _CR2, _SR, _DR = 0x00, 0x04, 0x08, 0x0C
_MSTR, _SPE, _LSBFIRST, _SSI, _SSM, _DFF = 1 << 2, 1 << 6, 1 << 7, 1 << 8, 1 << 9, 1 << 11
_SSOE, _ERRIE, _RXNEIE, _TXEIE, _FRXTH = 1 << 2, 1 << 5, 1 << 6, 1 << 7, 1 << 12
_RXNE, _TXE, _MODF, _OVR, _BSY = 1, 2, 1 << 5, 1 << 6, 1 << 7


class _Spi(Device):
    """Base of both versions. Queues hold frames; `_frame_size` is one's bytes in a FIFO."""

    STATE = ("_words", "_to_send", "_received", "_shifting", "_overrun", "_mode_fault", "_dr_read")

    DEPTH = 0  # of each queue, in bytes

    def __init__(self, clock: Clock, interrupt: Callable[[bool], None]) -> None:
        self.bus = SpiBus()
        self.lines: dict[int, int] = {}
        self._clock = clock
        self._interrupt = interrupt
        self._timer = clock.timer(self._update)
        self._words: dict[int, int] = {}
        self._to_send: list[int] = []
        self._received: list[int] = []
        self._shifting: tuple[int, int] | None = None  # (answer, cycle at which it is complete)
        self._overrun = self._mode_fault = self._dr_read = False

    def reset(self) -> None:
        self._words = {}
        self._to_send = []
        self._received = []
        self._shifting = None
        self._overrun = self._mode_fault = self._dr_read = False
        self._timer.stop()
        self._update()

    # ------------------------------------------------------------------ what the versions differ in

    def _bits(self) -> int:
        """Return the bits of a frame."""
        raise NotImplementedError

    def _status_bits(self) -> int:
        """Return RXNE, TXE and the levels, as they are in SR."""
        raise NotImplementedError

    def _frame_size(self) -> int:
        """Return how many bytes of a queue a frame takes."""
        raise NotImplementedError

    # ------------------------------------------------------------------ shifting

    def _control(self, register: int) -> int:
        return self._words.get(register, 0)

    def _enabled(self) -> bool:
        wanted = _SPE | _MSTR
        return self._control(_CR1) & wanted == wanted

    def _advance(self) -> None:
        """Complete the frames whose time is over, and begin the next ones."""
        if self._shifting is None and not self._to_send:
            return
        now = self._clock.now
        while True:
            if self._shifting is not None:
                answer, end = self._shifting
                if end > now:
                    return
                self._shifting = None
                self._deliver(answer)
                start = end
            else:
                start = now
            if not self._to_send or not self._enabled():
                return
            bits = self._bits()
            answer = self._exchange(self._to_send.pop(0), bits)
            divisor = 2 << (self._control(_CR1) >> 3 & 7)
            self._shifting = (answer, start + bits * divisor)

    def _exchange(self, value: int, bits: int) -> int:
        if self._control(_CR1) & _LSBFIRST:
            return _reverse(self.bus.exchange(_reverse(value, bits), bits), bits)
        return self.bus.exchange(value, bits)

    def _deliver(self, answer: int) -> None:
        if (len(self._received) + 1) * self._frame_size() > self.DEPTH:
            self._overrun = True
        else:
            self._received.append(answer)

    def _send(self, value: int) -> None:
        if len(self._to_send) * self._frame_size() < self.DEPTH:
            self._to_send.append(value & (1 << self._bits()) - 1)

    def _receive(self) -> int:
        self._dr_read = True
        return self._received.pop(0) if self._received else 0

    def _status(self) -> int:
        busy = self._shifting is not None or (bool(self._to_send) and self._enabled())
        return (
            self._status_bits()
            | (_MODF if self._mode_fault else 0)
            | (_OVR if self._overrun else 0)
            | (_BSY if busy else 0)
        )

    def _update(self) -> None:
        self._advance()
        enables = self._control(_CR2)
        status = self._status()
        level = bool(
            (enables & _TXEIE and status & _TXE)
            or (enables & _RXNEIE and status & _RXNE)
            or (enables & _ERRIE and status & (_OVR | _MODF))
        )
        self._interrupt(level)
        if self._shifting is not None and enables & (_TXEIE | _RXNEIE | _ERRIE):
            self._timer.start_at(self._shifting[1])
        else:
            self._timer.stop()

    # ------------------------------------------------------------------ registers

    def read(self, offset: int, size: int) -> int:
        if offset & ~3 != _DR:
            return super().read(offset, size)
        self._advance()
        value = self._read_data(size)
        self._update()
        return value

    def write(self, offset: int, size: int, value: int) -> None:
        if offset & ~3 != _DR:
            super().write(offset, size, value)
            return
        self._advance()
        self._write_data(size, value)
        self._update()

    def _read_data(self, size: int) -> int:
        raise NotImplementedError

    def _write_data(self, size: int, value: int) -> None:
        raise NotImplementedError

    def read_word(self, offset: int) -> int:
        if offset != _SR:
            return self._control(offset)
        before = self._shifting
        self._advance()
        status = self._status()
        changed = self._shifting is not before or self._overrun
        if self._overrun and self._dr_read:
            self._overrun = False
        self._dr_read = False
        if changed:  # firmware polls this register: most reads find nothing new
            self._update()
        return status

    def peek_word(self, offset: int) -> int:
        return self._control(offset)

    def write_word(self, offset: int, value: int) -> None:
        self._advance()
        if offset == _SR:
            return
        self._words[offset] = value & 0xFFFF
        if offset == _CR1:
            self._mode_fault = False
            if value & _MSTR and value & _SSM and not value & _SSI:
                # NSS low says that another master has the bus.
                self._mode_fault = True
                self._words[_CR1] = value & ~(_MSTR | _SPE) & 0xFFFF
        self._update()


class Stm32SpiV1(_Spi):
    """One buffered frame each way, of 8 or 16 bits."""

    DEPTH = 1

    def _bits(self) -> int:
        return 16 if self._control(_CR1) & _DFF else 8

    def _frame_size(self) -> int:
        return 1

    def _status_bits(self) -> int:
        return (_RXNE if self._received else 0) | (0 if self._to_send else _TXE)

    def _read_data(self, size: int) -> int:
        return self._receive()

    def _write_data(self, size: int, value: int) -> None:
        self._to_send.clear()  # a second write replaces what has not begun
        self._send(value)


class Stm32SpiV2(_Spi):
    """FIFOs of 32 bits; frames of 4 to 16 bits, packed by the width of the access to DR."""

    DEPTH = 4

    def reset(self) -> None:
        super().reset()
        self._words[_CR2] = 0x0700

    def _bits(self) -> int:
        return max(self._control(_CR2) >> 8 & 0xF, 3) + 1 if self._size_valid() else 8

    def _size_valid(self) -> bool:
        return self._control(_CR2) >> 8 & 0xF >= 3

    def _frame_size(self) -> int:
        return 2 if self._bits() > 8 else 1

    def _status_bits(self) -> int:
        received = len(self._received) * self._frame_size()
        to_send = len(self._to_send) * self._frame_size()
        threshold = 1 if self._control(_CR2) & _FRXTH else 2
        levels = min(received, 3) << 9 | min(to_send, 3) << 11
        return levels | (_RXNE if received >= threshold else 0) | (_TXE if to_send <= 2 else 0)

    def _read_data(self, size: int) -> int:
        if self._frame_size() == 2 or size == 1:
            return self._receive()
        return self._receive() | self._receive() << 8

    def _write_data(self, size: int, value: int) -> None:
        self._send(value)
        if self._frame_size() == 1 and size > 1:
            self._send(value >> 8)


def _reverse(value: int, bits: int) -> int:
    return int(f"{value:0{bits}b}"[::-1], 2)
