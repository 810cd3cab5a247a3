"""The table of HIF's operations (crate `hif` 0.3.1, `enum Op`).

The order is the encoding: an operation is its index here as a postcard varint, then its operand.
"""

from __future__ import annotations

from enum import IntEnum

from idol.records import dataclass

__all__ = ["HIF_VERSION", "OPERANDS", "HifError", "Op", "Opcode", "Operand", "push"]

HIF_VERSION = (0, 3)
"""Major and minor version; hiffy's must be the same. Later patches only add operations."""


class HifError(ValueError):
    """A program, or a return stack, that is not HIF; the message says where."""


class Opcode(IntEnum):
    """Operations by their encoding; names as the crate spells them."""

    LABEL = 0
    CALL = 1
    DROP = 2
    DROP_N = 3
    PUSH = 4
    PUSH16 = 5
    PUSH32 = 6
    PUSH_NONE = 7
    SWAP = 8
    DUP = 9
    ADD = 10
    AND = 11
    OR = 12
    XOR = 13
    BRANCH_LESS_THAN = 14
    BRANCH_LESS_THAN_OR_EQUAL_TO = 15
    BRANCH_GREATER_THAN = 16
    BRANCH_GREATER_THAN_OR_EQUAL_TO = 17
    BRANCH_EQUAL_TO = 18
    BRANCH_ALWAYS = 19
    DONE = 20
    EXPAND32 = 21
    COLLECT32 = 22

    @property
    def spelling(self) -> str:
        """The name in program text: `BranchLessThan`."""
        return "".join(word.capitalize() for word in self.name.split("_"))


class Operand(IntEnum):
    """Kind of an operand; the value is its size in bytes."""

    NONE = 0
    BYTE = 1
    HALF = 2
    WORD = 4


_TARGETS = (
    Opcode.LABEL,
    Opcode.BRANCH_LESS_THAN,
    Opcode.BRANCH_LESS_THAN_OR_EQUAL_TO,
    Opcode.BRANCH_GREATER_THAN,
    Opcode.BRANCH_GREATER_THAN_OR_EQUAL_TO,
    Opcode.BRANCH_EQUAL_TO,
    Opcode.BRANCH_ALWAYS,
)

OPERANDS: dict[Opcode, Operand] = {
    **dict.fromkeys(Opcode, Operand.NONE),
    **dict.fromkeys(_TARGETS, Operand.BYTE),
    Opcode.CALL: Operand.BYTE,
    Opcode.DROP_N: Operand.BYTE,
    Opcode.PUSH: Operand.BYTE,
    Opcode.PUSH16: Operand.HALF,
    Opcode.PUSH32: Operand.WORD,
}
"""The operand of each operation. Labels and functions are bytes; all are little-endian."""


@dataclass(frozen=True, slots=True)
class Op:
    """One operation. `operand` is None exactly where `OPERANDS` says so."""

    code: Opcode
    operand: int | None = None

    def __post_init__(self) -> None:
        kind = OPERANDS[self.code]
        if kind is Operand.NONE:
            if self.operand is not None:
                raise HifError(f"{self.code.spelling} takes no operand")
        elif self.operand is None:
            raise HifError(f"{self.code.spelling} needs an operand")
        elif not 0 <= self.operand < 1 << 8 * kind:
            raise HifError(f"{self.code.spelling} {self.operand}: not in 0..={(1 << 8 * kind) - 1}")

    def __str__(self) -> str:
        name = self.code.spelling
        return name if self.operand is None else f"{name} {self.operand}"


def push(value: int) -> Op:
    """Return the shortest operation that pushes `value`, a u32."""
    if value <= 0xFF:
        return Op(Opcode.PUSH, value)
    return Op(Opcode.PUSH16 if value <= 0xFFFF else Opcode.PUSH32, value)
