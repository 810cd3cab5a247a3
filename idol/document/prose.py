"""The texts of `doc` and `description`: paragraphs with code in backquotes, nothing else.

They may come from a firmware image, so whatever else is in them is shown and not obeyed.
"""

from __future__ import annotations

import re

from idol.records import dataclass

_PARAGRAPHS = re.compile(r"\n[ \t]*\n")
_BACKQUOTES = re.compile("`+")
#: The first sentence: up to a full stop before a space and a capital, or all of it.
_SENTENCE = re.compile(r"(.*?[.!?])(?=\s+[A-Z`])", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of a paragraph: words, or code."""

    text: str
    is_code: bool = False


Paragraph = tuple[Run, ...]


def read_prose(text: str | None) -> tuple[Paragraph, ...]:
    """Split a text into paragraphs; line breaks inside of one are spaces."""
    paragraphs = (" ".join(part.split()) for part in _PARAGRAPHS.split(text or ""))
    return tuple(_read_runs(paragraph) for paragraph in paragraphs if paragraph)


def read_summary(text: str | None) -> Paragraph:
    """Return the first sentence of a text."""
    paragraphs = [" ".join(part.split()) for part in _PARAGRAPHS.split(text or "")]
    first = next((paragraph for paragraph in paragraphs if paragraph), "")
    match = _SENTENCE.match(first)
    return _read_runs(match[1] if match and match[1].count("`") % 2 == 0 else first)


def _read_runs(text: str) -> Paragraph:
    """Split at code: between two runs of as many backquotes, as CommonMark does."""
    marks = [(m.start(), m.end()) for m in _BACKQUOTES.finditer(text)]
    # For each run the next one of its length; from the end, so that it is one pass.
    closers: dict[int, int] = {}
    following: list[int | None] = [None] * len(marks)
    for index in range(len(marks) - 1, -1, -1):
        length = marks[index][1] - marks[index][0]
        following[index] = closers.get(length)
        closers[length] = index
    runs: list[Run] = []
    at = index = 0
    while index < len(marks):
        closer = following[index]
        if closer is None:
            index += 1
            continue
        begin, end = marks[index], marks[closer]
        if begin[0] > at:
            runs.append(Run(text[at : begin[0]]))
        code = text[begin[1] : end[0]]
        runs.append(Run(code.strip() or code, is_code=True))
        at, index = end[1], closer + 1
    if at < len(text):
        runs.append(Run(text[at:]))
    return tuple(runs)
