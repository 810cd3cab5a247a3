"""Registers without a model: they read as last written, or as the chip's description says."""

from __future__ import annotations

from idoldbg.model.board import Register
from idoldbg.target.emulated.emu.clock import Clock
from idoldbg.target.emulated.emu.devices.device import Device

__all__ = ["OpenRegisters", "RegisterBank"]


class RegisterBank(Device):
    """Words with reset values and the rules of `idoldbg.model.board.Register`."""

    STATE = ("_words",)

    def __init__(self, registers: tuple[Register, ...], clock: Clock) -> None:
        self._registers = {r.offset: r for r in registers}
        self._clock = clock
        self._words: dict[int, int] = {}

    def reset(self) -> None:
        self._words = {r.offset: r.reset for r in self._registers.values()}

    def read_word(self, offset: int) -> int:
        value = self._words.get(offset, 0)
        register = self._registers.get(offset)
        if register is None:
            return value
        if register.reads is not None:
            return register.reads
        if register.counts_hz is not None:
            return int(self._clock.time_s * register.counts_hz) & 0xFFFFFFFF
        for follow in register.follows:
            status = follow.bits << follow.shift
            value = value & ~status | (value & follow.bits) << follow.shift
        return value | register.set_bits

    def write_word(self, offset: int, value: int) -> None:
        self._words[offset] = value

    def peek_word(self, offset: int) -> int:
        return self._words.get(offset, 0)


class OpenRegisters(Device):
    """The rest of the peripheral bus; offsets are absolute addresses.

    The 256 bytes around a constant (an STM32's DBGMCU, with its IDCODE) outlive a reset of the
    chip: only a power-on reset clears them.
    """

    STATE = ("_words",)

    def __init__(self) -> None:
        self._words: dict[int, int] = {}
        self.constants: dict[int, int] = {}

    def reset(self) -> None:
        kept = {address >> 8 for address in self.constants}
        self._words = {a: word for a, word in self._words.items() if a >> 8 in kept}

    def read_word(self, offset: int) -> int:
        constant = self.constants.get(offset)
        return self._words.get(offset, 0) if constant is None else constant

    def write_word(self, offset: int, value: int) -> None:
        self._words[offset] = value
