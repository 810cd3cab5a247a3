"""Completion: proposals for the place of the cursor."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

from idol.editor.document import Document
from idol.editor.grammar import FIELDS, VARIANTS, Shape, Slot, resolve
from idol.editor.tokens import Kind, Token, find_context
from idol.editor.types import BUILTIN
from idol.hints import Final
from idol.records import dataclass
from idol.source import Span

#: Most types that are offered at once; the list says that there are more.
MAX_TYPES: Final = 200

#: Types that need no crate, in the order in which they are offered.
PLAIN_TYPES: Final = (
    *("u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "bool", "f32", "f64", "()", "usize"),
    *("[u8]", "[u8; 4]", "Option<u8>"),
)
_PART_AFTER = re.compile(r"[\w:]*")


class ItemKind(StrEnum):
    """Kind of a proposal."""

    FIELD = "field"
    VARIANT = "variant"
    TYPE = "type"


@dataclass(frozen=True, slots=True)
class Item:
    """One proposal: replace `span` by `snippet`, in which `$0` is where the cursor goes."""

    label: str
    kind: ItemKind
    detail: str
    doc: str
    snippet: str
    span: Span


@dataclass(frozen=True, slots=True)
class Proposals:
    """All proposals; `has_more` if typing on may bring others."""

    items: tuple[Item, ...] = ()
    has_more: bool = False


def complete(document: Document, offset: int, types: Iterable[tuple[str, str]]) -> Proposals:
    """Return what can be written at an offset.

    `types` are names of types and where they are from.
    """
    if document.is_too_long:
        return Proposals()
    context = find_context(document.text, offset)
    if context.in_comment:
        return Proposals()
    slot = resolve(context.frames)
    token = context.token
    if token is not None and token.kind is Kind.STRING:
        if _type_expected(slot) and offset >= token.content.start:
            return _types(document.text, token, offset, types)
        return Proposals()
    if token is not None and token.kind is Kind.WORD:
        span = token.span
    else:
        span = Span(offset, offset)
    frame = context.frame
    if frame is not None and slot.container in FIELDS and frame.key is None:
        has_value = document.text[span.end :].lstrip()[:1] == ":"
        return Proposals(tuple(_fields(slot, span, has_value)))
    return Proposals(tuple(_values(slot, span, document.text)))


def _type_expected(slot: Slot) -> bool:
    if slot.shape in (Shape.TYPE, Shape.VALUE):
        frame = slot.path[-1][1] if slot.path else None
        # Where a key is written there is none yet.
        return not (frame and frame.bracket == "{" and frame.key is None)
    return False


def _fields(slot: Slot, span: Span, has_value: bool) -> Iterable[Item]:
    frame = slot.path[-1][1]
    taken = {key.text for key in frame.keys}
    for name, word in FIELDS[slot.container].items():
        if name not in taken:
            detail = "required field" if word.is_required else "field"
            snippet = _literal(name) if has_value else f"{name}: {word.snippet}"
            yield Item(name, ItemKind.FIELD, detail, word.doc, snippet, span)


def _values(slot: Slot, span: Span, text: str) -> Iterable[Item]:
    has_bracket = text[span.end :].lstrip()[:1] == "("
    for name, word in VARIANTS.get(slot.shape, {}).items():
        snippet = name + ("" if has_bracket else word.snippet)
        yield Item(name, ItemKind.VARIANT, str(slot.shape), word.doc, snippet, span)
    if _type_expected(slot):
        for name in PLAIN_TYPES:
            yield Item(f'"{name}"', ItemKind.TYPE, "type", "", f'"{_literal(name)}"', span)


def _types(text: str, token: Token, offset: int, known: Iterable[tuple[str, str]]) -> Proposals:
    content = token.content
    end = content.end if token.is_closed else offset
    start = offset
    while start > content.start and (text[start - 1].isalnum() or text[start - 1] in "_:"):
        start -= 1
    after = _PART_AFTER.match(text[offset:end])
    span = Span(start, offset + (len(after[0]) if after and token.is_closed else 0))
    typed = text[start:offset].lower()
    items = [
        Item(name, ItemKind.TYPE, "type", "", _literal(name), span)
        for name in PLAIN_TYPES
        if typed in name.lower()
    ]
    has_more = False
    seen = set(PLAIN_TYPES) | BUILTIN
    for name, origin in known:
        if name in seen or typed not in name.lower():
            continue
        seen.add(name)
        if len(items) >= MAX_TYPES:
            has_more = True
            break
        items.append(Item(name, ItemKind.TYPE, origin, "", _literal(name), span))
    return Proposals(tuple(items), has_more)


def _literal(text: str) -> str:
    """Return a text as a snippet that means nothing but itself."""
    return re.sub(r"([\\$}])", r"\\\1", text)
