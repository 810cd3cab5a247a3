"""Strings of unknown origin as they may be shown: terminals, browsers and CI obey some characters.

One function for each kind of output. What is joined into lines goes through `join_lines`, so that
no name begins one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from idol.patterns import compile_late

__all__ = [
    "LAYOUT",
    "TAB",
    "escape_json",
    "escape_xml",
    "find_command",
    "html_text",
    "join_lines",
    "one_line",
    "printable",
    "xml_text",
]

TAB = "\t"
LAYOUT = f"\n{TAB}"
"""What to keep of a text of several lines."""

# What CI obeys in the output of its steps. GitHub: `::` at the beginning of a line, after blanks as
# well (actions/runner, ActionCommand.cs: TryParseV2), and `##[` anywhere in it (TryParse); Azure
# Pipelines: `##vso[` and `##[`.
_AT_BEGIN = compile_late(r"^(\s*):(?=:)", re.MULTILINE)
_ANYWHERE = compile_late(r"(?<=#)#(?=(?:vso)?\[)", re.IGNORECASE)


def printable(text: str, keep: str = "") -> str:
    """Spell out line breaks, control characters, lone surrogates and marks that reverse text.

    The result is one line that ends nowhere and means nothing to a terminal; characters of `keep`
    stay.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else f"\\u{{{ord(c):x}}}" for c in text)


def one_line(text: str, keep: str = "") -> str:
    """Return a text as one line of output that no CI service takes for a command."""
    text = printable(text, keep)
    if "::" not in text and "##" not in text:
        return text
    return _ANYWHERE.sub(r"\\u{23}", _AT_BEGIN.sub(r"\1\\u{3a}", text))


def find_command(text: str) -> int | None:
    """Return the offset of what a CI service takes for a command wherever it stands in a line."""
    match = _ANYWHERE.search(text) if "##" in text else None
    return None if match is None else match.start() - 1


def join_lines(lines: Iterable[str]) -> str:
    """Join what are lines of output, each for itself: nothing inside of them begins another."""
    return "\n".join(map(one_line, lines))


def escape_json(text: str) -> str:
    """Escape in a JSON document what `json.dumps` leaves: the values that it stands for stay."""
    text = _ANYWHERE.sub("\\\\u0023", text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else _escape(ord(c)) for c in text)


def _escape(code: int) -> str:
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def xml_text(text: str, keep: str = LAYOUT) -> str:
    """Spell out what XML has no way to write (XML 1.0, section 2.2), and what `printable` does."""
    return printable(text.replace("\r\n", "\n"), keep)


def escape_xml(document: str) -> str:
    """Write as references what CI would obey in a serialized document: it stays the same one."""
    return _ANYWHERE.sub("&#35;", _AT_BEGIN.sub(r"\1&#58;", document))


def html_text(text: str, *, quote: bool = True) -> str:
    """Escape a text for HTML, as one line: what `printable` spells out, markup, and `escape_xml`.

    It may stand in an element, also in `pre`, and with `quote` in an attribute.
    """
    import html  # a table of 2,000 names, for pages alone

    return escape_xml(html.escape(xml_text(text), quote)).replace("\n", "&#10;")
