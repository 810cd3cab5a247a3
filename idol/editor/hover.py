"""The explanation of what a cursor is on, as Markdown."""

from __future__ import annotations

import re
from pathlib import Path as FilePath

from idol.document.markdown import markdown_operation, markdown_text
from idol.document.page import describe_operation
from idol.document.prose import read_prose
from idol.editor.document import Document
from idol.editor.grammar import FIELDS, VARIANTS, Shape, Slot, resolve
from idol.editor.index import Definition, RustIndex, show_definition
from idol.editor.tokens import Context, Kind, Token, find_context
from idol.editor.types import TypeName, iter_names
from idol.kinds import Encoding
from idol.printable import printable
from idol.records import dataclass
from idol.sizes import UNKNOWN, Size, format_bytes, type_size, value_size
from idol.source import Span
from idol.syntax import Argument, Lease, Operation

_BACKQUOTES = re.compile("`+")


@dataclass(frozen=True, slots=True)
class Hover:
    """Markdown about a place."""

    markdown: str
    span: Span


def hover(document: Document, offset: int, index: RustIndex) -> Hover | None:
    """Return what is to be said about an offset, or None."""
    if document.is_too_long:
        return None
    context = find_context(document.text, offset)
    token = context.token
    if token is None or context.in_comment:
        return None
    slot = resolve(context.frames)
    name = _type_at(slot, token, offset)
    if name is not None:
        shown = _explain_type(name, index)
        about = _explain_value(document, slot)
        text = "\n\n---\n\n".join(part for part in (shown, about) if part)
        return Hover(text, name.span) if text else None
    explained = _explain(document, context, slot, token)
    return Hover(explained, token.span) if explained else None


def find_operation(document: Document, slot: Slot) -> Operation | None:
    """Return the operation whose brackets, or name, a place is in."""
    frame = slot.find(Shape.OPERATIONS)
    if frame is None or frame.key is None or document.interface is None:
        return None
    start = frame.key.start
    return next((o for o in document.interface.operations if o.span.start == start), None)


def find_item(document: Document, slot: Slot) -> Argument | Lease | None:
    """Return the argument or lease that a place is in."""
    operation = find_operation(document, slot)
    frame = slot.find(Shape.ARGUMENTS) or slot.find(Shape.LEASES)
    if operation is None or frame is None or frame.key is None:
        return None
    items: list[Argument | Lease] = [*operation.arguments, *operation.leases]
    return next((i for i in items if i.span.start == frame.key.start), None)


def type_at(document: Document, offset: int) -> TypeName | None:
    """Return the path of a type at an offset, or None."""
    if document.is_too_long:
        return None
    context = find_context(document.text, offset)
    if context.token is None or context.in_comment:
        return None
    return _type_at(resolve(context.frames), context.token, offset)


def _type_at(slot: Slot, token: Token, offset: int) -> TypeName | None:
    is_key = bool(slot.path) and slot.path[-1][1].key is None and slot.path[-1][1].bracket == "{"
    if token.kind is not Kind.STRING or is_key or "\\" in token.value:
        return None
    if slot.shape not in (Shape.TYPE, Shape.VALUE):
        return None
    names = iter_names(token.value, token.content.start)
    return next((n for n in names if n.span.start <= offset <= n.span.end), None)


def _explain(document: Document, context: Context, slot: Slot, token: Token) -> str | None:
    frame = context.frame
    if token.kind is Kind.STRING:
        return _explain_string(document, slot, token)
    if frame is not None and slot.container in FIELDS and frame.key is None:
        word = FIELDS[slot.container].get(token.text)
        return f"`{token.text}`: {markdown_text(word.doc)}" if word else None
    variant = VARIANTS.get(slot.shape, {}).get(token.text)
    return f"`{token.text}`: {markdown_text(variant.doc)}" if variant else None


def _explain_string(document: Document, slot: Slot, token: Token) -> str | None:
    frame = slot.path[-1][1] if slot.path else None
    if document.interface is None or frame is None:
        return None
    if slot.container is Shape.INTERFACE and slot.shape is Shape.NAME:
        interface = document.interface
        count = len(interface.operations)
        head = f"**{markdown_text(interface.name)}**: {count} operation{'s' * (count != 1)}"
        return "\n\n".join([head, *_prose(interface.doc)])
    if frame.bracket == "{" and frame.key is None:
        return _explain_key(document, slot, token)
    if slot.shape in (Shape.TYPE, Shape.VALUE):
        return _explain_value(document, slot)
    return None


def _explain_key(document: Document, slot: Slot, token: Token) -> str | None:
    interface = document.interface
    assert interface is not None  # the caller looked
    if slot.container is Shape.OPERATIONS:
        operation = next((o for o in interface.operations if o.span.start == token.start), None)
        if operation is None:
            return None
        return markdown_operation(describe_operation(operation))
    operation = find_operation(document, slot)
    if operation is None:
        return None
    items: list[Argument | Lease] = [*operation.arguments, *operation.leases]
    item = next((i for i in items if i.span.start == token.start), None)
    return _explain_item(operation, item) if item else None


def _explain_value(document: Document, slot: Slot) -> str | None:
    """Explain the value that a type is of."""
    operation, item = find_operation(document, slot), find_item(document, slot)
    if operation is None:
        return None
    if item is not None:
        return _explain_item(operation, item)
    reply = operation.reply
    if slot.find(Shape.ERROR):
        return f"Error of `{printable(operation.name)}`"
    size = value_size(reply.ok, operation.encoding)
    return f"Reply of `{printable(operation.name)}`: {_size(size)}, {operation.encoding}"


def _explain_item(operation: Operation, item: Argument | Lease) -> str:
    if isinstance(item, Argument):
        return _explain_argument(operation, item)
    access = [w for w, granted in (("reads", item.read), ("writes", item.write)) if granted]
    parts = [
        f"Lease `{_code(item.name)}: {_code(str(item.type))}`",
        f"The server {' and '.join(access) or 'does nothing with'} this memory.",
    ]
    if item.max_len is not None:
        parts[-1] += f" At most {item.max_len} elements."
    elif not item.type.appears_unsized:
        size = type_size(item.type.rust, Encoding.ZEROCOPY)
        parts[-1] += f" {_size(size).capitalize()}." if size != UNKNOWN else ""
    return "\n\n".join([*parts, *_prose(item.doc)])


def _explain_argument(operation: Operation, argument: Argument) -> str:
    before = Size(0, 0)
    for other in operation.arguments:
        if other is argument:
            break
        before += value_size(other.value, operation.encoding)
    size = value_size(argument.value, operation.encoding)
    place = f"at byte {before.exact} of the message" if before.exact is not None else "in order"
    lines = [
        f"Argument `{_code(argument.name)}: {_code(str(argument.type))}`",
        f"{_size(size).capitalize()}, {place}, {operation.encoding}.",
    ]
    if argument.recv.type is not None:
        lines[-1] += f" Travels as `{_code(str(argument.recv.type))}`."
    return "\n\n".join([*lines, *_prose(argument.doc)])


def _explain_type(name: TypeName, index: RustIndex) -> str:
    found = index.find(name.segments)
    if not found:
        return ""
    blocks = [_show(definition) for definition in found[:1]]
    if len(found) > 1:
        others = ", ".join(f"`{_code(d.qualified)}`" for d in found[1:4])
        blocks.append(f"Other types of this name: {others}{', …' * (len(found) > 4)}")
    return "\n\n".join(blocks)


def _show(definition: Definition) -> str:
    doc, body = show_definition(definition)
    lines = "\n".join(printable(line) for line in body.split("\n"))
    longest = max((len(run) for run in _BACKQUOTES.findall(lines)), default=0)
    fence = "`" * max(3, longest + 1)
    where = f"`{_code(definition.qualified)}` in `{_code(FilePath(definition.path).name)}`"
    parts = [where]
    if body:
        parts.insert(0, f"{fence}rust\n{lines}\n{fence}")
    return "\n\n".join([*parts, *_prose(doc)])


def _prose(text: str | None) -> list[str]:
    return [
        "".join(f"`{_code(run.text)}`" if run.is_code else markdown_text(run.text) for run in part)
        for part in read_prose(text)
    ]


def _size(size: Size) -> str:
    if size == UNKNOWN:
        return "a size that its type decides"
    return format_bytes(size)


def _code(text: str) -> str:
    """Return a text that stays inside of a pair of backquotes."""
    return printable(text.replace("`", "'"))
