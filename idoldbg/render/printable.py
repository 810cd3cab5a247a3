"""Names from a build as they may be shown: they can hold what terminals and browsers obey."""

from __future__ import annotations

__all__ = ["LAYOUT", "printable"]

LAYOUT = "\n\t"
"""What to keep of a text of several lines."""


def printable(text: str, keep: str = "") -> str:
    """Spell out control characters, marks that turn the direction of writing, and their like.

    Those of `keep` stay.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else f"\\u{{{ord(c):x}}}" for c in text)
