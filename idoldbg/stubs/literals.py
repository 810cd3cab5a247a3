"""Strings of a build as Python: literals and docstrings that hold them, whatever they are."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from idol.printable import printable

__all__ = ["docstring", "paragraphs", "quoted", "shown"]

#: Longest string that is shown in documentation.
_SHOWN = 200


def quoted(text: str) -> str:
    """Return a literal whose value is the text, in double quotes where formatters want them."""
    literal = repr(text)
    if literal.startswith("'") and '"' not in literal:
        return f'"{literal[1:-1]}"'
    return literal


def shown(text: str) -> str:
    """Return a text for a docstring or comment: one line, nothing that ends either."""
    text = printable(text)
    if len(text) > _SHOWN:
        text = f"{text[: _SHOWN - 1]}…"
    return _escaped(text)


def paragraphs(blocks: Iterable[str], width: int) -> list[str]:
    """Return the lines of a docstring, an empty one between paragraphs."""
    lines: list[str] = []
    for block in blocks:
        # Wrapped first: a line must not end between a backslash and what it escapes.
        lines += [""] if lines else []
        lines += textwrap.wrap(printable(" ".join(block.split())), width) or [""]
    return [_escaped(line) for line in lines]


def _escaped(line: str) -> str:
    return line.replace("\\", "\\\\").replace('"""', "'''")


def docstring(text: str) -> str:
    """Return a docstring of one line."""
    text = shown(text)
    return f'"""{text}{" " if text.endswith(chr(34)) else ""}"""'
