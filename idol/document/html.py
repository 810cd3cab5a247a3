"""Pages as HTML: one file each, with its style inside, and nothing to fetch or run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

from idol.document.page import IndexEntry, OperationPart, Page, Table
from idol.document.prose import Paragraph
from idol.document.style import STYLE
from idol.hints import Final
from idol.printable import html_text as escape

#: Even if something slipped through the escapes: no scripts, no pictures, no requests.
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)


#: Colors of badges, by what they say; an encoding has that of none of these.
_BADGES: Final = {"idempotent": "again", "not idempotent": "once", "cannot fail": "sure"}

#: Words of a signature; the group is the class.
_RUST: Final = re.compile(
    r"(?P<keyword>\b(?:fn|mut|dyn|const)\b|&)|(?P<name>(?<=fn )(?:r#)?\w+)"
    r"|(?P<type>\b(?:[iu](?:8|16|32|64|128|size)|f32|f64|bool|char|str|[A-Z]\w*)\b)"
)


def html_page(page: Page) -> str:
    """Render a page about one interface."""
    links = "".join(
        f'<li><a href="#{_anchor(operation)}"><span class="code">{operation.code}</span> '
        f"{escape(operation.name)}</a></li>"
        for operation in page.operations
    )
    count = len(page.operations)
    # Beside the page on a desk, folded on a phone.
    contents = (
        f'<details class="contents"><summary>{count} operation{"s" * (count != 1)}</summary>'
        f"<ol>{links}</ol></details>"
    )
    main = [
        f"<h1>{escape(page.name)}</h1>",
        *map(_paragraph, page.doc),
        f'<p class="facts">{_runs(page.facts)}</p>',
        contents,
        *(_operation(operation) for operation in page.operations),
    ]
    back = f'<a class="back" href="{_url(page.index)}">← Interfaces</a>' if page.index else ""
    side = f"<nav>{back}<p>{escape(page.name)}</p><ol>{links}</ol></nav>"
    return _document(page.name, side, main)


def html_index(entries: tuple[IndexEntry, ...]) -> str:
    """Render the page that lists all others."""
    cards = "".join(
        f'<li><a href="{_url(entry.file)}"><b>{escape(entry.name)}</b></a> '
        f'<span class="badge">{entry.operations} operation{"s" * (entry.operations != 1)}</span>'
        f"<p>{_runs(entry.summary)}</p></li>"
        for entry in entries
    )
    count = sum(entry.operations for entry in entries)
    facts = f"{len(entries)} interfaces, {count} operations"
    main = [
        "<h1>Interfaces</h1>",
        f'<p class="facts">{facts}</p>',
        f'<ul class="index">{cards}</ul>',
    ]
    return _document("Interfaces", "", main)


def _url(file: str) -> str:
    return escape(quote(file, errors="surrogateescape"))


def _document(title: str, side: str, main: Iterable[str]) -> str:
    lines = "\n".join(main)
    return (
        "<!DOCTYPE html>\n"
        '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">\n'
        f"<title>{escape(title)}</title>\n<style>\n{STYLE}</style>\n</head>\n"
        f"<body>\n{side}\n<main>\n{lines}\n</main>\n</body>\n</html>\n"
    )


def _operation(operation: OperationPart) -> str:
    anchor = _anchor(operation)
    badges = "".join(
        f'<span class="badge {_BADGES.get(badge, "wire")}">{escape(badge)}</span>'
        for badge in operation.badges
    )
    notes = "".join(f"<li>{_runs(note)}</li>" for note in operation.notes)
    parts = [
        f'<section id="{anchor}">',
        f'<h2><a href="#{anchor}"><span class="code">{operation.code}</span> '
        f"{escape(operation.name)}</a></h2>",
        f'<p class="badges">{badges}</p>',
        *map(_paragraph, operation.doc),
        f"<pre><code>{_signature(operation.signature)}</code></pre>",
        *map(_table, operation.tables),
        f"<ul>{notes}</ul>" if notes else "",
        "</section>",
    ]
    return "\n".join(part for part in parts if part)


def _signature(text: str) -> str:
    """Color a signature. What the pattern does not know stays as it is."""
    pieces: list[str] = []
    at = 0
    for match in _RUST.finditer(text):
        pieces.append(escape(text[at : match.start()]))
        at = match.end()
        pieces.append(f'<span class="{match.lastgroup}">{escape(match[0])}</span>')
    pieces.append(escape(text[at:]))
    return "".join(pieces)


def _anchor(operation: OperationPart) -> str:
    return f"op-{operation.code}"


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    rows = "".join(
        f"<tr>{''.join(f'<td>{_runs(cell)}</td>' for cell in row)}</tr>" for row in table.rows
    )
    inside = f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
    title = escape(table.title)
    return f'<h3>{title}</h3>\n<div class="wide"><table>{inside}</table></div>'


def _paragraph(paragraph: Paragraph) -> str:
    return f"<p>{_runs(paragraph)}</p>"


def _runs(paragraph: Paragraph) -> str:
    return "".join(
        f"<code>{_breakable(escape(run.text))}</code>" if run.is_code else escape(run.text)
        for run in paragraph
    )


def _breakable(markup: str) -> str:
    """Let a path go on in the next line behind its crate."""
    return markup.replace("::", "::<wbr>")
