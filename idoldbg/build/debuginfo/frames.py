"""Unwinding from a function's registers to its caller's: the rows of `.debug_frame`.

Source: DWARF 5, section 6.4; register numbers: DWARF for the Arm Architecture (AADWARF32), table 2.
pyelftools decodes the instructions; what is malformed gives no row, and the walk ends there. The
stubs that make system calls are assembly without such rows: what they push is read from their code.
"""

from __future__ import annotations

from functools import cached_property
from io import BytesIO
from typing import Any

# Not documented as a way in. What is, `ELFFile.get_dwarf_info().CFI_entries()`, reads the file's
# headers and all debug sections a second time to make the same object, and takes 35 ms to import.
from elftools.dwarf.callframe import FDE, CallFrameInfo
from elftools.dwarf.structs import DWARFStructs

from idoldbg.build.debuginfo.malformed import Malformed, translated
from idoldbg.model.code import UnwindRow

__all__ = ["FrameRules", "StubEffect", "find_stub_row"]

SP, LR, PC = 13, 14, 15
_LOW_REGISTERS = range(8)
_KEPT_REGISTERS = range(4, 12)  # what a function must hand back as it found it


class FrameRules:
    """The call frame information of one object; `data` is its section `.debug_frame`."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @cached_property
    def _entries(self) -> list[FDE]:
        structs = DWARFStructs(little_endian=True, dwarf_format=32, address_size=4)
        try:
            with translated("call frames make no sense"):
                info = CallFrameInfo(BytesIO(self._data), len(self._data), 0, structs)
                return [entry for entry in info.get_entries() if isinstance(entry, FDE)]
        except Malformed:
            return []

    def find_row(self, address: int) -> UnwindRow | None:
        """Return the row for a code address; None where there is none that can be used."""
        for entry in self._entries:
            start = entry.header.initial_location
            if start <= address < start + entry.header.address_range:
                try:
                    with translated("a call frame makes no sense"):
                        return _row(entry.get_decoded().table, address)
                except Malformed:
                    return None
        return None


def _row(table: list[dict[Any, Any]], address: int) -> UnwindRow | None:
    best = None
    for line in table:
        if line["pc"] > address:
            break
        best = line
    if best is None or best["cfa"].reg is None:
        return None
    saved = {
        register: rule.arg
        for register, rule in best.items()
        if isinstance(register, int) and rule.type == "OFFSET"
    }
    return UnwindRow(best["cfa"].reg, best["cfa"].offset, saved)


def find_stub_row(code: bytes) -> UnwindRow | None:
    """Return the row for an address behind an `svc`; None where there is none.

    `code` is the function from its start to that address, without branches. What matters is what it
    leaves on the stack (Armv7-M ARM A7.7: PUSH, POP, SUB and ADD of sp), and whose values these
    are: Armv6-M can push r8 to r11 from low registers only, and what is loaded and popped again in
    between is the system call's, not the caller's.
    """
    halves = [int.from_bytes(code[i : i + 2], "little") for i in range(0, len(code) & ~1, 2)]
    if not halves or halves[-1] & 0xFF00 != 0xDF00:
        return None
    stub = StubEffect()
    index = 0
    while index < len(halves):
        is_wide = halves[index] >> 11 in (0b11101, 0b11110, 0b11111)
        if is_wide:
            after = halves[index + 1] if index + 1 < len(halves) else 0
            is_known = stub.execute_wide(halves[index], after)
        else:
            is_known = stub.execute(halves[index])
        if not is_known:
            return None
        index += 2 if is_wide else 1
    return stub.row()


class StubEffect:
    """Effect of a stub's instructions on the caller's registers."""

    def __init__(self) -> None:
        self._holds: dict[int, int | None] = {i: i for i in range(16)}  # whose value is in each
        self._stack: list[int | None] = []  # whose value each word is, from the frame address down

    def row(self) -> UnwindRow:
        saved: dict[int, int] = {}
        for index, register in enumerate(self._stack):
            if register is not None:
                saved.setdefault(register, -4 * (index + 1))
        return UnwindRow(SP, 4 * len(self._stack), saved)

    def find_elsewhere(self) -> dict[int, int | None]:
        """Return where the values of r4 to r11 are that are neither in place nor on the stack.

        That is another register, or None for one that is lost.
        """
        on_stack = {register for register in self._stack if register is not None}
        moved = (r for r in _KEPT_REGISTERS if r not in on_stack and self._holds[r] != r)
        return {r: next((q for q, held in self._holds.items() if held == r), None) for r in moved}

    def execute(self, half: int) -> bool:
        """Follow an instruction of 16 bits; False where the stack is lost."""
        low = [r for r in _LOW_REGISTERS if half >> r & 1]
        if half >> 9 == 0b1011010:  # PUSH
            self._push(low + [LR] * (half >> 8 & 1))
        elif half >> 9 == 0b1011110:  # POP
            return self._pop(low + [PC] * (half >> 8 & 1))
        elif half >> 8 == 0b10110000:  # ADD or SUB of sp
            return self._move_stack(half >> 7 & 1, half & 0x7F)
        elif half >> 8 == 0b01000110:  # MOV between any registers
            target = (half >> 4 & 8) | (half & 7)
            if target in (SP, PC):
                return False
            self._holds[target] = self._holds[half >> 3 & 0xF]
        elif half >> 11 == 0b11001:  # LDM
            self._holds.update(dict.fromkeys(low))
        elif half >> 11 in (0b01001, 0b00100):  # LDR of a constant, MOV of one
            self._holds[half >> 8 & 7] = None
        return True

    def execute_wide(self, half: int, after: int) -> bool:
        """Follow an instruction of 32 bits; False where the stack is lost."""
        if half == 0xE92D:  # PUSH
            self._push([r for r in range(16) if after >> r & 1])
        elif half == 0xE8BD:  # POP
            return self._pop([r for r in range(16) if after >> r & 1])
        elif half == 0xF84D and after & 0xFFF == 0xD04:  # PUSH of one
            self._push([after >> 12])
        elif half == 0xF85D and after & 0xFFF == 0xB04:  # POP of one
            return self._pop([after >> 12])
        return True

    def _push(self, registers: list[int]) -> None:
        self._stack += [self._holds[r] for r in reversed(registers)]

    def _pop(self, registers: list[int]) -> bool:
        if len(registers) > len(self._stack):
            return False
        for register in registers:
            self._holds[register] = self._stack.pop()
        return True

    def _move_stack(self, is_down: int, words: int) -> bool:
        if is_down:
            self._stack += [None] * words
        elif words > len(self._stack):
            return False
        else:
            del self._stack[len(self._stack) - words :]
        return True
