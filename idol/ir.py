"""Input of the emitters: every Rust name, type and constant is decided here.

`lower.py` makes these values; `rust/` only prints them. All fields that hold Rust are text.
"""

from __future__ import annotations

from collections.abc import Mapping

from idol.hints import Final
from idol.kinds import Encoding, ErrorKind, RecvKind
from idol.options import ServerStyle
from idol.records import dataclass

#: Stands for the name of a function that panics where there is none.
PLAIN_PANIC: Final = "panic!"


@dataclass(frozen=True, slots=True)
class Conversion:
    """From what travels (`wire_type`) to the declared type.

    `function` is the `from_…` of FromPrimitive or the named function of From; None is `.into()`.
    """

    kind: RecvKind
    wire_type: str
    function: str | None


@dataclass(frozen=True, slots=True)
class OptionalWire:
    """Encoding of an `Option` of a C-like enum without serialization: a tag and a number.

    The struct is packed: a byte `is_some`, 0 or 1, and `value` as `value_type`, 0 for `None`.
    """

    struct: str
    value_type: str


@dataclass(frozen=True, slots=True)
class Argument:
    """A value in the message."""

    name: str
    type: str
    #: Name and type of the field in the server's message struct.
    field: str
    field_type: str
    #: Type of the field in the client's message struct (which is called `name`).
    client_field_type: str
    #: None: the field is the value itself.
    conversion: Conversion | None
    is_bool: bool
    #: Name of the server's local variable for the converted value.
    value_variable: str
    #: Not None where an `Option` is received from a primitive.
    optional: OptionalWire | None
    doc: str | None


@dataclass(frozen=True, slots=True)
class Lease:
    """Memory lent to the server; `index` is its number in the lease table."""

    name: str
    index: int
    type: str
    #: Parameter type in the client (`&mut [u8]`) and in the server (`LenLimit<Leased<…>>`).
    client_type: str
    server_type: str
    #: The `Leased` part of `server_type`, and the function of it that checks the lease.
    leased_type: str
    leased_function: str
    #: Constructor of `userlib::Lease` and method of `zerocopy::IntoBytes` in the client.
    lease_function: str
    bytes_function: str
    is_slice: bool
    max_len: int | None
    #: The client's panic when the lease is too long.
    too_long_panic: str
    #: Local variables for it in the client and in the server.
    bytes_variable: str
    lease_variable: str
    doc: str | None


@dataclass(frozen=True, slots=True)
class Value:
    """The good reply."""

    type: str
    is_unit: bool
    #: Sent as a byte and read as `!= 0`.
    is_bool_byte: bool
    #: What the client reads from the reply; `type` unless something else travels.
    wire_type: str
    conversion: Conversion | None
    #: Not None where an `Option` is received from a primitive.
    optional: OptionalWire | None


@dataclass(frozen=True, slots=True)
class Error:
    """The bad reply; types as the client and as the server's trait see it."""

    kind: ErrorKind
    #: None for ServerDeath.
    type: str | None
    client_type: str
    server_type: str
    #: Size expression of its message; None when it is sent in the response code alone.
    message_size: str | None


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation with all its names."""

    name: str
    code: int
    doc: tuple[str, ...]
    encoding: Encoding
    idempotent: bool
    arguments: tuple[Argument, ...]
    leases: tuple[Lease, ...]
    ok: Value
    error: Error | None
    #: The variant of the operation enum, with its path.
    variant: str
    arguments_struct: str
    reply_struct: str
    types_struct: str
    #: What a pipelined server gets to answer with.
    token_struct: str
    message_size_constant: str
    reply_size_constant: str
    message_size: str
    reply_size: str
    read_function: str
    #: What the methods return: a type, or the two sides of a `Result`; empty for `()`.
    client_result: tuple[str, ...]
    server_result: tuple[str, ...]
    #: Whether the server's method can return nothing but a value, see `StubOptions.bare_replies`.
    is_bare: bool
    #: Variant of the event enum for counters, with its path, and what it holds besides `Ok`.
    event: str
    client_event_error: str | None
    server_event_error: str | None
    #: Indices of the only tasks that may call; None: all may.
    allowed_callers: tuple[int, ...] | None
    #: Whether an argument or lease is of a type that is not built in.
    has_named_types: bool
    #: What must hold for the error type of a server, without `where`.
    server_bound: str | None
    #: Functions that panic, by what went wrong; see `lower.PANICS`.
    panics: Mapping[str, str]
    #: Local variables, parameters and constants by role; no argument or lease has these names.
    locals: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Counters:
    """Statics in which calls are counted; debuggers look for these names."""

    event_enum: str
    client_static: str
    server_static: str
    #: Faults of clients are one event, not an outcome of each operation.
    combine_client_errors: bool


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface with all its names."""

    name: str
    source_name: str
    doc: tuple[str, ...]
    client_struct: str
    operation_enum: str
    #: The client's module of names that it brings into scope.
    scope_module: str
    style: ServerStyle
    server_trait: str
    #: What keeps types in the debug information, see `rust/server.py`.
    types_struct: str
    types_static: str
    #: Traits to derive for the operation enum, besides the usual ones.
    extra_derives: tuple[str, ...]
    definition_static: str
    #: The source text, which debuggers read from the image.
    definition: bytes
    operations: tuple[Operation, ...]
    #: Lay the text out.
    is_formatted: bool
    #: None: nothing is counted.
    counters: Counters | None
    #: The error type of the server that fails every call; None: there is none.
    fail_error: str | None
