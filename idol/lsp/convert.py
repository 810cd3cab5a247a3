"""Plain data of `idol.editor` as values of the protocol, and back."""

from __future__ import annotations

from urllib.parse import quote

from lsprotocol import types as lsp

from idol.editor.completion import Item, ItemKind
from idol.editor.document import Document
from idol.editor.edits import Edit
from idol.editor.places import Position
from idol.findings import Level
from idol.hints import Final
from idol.printable import LAYOUT, printable
from idol.source import Diagnostic, Span

SEVERITIES: Final = {
    Level.ERROR: lsp.DiagnosticSeverity.Error,
    Level.WARNING: lsp.DiagnosticSeverity.Warning,
    Level.NOTE: lsp.DiagnosticSeverity.Information,
}
_ITEM_KINDS: Final = {
    ItemKind.FIELD: lsp.CompletionItemKind.Field,
    ItemKind.VARIANT: lsp.CompletionItemKind.EnumMember,
    ItemKind.TYPE: lsp.CompletionItemKind.Class,
}


def from_position(position: lsp.Position) -> Position:
    """Take a position over."""
    return Position(position.line, position.character)


def to_range(document: Document, span: Span) -> lsp.Range:
    """Return a span as the editor counts."""
    start, end = document.get_range(span)
    return lsp.Range(lsp.Position(start.line, start.column), lsp.Position(end.line, end.column))


def to_diagnostic(document: Document, uri: str, finding: Diagnostic) -> lsp.Diagnostic:
    """Return a finding with its hint in the message: editors have no other place for it."""
    message = finding.message + (f"\n{finding.hint}" if finding.hint else "")
    related = [
        lsp.DiagnosticRelatedInformation(
            lsp.Location(uri, to_range(document, item.span)), printable(item.message)
        )
        for item in finding.related
    ]
    span = finding.span
    return lsp.Diagnostic(
        range=to_range(document, span),
        message=printable(message, keep=LAYOUT),
        severity=SEVERITIES[finding.severity],
        code=finding.rule,
        source="idol",
        related_information=related or None,
    )


def to_edit(document: Document, edit: Edit) -> lsp.TextEdit:
    """Return a change of a document."""
    return lsp.TextEdit(to_range(document, edit.span), edit.text)


def to_completion(
    document: Document, item: Item, *, snippets: bool, rank: int
) -> lsp.CompletionItem:
    """Return a proposal; an editor without snippets gets the name alone, or the text of a type."""
    has_places = "$0" in item.snippet or "${0" in item.snippet
    text = item.snippet
    if not snippets:
        text = item.label if has_places else text.replace("\\", "")
    return lsp.CompletionItem(
        label=item.label,
        kind=_ITEM_KINDS[item.kind],
        detail=printable(item.detail),
        documentation=item.doc or None,
        sort_text=f"{rank:05}",
        filter_text=item.label,
        insert_text_format=lsp.InsertTextFormat.Snippet
        if snippets
        else lsp.InsertTextFormat.PlainText,
        text_edit=lsp.TextEdit(to_range(document, item.span), text),
    )


def path_to_uri(path: str) -> str:
    """Return the URI of an absolute path."""
    from pathlib import Path

    try:
        return Path(path).absolute().as_uri()
    except UnicodeEncodeError:  # a name that is not UTF-8
        return "file://" + quote(path.encode("utf-8", "surrogateescape"))
