"""An STM32 GPIO port (ST RM0090 chapter 8, RM0444 chapter 7: the same registers)."""

from __future__ import annotations

from idoldbg.target.emulated.emu.devices.device import Device
from idoldbg.target.emulated.emu.devices.pins import Pins

__all__ = ["Stm32Gpio"]

_MODER, _PUPDR, _IDR, _ODR, _BSRR, _BRR = 0x00, 0x0C, 0x10, 0x14, 0x18, 0x28
_OUTPUT = 1


class Stm32Gpio(Device):
    """A port of 16 pins. A pin drives its level while it is a general-purpose output."""

    STATE = ("_words", "_output")

    def __init__(self) -> None:
        self.pins = Pins()
        self._words: dict[int, int] = {}
        self._output = 0

    def reset(self) -> None:
        self._words = {}
        self._output = 0
        self._drive()

    def restore(self, state: tuple[object, ...]) -> None:
        super().restore(state)
        self._drive()

    def read_word(self, offset: int) -> int:
        if offset == _IDR:
            return self.pins.levels(16)
        if offset == _ODR:
            return self._output
        return 0 if offset in (_BSRR, _BRR) else self._words.get(offset, 0)

    def write_word(self, offset: int, value: int) -> None:
        if offset == _ODR:
            self._output = value & 0xFFFF
        elif offset == _BSRR:
            self._output = self._output & ~(value >> 16) | value & 0xFFFF
        elif offset == _BRR:
            self._output &= ~value
        elif offset != _IDR:
            self._words[offset] = value
            if offset not in (_MODER, _PUPDR):
                return
        self._drive()

    def _drive(self) -> None:
        modes, pulls = self._words.get(_MODER, 0), self._words.get(_PUPDR, 0)
        for pin in range(16):
            output = modes >> 2 * pin & 3 == _OUTPUT
            level = bool(self._output >> pin & 1)
            self.pins.drive(pin, level if output else None, pull_up=pulls >> 2 * pin & 3 == 1)
