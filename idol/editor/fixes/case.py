"""A finding in its text, with what fixes are made of."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from idol import ron
from idol.editor.document import Document
from idol.editor.edits import Edit, Surgeon, quote
from idol.records import dataclass
from idol.source import Diagnostic, Span
from idol.syntax import Argument, Operation


@dataclass(frozen=True, slots=True)
class Fix:
    """A change that does away with a finding."""

    title: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a map: an operation, argument or lease."""

    map: ron.Map
    number: int
    key: ron.String
    value: ron.Node


class Case:
    """One finding, and the nodes of the tree around it."""

    def __init__(self, document: Document, finding: Diagnostic) -> None:
        self.document = document
        self.finding = finding
        self.text = document.text
        self.surgeon = Surgeon(document.text)

    @property
    def root(self) -> ron.Node | None:
        """The tree, where the text is RON."""
        return self.document.tree.root if self.document.tree else None

    @cached_property
    def entry(self) -> Entry | None:
        """The operation that the finding is in."""
        field = self.surgeon.get_field(self.root, "ops") if self.root else None
        return self.find_entry(field.value) if field else None

    @property
    def operation(self) -> ron.Struct | None:
        """The brackets of that operation."""
        value = self.entry.value if self.entry else None
        return value if isinstance(value, ron.Struct) else None

    @property
    def declared(self) -> Operation | None:
        """The same operation as it was read."""
        interface, entry = self.document.interface, self.entry
        if interface is None or entry is None:
            return None
        start = entry.key.span.start
        return next((o for o in interface.operations if o.span.start == start), None)

    def find_entry(self, node: ron.Node) -> Entry | None:
        """Return the entry of a map that the finding is in."""
        if not isinstance(node, ron.Map):
            return None
        for number, (key, value) in enumerate(node.entries):
            if isinstance(key, ron.String) and holds(key.span.to(value.span), self.finding.span):
                return Entry(node, number, key, value)
        return None

    def find_item(self, *names: str) -> Entry | None:
        """Return the argument or lease that the finding is in; `names` are fields to look in."""
        for name in names or ("args", "leases"):
            field = self.surgeon.get_field(self.operation, name) if self.operation else None
            entry = self.find_entry(field.value) if field else None
            if entry is not None:
                return entry
        return None

    def find_struct(self) -> ron.Struct | ron.Tuple | None:
        """Return the innermost round brackets that the finding is in, or at the head of."""
        best: ron.Struct | ron.Tuple | None = None
        for node in iter_nodes(self.root):
            if isinstance(node, ron.Struct | ron.Tuple) and holds(node.span, self.finding.span):
                best = node
        return best

    def find_node(self) -> ron.Node | None:
        """Return the node that the finding is about."""
        found = None
        for node in iter_nodes(self.root):
            if node.span == self.finding.span:
                found = node
        return found

    # -- fixes that several rules have -------------------------------------------------------

    def replace(self, title: str, span: Span, text: str) -> Fix:
        """Return the fix that replaces a span."""
        return Fix(title, (Edit(span, text),))

    def set_field(self, name: str, value: str) -> Iterator[Fix]:
        """Set a field of the operation."""
        if self.operation is not None:
            verb = "Set" if self.surgeon.get_field(self.operation, name) else "Add"
            edit = self.surgeon.set_field(self.operation, name, value)
            yield Fix(f"{verb} `{name}: {value}`", (edit,))

    def drop_idempotent(self) -> Iterator[Fix]:
        """Leave `idempotent` out; a reply that cannot tell server death learns to."""
        operation = self.operation
        if operation is None:
            return
        edits = self.surgeon.remove_field(operation, "idempotent")
        reply = self.surgeon.get_field(operation, "reply")
        title = "Leave `idempotent` out"
        if reply is not None and (inner := self.simple_value(reply.value)) is not None:
            ok = self.surgeon.cut(inner.span)
            edits.append(Edit(reply.value.span, f"Result(ok: {ok}, err: ServerDeath)"))
            title += ", and reply with `ServerDeath`"
        if edits:
            yield Fix(title, tuple(edits))

    def simple_value(self, reply: ron.Node) -> ron.Node | None:
        """Return what is in `Simple(…)`."""
        if isinstance(reply, ron.Tuple) and reply.name == "Simple" and len(reply.items) == 1:
            return reply.items[0]
        return None

    def rename(self, span: Span, new: str) -> Fix:
        """Return the fix that gives a name in quotes another text."""
        return self.replace(f"Rename to `{new}`", span, quote(new))

    def lend(self, operation: ron.Struct, args: ron.Map, number: int, argument: Argument) -> Fix:
        """Return the fix that passes an argument, that entry of `args`, in a lease instead."""
        key = self.surgeon.cut(args.entries[number][0].span)
        lease = f"{key}: (type: {quote(argument.type.text)}, read: true)"
        edits = [self.surgeon.remove(args, number)]
        if len(args.entries) == 1:
            edits = self.surgeon.remove_field(operation, "args")
        leases = self.surgeon.get_field(operation, "leases")
        if leases is None:
            edits.append(self.surgeon.insert(operation, f"leases: {{{lease}}}"))
        elif isinstance(leases.value, ron.Map):
            edits.append(self.surgeon.insert(leases.value, lease))
        return Fix(f"Pass `{argument.name}` in a lease", tuple(edits))

    def drop_recv(self) -> Iterator[Fix]:
        """Leave `recv` out, and the brackets if only the type is left."""
        struct = self.find_struct()
        while struct is not None and not self.surgeon.get_field(struct, "recv"):
            struct = self._parent(struct)
        if not isinstance(struct, ron.Struct):
            return
        kind = self.surgeon.get_field(struct, "type")
        if kind is not None and len(struct.fields) == 2 and struct.name is None:
            text = self.surgeon.cut(kind.value.span)
            yield self.replace("Leave `recv` out", struct.span, text)
        else:
            yield Fix("Leave `recv` out", tuple(self.surgeon.remove_field(struct, "recv")))

    def _parent(self, child: ron.Struct | ron.Tuple) -> ron.Struct | ron.Tuple | None:
        best: ron.Struct | ron.Tuple | None = None
        for node in iter_nodes(self.root):
            if node is child:
                break
            if isinstance(node, ron.Struct | ron.Tuple) and holds(node.span, child.span):
                best = node
        return best


def holds(outer: Span, inner: Span) -> bool:
    """Return whether a span lies in another."""
    return outer.start <= inner.start and inner.end <= outer.end


def iter_nodes(root: ron.Node | None) -> Iterator[ron.Node]:
    """Yield all nodes, outer ones before inner ones, in the order of the text."""
    pending = [root] if root is not None else []
    while pending:
        node = pending.pop()
        yield node
        inner: list[ron.Node] = []
        match node:
            case ron.Option(value=value) if value is not None:
                inner = [value]
            case ron.List(items=items) | ron.Tuple(items=items):
                inner = list(items)
            case ron.Struct(fields=fields):
                inner = [field.value for field in fields]
            case ron.Map(entries=entries):
                inner = [part for entry in entries for part in entry]
            case _:
                pass
        pending += reversed(inner)
