"""Names from a build as they may be shown: they can hold what terminals and browsers obey."""

from __future__ import annotations

from idol.printable import (
    LAYOUT,
    escape_json,
    escape_xml,
    html_text,
    join_lines,
    one_line,
    printable,
    xml_text,
)

__all__ = [
    "LAYOUT",
    "escape_json",
    "escape_xml",
    "html_text",
    "join_lines",
    "one_line",
    "printable",
    "xml_text",
]
