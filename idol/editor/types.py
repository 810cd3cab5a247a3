"""Types that Idol texts name, with the place of every path in them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from idol import ron
from idol.editor.document import Document
from idol.hints import Final
from idol.records import dataclass
from idol.source import Span
from idol.syntax import Interface, Operation, TypeText

#: Names that need no definition.
BUILTIN: Final = frozenset(
    {
        *(f"{kind}{size}" for kind in "iu" for size in ("8", "16", "32", "64", "128", "size")),
        *("f32", "f64", "bool", "char", "str", "Option", "Result", "core", "std", "alloc"),
    }
)
_PATH = re.compile(r"(?:(?:r#)?[^\W\d]\w*)(?:::(?:r#)?[^\W\d]\w*)*")
_SEGMENT = re.compile(r"(?:r#)?[^\W\d]\w*")
_SKIPPED: Final = frozenset({"dyn", "mut", "const", "fn", "unsafe", "extern", "impl", "as", "_"})


@dataclass(frozen=True, slots=True)
class TypeName:
    """A path in a type, such as `drv_spi_api::SpiError`."""

    segments: tuple[str, ...]
    #: Place of the whole path.
    span: Span
    #: Place of the last segment.
    last: Span

    @property
    def text(self) -> str:
        """The path as written."""
        return "::".join(self.segments)


def iter_names(text: str, at: int) -> Iterator[TypeName]:
    """Yield the paths in the text of a type that begins at an offset."""
    for match in _PATH.finditer(text):
        segments = tuple(_SEGMENT.findall(match[0]))
        if segments[-1] in BUILTIN or segments[0] in _SKIPPED:
            continue
        if match.start() and text[match.start() - 1] in "'\"":
            continue  # a lifetime
        end = at + match.end()
        yield TypeName(segments, Span(at + match.start(), end), Span(end - len(segments[-1]), end))


def iter_types(interface: Interface) -> Iterator[TypeText]:
    """Yield every type text of an interface."""
    for operation in interface.operations:
        yield from operation_types(operation)


def operation_types(operation: Operation) -> Iterator[TypeText]:
    """Yield every type text of an operation."""
    for argument in operation.arguments:
        yield argument.type
        if argument.recv.type:
            yield argument.recv.type
    for lease in operation.leases:
        yield lease.type
    yield operation.reply.ok.type
    if operation.reply.ok.recv.type:
        yield operation.reply.ok.recv.type
    if operation.reply.error and operation.reply.error.type:
        yield operation.reply.error.type


def document_names(document: Document) -> list[TypeName]:
    """Return the paths that an interface names, with their places; none while it is broken.

    A type whose text has escapes has no places in it and is left out.
    """
    if document.interface is None or document.tree is None:
        return []
    places = {
        node.span.start: node.verbatim_at
        for node in iter_strings(document.tree.root)
        if node.verbatim_at is not None
    }
    return [
        name
        for text in iter_types(document.interface)
        if (at := places.get(text.span.start)) is not None
        for name in iter_names(text.text, at)
    ]


def iter_strings(root: ron.Node) -> Iterator[ron.String]:
    """Yield all strings of a tree."""
    pending = [root]
    while pending:
        node = pending.pop()
        match node:
            case ron.String():
                yield node
            case ron.Option(value=value):
                if value is not None:
                    pending.append(value)
            case ron.List(items=items) | ron.Tuple(items=items):
                pending.extend(items)
            case ron.Struct(fields=fields):
                pending.extend(field.value for field in fields)
            case ron.Map(entries=entries):
                for key, value in entries:
                    pending += (key, value)
            case _:
                pass
