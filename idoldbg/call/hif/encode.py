"""Programs to bytes."""

from __future__ import annotations

from collections.abc import Iterable

from idoldbg.call.codec.postcard import encode_varint
from idoldbg.call.hif.ops import OPERANDS, Op

__all__ = ["encode_op", "encode_program"]


def encode_op(op: Op) -> bytes:
    """Return one operation's bytes."""
    data = encode_varint(op.code)
    if op.operand is None:
        return data
    return data + op.operand.to_bytes(OPERANDS[op.code], "little")


def encode_program(ops: Iterable[Op]) -> bytes:
    """Return a program's bytes, as they go into HIFFY_TEXT."""
    return b"".join(map(encode_op, ops))
