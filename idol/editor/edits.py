"""Changes of a text, made where its tree says, so that layout and comments stay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from idol import ron
from idol.editor.tokens import Kind, iter_tokens
from idol.records import dataclass
from idol.source import Span


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace a span of the text by another text."""

    span: Span
    text: str


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """Return the text with all edits made; they must not overlap."""
    pieces: list[str] = []
    at = 0
    for edit in sorted(edits, key=lambda edit: (edit.span.start, edit.span.end)):
        if edit.span.start < at:
            raise ValueError("edits overlap")
        pieces += (text[at : edit.span.start], edit.text)
        at = edit.span.end
    return "".join([*pieces, text[at:]])


def quote(text: str) -> str:
    """Write a text as a string of RON."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


Bracketed = ron.Struct | ron.Tuple | ron.Map


class Surgeon:
    """Makes edits of the brackets of one text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def cut(self, span: Span) -> str:
        """Return a piece of the text."""
        return self._text[span.start : span.end]

    def get_field(self, node: ron.Node, name: str) -> ron.Field | None:
        """Return the first field of a name, if the node is a struct that has it."""
        if not isinstance(node, ron.Struct):
            return None
        return next((field for field in node.fields if field.name == name), None)

    def set_field(self, node: ron.Struct | ron.Tuple, name: str, value: str) -> Edit:
        """Give a field a value, and add it where it is missing."""
        field = self.get_field(node, name)
        if field is not None:
            return Edit(field.value.span, value)
        return self.insert(node, f"{name}: {value}")

    def insert(self, node: Bracketed, item: str, *, first: bool = False) -> Edit:
        """Add an item at the end, or in front; on a line of its own if the others have one."""
        opening = self._opening(node)
        spans = item_spans(node)
        if not spans:
            return Edit(Span(opening, opening), item)
        start = spans[0].start
        gap = self._text[opening:start]
        separator = " "
        if "\n" in gap:
            line = self._text.rfind("\n", 0, start) + 1
            indent = self._text[line:start]
            separator = "\n" + (indent if not indent.strip() else "")
        if first:
            return Edit(Span(start, start), f"{item},{separator}")
        end = spans[-1].end
        return Edit(Span(end, end), f",{separator}{item}")

    def remove(self, node: Bracketed, number: int) -> Edit:
        """Take an item out, with its comma, and its line if it has one for itself."""
        spans = item_spans(node)
        span = spans[number]
        comma = self._find_comma(span.end)
        if comma is None:
            start = spans[number - 1].end if number else span.start
            return Edit(Span(start, span.end), "")
        line_start = self._text.rfind("\n", 0, span.start) + 1
        line_end = self._text.find("\n", comma)
        is_alone = not self._text[line_start : span.start].strip()
        if is_alone and line_end >= 0 and not self._text[comma:line_end].strip():
            return Edit(Span(line_start, line_end + 1), "")
        end = comma
        while self._text[end : end + 1] == " ":
            end += 1
        return Edit(Span(span.start, end), "")

    def remove_field(self, node: ron.Node, name: str) -> list[Edit]:
        """Take all fields of a name out; nothing where there is none."""
        if not isinstance(node, ron.Struct):
            return []
        numbers = [n for n, field in enumerate(node.fields) if field.name == name]
        return [self.remove(node, number) for number in numbers]

    def _find_comma(self, at: int) -> int | None:
        """Return where the comma that follows ends."""
        for token in iter_tokens(self._text[at:]):
            if token.kind is Kind.COMMENT:
                continue
            return at + token.end if token.text == "," else None
        return None

    def _opening(self, node: Bracketed) -> int:
        """Return where the inside of brackets begins."""
        start = node.span.start if isinstance(node, ron.Map) else node.head.start
        for token in iter_tokens(self._text[start : node.span.end]):
            if token.kind is Kind.MARK:
                return start + token.end
        raise AssertionError("brackets without an opening one")


def item_spans(node: Bracketed) -> Sequence[Span]:
    """Return where the items of brackets lie, names included."""
    match node:
        case ron.Struct(fields=fields):
            return [field.name_span.to(field.value.span) for field in fields]
        case ron.Map(entries=entries):
            return [key.span.to(value.span) for key, value in entries]
        case ron.Tuple(items=items):
            return [item.span for item in items]
