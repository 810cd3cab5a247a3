"""Facts about code addresses, kept for warm commands: tasks wait in the same few places."""

from __future__ import annotations

from idoldbg.build.kept import CODE
from idoldbg.build.program import Program
from idoldbg.errors import DebugInfoError
from idoldbg.model.code import CodePoint

__all__ = ["find_code"]


def find_code(program: Program, owner: str, address: int, *, is_exact: bool = True) -> CodePoint:
    """Return the function and source at an address in the code of a task, or of `kernel`.

    Without `is_exact` the core is not about to execute what is there: it is a call, or the end of
    one. Raises `DebugInfoError` where the object or its symbols cannot be read; what is malformed
    in the rest of its debug information is left out.
    """
    key = f"{owner}\0{address:x}{'' if is_exact else ' call'}"
    return program.recall(CODE, key, lambda: _find(program, owner, address, is_exact))


def _find(program: Program, owner: str, address: int, is_exact: bool) -> CodePoint:
    info = program.object(owner)
    symbol = info.symbols.find_function_at(address)
    if symbol is None:
        return CodePoint(None, None)
    try:
        sources = info.find_frames(address)
    except DebugInfoError:
        sources = ()
    row = None
    if is_exact:
        from idoldbg.build.debuginfo.frames import find_stub_row  # as `ObjectInfo`: not when known

        code = info.read_memory(symbol.address, max(0, address - symbol.address))
        row = None if code is None else find_stub_row(code)
    is_stub = row is not None
    row = row or info.frame_rules.find_row(address)
    return CodePoint(symbol.path, symbol.address, sources, row, is_stub)
