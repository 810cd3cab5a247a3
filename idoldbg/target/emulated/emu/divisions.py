"""Finds division instructions that may divide by zero, so that they can trap (CCR.DIV_0_TRP).

QEMU does not know that trap, and a hook on an address makes all code two or three times slower. But
a compiler puts a test for zero, or a constant, before each division. So only those without one,
which come from assembly such as that of a test of the trap itself, get a hook. Code in RAM is not
looked at: there a division by zero gives 0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

__all__ = ["MAX_DIVISIONS", "find_unguarded_divisions"]

MAX_DIVISIONS = 16
"""With more unguarded divisions than these in an image, none of them traps."""

_LOOK_BACK = 48
"""How many halfwords before a division its divisor's test or constant is looked for."""


def find_unguarded_divisions(address: int, code: bytes) -> Iterator[tuple[int, int]]:
    """Yield (address, number of the divisor's register) of each unguarded SDIV and UDIV.

    Encoding T1 (Arm v7-M ARM, A7.7.127 and A7.7.195): 0xfb9n or 0xfbbn, then 0xfdfm. Data that
    looks so does no harm: its hook is never reached.
    """
    at = code.find(b"\xfb", 1)
    while at > 0:
        if at % 2 and at + 2 < len(code) and code[at - 1] & 0xD0 == 0x90:
            second, high = code[at + 1], code[at + 2]
            divisor = second & 0xF
            if second & 0xF0 == 0xF0 and high & 0xF0 == 0xF0:
                start = max(at - 1 - 2 * _LOOK_BACK, 0)
                if not _is_guarded(code[start : at + 1], divisor):
                    yield address + at - 1, divisor
        at = code.find(b"\xfb", at + 1)


def _is_guarded(code: bytes, register: int) -> bool:
    """Return whether code that ends with a division tests `register`, or sets it to a constant."""
    words: tuple[int, ...] = struct.unpack(f"<{len(code) // 2}H", code[: len(code) & ~1])
    for i in range(len(words) - 2, -1, -1):
        first, second = words[i], words[i + 1]
        if register < 8:
            if first & 0xF507 == 0xB100 | register:  # CBZ, CBNZ
                return True
            if first == 0x2800 | register << 8:  # CMP Rn, #0
                return True
            if first & 0xFF00 == 0x2000 | register << 8:  # MOVS Rd, #imm8
                return bool(first & 0xFF)
        if first == 0xF1B0 | register and second == 0x0F00:  # CMP.W Rn, #0
            return True
        if second & 0x8F00 == register << 8 and first in (0xF04F, 0xF05F):  # MOV.W Rd, #const
            return bool(second & 0x70FF)
        if second & 0x8F00 == register << 8 and first & 0xFBF0 == 0xF240:  # MOVW Rd, #imm16
            return bool(first & 0x40F or second & 0x70FF)
    return False
