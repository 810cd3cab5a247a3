"""The LPC55's flash controller (NXP UM11126, chapter 9 "Flash"), and which pages are programmed.

Hubris's update server drives it: blank check, read, erase, and programming by pages of 512 bytes.
A page that was never programmed reads as an ECC error on silicon; here it reads 0xff, and only the
blank check tells.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from idoldbg.target.emulated.emu.devices.device import Device

__all__ = ["FlashMemory", "Lpc55Flash", "PAGE_SIZE", "ProgrammedPages"]

PAGE_SIZE = 512
_CMD, _EVENT, _STARTA, _STOPA, _DATAW0 = 0x00, 0x04, 0x10, 0x14, 0x80
_INT_CLR_ENABLE, _INT_SET_ENABLE, _INT_STATUS, _INT_ENABLE = 0xFD8, 0xFDC, 0xFE0, 0xFE4
_INT_CLR_STATUS, _INT_SET_STATUS = 0xFE8, 0xFEC
_FAIL, _ERROR, _DONE = 1, 2, 4
_READ_SINGLE_WORD, _ERASE_RANGE, _BLANK_CHECK, _WRITE, _PROGRAM = 3, 4, 5, 8, 12
_END = 0x9DE00
"""First address after the pages that commands may use (the rest is the protected region)."""


class FlashMemory(Protocol):
    """The flash array behind the controller."""

    def find_bytes(self, address: int, size: int) -> bytes | None:
        """Return bytes of the array, None outside it."""

    def program(self, address: int, data: bytes) -> None:
        """Replace bytes of the array."""


class ProgrammedPages:
    """The pages that hold something."""

    def __init__(self) -> None:
        self.pages: set[int] = set()

    def add(self, address: int, size: int) -> None:
        """Note that `size` bytes were programmed."""
        self.pages.update(range(address // PAGE_SIZE, -(-(address + size) // PAGE_SIZE)))

    def first(self, address: int, last: int) -> int | None:
        """Return the first programmed page from `address` to `last` (inclusive)."""
        for page in range(address // PAGE_SIZE, last // PAGE_SIZE + 1):
            if page in self.pages:
                return page
        return None


class Lpc55Flash(Device):
    """Commands take no time."""

    STATE = ("_words", "_status", "_enabled", "_page", "_pages")

    def __init__(self, memory: FlashMemory, interrupt: Callable[[bool], None]) -> None:
        self._memory = memory
        self._interrupt = interrupt
        self.programmed = ProgrammedPages()
        self._words: dict[int, int] = {}
        self._status = self._enabled = 0
        self._page = bytearray(PAGE_SIZE)

    @property
    def _pages(self) -> set[int]:
        return self.programmed.pages

    @_pages.setter
    def _pages(self, pages: set[int]) -> None:
        self.programmed.pages = pages

    def reset(self) -> None:
        self._words = {}
        self._status = self._enabled = 0
        self._page = bytearray(PAGE_SIZE)

    def read_word(self, offset: int) -> int:
        if offset == _INT_STATUS:
            return self._status
        return self._enabled if offset == _INT_ENABLE else self._words.get(offset, 0)

    def write_word(self, offset: int, value: int) -> None:
        if offset == _CMD:
            self._status |= self._command(value) | _DONE
        elif offset == _INT_CLR_STATUS:
            self._status &= ~value
        elif offset == _INT_SET_STATUS:
            self._status |= value
        elif offset == _INT_CLR_ENABLE:
            self._enabled &= ~value
        elif offset == _INT_SET_ENABLE:
            self._enabled |= value
        else:
            self._words[offset] = value
        self._interrupt(bool(self._status & self._enabled))

    def _command(self, command: int) -> int:
        start = (self._words.get(_STARTA, 0) & 0x3FFFF) * 16
        stop = (self._words.get(_STOPA, 0) & 0x3FFFF) * 16
        if command == _BLANK_CHECK:
            page = self.programmed.first(start, stop)
            if page is None:
                return 0
            self._words[_DATAW0] = page * PAGE_SIZE // 16
            return _FAIL
        if command == _READ_SINGLE_WORD:
            return self._read(start)
        if command == _ERASE_RANGE:
            return self._erase(start, stop)
        if command == _WRITE:
            at = start % PAGE_SIZE
            words = (self._words.get(_DATAW0 + 4 * i, 0) for i in range(4))
            self._page[at : at + 16] = b"".join(w.to_bytes(4, "little") for w in words)
            return 0
        if command == _PROGRAM:
            return self._program(start - start % PAGE_SIZE)
        return _ERROR if command not in (0, 1) else 0

    def _read(self, start: int) -> int:
        data = self._memory.find_bytes(start, 16)
        if data is None:
            return _ERROR
        for i in range(4):
            self._words[_DATAW0 + 4 * i] = int.from_bytes(data[4 * i : 4 * i + 4], "little")
        return 0

    def _erase(self, start: int, stop: int) -> int:
        for page in range(start // PAGE_SIZE, stop // PAGE_SIZE + 1):
            if page * PAGE_SIZE >= _END:
                return _ERROR
            self.programmed.pages.discard(page)
            self._memory.program(page * PAGE_SIZE, b"\xff" * PAGE_SIZE)
        return 0

    def _program(self, address: int) -> int:
        if address >= _END:
            return _ERROR
        if address // PAGE_SIZE in self.programmed.pages:
            return _FAIL
        self._memory.program(address, bytes(self._page))
        self.programmed.add(address, PAGE_SIZE)
        self._page = bytearray(PAGE_SIZE)
        return 0
