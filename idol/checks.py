"""The rules of Idol: every finding about an interface, not only the first.

`idol.rules.RULES` names each of them; the page of a rule says why it is there.

Ref: oxidecomputer/idolatry 0.5.0, where the same conditions stop the client generator
(`src/client.rs`), the server generator (`src/server.rs`) or rustc.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from idol.finding import Finding
from idol.hints import Final
from idol.kinds import Encoding, ErrorKind, RecvKind
from idol.rust_type import Path, appears_unsized, is_identifier, is_raw_name
from idol.source import Diagnostic, Related, Span
from idol.syntax import Argument, Interface, Lease, Operation, Recv

#: Types that `num_traits::FromPrimitive` has a `from_…` function for.
PRIMITIVES: Final = frozenset(
    f"{kind}{size}" for kind in "iu" for size in ("8", "16", "32", "64", "128", "size")
) | {"f32", "f64"}

#: Methods that the generated server trait has besides the operations.
_TRAIT_METHODS: Final = frozenset({"recv_source", "closed_recv_fail"})


#: Warnings that a server stub can live with and a client stub cannot.
CLIENT_ERRORS: Final = frozenset({"cannot-tell-server-death"})


def check(interface: Interface, *, strict: bool = False) -> tuple[Diagnostic, ...]:
    """Return all findings about an interface, those of the reader included, in source order.

    `strict` adds those of `idol.lint`: what is allowed and still rarely meant.
    """
    found = list(interface.diagnostics)
    findings = [finding for rule in _INTERFACE_RULES for finding in rule(interface)]
    for operation in interface.operations:
        findings += [finding for rule in _OPERATION_RULES for finding in rule(operation)]
    if strict:
        from idol.lint import lint  # the generators do without

        findings += lint(interface)
    found += [finding.locate(interface.source) for finding in findings]
    return tuple(sorted(found, key=lambda d: (d.span.start, d.span.end, d.rule)))


# -- rules about the interface -----------------------------------------------------------------


def _interface_name(interface: Interface) -> Iterator[Finding]:
    yield from _bad_name("interface", interface.name, interface.span)


def _no_operations(interface: Interface) -> Iterator[Finding]:
    if not interface.operations and not interface.diagnostics:
        yield Finding(
            "no-operations",
            f"interface `{interface.name}` has no operations",
            interface.span,
            "add one to `ops`: neither a client nor a server of nothing can be generated",
        )


def _colliding_operations(interface: Interface) -> Iterator[Finding]:
    """Names of constants are upper case: `read` and `READ` would be one."""
    seen: dict[str, Operation] = {}
    for operation in interface.operations:
        first = seen.setdefault(operation.name.upper(), operation)
        if first.name != operation.name:
            yield Finding(
                "colliding-names",
                f"operations `{first.name}` and `{operation.name}` differ in case only",
                operation.span,
                "their size constants would have the same name",
                (Related("the other one", first.span),),
            )


# -- rules about one operation -----------------------------------------------------------------


def _names(operation: Operation) -> Iterator[Finding]:
    yield from _bad_name("operation", operation.name, operation.span)
    if operation.name in _TRAIT_METHODS:
        yield Finding(
            "reserved-name",
            f"every server has a method `{operation.name}` already",
            operation.span,
            "choose another name for the operation",
        )
    seen: dict[str, Argument | Lease] = {}
    items: list[Argument | Lease] = [*operation.arguments, *operation.leases]
    for item in items:
        what = "argument" if isinstance(item, Argument) else "lease"
        yield from _bad_name(what, item.name, item.span, is_raw=item.is_raw)
        first = seen.setdefault(item.name, item)
        if type(first) is not type(item):
            yield Finding(
                "duplicate-name",
                f"`{item.name}` is both an argument and a lease",
                item.span,
                related=(Related("the argument", first.span),),
            )
    for argument in operation.arguments:
        raw = seen.get(f"raw_{argument.name}")
        if raw and isinstance(raw, Argument) and (argument.type.is_bool or argument.recv.type):
            yield Finding(
                "colliding-names",
                f"argument `{argument.name}` is received as `{raw.name}`, which is taken",
                raw.span,
                related=(Related(f"`{argument.name}` is declared here", argument.span),),
            )


def _unsized_values(operation: Operation) -> Iterator[Finding]:
    values = [(f"argument `{a.name}`", a.type) for a in operation.arguments]
    values.append(("the reply", operation.reply.ok.type))
    for what, type_text in values:
        if appears_unsized(type_text.rust):
            yield Finding(
                "unsized-value",
                f"{what} has type `{type_text}`, which has no size",
                type_text.span,
                "a message has a fixed size: use an array such as `[u8; 16]`, or a lease",
            )


def _leases(operation: Operation) -> Iterator[Finding]:
    for lease in operation.leases:
        if not (lease.read or lease.write):
            yield Finding(
                "no-access",
                f"lease `{lease.name}` grants no access",
                lease.span,
                "add `read: true`, `write: true` or both; they say what the server may do",
            )
        if lease.max_len is not None and not lease.type.appears_unsized:
            yield Finding(
                "max-len-on-sized",
                f"lease `{lease.name}` has max_len, and its type `{lease.type}` has a size",
                lease.max_len_span or lease.span,
                "max_len limits the elements of a slice such as `[u8]`; leave it out here",
            )


def _encodings(operation: Operation) -> Iterator[Finding]:
    encoding, error = operation.encoding, operation.reply.error
    if error and error.kind is ErrorKind.COMPLEX and encoding is not Encoding.HUBPACK:
        yield Finding(
            "complex-needs-hubpack",
            f"a Complex error cannot be sent in encoding {encoding}",
            error.span,
            "add `encoding: Hubpack`, or use CLike for an error that is only a number",
        )
    recvs: list[tuple[str, Recv]] = [(f"argument `{a.name}`", a.recv) for a in operation.arguments]
    recvs.append(("the reply", operation.reply.ok.recv))
    for what, recv in recvs:
        if recv.kind is RecvKind.FROM_BYTES:
            continue
        if encoding is not Encoding.ZEROCOPY:
            yield Finding(
                "recv-needs-zerocopy",
                f"{what} has a recv strategy, which {encoding} has no use for",
                recv.span,
                f"leave `recv` out: {encoding} decodes the type itself",
            )
        elif recv.kind is RecvKind.FROM_PRIMITIVE and not (
            recv.type and isinstance(recv.type.rust, Path) and str(recv.type.rust) in PRIMITIVES
        ):
            yield Finding(
                "recv-primitive",
                f"{what} is received from `{recv.type}`, which is not a primitive number",
                recv.span,
                'write for example `recv: FromPrimitive("u8")`',
            )
        elif recv.kind is RecvKind.FROM_PRIMITIVE and recv.function is not None:
            yield Finding(
                "wrong-kind",
                "`FromPrimitive` takes a type only",
                recv.span,
                'a conversion of your own is written `From("u8", Some("function"))`',
            )
        elif recv.function is not None:
            name = recv.function.removeprefix("r#")
            is_raw = name != recv.function
            yield from _bad_name("function", name, recv.span, is_raw=is_raw)


def _options(operation: Operation) -> Iterator[Finding]:
    """Zerocopy has a form for an `Option` of an enum or integer, and no other."""
    if operation.encoding is not Encoding.ZEROCOPY:
        return
    values = [(f"argument `{a.name}`", a.value) for a in operation.arguments]
    values.append(("the reply", operation.reply.ok))
    for what, value in values:
        rust, recv = value.type.rust, value.recv
        if not isinstance(rust, Path) or rust.name != "Option" or recv.kind is RecvKind.FROM:
            continue
        if any(isinstance(a, Path) and a.name.startswith("NonZero") for a in rust.arguments):
            continue  # zero means None there, and zerocopy knows it
        primitive = str(recv.type.rust) if recv.type else ""
        if primitive in PRIMITIVES and not primitive.startswith("f"):
            continue
        yield Finding(
            "zerocopy-option",
            f"{what} is an `{rust}`, which Zerocopy cannot send like that",
            value.type.span,
            'receive an enum or a number with `recv: FromPrimitive("u8")`, or add '
            "`encoding: Hubpack`",
        )


def _server_death(operation: Operation) -> Iterator[Finding]:
    """Check what the client does when the server restarts during a call."""
    error = operation.reply.error
    if not operation.idempotent:
        if error is None:
            yield Finding(
                "cannot-tell-server-death",
                f"operation `{operation.name}` cannot tell its caller that the server died",
                operation.span,
                "reply with `Result(…, err: ServerDeath)` or an error type that has such a "
                "variant; or add `idempotent: true` if doing it twice does no harm",
            )
        return
    place = operation.idempotent_span or operation.span
    if error and error.kind is ErrorKind.SERVER_DEATH:
        yield Finding(
            "idempotent-server-death",
            f"operation `{operation.name}` is idempotent, so its caller never sees a server die",
            error.span,
            "reply with `Simple(…)`, or leave `idempotent` out",
            (Related("declared idempotent here", place),),
        )
    for lease in operation.leases:
        if lease.read and lease.write:
            yield Finding(
                "idempotent-read-write-lease",
                f"lease `{lease.name}` of an idempotent operation is both read and written",
                lease.span,
                "a second attempt would read what the first one left half written: "
                "split the lease, or leave `idempotent` out",
                (Related("declared idempotent here", place),),
            )


def _bad_name(what: str, name: str, span: Span, *, is_raw: bool = False) -> Iterator[Finding]:
    if is_raw_name(name) if is_raw else is_identifier(name):
        return
    hint = "use letters, digits and `_`; no digit at the start, no Rust keyword"
    if is_raw_name(name) and what in ("argument", "lease"):
        hint = f"`{name}` is a Rust keyword: write `r#{name}`"
    written = f"r#{name}" if is_raw else name
    yield Finding(
        "bad-name",
        f"{written!r} cannot name the {what}: it is not a Rust identifier",
        span,
        hint,
    )


_INTERFACE_RULES: Final[tuple[Callable[[Interface], Iterator[Finding]], ...]] = (
    _interface_name,
    _no_operations,
    _colliding_operations,
)
_OPERATION_RULES: Final[tuple[Callable[[Operation], Iterator[Finding]], ...]] = (
    _names,
    _unsized_values,
    _leases,
    _encodings,
    _options,
    _server_death,
)
