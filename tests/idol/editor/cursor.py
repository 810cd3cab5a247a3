"""Texts with a cursor: `‸` stands where it is."""

from __future__ import annotations

from idol.editor.document import Document

MARK = "‸"


def at_cursor(text: str, name: str = "light.idol") -> tuple[Document, int]:
    """Return the document without the mark, and where the mark was."""
    offset = text.index(MARK)
    assert text.count(MARK) == 1
    return Document(name, text.replace(MARK, "")), offset
