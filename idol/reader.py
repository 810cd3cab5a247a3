"""RON nodes to syntax: every shorthand is expanded here and nowhere else.

Lenient where that keeps the rest usable: findings go to a list, an operation that makes no sense
is left out with its code, and only a text without name or operations is refused outright.
"""

from __future__ import annotations

from collections.abc import Callable

from idol import ron
from idol.errors import InterfaceError, TypeSyntaxError
from idol.findings import Level
from idol.hints import TypeVar
from idol.kinds import Encoding, ErrorKind, RecvKind
from idol.near import suggest
from idol.ron_reader import parse_ron
from idol.rust_type import Inferred, parse_type
from idol.source import Diagnostic, Related, Source, Span
from idol.syntax import (
    Argument,
    AttributedType,
    Interface,
    Lease,
    Operation,
    Recv,
    Reply,
    ReplyError,
    TypeText,
)

T = TypeVar("T")

#: Fields that upstream ignores and Hubris uses; carried into documentation.
_DOC_FIELDS = ("doc", "description")

_KIND_NAMES: dict[type, str] = {
    ron.Bool: "a boolean",
    ron.Integer: "an integer",
    ron.Float: "a number",
    ron.Char: "a character",
    ron.String: "a string",
    ron.ByteString: "a byte string",
    ron.Option: "an option",
    ron.List: "a list",
    ron.Map: "a map",
}


def parse(source: Source | str) -> Interface:
    """Read an interface; recoverable problems are in its `diagnostics`.

    Plain text counts as a source named `<text>`.

    :raises RonError: the text is not RON.
    :raises InterfaceError: it holds no interface; all findings are attached.
    """
    if isinstance(source, str):
        source = Source("<text>", source)
    document = parse_ron(source)
    reader = _Reader(document)
    interface = reader.read_interface(document.root)
    if interface is None:
        raise InterfaceError(reader.diagnostics)
    return interface


class _Reader:
    """Turns the nodes of one document into syntax and collects what it finds wrong.

    A method that returns None has reported why. A type that cannot be read becomes `_`, so that the
    rest of its operation is checked nevertheless; nothing is made of an interface with errors.
    """

    def __init__(self, document: ron.Document) -> None:
        self._source = document.source
        self._extensions = document.extensions
        self.diagnostics: list[Diagnostic] = []

    # -- interface and operations ------------------------------------------------------------

    def read_interface(self, node: ron.Node) -> Interface | None:
        fields = self._fields(node, "Interface", ("name", "ops"), _DOC_FIELDS)
        if fields is None:
            return None
        name_field = fields.get("name")
        name = self._string(name_field.value, "the interface's name") if name_field else None
        operations = self._entries(fields.get("ops"), "operation", self._read_operation)
        if name is None or name_field is None or operations is None:
            return None
        return Interface(
            name=name,
            operations=operations,
            doc=self._doc(fields),
            span=name_field.value.span,
            source=self._source,
            diagnostics=tuple(self.diagnostics),
        )

    def _read_operation(self, name: ron.String, code: int, node: ron.Node) -> Operation | None:
        fields = self._fields(
            node,
            "Operation",
            ("reply",),
            ("args", "leases", "idempotent", "encoding", *_DOC_FIELDS),
            place=name.span,
        )
        if fields is None:
            return None
        arguments = self._entries(fields.get("args"), "argument", self._read_argument)
        leases = self._entries(fields.get("leases"), "lease", self._read_lease)
        idempotent = fields.get("idempotent")
        encoding = fields.get("encoding")
        chosen = self._read_encoding(encoding.value) if encoding else Encoding.ZEROCOPY
        reply = self._read_reply(fields["reply"].value) if "reply" in fields else None
        if chosen is None or reply is None or arguments is None or leases is None:
            return None
        return Operation(
            name=name.value,
            code=code,
            arguments=arguments,
            leases=leases,
            reply=reply,
            idempotent=self._flag(fields, "idempotent"),
            encoding=chosen,
            doc=self._doc(fields),
            span=name.span,
            idempotent_span=(
                idempotent.name_span.to(idempotent.value.span) if idempotent else None
            ),
        )

    def _read_argument(self, name: ron.String, _index: int, node: ron.Node) -> Argument | None:
        value = self._read_attributed_type(node)
        if value is None:
            return None
        return Argument(_bare(name), value, name.span, is_raw=name.value != _bare(name))

    def _read_lease(self, name: ron.String, _index: int, node: ron.Node) -> Lease | None:
        fields = self._fields(
            node,
            "Lease",
            ("type",),
            ("read", "write", "max_len", *_DOC_FIELDS),
            place=name.span,
        )
        if fields is None or "type" not in fields:
            return None
        type_text = self._read_type(fields["type"].value)
        max_len = fields.get("max_len")
        return Lease(
            name=_bare(name),
            type=type_text,
            read=self._flag(fields, "read"),
            write=self._flag(fields, "write"),
            max_len=self._read_max_len(max_len.value) if max_len else None,
            doc=self._doc(fields),
            span=name.span,
            max_len_span=max_len.name_span.to(max_len.value.span) if max_len else None,
            is_raw=name.value != _bare(name),
        )

    def _read_max_len(self, node: ron.Node) -> int | None:
        value = self._option(node)
        if value is None:
            return None
        hint = "max_len counts elements and is written `max_len: Some(64)`"
        if isinstance(node, ron.Integer) and "implicit_some" not in self._extensions:
            self._report("wrong-kind", "expected `Some(…)`, found an integer", node.span, hint)
        elif not isinstance(value, ron.Integer):
            found = _describe(value)
            self._report("wrong-kind", f"expected an integer, found {found}", value.span, hint)
        elif not 1 <= value.value <= 0xFFFF_FFFF:
            self._report(
                "max-len-range",
                f"max_len is {value.value}, and must be from 1 to 4294967295",
                value.span,
                "to lend nothing, leave the lease out; for no limit, leave max_len out",
            )
        else:
            return value.value
        return None

    # -- replies and types -------------------------------------------------------------------

    def _read_encoding(self, node: ron.Node) -> Encoding | None:
        variant = self._variant(node, "encoding", {kind.value: 0 for kind in Encoding})
        return None if variant is None else Encoding(variant[0])

    def _read_reply(self, node: ron.Node) -> Reply | None:
        if isinstance(node, ron.Struct) and node.name == "Result":
            fields = self._fields(node, "Result", ("ok", "err"), (), place=node.head)
            if fields is None or not {"ok", "err"} <= fields.keys():
                return None
            ok = self._read_attributed_type(fields["ok"].value)
            error = self._read_error(fields["err"].value)
            return None if ok is None or error is None else Reply(ok, error, node.span)
        hint = 'a reply is `Simple("T")` or `Result(ok: "T", err: CLike("E"))`'
        if isinstance(node, ron.Tuple | ron.Unit) and node.name == "Result":
            self._report("wrong-kind", "`Result` needs `ok:` and `err:`", node.span, hint)
            return None
        unwrap = "unwrap_variant_newtypes" in self._extensions
        if isinstance(node, ron.Struct) and node.name == "Simple" and unwrap:
            inner: ron.Node = ron.Struct("AttributedTy", node.fields, node.span, node.head)
        else:
            variant = self._variant(node, "reply", {"Simple": 1, "Result": 2}, hint)
            if variant is None:
                return None
            inner = variant[1][0]
        simple = self._read_attributed_type(inner)
        return None if simple is None else Reply(simple, None, node.span)

    def _read_error(self, node: ron.Node) -> ReplyError | None:
        hint = 'an error is `CLike("E")`, `Complex("E")` or `ServerDeath`'
        arities = {"CLike": 1, "Complex": 1, "ServerDeath": 0}
        variant = self._variant(node, "error", arities, hint)
        if variant is None:
            return None
        name, items = variant
        kind = ErrorKind(name)
        if kind is ErrorKind.SERVER_DEATH:
            return ReplyError(kind, None, node.span)
        return ReplyError(kind, self._read_type(items[0]), node.span)

    def _read_attributed_type(self, node: ron.Node) -> AttributedType | None:
        """Read `"T"` or `(type: "T", recv: …)`."""
        if isinstance(node, ron.String):
            type_text = self._read_type(node)
            recv = Recv(RecvKind.FROM_BYTES, None, None, node.span, is_written=False)
            return AttributedType(type_text, recv)
        if not isinstance(node, ron.Struct):
            self._report(
                "wrong-kind",
                f"expected a type, found {_describe(node)}",
                node.span,
                'a type is written `"u8"` or `(type: "Mode", recv: FromPrimitive("u8"))`',
            )
            return None
        fields = self._fields(node, "AttributedTy", ("type",), ("recv", *_DOC_FIELDS))
        if fields is None or "type" not in fields:
            return None
        type_text = self._read_type(fields["type"].value)
        if "recv" in fields:
            read_recv = self._read_recv(fields["recv"].value)
        else:
            read_recv = Recv(RecvKind.FROM_BYTES, None, None, node.span, is_written=False)
        if read_recv is None:
            read_recv = Recv(RecvKind.FROM_BYTES, None, None, node.span, is_written=False)
            type_text = TypeText(type_text.text, Inferred(), type_text.span)
        return AttributedType(type_text, read_recv, self._doc(fields))

    def _read_recv(self, node: ron.Node) -> Recv | None:
        hint = 'recv is `FromBytes`, `FromPrimitive("u8")`, or `From("u8", Some("function"))`'
        arities = {"FromBytes": 0, "FromPrimitive": 1, "From": -1}
        variant = self._variant(node, "recv strategy", arities, hint)
        if variant is None:
            return None
        name, items = variant
        kind = RecvKind(name)
        if kind is RecvKind.FROM_BYTES:
            return Recv(kind, None, None, node.span)
        if not 1 <= len(items) <= 2:
            message = f"`{name}` has {len(items)} values, and takes a type and an optional function"
            self._report("wrong-kind", message, node.span, hint)
            return None
        type_text = self._read_type(items[0])
        function = None
        if len(items) == 2:
            if not isinstance(items[1], ron.Option) and "implicit_some" not in self._extensions:
                found = _describe(items[1])
                message = f"expected `Some(…)` or `None`, found {found}"
                self._report("wrong-kind", message, items[1].span, hint)
                return None
            if (value := self._option(items[1])) is not None:
                function = self._string(value, "a function name")
                if function is None:
                    return None
        is_readable = not isinstance(type_text.rust, Inferred)
        return Recv(kind, type_text, function, node.span) if is_readable else None

    def _read_type(self, node: ron.Node) -> TypeText:
        if not isinstance(node, ron.String):
            self._report(
                "wrong-kind",
                f"expected a type in a string, found {_describe(node)}",
                node.span,
                'a Rust type is written as text: "u8", "[u8; 32]", "Option<my_api::Mode>"',
            )
            return TypeText("_", Inferred(), node.span)
        try:
            return TypeText(node.value, parse_type(node.value), node.span)
        except TypeSyntaxError as error:
            at = min(error.offset, len(node.value))
            span = node.get_span(at, at + 1)
            self._report("bad-type", f"not a Rust type: {error.message}", span)
            return TypeText(node.value, Inferred(), node.span)

    # -- the shapes of RON -------------------------------------------------------------------

    def _fields(
        self,
        node: ron.Node,
        name: str,
        required: tuple[str, ...],
        optional: tuple[str, ...],
        place: Span | None = None,
    ) -> dict[str, ron.Field] | None:
        """Return the fields of a struct by name; the first of duplicates counts."""
        if isinstance(node, ron.Tuple) and not node.items:
            node = ron.Struct(node.name, (), node.span, node.head)  # `()` is also an empty struct
        if not isinstance(node, ron.Struct):
            message = f"expected `{name}(…)` with named fields, found {_describe(node)}"
            self._report("wrong-kind", message, node.span)
            return None
        if node.name is None and "explicit_struct_names" in self._extensions:
            hint = "the text demands it: `#![enable(explicit_struct_names)]`"
            self._report("wrong-kind", f"expected the name `{name}` here", node.head, hint)
        if node.name is not None and node.name != name:
            self._report("wrong-kind", f"expected `{name}`, found `{node.name}`", node.head)
        known = (*required, *optional)
        fields: dict[str, ron.Field] = {}
        for field in node.fields:
            if field.name not in known:
                self._report(
                    "unknown-field",
                    f"unknown field `{field.name}`",
                    field.name_span,
                    suggest(field.name, known, otherwise=f"known fields: {', '.join(known)}"),
                )
            elif field.name in fields:
                first = fields[field.name].name_span
                self._report(
                    "duplicate-field",
                    f"field `{field.name}` is given twice",
                    field.name_span,
                    related=(Related("first given here", first),),
                )
            else:
                fields[field.name] = field
        for missing in required:
            if missing not in fields:
                self._report("missing-field", f"field `{missing}` is missing", place or node.head)
        return fields

    def _entries(
        self,
        field: ron.Field | None,
        what: str,
        read: Callable[[ron.String, int, ron.Node], T | None],
    ) -> tuple[T, ...] | None:
        """Read a map from names; items count from 1. No field is an empty map."""
        if field is None:
            return ()
        if not isinstance(field.value, ron.Map):
            self._report(
                "wrong-kind",
                f"expected a map of {what}s, found {_describe(field.value)}",
                field.value.span,
                f'{what}s are written `{{"name": …, "other": …}}`',
            )
            return None
        items: list[T] = []
        seen: dict[str, Span] = {}
        complete = True
        for index, (key, node) in enumerate(field.value.entries, start=1):
            if not isinstance(key, ron.String):
                found = f"`{key.name}`" if isinstance(key, ron.Unit) else _describe(key)
                self._report(
                    "wrong-kind",
                    f"expected the {what}'s name in a string, found {found}",
                    key.span,
                    f'write it in quotes: "{key.name}"' if isinstance(key, ron.Unit) else None,
                )
                complete = False
                continue
            name = key.value if what == "operation" else _bare(key)
            if name in seen:
                self._report(
                    "duplicate-name",
                    f"{what} `{name}` is declared twice",
                    key.span,
                    related=(Related("first declared here", seen[name]),),
                )
            seen.setdefault(name, key.span)
            item = read(key, index, node)
            if item is None:
                complete = False
            else:
                items.append(item)
        # An operation with a hole in its arguments is none; an interface may have holes.
        return tuple(items) if complete or what == "operation" else None

    def _variant(
        self, node: ron.Node, what: str, arities: dict[str, int], hint: str | None = None
    ) -> tuple[str, tuple[ron.Node, ...]] | None:
        """Return the name and the values of an enum variant; arity -1 is any."""
        hint = hint or f"one of: {', '.join(arities)}"
        items: tuple[ron.Node, ...] = ()
        if isinstance(node, ron.Unit):
            name = node.name
        elif isinstance(node, ron.Tuple) and node.name is not None:
            name, items = node.name, node.items
        else:
            message = f"expected a {what}, found {_describe(node)}"
            self._report("wrong-kind", message, node.span, hint)
            return None
        if name not in arities:
            place = node.head if isinstance(node, ron.Tuple) else node.span
            hint = suggest(name, arities, otherwise=hint)
            self._report("unknown-variant", f"unknown {what} `{name}`", place, hint)
            return None
        if arities[name] >= 0 and len(items) != arities[name]:
            count = arities[name]
            takes = {0: "no value", 1: "one value"}.get(count, f"{count} values")
            message = f"`{name}` takes {takes}, found {len(items)}"
            self._report("wrong-kind", message, node.span, hint)
            return None
        return name, items

    def _option(self, node: ron.Node) -> ron.Node | None:
        return node.value if isinstance(node, ron.Option) else node

    def _string(self, node: ron.Node, what: str) -> str | None:
        if isinstance(node, ron.String):
            return node.value
        message = f"expected {what} in a string, found {_describe(node)}"
        self._report("wrong-kind", message, node.span)
        return None

    def _flag(self, fields: dict[str, ron.Field], name: str) -> bool:
        if name not in fields:
            return False
        node = fields[name].value
        if isinstance(node, ron.Bool):
            return node.value
        message = f"expected true or false, found {_describe(node)}"
        self._report("wrong-kind", message, node.span)
        return False

    def _doc(self, fields: dict[str, ron.Field]) -> str | None:
        paragraphs = []
        for name in _DOC_FIELDS:
            if name in fields and (text := self._string(fields[name].value, f"`{name}`")):
                paragraphs.append(text)
        return "\n\n".join(paragraphs) or None

    def _report(
        self,
        rule: str,
        message: str,
        span: Span,
        hint: str | None = None,
        related: tuple[Related, ...] = (),
    ) -> None:
        self.diagnostics.append(
            Diagnostic(Level.ERROR, rule, message, self._source, span, hint, related)
        )


def _bare(name: ron.String) -> str:
    """Return the name of an argument or lease without `r#`, as debug information has it."""
    return name.value.removeprefix("r#")


def _describe(node: ron.Node) -> str:
    """Describe what kind of value a node is."""
    if isinstance(node, ron.Unit | ron.Tuple | ron.Struct):
        if node.name is not None:
            return f"`{node.name}`"
        return "a struct" if isinstance(node, ron.Struct) else "a tuple"
    return _KIND_NAMES[type(node)]
