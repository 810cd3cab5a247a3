"""Content of an interface's page, independent of the output format."""

from __future__ import annotations

from pathlib import PurePath

from idol.document.prose import Paragraph, Run, read_prose, read_summary
from idol.hints import Final
from idol.kinds import Encoding, ErrorKind, RecvKind
from idol.lint import find_uncallable
from idol.printable import one_line, printable
from idol.records import dataclass
from idol.rust_type import spell_name
from idol.sizes import (
    UNKNOWN,
    Size,
    arguments_size,
    format_bytes,
    is_optional_number,
    reply_size,
    value_size,
)
from idol.syntax import Argument, AttributedType, Interface, Lease, Operation, Recv


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a heading; a cell is a paragraph."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Paragraph, ...], ...]


@dataclass(frozen=True, slots=True)
class OperationPart:
    """The part of a page about one operation."""

    name: str
    code: int
    #: A few words each, such as the encoding.
    badges: tuple[str, ...]
    summary: Paragraph
    doc: tuple[Paragraph, ...]
    #: How a client calls it, as Rust.
    signature: str
    tables: tuple[Table, ...]
    #: What a user should know.
    notes: tuple[Paragraph, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Everything about one interface."""

    name: str
    #: The file's name, without its folder: pages are the same wherever they are made.
    source: str
    doc: tuple[Paragraph, ...]
    facts: Paragraph
    operations: tuple[OperationPart, ...]
    #: The file that lists this page with others, to go back to.
    index: str | None = None


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A line of the page that lists pages."""

    name: str
    file: str
    operations: int
    #: The first sentence about it, or else what it has.
    summary: Paragraph


#: Most operations that stand for a missing sentence.
_NAMED: Final = 6

_ENCODINGS: Final = {
    Encoding.ZEROCOPY: "fields as they lie in memory, little endian, packed",
    Encoding.SSMARSHAL: "fields one after another, in Ssmarshal's form",
    Encoding.HUBPACK: "fields one after another, in Hubpack's form",
}


def describe_entry(interface: Interface, file: str) -> IndexEntry:
    """Return the line about an interface, whose page is `file`."""
    names = [operation.name for operation in interface.operations]
    summary: list[Run] = list(read_summary(interface.doc))
    if not summary:
        for number, name in enumerate(names[:_NAMED]):
            summary += [Run(", ")] if number else []
            summary.append(Run(name, is_code=True))
        more = len(names) - _NAMED
        summary += [Run(f" and {more} more")] if more > 0 else []
    return IndexEntry(interface.name, file, len(names), tuple(summary))


def describe(interface: Interface, index: str | None = None) -> Page:
    """Return the content of an interface's page; `index` is the file that lists it."""
    count = len(interface.operations)
    idempotent = sum(operation.idempotent for operation in interface.operations)
    facts = f"{count} operation{'' if count == 1 else 's'}, {idempotent} of them idempotent; from "
    source = PurePath(interface.source.name).name
    return Page(
        interface.name,
        source,
        read_prose(interface.doc),
        (Run(facts), Run(source, is_code=True), Run(".")),
        tuple(describe_operation(operation) for operation in interface.operations),
        index,
    )


def describe_operation(operation: Operation) -> OperationPart:
    """Return the part of a page about one operation."""
    tables = []
    if operation.arguments:
        tables.append(_arguments_table(operation))
    if operation.leases:
        tables.append(_leases_table(operation))
    tables.append(_reply_table(operation))
    badges = [operation.encoding.value]
    badges.append("idempotent" if operation.idempotent else "not idempotent")
    if operation.reply.is_simple:
        badges.append("cannot fail")
    return OperationPart(
        operation.name,
        operation.code,
        tuple(badges),
        read_summary(operation.doc),
        read_prose(operation.doc),
        format_signature(operation),
        tuple(tables),
        tuple(_notes(operation)),
    )


def format_signature(operation: Operation) -> str:
    """Write how a client calls an operation, as a Rust function."""
    parameters = [f"{spell_name(a.name)}: {a.type}" for a in operation.arguments]
    for lease in operation.leases:
        reference = "&mut " if lease.write else "&"
        parameters.append(f"{spell_name(lease.name)}: {reference}{lease.type}")
    # Each may begin a line, blanks before it do not count.
    parameters = [one_line(parameter) for parameter in parameters]
    name, reply = printable(operation.name), operation.reply
    result = str(reply.ok.type)
    if reply.error is not None:
        result = f"Result<{result}, {reply.error.type or 'ServerDeath'}>"
    arrow = "" if result == "()" else f" -> {printable(result)}"
    line = f"fn {name}({', '.join(parameters)}){arrow}"
    if len(line) <= 80 or not parameters:
        return line
    inside = "".join(f"    {parameter},\n" for parameter in parameters)
    return f"fn {name}(\n{inside}){arrow}"


# -- tables ------------------------------------------------------------------------------------


def _arguments_table(operation: Operation) -> Table:
    has_recv = any(a.recv.kind is not RecvKind.FROM_BYTES for a in operation.arguments)
    has_doc = any(argument.doc for argument in operation.arguments)
    columns = ["name", "type", "bytes"]
    columns += ["travels as"] if has_recv else []
    columns += ["meaning"] if has_doc else []
    rows = []
    for argument in operation.arguments:
        row = [_code(argument.name), _code(str(argument.type)), _argument_size(argument, operation)]
        row += [_travels(argument.value)] if has_recv else []
        row += [_joined(argument.doc)] if has_doc else []
        rows.append(tuple(row))
    return Table("Arguments", tuple(columns), tuple(rows))


def _leases_table(operation: Operation) -> Table:
    has_doc = any(lease.doc for lease in operation.leases)
    columns = ["name", "type", "the server", "limit"] + (["meaning"] if has_doc else [])
    rows = []
    for lease in operation.leases:
        row = [_code(lease.name), _code(str(lease.type)), _access(lease), _limit(lease)]
        row += [_joined(lease.doc)] if has_doc else []
        rows.append(tuple(row))
    return Table("Leases", tuple(columns), tuple(rows))


def _reply_table(operation: Operation) -> Table:
    reply, error = operation.reply, operation.reply.error
    how = "response code 0"
    if not reply.ok.type.is_unit:
        size = reply_size(operation)
        how += " and a message" if size == UNKNOWN else f" and a message of {format_bytes(size)}"
    rows = [(_text("success"), _value(reply.ok), _text(how))]
    if error is not None and error.kind is ErrorKind.C_LIKE:
        rows.append((_text("error"), _code(str(error.type)), _text("its number as response code")))
    elif error is not None and error.kind is ErrorKind.COMPLEX:
        rows.append(
            (_text("error"), _code(str(error.type)), _text("response code 1 and a message"))
        )
    elif error is not None:
        rows.append(
            (
                _text("error"),
                _code("ServerDeath"),
                _text("never sent: the client returns it when the server restarted"),
            )
        )
    return Table("Reply", ("", "type", "on the wire"), tuple(rows))


def _notes(operation: Operation) -> list[Paragraph]:
    notes = []
    if operation.arguments:
        size = arguments_size(operation)
        shown = format_bytes(size) if size != UNKNOWN else "a size that its types decide"
        encoding = _ENCODINGS[operation.encoding]
        notes.append(_text(f"The message has {shown}: {encoding}."))
    if operation.idempotent:
        notes.append(_text("If the server restarts, the client calls again."))
    elif operation.reply.is_simple:
        notes.append(_text("If the server restarts, the caller is not told."))
    for reason in find_uncallable(operation):
        notes.append(_text(f"A debugger cannot call it: {reason}."))
    return notes


# -- cells -------------------------------------------------------------------------------------


def _code(text: str) -> Paragraph:
    return (Run(text, is_code=True),)


def _text(text: str) -> Paragraph:
    return (Run(text),)


def _joined(doc: str | None) -> Paragraph:
    """Return a text as one paragraph: a cell has no more."""
    runs: list[Run] = []
    for paragraph in read_prose(doc):
        runs += [Run(" ")] if runs else []
        runs += paragraph
    return tuple(runs)


def _size(size: Size) -> Paragraph:
    return _text(str(size) if size != UNKNOWN else "unknown")


def _argument_size(argument: Argument, operation: Operation) -> Paragraph:
    return _size(value_size(argument.value, operation.encoding))


def _value(value: AttributedType) -> Paragraph:
    if value.recv.kind is RecvKind.FROM_BYTES:
        return _code(str(value.type))
    return (*_code(str(value.type)), Run(", as "), *_recv(value.recv))


def _travels(value: AttributedType) -> Paragraph:
    if is_optional_number(value):
        return (Run("a byte, 1 if there is one, and "), *_recv(value.recv))
    return _recv(value.recv)


def _recv(recv: Recv) -> Paragraph:
    if recv.type is None:
        return _text("itself")
    if recv.function is not None:
        return (*_code(str(recv.type)), Run(", through "), *_code(recv.function))
    return _code(str(recv.type))


def _access(lease: Lease) -> Paragraph:
    access = [w for w, granted in (("reads", lease.read), ("writes", lease.write)) if granted]
    return _text(" and ".join(access) or "does nothing")


def _limit(lease: Lease) -> Paragraph:
    if lease.max_len is not None:
        return _text(f"{lease.max_len} element{'' if lease.max_len == 1 else 's'}")
    return _text("none" if lease.type.appears_unsized else "its size")
