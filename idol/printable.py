"""Strings of unknown origin as they may be shown: terminals and browsers obey some characters."""

from __future__ import annotations

__all__ = ["LAYOUT", "printable"]

LAYOUT = "\n\t"
"""What to keep of a text of several lines."""


def printable(text: str, keep: str = "") -> str:
    """Spell out line breaks, control characters, lone surrogates and marks that reverse text.

    The result is one line that ends nowhere and means nothing to a terminal; characters of `keep`
    stay.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else f"\\u{{{ord(c):x}}}" for c in text)
