"""The STM32's flash controllers: unlocking, erasing, and programming by stores to the flash itself.

RM0090 3.9 (STM32F4), RM0444 3.7 (STM32G0), RM0433 4.9 (STM32H7). Operations take no time, so BSY
is never seen. Not modelled: option bytes (they read as delivered), protection, ECC.

A store that programs is reported by `Bus`; what the array holds then is this module's to say. With
the controller locked a store is a BusFault, as before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol

from idoldbg.target.emulated.emu.devices.device import Device
from idoldbg.target.emulated.emu.devices.lpc55_flash import FlashMemory

__all__ = ["FlashArray", "Stm32F4Flash", "Stm32FlashController", "Stm32G0Flash", "Stm32H7Flash"]

KEYS = [0x45670123, 0xCDEF89AB]
START = 0x0800_0000
KIB = 1024


class FlashArray(FlashMemory, Protocol):
    """The flash array; what is `put` there is seen by the core once it has settled."""

    def put(self, address: int, data: bytes) -> None:
        """Replace bytes of the array."""


class Stm32FlashController(Device):
    """The part that the three have in common: registers as last written, and the keys to CR."""

    STATE: ClassVar[tuple[str, ...]] = ("_words", "_keys", "_is_stuck")

    def __init__(self, memory: FlashArray, size: int, interrupt: Callable[[bool], None]) -> None:
        self._memory = memory
        self._size = size
        self._interrupt = interrupt
        self._words: dict[int, int] = {}
        self._keys: dict[int, list[int]] = {}
        self._is_stuck = False
        self.on_settled: Callable[[], None] = lambda: None

    def reset(self) -> None:
        self._words = {}
        self._keys = {}
        self._is_stuck = False

    def read_word(self, offset: int) -> int:
        return self._words.get(offset, 0)

    def takes_stores(self, address: int) -> bool:
        """Return whether a store to that address of flash programs it now."""
        raise NotImplementedError

    def store(self, address: int, before: bytes, after: bytes) -> bytes:
        """Return what the array holds at `address` after a store of `after` there."""
        raise NotImplementedError

    def _try_key(self, offset: int, value: int) -> bool:
        """Take a key; return whether it completes the sequence. A wrong one locks until a reset."""
        keys = self._keys.setdefault(offset, [])
        keys.append(value)
        if self._is_stuck or keys != KEYS[: len(keys)]:
            self._is_stuck = True
            return False
        return keys == KEYS

    def _erase(self, address: int, size: int) -> None:
        if address >= START and address + size <= START + self._size:
            self._memory.program(address, b"\xff" * size)


def _both(before: bytes, after: bytes) -> bytes:
    """Programming makes zeros of ones only."""
    return bytes(b & a for b, a in zip(before, after, strict=True))


class _OneBankFlash(Stm32FlashController):
    """A controller with one status register."""

    SR: ClassVar[int]
    CR: ClassVar[int]
    EOPIE: ClassVar[int]
    EOP: ClassVar[int]

    def _flag(self, flag: int) -> None:
        self._words[self.SR] = self.read_word(self.SR) | flag

    def _done(self) -> None:
        if self._words[self.CR] & self.EOPIE:
            self._flag(self.EOP)
            self._interrupt(True)


class Stm32F4Flash(_OneBankFlash):
    """Sectors of 16, 64 and 128 KiB; stores of the width that PSIZE says."""

    KEYR, SR, CR, OPTCR = 0x04, 0x0C, 0x10, 0x14
    PG, SER, MER, STRT, EOPIE, LOCK = 1, 2, 4, 1 << 16, 1 << 24, 1 << 31
    EOP, PGPERR, PGSERR = 1, 1 << 6, 1 << 7
    FLAGS = 0xF3
    SECTORS_KIB = (16, 16, 16, 16, 64, *(128,) * 7)
    OPTIONS = 0x0FFFAAED

    def reset(self) -> None:
        super().reset()
        self._words = {self.CR: self.LOCK, self.OPTCR: self.OPTIONS}

    def write_word(self, offset: int, value: int) -> None:
        if offset == self.KEYR:
            if self._try_key(offset, value):
                self._words[self.CR] &= ~self.LOCK
        elif offset == self.SR:
            self._words[offset] = self.read_word(offset) & ~(value & self.FLAGS)
        elif offset == self.CR:
            if not self._words[self.CR] & self.LOCK:
                self._control(value)
        elif offset != self.OPTCR:
            self._words[offset] = value

    def _control(self, value: int) -> None:
        was_programming = self._words[self.CR] & self.PG
        self._words[self.CR] = value & ~self.STRT
        if value & self.LOCK:
            self._keys.clear()
        if was_programming and not value & self.PG:
            self.on_settled()
        if not value & self.STRT:
            return
        if value & self.MER:
            self._erase(START, self._size)
        elif value & self.SER:
            self._erase_sector(value >> 3 & 0xF)
        else:
            self._flag(self.PGSERR)
            return
        self._done()

    def _erase_sector(self, number: int) -> None:
        if number >= len(self.SECTORS_KIB):
            self._flag(self.PGSERR)
            return
        start = START + sum(self.SECTORS_KIB[:number]) * KIB
        self._erase(start, self.SECTORS_KIB[number] * KIB)

    def takes_stores(self, address: int) -> bool:
        return self._words[self.CR] & (self.PG | self.LOCK) == self.PG

    def store(self, address: int, before: bytes, after: bytes) -> bytes:
        width = 1 << min(self._words[self.CR] >> 8 & 3, 2)  # two words make a PSIZE of 64 bits
        if len(after) != width or address % width:
            self._flag(self.PGPERR)
            return before
        self._done()
        return _both(before, after)


class Stm32G0Flash(_OneBankFlash):
    """Pages of 2 KiB; a double word at a time, into erased flash only."""

    KEYR, SR, CR = 0x08, 0x10, 0x14
    PG, PER, MER1, STRT, EOPIE, OPTLOCK, LOCK = 1, 2, 4, 1 << 16, 1 << 24, 1 << 30, 1 << 31
    BKER, MER2 = 1 << 13, 1 << 15
    EOP, PROGERR, PGAERR, SIZERR, PGSERR = 1, 1 << 3, 1 << 5, 1 << 6, 1 << 7
    FLAGS = 0xC3FB
    PAGE = 2 * KIB
    OPTIONS: ClassVar = {0x20: 0xFFFFFEAA, 0x2C: 0x7F, 0x30: 0x7F}  # no page is protected

    STATE = (*Stm32FlashController.STATE, "_first")

    def __init__(self, memory: FlashArray, size: int, interrupt: Callable[[bool], None]) -> None:
        super().__init__(memory, size, interrupt)
        self._first: tuple[int, bytes] | None = None  # the lower word, until the upper one comes

    def reset(self) -> None:
        super().reset()
        self._first = None
        self._words = {self.CR: self.LOCK | self.OPTLOCK, **self.OPTIONS, 0: 0x600}

    def write_word(self, offset: int, value: int) -> None:
        if offset == self.KEYR:
            if self._try_key(offset, value):
                self._words[self.CR] &= ~self.LOCK
        elif offset == self.SR:
            self._words[offset] = self.read_word(offset) & ~(value & self.FLAGS)
        elif offset == self.CR:
            if not self._words[self.CR] & self.LOCK:
                self._control(value)
        elif offset not in self.OPTIONS:
            self._words[offset] = value

    def _control(self, value: int) -> None:
        was_programming = self._words[self.CR] & self.PG
        self._words[self.CR] = value & ~self.STRT | self.OPTLOCK
        if value & self.LOCK:
            self._keys.clear()
        if was_programming and not value & self.PG:
            self._first = None
            self.on_settled()
        if not value & self.STRT:
            return
        banks = self._size // 2 if self._size > 256 * KIB else self._size
        if value & (self.MER1 | self.MER2):
            if value & self.MER1:
                self._erase(START, banks)
            if value & self.MER2 and banks < self._size:
                self._erase(START + banks, banks)
        elif value & self.PER:
            page = value >> 3 & 0x3FF & (0x7F if banks == self._size else 0x3FF)
            bank = banks if value & self.BKER and banks < self._size else 0
            self._erase(START + bank + (page & 0x7F) * self.PAGE, self.PAGE)
        else:
            self._flag(self.PGSERR)
            return
        self._done()

    def takes_stores(self, address: int) -> bool:
        return self._words[self.CR] & (self.PG | self.LOCK) == self.PG

    def store(self, address: int, before: bytes, after: bytes) -> bytes:
        if len(after) == 8 and not address % 8:
            lower = self.store(address, before[:4], after[:4])
            return lower + self.store(address + 4, before[4:], after[4:])
        if len(after) != 4:
            self._flag(self.SIZERR)
            return before
        if address % 8 == 0:
            self._first = address, after
            return before
        first, self._first = self._first, None
        if first is None or first[0] != address - 4:
            self._flag(self.PGAERR)
            return before
        old = (self._memory.find_bytes(address - 4, 4) or b"") + before
        new = first[1] + after
        if old != b"\xff" * 8 and new != bytes(8):
            self._flag(self.PROGERR)
            return before
        self._memory.put(address - 4, new[:4])
        self._done()
        return after


class Stm32H7Flash(Stm32FlashController):
    """Two banks of sectors of 128 KiB, each with its registers; flash words of 32 bytes."""

    KEYR, CR, SR, CCR = 0x04, 0x0C, 0x10, 0x14
    BANK = 0x100
    LOCK, PG, SER, BER, FW, START_BIT = 1, 2, 4, 8, 1 << 6, 1 << 7
    WBNE, EOP, STRBERR, PGSERR, INCERR = 2, 1 << 16, 1 << 19, 1 << 18, 1 << 21
    SECTOR = 128 * KIB
    FLASH_WORD = 32
    OPTIONS: ClassVar = {0x1C: 0x1BC6AAF0, 0x20: 0x1BC6AAF0, 0x38: 0xFF, 0x138: 0xFF}

    STATE = (*Stm32FlashController.STATE, "_buffers")

    def __init__(self, memory: FlashArray, size: int, interrupt: Callable[[bool], None]) -> None:
        super().__init__(memory, size, interrupt)
        self._buffers: dict[int, tuple[int, dict[int, int]]] = {}  # by bank: where, and its bytes

    def reset(self) -> None:
        super().reset()
        self._buffers = {}
        self._words = {0: 0x37, self.CR: 0x31, self.CR + self.BANK: 0x31, **self.OPTIONS}

    def write_word(self, offset: int, value: int) -> None:
        bank, register = offset & self.BANK, offset & ~self.BANK
        if register == self.KEYR:
            if self._try_key(offset, value):
                self._words[self.CR + bank] &= ~self.LOCK
        elif register == self.CR:
            if not self._words[offset] & self.LOCK:
                self._control(bank, value)
        elif register == self.CCR:
            self._words[self.SR + bank] = self.read_word(self.SR + bank) & ~value
        elif register != self.SR and register not in self.OPTIONS:
            self._words[offset] = value

    def _control(self, bank: int, value: int) -> None:
        was_programming = self._words[self.CR + bank] & self.PG
        self._words[self.CR + bank] = value & ~(self.START_BIT | self.FW)
        if value & self.LOCK:
            self._keys.pop(self.KEYR + bank, None)
        if value & self.FW:
            self._force(bank)
        if was_programming and not value & self.PG:
            self.on_settled()
        if not value & self.START_BIT:
            return
        base = START + (self._size // 2 if bank else 0)
        if value & self.BER:
            self._erase(base, self._size // 2)
        elif value & self.SER:
            self._erase(base + (value >> 8 & 7) * self.SECTOR, self.SECTOR)
        else:
            self._flag(bank, self.PGSERR)
            return
        self._flag(bank, self.EOP)

    def _bank_of(self, address: int) -> int:
        return self.BANK if address - START >= self._size // 2 else 0

    def takes_stores(self, address: int) -> bool:
        control = self._words[self.CR + self._bank_of(address)]
        return control & (self.PG | self.LOCK) == self.PG

    def store(self, address: int, before: bytes, after: bytes) -> bytes:
        bank, start = self._bank_of(address), address & -self.FLASH_WORD
        where, held = self._buffers.get(bank, (start, {}))
        if where != start:
            self._flag(bank, self.INCERR)
            return before
        held |= {address + i: byte for i, byte in enumerate(after)}
        self._buffers[bank] = start, held
        self._flag(bank, self.WBNE)
        if len(held) == self.FLASH_WORD:
            self._write_buffer(bank)
            return self._memory.find_bytes(address, len(after)) or before
        return before

    def _force(self, bank: int) -> None:
        """Write a flash word that is not full: the rest of it is ones."""
        if bank in self._buffers:
            self._write_buffer(bank)

    def _write_buffer(self, bank: int) -> None:
        start, held = self._buffers.pop(bank)
        new = bytes(held.get(start + i, 0xFF) for i in range(self.FLASH_WORD))
        old = self._memory.find_bytes(start, self.FLASH_WORD)
        if old is not None:
            self._memory.put(start, _both(old, new))
        self._words[self.SR + bank] = self.read_word(self.SR + bank) & ~self.WBNE
        self._flag(bank, self.EOP)

    def _flag(self, bank: int, flag: int) -> None:
        self._words[self.SR + bank] = self.read_word(self.SR + bank) | flag
