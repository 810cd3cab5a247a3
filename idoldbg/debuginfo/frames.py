"""How to get from a function's registers to its caller's: the rows of `.debug_frame`.

Source: DWARF 5, section 6.4; register numbers: DWARF for the Arm Architecture (AADWARF32), table 2.
pyelftools decodes the instructions; what is malformed gives no row, and the walk ends there. The
stubs that make system calls are assembly without such rows: what they push is read from their code.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from io import BytesIO
from typing import Any

from elftools.common.exceptions import DWARFError, ELFError
from elftools.dwarf.callframe import FDE
from elftools.elf.elffile import ELFFile

from idol.records import dataclass, field

__all__ = ["FrameRules", "UnwindRow", "find_stub_row"]

SP, LR, R8 = 13, 14, 8
_LOW_REGISTERS = range(8)


@dataclass(frozen=True, slots=True)
class UnwindRow:
    """The canonical frame address is a register plus an offset; `saved` maps registers to offsets.

    Offsets count from the canonical frame address. Registers are DWARF's numbers: 13 is sp, 14 lr.
    """

    cfa_register: int
    cfa_offset: int
    saved: Mapping[int, int] = field(default_factory=dict)


class FrameRules:
    """The call frame information of one object; `data` is its ELF file."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @cached_property
    def _entries(self) -> list[FDE]:
        try:
            info = ELFFile(BytesIO(self._data)).get_dwarf_info()
            entries = info.CFI_entries() if info.has_CFI() else []
            return [e for e in entries if isinstance(e, FDE)]
        except (DWARFError, ELFError, ValueError, KeyError, IndexError, AttributeError):
            return []  # pyelftools raises all of these on damaged input

    def find_row(self, address: int) -> UnwindRow | None:
        """Return the row for a code address; None where there is none that can be used."""
        for entry in self._entries:
            start = entry.header.initial_location
            if start <= address < start + entry.header.address_range:
                try:
                    return _row(entry.get_decoded().table, address)
                except (DWARFError, ELFError, ValueError, KeyError, IndexError, AttributeError):
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

    `code` is the function from its start to that address. Its pushes are taken as they come
    (Armv7-M ARM A7.7.101, encodings T1 and T2); where ARMv6-M pushes r4 to r7 once more, these hold
    r8 to r11.
    """
    halves = [int.from_bytes(code[i : i + 2], "little") for i in range(0, len(code) & ~1, 2)]
    if not halves or halves[-1] & 0xFF00 != 0xDF00:
        return None
    depth = 0
    at: dict[int, int] = {}  # register to its depth below the frame address
    index = 0
    while index < len(halves):
        half = halves[index]
        is_wide = half >> 11 in (0b11101, 0b11110, 0b11111)
        pushed: list[int] = []
        if half >> 9 == 0b1011010:
            pushed = [r for r in _LOW_REGISTERS if half >> r & 1] + [LR] * (half >> 8 & 1)
        elif half == 0xE92D and index + 1 < len(halves):
            pushed = [r for r in range(16) if halves[index + 1] >> r & 1]
        depth += 4 * len(pushed)
        for position, register in enumerate(pushed):
            number = register + 4 if register in at and 4 <= register < R8 else register
            at.setdefault(number, depth - 4 * position)
        index += 2 if is_wide else 1
    return UnwindRow(SP, depth, {register: -offset for register, offset in at.items()})
