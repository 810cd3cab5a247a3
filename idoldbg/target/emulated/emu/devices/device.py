"""Base of the device models: registers that are read and written, and a saved state."""

from __future__ import annotations

from copy import deepcopy
from typing import ClassVar

__all__ = ["Device", "StatefulPart", "merge"]


class StatefulPart:
    """Something whose state is the attributes that `STATE` names."""

    STATE: ClassVar[tuple[str, ...]] = ()

    def save(self) -> tuple[object, ...]:
        """Return the state for a snapshot."""
        return tuple(deepcopy(getattr(self, name)) for name in self.STATE)

    def restore(self, state: tuple[object, ...]) -> None:
        """Go back to a snapshot."""
        for name, value in zip(self.STATE, state, strict=True):
            setattr(self, name, deepcopy(value))


class Device(StatefulPart):
    """A peripheral of 32-bit registers at offsets from its base address.

    A narrow write changes the bytes that it covers of what the register reads; a model whose
    registers care about the width overrides `read` and `write`.
    """

    def reset(self) -> None:
        """Give the registers their reset values."""
        raise NotImplementedError

    def read_word(self, offset: int) -> int:
        """Return the register at a multiple of 4, with the side effects of reading it."""
        raise NotImplementedError

    def write_word(self, offset: int, value: int) -> None:
        """Write the register at a multiple of 4."""
        raise NotImplementedError

    def peek_word(self, offset: int) -> int:
        """Return what a register holds, without side effects."""
        return self.read_word(offset)

    def read(self, offset: int, size: int) -> int:
        """Return `size` (1, 2 or 4) bytes."""
        word = self.read_word(offset & ~3)
        return word if size == 4 else word >> 8 * (offset & 3) & (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int) -> None:
        """Write `size` (1, 2 or 4) bytes."""
        if size < 4:
            value = merge(self.peek_word(offset & ~3), offset, size, value)
        self.write_word(offset & ~3, value)


def merge(word: int, offset: int, size: int, value: int) -> int:
    """Return `word` with `size` bytes at `offset` replaced by those of `value`."""
    shift = 8 * (offset & 3)
    mask = (1 << 8 * size) - 1 << shift
    return (word & ~mask | value << shift & mask) & 0xFFFFFFFF
