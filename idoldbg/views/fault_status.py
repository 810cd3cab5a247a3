"""Fault status registers of a core, bit by bit.

Sources: Armv7-M ARM B3.2.15 to B3.2.18; Armv8-M ARM D1.2 for SFSR and STKOF.
"""

from __future__ import annotations

__all__ = ["FAULT_REGISTERS", "fault_bits"]

#: Name to address and bits.
FAULT_REGISTERS: dict[str, tuple[int, dict[int, str]]] = {
    "CFSR": (
        0xE000ED28,
        {
            0: "IACCVIOL", 1: "DACCVIOL", 3: "MUNSTKERR", 4: "MSTKERR", 5: "MLSPERR",
            7: "MMARVALID", 8: "IBUSERR", 9: "PRECISERR", 10: "IMPRECISERR", 11: "UNSTKERR",
            12: "STKERR", 13: "LSPERR", 15: "BFARVALID", 16: "UNDEFINSTR", 17: "INVSTATE",
            18: "INVPC", 19: "NOCP", 20: "STKOF", 24: "UNALIGNED", 25: "DIVBYZERO",
        },
    ),
    "HFSR": (0xE000ED2C, {1: "VECTTBL", 30: "FORCED", 31: "DEBUGEVT"}),
    "MMFAR": (0xE000ED34, {}),
    "BFAR": (0xE000ED38, {}),
    "SFSR": (
        0xE000EDE4,
        {
            0: "INVEP", 1: "INVIS", 2: "INVER", 3: "AUVIOL", 4: "INVTRAN", 5: "LSPERR",
            6: "SFARVALID", 7: "LSERR",
        },
    ),
    "SFAR": (0xE000EDE8, {}),
}  # fmt: skip


def fault_bits(name: str, value: int) -> tuple[str, ...]:
    """Return the names of the bits that are set in a fault status register, such as `CFSR`."""
    return tuple(bit for number, bit in FAULT_REGISTERS[name][1].items() if value >> number & 1)
