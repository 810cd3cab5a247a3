"""Bytes to programs, and programs to text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from idoldbg.call.codec.postcard import take_varint
from idoldbg.call.codec.serde import WireError
from idoldbg.call.hif.ops import OPERANDS, HifError, Op, Opcode, Operand

__all__ = ["decode_op", "decode_program", "disassemble"]


def decode_op(text: bytes, offset: int = 0, *, usize_bits: int = 32) -> tuple[Op, int]:
    """Return the operation at `offset` and the offset after it; raise `HifError`.

    `usize_bits` is the word size of the machine that would execute it (it bounds varints).
    """
    try:
        index, at = take_varint(text, offset, usize_bits=usize_bits)
        code = Opcode(index)
    except (WireError, ValueError) as error:
        raise HifError(f"no operation at offset {offset}: {error}") from None
    size = OPERANDS[code]
    if size is Operand.NONE:
        return Op(code), at
    if at + size > len(text):
        raise HifError(f"{code.spelling} at offset {offset} ends before its operand")
    return Op(code, int.from_bytes(text[at : at + size], "little")), at + size


def decode_program(text: bytes) -> tuple[tuple[int, Op], ...]:
    """Return each operation with its offset, up to the first `Done`, or to the end of `text`.

    Nothing lies behind `Done` (a branch only goes to a label already passed), and HIFFY_TEXT holds
    leftovers there.
    """
    ops: list[tuple[int, Op]] = []
    offset = 0
    while offset < len(text):
        op, after = decode_op(text, offset)
        ops.append((offset, op))
        if op.code is Opcode.DONE:
            break
        offset = after
    return tuple(ops)


def disassemble(ops: Iterable[Op], functions: Mapping[str, int] | None = None) -> str:
    """Write a program as text that `assemble` reads; `functions` gives `Call` its names."""
    names = {number: name for name, number in (functions or {}).items()}
    lines = []
    for op in ops:
        if op.code is Opcode.CALL and op.operand in names:
            lines.append(f"{op.code.spelling} {names[op.operand]}")
        else:
            lines.append(str(op))
    return "".join(line + "\n" for line in lines)
