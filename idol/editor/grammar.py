"""The grammar of an interface: fields and variants by place, with a sentence about each.

Ref: `src/syntax.rs` of oxidecomputer/idolatry 0.5.0; the sentences are ours.
"""

from __future__ import annotations

from enum import StrEnum

from idol.editor.tokens import Frame
from idol.hints import Final
from idol.records import dataclass


class Shape(StrEnum):
    """Kind of a value, by its place."""

    ROOT = "root"
    INTERFACE = "interface"
    OPERATIONS = "operations"
    OPERATION = "operation"
    ARGUMENTS = "arguments"
    #: A type, alone or in brackets with how it is received.
    VALUE = "value"
    TYPED = "typed"
    LEASES = "leases"
    LEASE = "lease"
    REPLY = "reply"
    RESULT = "result"
    ERROR = "error"
    TYPE = "type"
    ENCODING = "encoding"
    FLAG = "flag"
    RECV = "recv"
    FUNCTION = "function"
    COUNT = "count"
    TEXT = "text"
    NAME = "name"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Word:
    """A field or variant."""

    #: What its value is; of a variant, what its first value is.
    shape: Shape
    doc: str
    #: What is inserted behind the name; `$0` is where the cursor goes.
    snippet: str
    is_required: bool = False


_DOC = Word(Shape.TEXT, "Documentation: it goes into `idol doc` and the stubs' comments.", '"$0"')
_DESCRIPTION = Word(Shape.TEXT, "Documentation, after that of `doc`.", '"$0"')
_TYPE = Word(
    Shape.TYPE,
    'The Rust type, as text: `"u8"`, `"[u8; 32]"`, `"Option<my_api::Mode>"`.',
    '"$0"',
    True,
)

#: Fields of structs.
FIELDS: Final[dict[Shape, dict[str, Word]]] = {
    Shape.INTERFACE: {
        "name": Word(
            Shape.NAME, "Name of the interface; the client is a struct of it.", '"$0"', True
        ),
        "ops": Word(
            Shape.OPERATIONS,
            "The operations by name. Their codes follow from the order, from 1: to add one at the "
            "end keeps the others compatible.",
            '{\n    "$0": (\n    ),\n}',
            True,
        ),
        "doc": _DOC,
        "description": _DESCRIPTION,
    },
    Shape.OPERATION: {
        "doc": _DOC,
        "args": Word(Shape.ARGUMENTS, "Values in the message, by name, in order.", "{$0}"),
        "leases": Word(
            Shape.LEASES, "Memory that the caller lends for the time of the call.", "{$0}"
        ),
        "reply": Word(
            Shape.REPLY,
            "The answer: `Simple(T)` cannot fail, `Result(ok: T, err: E)` can.",
            "$0",
            True,
        ),
        "idempotent": Word(
            Shape.FLAG,
            "Doing it twice does no harm: if the server restarts during a call, the client calls "
            "again by itself. Default: false.",
            "true",
        ),
        "encoding": Word(
            Shape.ENCODING, "How arguments and reply become bytes. Default: Zerocopy.", "$0"
        ),
        "description": _DESCRIPTION,
    },
    Shape.TYPED: {
        "type": _TYPE,
        "recv": Word(
            Shape.RECV,
            "How the receiver makes the type of what arrives. Zerocopy only. Default: FromBytes.",
            "$0",
        ),
        "doc": _DOC,
        "description": _DESCRIPTION,
    },
    Shape.LEASE: {
        "type": _TYPE,
        "read": Word(Shape.FLAG, "The server may read the memory. Default: false.", "true"),
        "write": Word(Shape.FLAG, "The server may write the memory. Default: false.", "true"),
        "max_len": Word(
            Shape.COUNT, "Most elements of a slice that a caller may lend.", "Some($0)"
        ),
        "doc": _DOC,
        "description": _DESCRIPTION,
    },
    Shape.RESULT: {
        "ok": Word(Shape.VALUE, "Type of the value on success.", '"$0"', True),
        "err": Word(Shape.ERROR, "What comes back on failure.", "$0", True),
    },
}

#: Names that a value may be or begin with.
VARIANTS: Final[dict[Shape, dict[str, Word]]] = {
    Shape.ROOT: {
        "Interface": Word(
            Shape.INTERFACE,
            "An interface: a name and its operations.",
            '(\n    name: "$0",\n    ops: {\n    },\n)',
        )
    },
    Shape.ENCODING: {
        "Zerocopy": Word(
            Shape.UNKNOWN,
            "Fields as they lie in memory, little endian, packed. Fast; only types for which any "
            "bytes are good, or that are received from such.",
            "",
        ),
        "Ssmarshal": Word(
            Shape.UNKNOWN, "Fields one after another, through serde, in Ssmarshal's form.", ""
        ),
        "Hubpack": Word(
            Shape.UNKNOWN,
            "Fields one after another, through serde, in Hubpack's form: any type of a known "
            "largest size, enums with data included.",
            "",
        ),
    },
    Shape.FLAG: {
        "true": Word(Shape.UNKNOWN, "Yes.", ""),
        "false": Word(Shape.UNKNOWN, "No, the default.", ""),
    },
    Shape.REPLY: {
        "Simple": Word(
            Shape.VALUE,
            "The operation cannot fail. Unless it is idempotent, its caller cannot be told that "
            "the server restarted.",
            '("$0")',
        ),
        "Result": Word(
            Shape.RESULT, "Success with `ok`, or a failure of type `err`.", '(ok: "$0", err: )'
        ),
    },
    Shape.ERROR: {
        "CLike": Word(
            Shape.TYPE, "An enum whose number is the response code: no message.", '("$0")'
        ),
        "Complex": Word(
            Shape.TYPE, "An error with data, sent as a message. Hubpack only.", '("$0")'
        ),
        "ServerDeath": Word(
            Shape.UNKNOWN,
            "The operation fails only if the server restarts; the client makes the error.",
            "",
        ),
    },
    Shape.RECV: {
        "FromBytes": Word(Shape.UNKNOWN, "The type's own bytes: the default.", ""),
        "FromPrimitive": Word(
            Shape.TYPE, "A number, through `num_traits::FromPrimitive`.", '("${0:u8}")'
        ),
        "From": Word(
            Shape.TYPE,
            "Another type, through `core::convert::From` or a function: "
            '`From("u8", Some("function"))`.',
            '("$0", None)',
        ),
    },
    Shape.COUNT: {
        "Some": Word(Shape.UNKNOWN, "A limit.", "($0)"),
        "None": Word(Shape.UNKNOWN, "No limit: the default.", ""),
    },
}

#: Maps by name, and what their values are.
_MAPS: Final = {
    Shape.OPERATIONS: Shape.OPERATION,
    Shape.ARGUMENTS: Shape.VALUE,
    Shape.LEASES: Shape.LEASE,
}


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in the grammar."""

    #: What is expected at the cursor, if it stands where a value does.
    shape: Shape
    #: The brackets around it, the innermost last, each with its shape.
    path: tuple[tuple[Shape, Frame], ...]

    @property
    def container(self) -> Shape:
        """The shape of the innermost bracket."""
        return self.path[-1][0] if self.path else Shape.ROOT

    def find(self, shape: Shape) -> Frame | None:
        """Return the innermost bracket of a shape."""
        return next((frame for found, frame in reversed(self.path) if found is shape), None)


def resolve(frames: tuple[Frame, ...]) -> Slot:
    """Return what the brackets around a cursor mean."""
    expected = Shape.ROOT
    path: list[tuple[Shape, Frame]] = []
    for frame in frames:
        container = _enter(expected, frame)
        path.append((container, frame))
        expected = _slot(expected, container, frame)
    return Slot(expected, tuple(path))


def _enter(expected: Shape, frame: Frame) -> Shape:
    """Return the shape of a bracket where `expected` is."""
    if frame.bracket == "{":
        return expected if expected in _MAPS else Shape.UNKNOWN
    if frame.bracket != "(":
        return Shape.UNKNOWN
    if expected is Shape.ROOT:
        return Shape.INTERFACE if frame.head in (None, "Interface") else Shape.UNKNOWN
    if expected is Shape.VALUE:
        return Shape.TYPED
    if expected in VARIANTS:
        word = VARIANTS[expected].get(frame.head or "")
        if word is None:
            return Shape.UNKNOWN
        return Shape.RESULT if word.shape is Shape.RESULT else expected
    return expected if expected in FIELDS else Shape.UNKNOWN


def _slot(expected: Shape, container: Shape, frame: Frame) -> Shape:
    """Return what a value at the cursor would be."""
    if container in _MAPS:
        return _MAPS[container] if frame.key else Shape.NAME
    if container in FIELDS:
        if frame.key is None:
            return Shape.UNKNOWN
        word = FIELDS[container].get(frame.key.text)
        return word.shape if word else Shape.UNKNOWN
    if container in VARIANTS and container is expected:
        word = VARIANTS[container].get(frame.head or "")
        if container is Shape.RECV and frame.head == "From" and frame.commas:
            return Shape.FUNCTION
        return word.shape if word else Shape.UNKNOWN
    return Shape.UNKNOWN
