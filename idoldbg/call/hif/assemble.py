"""Programs to bytes, and program text to programs.

Text is one operation a line, named as in the crate (letter case does not matter), with a number or,
after `Call`, a function's name as operand; `#` begins a comment. `disassemble` writes the same::

    Push 3          # task
    Call Send
    Done
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from idoldbg.call.codec.postcard import encode_varint
from idoldbg.call.hif.ops import OPERANDS, HifError, Op, Opcode, Operand
from idoldbg.near import near_misses

__all__ = ["assemble", "encode_op", "encode_program"]

_BY_SPELLING = {code.spelling.lower(): code for code in Opcode}


def encode_op(op: Op) -> bytes:
    """Return one operation's bytes."""
    data = encode_varint(op.code)
    if op.operand is None:
        return data
    return data + op.operand.to_bytes(OPERANDS[op.code], "little")


def encode_program(ops: Iterable[Op]) -> bytes:
    """Return a program's bytes, as they go into HIFFY_TEXT."""
    return b"".join(map(encode_op, ops))


def assemble(text: str, functions: Mapping[str, int] | None = None) -> tuple[Op, ...]:
    """Read a program; raise `HifError` with the line. `functions` maps names to ids for `Call`."""
    ops: list[Op] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            ops.append(_op(words, functions or {}))
        except HifError as error:
            raise HifError(f"line {number}: {error}") from None
    return tuple(ops)


def _op(words: list[str], functions: Mapping[str, int]) -> Op:
    code = _BY_SPELLING.get(words[0].lower())
    if code is None:
        near = near_misses(words[0], (c.spelling for c in Opcode))
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise HifError(f"no operation `{words[0]}`{hint}")
    if len(words) > 2 or (len(words) == 2 and OPERANDS[code] is Operand.NONE):
        raise HifError(f"`{' '.join(words[1:])}` is too much after {code.spelling}")
    if len(words) == 1:
        return Op(code)
    if code is Opcode.CALL and words[1] in functions:
        return Op(code, functions[words[1]])
    try:
        return Op(code, int(words[1], 0))
    except HifError:
        raise
    except ValueError:
        if code is not Opcode.CALL:
            raise HifError(f"`{words[1]}` is no number") from None
        known = ", ".join(functions) or "none"
        raise HifError(f"no function `{words[1]}` (known: {known})") from None
