"""Pages as Markdown (CommonMark with tables, as GitHub shows it)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

from idol.document.page import IndexEntry, OperationPart, Page, Table
from idol.document.prose import Paragraph, Run
from idol.printable import join_lines, one_line, printable

#: Marks that may mean something; those of lists and numbers only where they begin a text, an
#: underscore only at the edge of a word, a colon or full stop only where it would make a link
#: or, at the beginning, a command of CI.
_MARKS = re.compile(
    r"[\\`*{}\[\]<>#|~&$@]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.|^\s*(?:[-+=]|:(?=:))"
)
#: `@name` mentions a user of GitHub, escaped or not: only code is exempt.
_MENTION = re.compile(r"\\@(?=[A-Za-z0-9])")
_NUMBERED = re.compile(r"^(\s*\d+)([.)])")
_SPACES = re.compile(r"\s+")
_BACKQUOTES = re.compile(r"`+")


def markdown_page(page: Page) -> str:
    """Render a page about one interface."""
    back = [f"[Interfaces]({quote(page.index)})"] if page.index else []
    blocks = [f"# {_escape(page.name)}", *back, *map(_paragraph, page.doc), _paragraph(page.facts)]
    if page.operations:
        blocks.append(_summary(page))
    for operation in page.operations:
        blocks += _operation(operation)
    return "\n\n".join(blocks) + "\n"


def markdown_index(entries: tuple[IndexEntry, ...]) -> str:
    """Render the page that lists all others."""
    rows = [
        (
            f"[{_escape(e.name)}]({quote(e.file, errors='surrogateescape')})",
            str(e.operations),
            _cell(e.summary),
        )
        for e in entries
    ]
    return "# Interfaces\n\n" + _rows(("interface", "operations", ""), rows) + "\n"


def _summary(page: Page) -> str:
    rows = [
        (
            str(operation.code),
            f"[{_escape(operation.name)}](#{_anchor(operation)})",
            _cell(operation.summary),
        )
        for operation in page.operations
    ]
    return _rows(("code", "operation", ""), rows)


def markdown_operation(operation: OperationPart) -> str:
    """Render the part about one operation by itself, without anchors."""
    blocks = _operation(operation)
    blocks[0] = f"## {_escape(operation.name)}"
    return "\n\n".join(blocks)


def markdown_text(text: str) -> str:
    """Return a text as Markdown that shows it and means nothing else."""
    return _escape(text)


def _operation(operation: OperationPart) -> list[str]:
    # A heading's own anchor depends on who shows it, so there is one of ours.
    heading = f'## <a id="{_anchor(operation)}"></a>{_escape(operation.name)}'
    blocks = [heading, f"Code {operation.code} · {' · '.join(operation.badges)}"]
    blocks += map(_paragraph, operation.doc)
    signature = join_lines(operation.signature.split("\n"))
    fence = "`" * max(3, 1 + _longest_run(signature))
    blocks.append(f"{fence}rust\n{signature}\n{fence}")
    blocks += map(_table, operation.tables)
    if operation.notes:
        blocks.append("\n".join(f"- {_paragraph(note)}" for note in operation.notes))
    return blocks


def _anchor(operation: OperationPart) -> str:
    return f"op-{operation.code}"


def _table(table: Table) -> str:
    rows = [tuple(map(_cell, row)) for row in table.rows]
    return f"**{table.title}**\n\n" + _rows(table.columns, rows)


def _rows(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _paragraph(paragraph: Paragraph) -> str:
    return "".join(_run(run) for run in paragraph)


def _cell(paragraph: Paragraph) -> str:
    """Render into a cell, which a bar would end even inside of code."""
    return "".join(
        _spell(run.text) if run.is_code and "|" in run.text else _run(run) for run in paragraph
    )


def _spell(text: str) -> str:
    """Render code by character references: a backslash would look like one before a bar."""
    spelled = (
        c if c.isalnum() or c == " " else f"&#{ord(c)};" for c in printable(" ".join(text.split()))
    )
    return f"<code>{''.join(spelled)}</code>"


def _run(run: Run) -> str:
    if not run.is_code:
        return _escape(run.text)
    text = one_line(" ".join(run.text.split())) or " "  # without a blank, it would end nowhere
    fence = "`" * (1 + _longest_run(text))
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}"


def _longest_run(text: str) -> int:
    return max((len(match) for match in _BACKQUOTES.findall(text)), default=0)


def _escape(text: str) -> str:
    """Take the meaning from every mark that has one, and from line breaks."""
    line = printable(_SPACES.sub(" ", text))
    escaped = _MARKS.sub(lambda match: f"{match[0][:-1]}\\{match[0][-1:]}", line)
    escaped = _MENTION.sub("<code>@</code>", escaped)
    return _NUMBERED.sub(r"\1\\\2", escaped)
