"""The LPC55's boot ROM, as far as Hubris and flash programmers call it (NXP UM11126, "ROM API").

The API tree is at 0x130010f0. Its functions here are a few instructions of ours. Those of the flash
driver that erase, program and check for erased pages hand their arguments to this peripheral, whose
registers exist only here; `skboot_authenticate` calls every image genuine; all others succeed and
do nothing. Order and arguments of the functions are those of the manual's table of the flash driver
(version 1: init, erase, program, verify_erase, …), status codes those of its list.
"""

from __future__ import annotations

import struct

from idoldbg.target.emulated.emu.devices.device import Device
from idoldbg.target.emulated.emu.devices.lpc55_flash import PAGE_SIZE, FlashMemory, ProgrammedPages

__all__ = ["Lpc55RomApi"]

_TREE, _CODE, _FLASH_FUNCTIONS, _SKBOOT_FUNCTIONS = 0x130010F0, 0x13008000, 0x13009000, 0x13009200
_VERSION = 0x4B030000
_SUCCESS, _ALIGNMENT, _ADDRESS, _NOT_ERASED, _WRONG_KEY = 0, 101, 102, 105, 107
_VERIFIED, _SKBOOT_SUCCESS = 0x55AACC33, 0x5AC3C35A
_ERASE_KEY = 0x6B65666C
# The registers: two arguments, three commands (written with a third one), and the last result.
_START, _LENGTH, _VERIFY_ERASED, _ERASE, _PROGRAM, _RESULT = 4, 8, 12, 16, 20, 24
_FLASH_SIZE = 0xA0000


class Lpc55RomApi(Device):
    """Does what the ROM's functions ask for, at once."""

    STATE = ("_start", "_length", "_result")

    def __init__(self, memory: FlashMemory, programmed: ProgrammedPages, address: int) -> None:
        self._memory = memory
        self._programmed = programmed
        self._start = self._length = self._result = 0
        succeed = struct.pack("<HH", 0x2000, 0x4770)  # movs r0, #0; bx lr
        authenticate = struct.pack(  # ldr r2, =verified; str r2, [r1]; ldr r0, =success; bx lr
            "<4HII", 0x4A01, 0x600A, 0x4801, 0x4770, _VERIFIED, _SKBOOT_SUCCESS
        )
        memory.program(
            _CODE,
            succeed.ljust(16, b"\0")
            + authenticate.ljust(32, b"\0")
            + _command(address, length=2, command=_VERIFY_ERASED, third=2)
            + _command(address, length=2, command=_ERASE, third=3)
            + _command(address, length=3, command=_PROGRAM, third=2),
        )
        nothing, skboot, check = _CODE | 1, _CODE + 0x10 | 1, _CODE + 0x30 | 1
        functions = [nothing] * 64
        functions[2:5] = check + _COMMAND_SIZE, check + 2 * _COMMAND_SIZE, check
        memory.program(_FLASH_FUNCTIONS, struct.pack("<64I", *functions))
        memory.program(_SKBOOT_FUNCTIONS, struct.pack("<2I", skboot, nothing))
        tables = (_FLASH_FUNCTIONS, _FLASH_FUNCTIONS, 0, 0, 0, 0, _SKBOOT_FUNCTIONS)
        memory.program(_TREE, struct.pack("<11I", nothing, _VERSION, _CODE, 0, *tables))

    def reset(self) -> None:
        self._start = self._length = self._result = 0

    def read_word(self, offset: int) -> int:
        return self._result if offset == _RESULT else 0

    def write_word(self, offset: int, value: int) -> None:
        if offset == _START:
            self._start = value & 0xFFFFFFF  # without the bit of the secure alias
        elif offset == _LENGTH:
            self._length = value
        elif offset == _VERIFY_ERASED:
            last = self._start + min(self._length, _FLASH_SIZE) - 1
            erased = self._length == 0 or self._programmed.first(self._start, last) is None
            self._result = _SUCCESS if erased else _NOT_ERASED
        elif offset == _ERASE:
            self._result = self._check() or self._erase(value)
        elif offset == _PROGRAM:
            self._result = self._check() or self._program(value)

    def _check(self) -> int:
        if self._start % PAGE_SIZE or self._length % PAGE_SIZE:
            return _ALIGNMENT
        return _ADDRESS if self._start + self._length > _FLASH_SIZE else _SUCCESS

    def _erase(self, key: int) -> int:
        if key != _ERASE_KEY:
            return _WRONG_KEY
        for page in self._pages():
            self._programmed.pages.discard(page)
            self._memory.program(page * PAGE_SIZE, b"\xff" * PAGE_SIZE)
        return _SUCCESS

    def _program(self, source: int) -> int:
        data = self._memory.find_bytes(source, self._length)
        if data is None:
            return _ADDRESS
        if any(page in self._programmed.pages for page in self._pages()):
            return _NOT_ERASED
        self._memory.program(self._start, data)
        self._programmed.add(self._start, self._length)
        return _SUCCESS

    def _pages(self) -> range:
        return range(self._start // PAGE_SIZE, (self._start + self._length) // PAGE_SIZE)


def _command(address: int, *, length: int, command: int, third: int) -> bytes:
    """Return a function (config, start, …) that hands its arguments on and returns the result.

    `length` and `third` are the registers of the length and of what the command is written with.
    """

    def store(register: int, offset: int) -> int:  # str register, [r0, #offset]
        return 0x6000 | offset // 4 << 6 | register

    load_result = 0x6800 | _RESULT // 4 << 6  # ldr r0, [r0, #result]
    code = (
        0x4802,  # ldr r0, =address
        store(1, _START),
        store(length, _LENGTH),
        store(third, command),
        load_result,
        0x4770,  # bx lr
    )
    return struct.pack("<6HI", *code, address)


_COMMAND_SIZE = 16
