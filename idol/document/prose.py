"""The texts of `doc` and `description`: paragraphs with code in backquotes, nothing else.

They may come from a firmware image, so whatever else is in them is shown and not obeyed.
"""

from __future__ import annotations

import re

from idol.records import dataclass

_PARAGRAPHS = re.compile(r"\n[ \t]*\n")
_CODE = re.compile(r"(`+)(.+?)(?<!`)\1(?!`)", re.DOTALL)
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
    runs: list[Run] = []
    at = 0
    for match in _CODE.finditer(text):
        if match.start() > at:
            runs.append(Run(text[at : match.start()]))
        runs.append(Run(match[2].strip() or match[2], is_code=True))
        at = match.end()
    if at < len(text):
        runs.append(Run(text[at:]))
    return tuple(runs)
