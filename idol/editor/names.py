"""Renaming: which places change, and whether the new name can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from idol import ron
from idol.editor.document import Document
from idol.editor.edits import Edit, apply_edits
from idol.editor.grammar import Shape, resolve
from idol.editor.hover import type_at
from idol.editor.tokens import Kind, find_context
from idol.editor.types import TypeName, document_names, iter_strings
from idol.findings import Level
from idol.records import dataclass
from idol.rust_type import is_identifier, is_raw_name
from idol.source import Span


class RenameError(Exception):
    """A name cannot be changed; the text says why."""


@dataclass(frozen=True, slots=True)
class Name:
    """A name that can be changed."""

    #: `interface`, `operation`, `argument`, `lease` or `type`.
    kind: str
    text: str
    span: Span
    #: Of types: the whole path.
    type: TypeName | None = None


def find_name(document: Document, offset: int) -> Name:
    """Return the name at an offset that can be changed, or raise `RenameError`."""
    if document.is_too_long:
        raise RenameError("the file is too long")
    context = find_context(document.text, offset)
    token = context.token
    if token is None or token.kind is not Kind.STRING or context.in_comment:
        raise RenameError("no name here: interfaces, operations, arguments, leases, types have one")
    if document.tree is None:
        raise RenameError("the file is not RON as it is: see its errors")
    node = next((n for n in iter_strings(document.tree.root) if n.span == token.span), None)
    if node is None or node.verbatim_at is None:
        raise RenameError("this name is written with escapes")
    slot = resolve(context.frames)
    frame = slot.path[-1][1] if slot.path else None
    span = Span(node.verbatim_at, node.verbatim_at + len(node.value))
    if slot.container is Shape.INTERFACE and slot.shape is Shape.NAME:
        return Name("interface", node.value, span)
    kinds = {
        Shape.OPERATIONS: "operation",
        Shape.ARGUMENTS: "argument",
        Shape.LEASES: "lease",
    }
    if frame is not None and frame.key is None and slot.container in kinds:
        return Name(kinds[slot.container], node.value, span)
    found = type_at(document, offset)
    if found is None:
        raise RenameError("no name here: interfaces, operations, arguments, leases, types have one")
    return Name("type", found.segments[-1], found.last, found)


def rename(
    document: Document, name: Name, new: str, others: Iterable[Document]
) -> dict[str, list[Edit]]:
    """Return the edits of each document by its name; a type changes in all `others` as well.

    :raises RenameError: the new name cannot be, or would make an error of the document.
    """
    new = new.strip()
    if name.kind in ("argument", "lease") and is_raw_name(new) and not is_identifier(new):
        new = f"r#{new}"  # a keyword
    bare = new.removeprefix("r#")
    if not (is_identifier(new) or (new != bare and is_raw_name(bare) and name.kind != "operation")):
        raise RenameError(f"`{new}` is not a Rust identifier")
    edits = [Edit(name.span, new)]
    changed = {document.name: edits}
    if name.type is not None:
        changed = {}
        for other in {document.name: document, **{o.name: o for o in others}}.values():
            found = [n for n in document_names(other) if n.segments == name.type.segments]
            if found:
                changed[other.name] = [Edit(n.last, new) for n in found]
        edits = changed.setdefault(document.name, edits)
    after = document.replace(apply_edits(document.text, edits))
    before = Counter(f.rule for f in document.find(strict=False))
    found_after = after.find(strict=False)
    counts = Counter(f.rule for f in found_after)
    for finding in found_after:
        if finding.severity is Level.ERROR and counts[finding.rule] > before[finding.rule]:
            raise RenameError(finding.message)
    return changed


def find_uses(segments: tuple[str, ...], documents: Iterable[Document]) -> list[tuple[str, Span]]:
    """Return the places where documents name a type: the same crate, the same last segment.

    A path without a crate matches any crate, as it may be imported.
    """
    uses = []
    for document in documents:
        for name in document_names(document):
            if name.segments[-1] != segments[-1]:
                continue
            crates = {name.segments[0], segments[0]}
            if len(crates) == 1 or 1 in (len(name.segments), len(segments)):
                uses.append((document.name, name.span))
    return uses


def outline(document: Document) -> list[tuple[str, str, Span, Span]]:
    """Return name, detail, place of the whole and place of the name of each operation."""
    interface, tree = document.interface, document.tree
    if interface is None or tree is None or not isinstance(tree.root, ron.Struct):
        return []
    ops = next((field.value for field in tree.root.fields if field.name == "ops"), None)
    if not isinstance(ops, ron.Map):
        return []
    wholes = {key.span.start: key.span.to(value.span) for key, value in ops.entries}
    return [
        (o.name or "?", f"code {o.code}", wholes.get(o.span.start, o.span), o.span)
        for o in interface.operations
    ]
