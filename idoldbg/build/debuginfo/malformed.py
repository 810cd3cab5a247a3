"""Errors for malformed ELF and DWARF: `Malformed` here, `DebugInfoError` outside.

pyelftools reads files of toolchains and trusts them: a header may send it round for ever or make it
read the file a thousand times, and what it does not understand leaves it as nearly any exception.
So each use of it here has two parts. First the figures that cost time or memory (offsets, counts,
sizes, versions) are checked against the file; then it runs inside `translated`, the one place that
knows what it may raise.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from elftools.common.exceptions import DWARFError, ELFError
from elftools.construct import ConstructError  # not documented: escapes from its parsers

__all__ = ["Malformed", "Unsupported", "translated"]


class Malformed(Exception):
    """Bytes that are not ELF or DWARF; `offset` is in `.debug_info`, where there is one."""

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset


class Unsupported(Malformed):
    """Sound debug information of a kind that is not read; the message says what to build."""


# Its own errors; those of its parsers that it forgets to wrap; and what follows from taking a
# number that it does not know for one that it does.
_RAISED = (
    ELFError,
    DWARFError,
    ConstructError,
    struct.error,
    zlib.error,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,  # also UnicodeDecodeError
)


@contextmanager
def translated(what: str, offset: int | None = None) -> Iterator[None]:
    """Turn what pyelftools raises into `Malformed`, which says what was being read."""
    try:
        yield
    except _RAISED as e:
        raise Malformed(f"{what}: {e or type(e).__name__}", offset) from e
