"""The LPC55's boot ROM, as far as Hubris calls it (NXP UM11126, chapter 9 "ROM API").

The API tree is at 0x130010f0. Its functions here are a few instructions of ours: they succeed and
do nothing, except that `flash_verify_erase` looks at which pages are programmed (through this
peripheral's registers, which exist only here) and `skboot_authenticate` calls every image genuine.
"""

from __future__ import annotations

import struct

from idoldbg.emu.devices.device import Device
from idoldbg.emu.devices.lpc55_flash import FlashMemory, ProgrammedPages

__all__ = ["Lpc55RomApi"]

_TREE, _CODE, _FLASH_FUNCTIONS, _SKBOOT_FUNCTIONS = 0x130010F0, 0x13008000, 0x13009000, 0x13009200
_VERSION = 0x4B030000
_NOT_ERASED = 105
_VERIFIED, _SKBOOT_SUCCESS = 0x55AACC33, 0x5AC3C35A
_RESULT, _START, _LENGTH = 0, 4, 8


class Lpc55RomApi(Device):
    """Three registers: write start and length, read what `flash_verify_erase` returns."""

    STATE = ("_start", "_length")

    def __init__(self, memory: FlashMemory, programmed: ProgrammedPages, address: int) -> None:
        self._programmed = programmed
        self._start = self._length = 0
        succeed = struct.pack("<HH", 0x2000, 0x4770)  # movs r0, #0; bx lr
        authenticate = struct.pack(  # ldr r2, =verified; str r2, [r1]; ldr r0, =success; bx lr
            "<4HII", 0x4A01, 0x600A, 0x4801, 0x4770, _VERIFIED, _SKBOOT_SUCCESS
        )
        verify = struct.pack(  # ldr r3, =address; str r1, [r3, #4]; str r2, [r3, #8]; ldr r0, [r3]
            "<6HI", 0x4B02, 0x6059, 0x609A, 0x6818, 0x4770, 0xBF00, address
        )
        memory.program(_CODE, succeed.ljust(16, b"\0") + authenticate.ljust(32, b"\0") + verify)
        nothing, skboot, check = _CODE | 1, _CODE + 0x10 | 1, _CODE + 0x30 | 1
        functions = [nothing] * 64
        functions[4] = check
        memory.program(_FLASH_FUNCTIONS, struct.pack("<64I", *functions))
        memory.program(_SKBOOT_FUNCTIONS, struct.pack("<2I", skboot, nothing))
        tables = (_FLASH_FUNCTIONS, _FLASH_FUNCTIONS, 0, 0, 0, 0, _SKBOOT_FUNCTIONS)
        memory.program(_TREE, struct.pack("<11I", nothing, _VERSION, _CODE, 0, *tables))

    def reset(self) -> None:
        self._start = self._length = 0

    def read_word(self, offset: int) -> int:
        if offset != _RESULT or not self._length:
            return 0
        last = self._start + self._length - 1
        return 0 if self._programmed.first(self._start, last) is None else _NOT_ERASED

    def write_word(self, offset: int, value: int) -> None:
        if offset == _START:
            self._start = value
        elif offset == _LENGTH:
            self._length = value & 0xFFFFF
