"""The comparators of the DWT as watchpoints: the core halts after an access to watched data.

Arm v7-M ARM (DDI 0403), C1.8; v6-M ARM (DDI 0419), C1.8; v8-M ARM (DDI 0553), D1.2 "DWT_COMPn" and
"DWT_FUNCTIONn". Not modelled: matches of values, instructions, cycles, ranges by two comparators;
such a function reads back and never matches. What exceptions push and pop is not seen.
"""

from __future__ import annotations

from collections.abc import Sequence

from idol.records import dataclass

__all__ = ["Watch", "Watchpoints"]

COMPARATORS = 0xE0001020
STRIDE = 16
COMP, MASK, FUNCTION = 0, 4, 8
MATCHED = 1 << 24
MAX_MASK = 31
# FUNCTION: whether reads and writes match
V7 = {5: (True, False), 6: (False, True), 7: (True, True)}
V8 = {4: (True, True), 5: (False, True), 6: (True, False)}
V8_DEBUG_EVENT = 1 << 4  # ACTION
V8_ID = 0b01011 << 27  # data addresses, and limits of them
FUNCTION_KEPT_V7, FUNCTION_KEPT_V8 = 0xFEF, 0xC3F


@dataclass(frozen=True, slots=True)
class Watch:
    """The data that one comparator watches."""

    index: int
    address: int
    size: int
    reads: bool
    writes: bool

    @property
    def reach(self) -> tuple[int, int]:
        """First and last address at which an access, of 8 bytes at most, may begin that matches."""
        return max(self.address - 7, 0), self.address + self.size - 1

    def matches(self, address: int, size: int, *, is_write: bool) -> bool:
        """Return whether an access touches what is watched."""
        if not (self.writes if is_write else self.reads):
            return False
        return address < self.address + self.size and self.address < address + size


class Watchpoints:
    """The registers of the comparators. `has_sizes` is for v8-M, which has no masks."""

    def __init__(self, count: int, *, has_sizes: bool) -> None:
        self.count = count
        self._has_sizes = has_sizes
        self._registers = [[0, 0, 0] for _ in range(count)]

    def read(self, address: int) -> int | None:
        """Return a register, None where there is none. Reading FUNCTION clears MATCHED."""
        found = self._find(address)
        if found is None:
            return None
        registers, index = found
        value = registers[index]
        if index == FUNCTION >> 2:
            registers[index] &= ~MATCHED
            value |= V8_ID if self._has_sizes else 0
        return value

    def write(self, address: int, value: int) -> bool:
        """Write a register; return whether there is one."""
        found = self._find(address)
        if found is None:
            return False
        registers, index = found
        if index == MASK >> 2:
            value = 0 if self._has_sizes else value & MAX_MASK
        elif index == FUNCTION >> 2:
            value &= FUNCTION_KEPT_V8 if self._has_sizes else FUNCTION_KEPT_V7
        registers[index] = value
        return True

    def _find(self, address: int) -> tuple[list[int], int] | None:
        number, offset = divmod(address - COMPARATORS, STRIDE)
        if 0 <= number < self.count and offset in (COMP, MASK, FUNCTION):
            return self._registers[number], offset >> 2
        return None

    def watches(self) -> list[Watch]:
        """Return what the comparators watch."""
        found = []
        for index, (address, mask, function) in enumerate(self._registers):
            if self._has_sizes:
                kinds = V8.get(function & 0xF) if function & V8_DEBUG_EVENT else None
                size = 1 << (function >> 10 & 3)
            else:
                kinds, size = V7.get(function & 0x1EF), 1 << mask
            if kinds is not None:
                found.append(Watch(index, address & -size & 0xFFFFFFFF, size, *kinds))
        return found

    def match(self, index: int) -> None:
        """Set MATCHED of a comparator."""
        self._registers[index][FUNCTION >> 2] |= MATCHED

    def save(self) -> tuple[tuple[int, ...], ...]:
        """Return the state for a snapshot."""
        return tuple(tuple(registers) for registers in self._registers)

    def restore(self, state: Sequence[Sequence[int]]) -> None:
        """Go back to a snapshot."""
        self._registers = [list(registers) for registers in state]
