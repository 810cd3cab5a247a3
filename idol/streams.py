"""Encodings of standard output and standard error."""

from __future__ import annotations

import io
import sys

__all__ = ["use_surrogateescape"]

_UTF8 = ("utf-8", "utf8")


def use_surrogateescape() -> None:
    """Let printing never fail for a character that the locale's encoding lacks.

    Pipes and files get UTF-8, as Idol files are, with the names of files as the bytes that they
    are; a terminal shows `?` for what it cannot.
    """
    for stream, odd_bytes in ((sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        if not isinstance(stream, io.TextIOWrapper):
            continue
        if stream.isatty() and stream.encoding.lower() not in _UTF8:
            stream.reconfigure(errors="replace")
        else:
            stream.reconfigure(encoding="utf-8", errors=odd_bytes)
