"""Rules of `idol check --strict`: valid Idol that is rarely intended.

Ref: the limits of hiffy are those of oxidecomputer/hubris, `task/hiffy/src/common.rs`: arguments
and parameters of a call share a stack of 32 words, a byte of argument in each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from idol.finding import Finding
from idol.hints import Final
from idol.kinds import Encoding, RecvKind
from idol.rust_type import (
    Array,
    Function,
    Never,
    Path,
    Pointer,
    Reference,
    RustType,
    Tuple,
)
from idol.sizes import arguments_size, find_core_name
from idol.source import Related, Span
from idol.syntax import AttributedType, Interface, Operation

#: Words of a name that promise a step: doing it twice is not doing it once.
STEPS: Final = frozenset(
    {
        *("toggle", "flip", "invert", "rotate", "swap", "increment", "inc", "decrement", "dec"),
        *("advance", "push", "pop", "append", "consume", "dequeue", "enqueue"),
    }
)
#: Words that promise a step in front, and nothing elsewhere: `next_block`, not `get_next_boot`.
FIRST_STEPS: Final = frozenset({"next", "add"})
#: Words of a name that promise to move data, which a queue or flash may not bear twice.
TRANSFERS: Final = frozenset(
    {"write", "program", "erase", "exchange", "transfer", "transmit", "send", "receive", "recv"}
)

#: Words of hiffy's stack, and those that the parameters of a call take besides its arguments.
HIFFY_STACK: Final = 32
HIFFY_PARAMETERS: Final = 4


def lint(interface: Interface) -> Iterator[Finding]:
    """Yield what the strict rules find; the interface may have errors."""
    yield from _interface_style(interface)
    for operation in interface.operations:
        for rule in _OPERATION_RULES:
            yield from rule(operation)


# -- idempotency -------------------------------------------------------------------------------


def _idempotent_names(operation: Operation) -> Iterator[Finding]:
    if not operation.idempotent:
        return
    parts = operation.name.lower().split("_")
    declared = operation.idempotent_span or operation.span
    for rule, suspects, hint in (
        (
            "idempotent-toggle",
            STEPS | (FIRST_STEPS & {parts[0]}),
            "leave `idempotent` out: a caller whose server is restarted would do it twice",
        ),
        (
            "idempotent-write",
            TRANSFERS,
            "make sure that doing it twice is harmless; if not, leave `idempotent` out",
        ),
    ):
        part = next((part for part in parts if part in suspects), None)
        if part is not None:
            yield Finding(
                rule,
                f"operation `{operation.name}` is idempotent, and its name says `{part}`",
                operation.span,
                hint,
                (Related("declared idempotent here", declared),),
            )


# -- hiffy -------------------------------------------------------------------------------------


def hiffy_argument_limit(operation: Operation) -> int:
    """Return how many bytes of arguments hiffy can send: 28, 27 with a lease, 26 with two."""
    parameters = HIFFY_PARAMETERS + min(len(operation.leases), 2)
    return HIFFY_STACK - parameters


def _hiffy_arguments(operation: Operation) -> Iterator[Finding]:
    size, limit = arguments_size(operation), hiffy_argument_limit(operation)
    if size.minimum > limit:
        takes = "takes" if size.exact is not None else "takes at least"
        with_leases = {0: "", 1: " with a lease"}.get(len(operation.leases), " with two leases")
        yield Finding(
            "hiffy-arguments",
            f"operation `{operation.name}` {takes} {size.minimum} bytes of arguments; "
            f"a debugger can send {limit}{with_leases}",
            operation.span,
            "pass what is large in a lease that the server reads",
        )


def _hiffy_leases(operation: Operation) -> Iterator[Finding]:
    both = [lease for lease in operation.leases if lease.read and lease.write]
    for lease in both:
        yield Finding(
            "hiffy-read-write-lease",
            f"lease `{lease.name}` is both read and written, which no debugger can lend",
            lease.span,
            "lend two pieces of memory: one with `read: true`, one with `write: true`",
        )
    for access, leases in (
        ("read", [lease for lease in operation.leases if lease.read and not lease.write]),
        ("write", [lease for lease in operation.leases if lease.write and not lease.read]),
    ):
        for lease in leases[1:]:
            yield Finding(
                "hiffy-leases",
                f"lease `{lease.name}` is one more to {access}; a debugger can lend one",
                lease.span,
                "lend one piece of memory, and say in an argument where its parts begin",
                (Related("the first one", leases[0].span),),
            )


def find_uncallable(operation: Operation) -> list[str]:
    """Return why no debugger can call an operation; an empty list if one can."""
    reasons = []
    size, limit = arguments_size(operation), hiffy_argument_limit(operation)
    if size.minimum > limit:
        reasons.append(f"it can send {limit} bytes of arguments, and these take {size}")
    if any(lease.read and lease.write for lease in operation.leases):
        reasons.append("it cannot lend memory to be both read and written")
    if sum(lease.read for lease in operation.leases) > 1:
        reasons.append("it can lend one piece of memory to read")
    if sum(lease.write for lease in operation.leases) > 1:
        reasons.append("it can lend one piece of memory to write")
    return reasons


# -- types -------------------------------------------------------------------------------------


def _values(operation: Operation) -> Iterator[tuple[str, AttributedType]]:
    for argument in operation.arguments:
        yield f"argument `{argument.name}`", argument.value
    yield "the reply", operation.reply.ok


def _cannot_be_sent(operation: Operation) -> Iterator[Finding]:
    values = [
        (what, value.wire_type or value.type.rust, value.type.span)
        for what, value in _values(operation)
    ]
    error = operation.reply.error
    if error and error.type:
        values.append(("the error", error.type.rust, error.type.span))
    for what, rust_type, span in values:
        top = rust_type if operation.encoding is Encoding.ZEROCOPY else None
        culprit = _find_unsendable(rust_type, operation.encoding, top)
        if culprit is not None and what == "the error" and isinstance(culprit, Path):
            continue  # only its number is sent, or it is hubpack's matter
        if culprit is not None:
            part = "" if culprit == rust_type else f", and `{culprit}` in it"
            yield Finding(
                "cannot-be-sent",
                f"{what} has type `{rust_type}`{part}: {operation.encoding} cannot carry that",
                span,
                _advice(culprit, operation.encoding),
            )


def _find_unsendable(
    rust_type: RustType, encoding: Encoding, top: RustType | None
) -> RustType | None:
    """Return the part of a type that no value of it can be sent for, if there is one.

    `top` is the whole type if it stands where a stub converts it by itself.
    """
    zerocopy = encoding is Encoding.ZEROCOPY
    match rust_type:
        case Reference() | Pointer() | Function() | Never():
            return rust_type
        case Tuple(items=items):
            if zerocopy and items:
                return rust_type
            return _first(items, encoding)
        case Array(element=element):
            return _find_unsendable(element, encoding, None)
        case Path():
            name = find_core_name(rust_type)
            if name in ("String", "Vec", "Box", "str"):
                return rust_type
            if zerocopy and (name in ("char", "Result") or (name == "bool" and top is None)):
                return rust_type
            if not zerocopy and name in ("usize", "isize"):
                return rust_type
            if name in ("Option", "Result"):
                types = tuple(a for a in rust_type.arguments if isinstance(a, RustType))
                return None if zerocopy else _first(types, encoding)
    return None


def _first(types: tuple[RustType, ...], encoding: Encoding) -> RustType | None:
    for rust_type in types:
        if (found := _find_unsendable(rust_type, encoding, None)) is not None:
            return found
    return None


def _advice(culprit: RustType, encoding: Encoding) -> str:
    if isinstance(culprit, Reference | Pointer | Function):
        return "an address means nothing in another task: lend the memory, or send a copy"
    if isinstance(culprit, Path) and culprit.name in ("usize", "isize"):
        return "use an integer of a fixed size, such as `u32`"
    if isinstance(culprit, Path) and culprit.name in ("String", "Vec", "Box", "str"):
        return "Hubris has no heap: use an array, or a lease"
    if encoding is Encoding.ZEROCOPY and not isinstance(culprit, Never):
        return "add `encoding: Hubpack`, or send plain numbers"
    return "send a type that has values"


def _redundant_recv(operation: Operation) -> Iterator[Finding]:
    for what, value in _values(operation):
        recv = value.recv
        if recv.kind is RecvKind.FROM_BYTES:
            redundant = recv.is_written
        else:
            redundant = value.wire_type == value.type.rust and recv.function is None
        if redundant:
            yield Finding(
                "redundant-recv",
                f"the recv strategy of {what} changes nothing",
                recv.span,
                f'write `"{value.type}"` alone: a type is received from its own bytes',
            )


# -- style -------------------------------------------------------------------------------------


def _interface_style(interface: Interface) -> Iterator[Finding]:
    name = interface.name
    if name.isidentifier() and (name[0].islower() or "_" in name):
        yield _style("interface", interface.name, interface.span, "UpperCamelCase")


def _operation_style(operation: Operation) -> Iterator[Finding]:
    names = [("operation", operation.name, operation.span)]
    names += [("argument", item.name, item.span) for item in operation.arguments]
    names += [("lease", item.name, item.span) for item in operation.leases]
    for what, name, span in names:
        if name.isidentifier() and name != name.lower():
            yield _style(what, name, span, "snake_case")


def _style(what: str, name: str, span: Span, style: str) -> Finding:
    return Finding(
        "name-style",
        f"{what} `{name}` is not in {style}",
        span,
        "Rust's own style keeps generated code and its users free of compiler warnings",
    )


def _undocumented(operation: Operation) -> Iterator[Finding]:
    if not (operation.doc and operation.doc.strip()):
        yield Finding(
            "undocumented",
            f"operation `{operation.name}` has no documentation",
            operation.span,
            'add `doc: "…"`: it goes into `idol doc` and into the comments of the stubs',
        )


_OPERATION_RULES: Final[tuple[Callable[[Operation], Iterator[Finding]], ...]] = (
    _idempotent_names,
    _hiffy_arguments,
    _hiffy_leases,
    _cannot_be_sent,
    _redundant_recv,
    _operation_style,
    _undocumented,
)
