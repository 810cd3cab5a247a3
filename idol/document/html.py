"""Pages as HTML: one file each, with its style inside, and nothing to fetch or run."""

from __future__ import annotations

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


def html_page(page: Page) -> str:
    """Render a page about one interface."""
    main = [
        f"<h1>{escape(page.name)}</h1>",
        *map(_paragraph, page.doc),
        f'<p class="facts">{_runs(page.facts)}</p>',
        *(_operation(operation) for operation in page.operations),
    ]
    links = [
        f'<li><a href="#{_anchor(operation)}"><span class="code">{operation.code}</span> '
        f"{escape(operation.name)}</a></li>"
        for operation in page.operations
    ]
    side = f"<nav><p>{escape(page.name)}</p><ol>{''.join(links)}</ol></nav>"
    return _document(page.name, side, main)


def html_index(entries: tuple[IndexEntry, ...]) -> str:
    """Render the page that lists all others."""
    rows = [
        f'<tr><td><a href="{_url(entry.file)}">{escape(entry.name)}</a></td>'
        f'<td class="number">{entry.operations}</td><td>{_runs(entry.summary)}</td></tr>'
        for entry in entries
    ]
    head = "<tr><th>interface</th><th>operations</th><th></th></tr>"
    table = f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"
    return _document("Interfaces", "", ["<h1>Interfaces</h1>", f'<div class="wide">{table}</div>'])


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
    badges = "".join(f'<span class="badge">{escape(badge)}</span>' for badge in operation.badges)
    signature = "\n".join(map(escape, operation.signature.split("\n")))
    notes = "".join(f"<li>{_runs(note)}</li>" for note in operation.notes)
    parts = [
        f'<section id="{anchor}">',
        f'<h2><a href="#{anchor}"><span class="code">{operation.code}</span> '
        f"{escape(operation.name)}</a></h2>",
        f'<p class="badges">{badges}</p>',
        *map(_paragraph, operation.doc),
        f"<pre><code>{signature}</code></pre>",
        *map(_table, operation.tables),
        f"<ul>{notes}</ul>" if notes else "",
        "</section>",
    ]
    return "\n".join(part for part in parts if part)


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
        f"<code>{escape(run.text)}</code>" if run.is_code else escape(run.text) for run in paragraph
    )
