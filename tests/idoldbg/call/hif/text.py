"""Programs as text, as the vectors spell them.

One operation a line, named as in the crate (letter case does not matter), with a number or, after
`Call`, a function's name as operand; `#` begins a comment::

    Push 3          # task
    Call Send
    Done
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from idoldbg.call.hif.ops import OPERANDS, HifError, Op, Opcode, Operand

__all__ = ["assemble", "disassemble"]

_BY_SPELLING = {code.spelling.lower(): code for code in Opcode}


def assemble(text: str, functions: Mapping[str, int] | None = None) -> tuple[Op, ...]:
    """Read a program; raise `HifError` with the line. `functions` maps names to ids for `Call`."""
    ops: list[Op] = []
    for number, line in enumerate(text.splitlines(), start=1):
        tokens = line.partition("#")[0].split()
        if not tokens:
            continue
        try:
            ops.append(_op(tokens, functions or {}))
        except HifError as error:
            raise HifError(f"line {number}: {error}") from None
    return tuple(ops)


def _op(tokens: list[str], functions: Mapping[str, int]) -> Op:
    code = _BY_SPELLING.get(tokens[0].lower())
    if code is None:
        raise HifError(f"no operation `{tokens[0]}`")
    if len(tokens) > 2 or (len(tokens) == 2 and OPERANDS[code] is Operand.NONE):
        raise HifError(f"`{' '.join(tokens[1:])}` is too much after {code.spelling}")
    if len(tokens) == 1:
        return Op(code)
    if code is Opcode.CALL and tokens[1] in functions:
        return Op(code, functions[tokens[1]])
    try:
        return Op(code, int(tokens[1], 0))
    except HifError:
        raise
    except ValueError:
        if code is not Opcode.CALL:
            raise HifError(f"`{tokens[1]}` is not a number") from None
        known = ", ".join(functions) or "none"
        raise HifError(f"no function `{tokens[1]}` (known: {known})") from None


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
