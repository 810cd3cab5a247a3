"""Checked syntax to IR: operation codes, Rust names, packing, size expressions.

Names that debuggers look for in an image are fixed: `<Interface>_<operation>_ARGS`,
`<Interface>_<operation>_REPLY`, `<Interface>Operation` and the section `.idolatry`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from idol import ir, syntax
from idol.checks import PRIMITIVES, check
from idol.errors import InterfaceError, OptionsError
from idol.findings import Level
from idol.hints import Final
from idol.kinds import Encoding, ErrorKind, RecvKind
from idol.near import suggest
from idol.options import FailServer, ServerStyle, StubOptions
from idol.printable import printable
from idol.records import dataclass, replace
from idol.rust_type import Path, spell_name
from idol.sizes import is_optional_number

#: What can go wrong in a stub beyond repair; the suffix of the function that panics.
PANICS: Final = {
    "encode_arguments": "arguments_do_not_fit",
    "decode_reply": "reply_is_malformed",
    "decode_error": "error_is_malformed",
    "unknown_code": "error_code_is_unknown",
    "encode_reply": "reply_does_not_fit",
    "encode_error": "error_does_not_fit",
    "dropped": "was_not_answered",
}

#: Parameters of the methods that a server implements, by role.
PARAMETERS: Final = ("msg", "replier")
#: Local variables and constants of the generated functions, by role. Their names are `idol_…` and
#: `IDOL_…`: a name that means something in the including module (a variant, constant or function
#: that a type or conversion of the interface names) must not change what the other one means.
LOCALS: Final = (
    "arguments",
    "code",
    "error",
    "event",
    "generation",
    "leases",
    "message",
    "reply",
    "result",
    "sender",
    "size",
    "task",
    "token",
    "value",
)
CONSTANTS: Final = ("CALLERS", "ERROR_SIZE", "MESSAGE_SIZE", "OK_SIZE", "REPLY_SIZE")

#: Longest lease that the kernel knows, in elements: a limit of this much needs no check.
_UNLIMITED: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class _PanicNames:
    """Names the functions that one operation panics in."""

    stem: str
    is_named: bool

    def __call__(self, cause: str) -> str:
        return f"{self.stem}_{cause}" if self.is_named else ir.PLAIN_PANIC


def lower(
    interface: syntax.Interface,
    options: StubOptions,
    refused_warnings: Collection[str] = (),
) -> ir.Interface:
    """Decide everything that the emitters print.

    :raises InterfaceError: the interface breaks a rule, or there is a warning of a rule in
        `refused_warnings`; all findings are attached, those warnings as errors.
    """
    findings = [
        replace(f, severity=Level.ERROR) if f.rule in refused_warnings else f
        for f in check(interface)
    ]
    if any(finding.severity is Level.ERROR for finding in findings):
        raise InterfaceError(findings)
    style = options.style
    prefix = {ServerStyle.IN_ORDER: "InOrder", ServerStyle.PIPELINED: "Pipelined"}[style]
    _check_callers(interface, options)
    return ir.Interface(
        name=interface.name,
        source_name=printable(re.split(r"[/\\]", interface.source.name)[-1]),
        doc=_doc_lines(interface.doc),
        client_struct=interface.name,
        operation_enum=f"{interface.name}Operation",
        scope_module=f"idol_{_snake_case(interface.name)}_client_scope",
        style=style,
        server_trait=f"{prefix}{interface.name}Impl",
        types_struct=f"{interface.name}_TYPES",
        types_static=f"_{interface.name.upper()}_IDOL_TYPES",
        extra_derives=options.extra_derives,
        definition_static=f"_{interface.name.upper()}_IDOL_DEFINITION",
        definition=interface.source.text.encode(errors="replace"),
        operations=tuple(_operation(interface, o, options) for o in interface.operations),
        is_formatted=options.is_formatted,
        counters=_counters(interface, options),
        fail_error=_fail_error(interface, options),
    )


def _check_callers(interface: syntax.Interface, options: StubOptions) -> None:
    for name in options.allowed_callers:
        if interface.find_operation(name) is None:
            names = [o.name for o in interface.operations]
            raise OptionsError(
                f"callers are given for `{name}`, which `{interface.name}` does not have: "
                + suggest(name, names, otherwise=f"it has {', '.join(names)}")
            )


def _counters(interface: syntax.Interface, options: StubOptions) -> ir.Counters | None:
    if not options.counters:
        return None
    stem = f"__{interface.name.upper()}"
    return ir.Counters(
        event_enum=f"{interface.name}Event",
        client_static=f"{stem}_CLIENT_COUNTERS",
        server_static=f"{stem}_SERVER_COUNTERS",
        combine_client_errors=options.combine_client_errors,
    )


def _fail_error(interface: syntax.Interface, options: StubOptions) -> str | None:
    """Find the error type that all operations share."""
    if options.fail_server is FailServer.NEVER:
        return None
    errors = set(_iter_errors(interface))
    error = errors.pop() if len(errors) == 1 else None
    if error is not None:
        return error[1]
    if options.fail_server is FailServer.ALWAYS:
        raise OptionsError(
            f"a server that fails every call of `{interface.name}` cannot be generated: "
            "its operations do not all have the same error type"
        )
    return None


def _iter_errors(interface: syntax.Interface) -> Iterator[tuple[ErrorKind, str] | None]:
    """Yield what each operation fails with, None where it cannot fail by itself."""
    for operation in interface.operations:
        error = operation.reply.error
        yield (error.kind, str(error.type)) if error and error.type else None


def _operation(
    interface: syntax.Interface, operation: syntax.Operation, options: StubOptions
) -> ir.Operation:
    stem = f"{interface.name}_{operation.name}"
    panic = _PanicNames(f"{_snake_case(interface.name)}_{operation.name}", options.named_panics)
    taken = {a.name for a in operation.arguments} | {lease.name for lease in operation.leases}
    names = {role: _fresh(role, taken) for role in PARAMETERS}
    names |= {role: _fresh(f"idol_{role}", taken) for role in LOCALS}
    names |= {role: _fresh(f"IDOL_{role}", taken) for role in CONSTANTS}
    ok = _value(stem, operation)
    error = _error(operation)
    server_error = error.server_type if error else "core::convert::Infallible"
    request_error = f"idol_runtime::RequestError<{server_error}>"
    is_bare = options.bare_replies and not operation.leases
    is_bare = is_bare and (error is None or error.type is None)
    server_result: tuple[str, ...] = (ok.type, request_error)
    if is_bare:
        server_result = () if ok.is_unit else (ok.type,)
    if error is not None:
        client_result: tuple[str, ...] = (ok.type, error.client_type)
    else:
        client_result = () if ok.is_unit else (ok.type,)
    return ir.Operation(
        name=spell_name(operation.name),
        code=operation.code,
        doc=_doc_lines(operation.doc),
        encoding=operation.encoding,
        idempotent=operation.idempotent,
        arguments=tuple(_argument(stem, a, taken) for a in operation.arguments),
        leases=tuple(_lease(i, x, panic, taken) for i, x in enumerate(operation.leases)),
        ok=ok,
        error=error,
        variant=f"{interface.name}Operation::{spell_name(operation.name)}",
        arguments_struct=f"{stem}_ARGS",
        reply_struct=f"{stem}_REPLY",
        types_struct=f"{stem}_TYPES",
        token_struct=f"{stem}_REPLIER",
        message_size_constant=f"{operation.name.upper()}_MSG_SIZE",
        reply_size_constant=f"{operation.name.upper()}_REPLY_SIZE",
        message_size=_size(operation.encoding, f"{stem}_ARGS"),
        reply_size=_size(operation.encoding, ok.optional.struct if ok.optional else ok.type),
        read_function=f"read_{operation.name}_msg",
        client_result=client_result,
        server_result=server_result,
        is_bare=is_bare,
        event=f"{interface.name}Event::{spell_name(operation.name)}",
        client_event_error=error.client_type if error else None,
        server_event_error=_server_event_error(error, options),
        allowed_callers=options.allowed_callers.get(operation.name),
        has_named_types=any(_is_named(a) for a in operation.arguments)
        or any(_is_named(lease) for lease in operation.leases),
        server_bound=_server_bound(operation, error),
        panics={cause: panic(suffix) for cause, suffix in PANICS.items()},
        locals=names,
    )


def _is_named(item: syntax.Argument | syntax.Lease) -> bool:
    rust = item.type.rust
    return isinstance(rust, Path) and str(rust) not in PRIMITIVES | {"bool", "char"}


def _server_event_error(error: ir.Error | None, options: StubOptions) -> str | None:
    """Name what a server counts as the failure of an operation."""
    if error is None:
        return None
    if options.combine_client_errors:
        return error.type and error.server_type
    return f"idol_runtime::RequestError<{error.server_type}>"


def _argument(stem: str, argument: syntax.Argument, taken: set[str]) -> ir.Argument:
    is_bool = argument.type.is_bool and argument.recv.kind is RecvKind.FROM_BYTES
    declared = str(argument.type)
    conversion = _conversion(argument.recv)
    wire = conversion.wire_type if conversion else declared
    optional = None
    if is_optional_number(argument.value):
        optional = ir.OptionalWire(f"{stem}_ARGS_{argument.name}", wire)
        wire = optional.struct
    client_type = optional.struct if optional else declared
    return ir.Argument(
        name=(name := spell_name(argument.name)),
        type=declared,
        field=f"raw_{argument.name}" if is_bool or conversion else name,
        field_type="u8" if is_bool else wire,
        client_field_type="u8" if argument.type.is_bool else client_type,
        conversion=conversion,
        is_bool=argument.type.is_bool,
        value_variable=_fresh(f"idol_{argument.name}_value", taken),
        optional=optional,
        doc=argument.doc,
    )


def _conversion(recv: syntax.Recv) -> ir.Conversion | None:
    if recv.type is None:
        return None
    function = recv.function and spell_name(recv.function.removeprefix("r#"))
    if recv.kind is RecvKind.FROM_PRIMITIVE:
        function = f"from_{recv.type}"
    return ir.Conversion(recv.kind, str(recv.type), function)


def _lease(index: int, lease: syntax.Lease, panic: _PanicNames, taken: set[str]) -> ir.Lease:
    is_slice = lease.type.appears_unsized
    access = {(True, False): "read_only", (False, True): "write_only"}.get(
        (lease.read, lease.write), "read_write"
    )
    kind = {"read_only": "R", "write_only": "W", "read_write": "RW"}[access]
    declared = str(lease.type)
    leased_type = f"idol_runtime::Leased<idol_runtime::{kind}, {declared}>"
    limited = f"idol_runtime::LenLimit<{leased_type}, {lease.max_len}>"
    return ir.Lease(
        name=spell_name(lease.name),
        index=index,
        type=declared,
        client_type=f"{'&mut ' if lease.write else '&'}{declared}",
        server_type=leased_type if lease.max_len is None else limited,
        leased_type=leased_type,
        leased_function=access + ("_slice" if is_slice else ""),
        lease_function=access,
        bytes_function="as_mut_bytes" if lease.write else "as_bytes",
        is_slice=is_slice,
        max_len=lease.max_len,
        too_long_panic=panic(f"{lease.name}_is_longer_than_{lease.max_len}"),
        bytes_variable=_fresh(f"idol_{lease.name}_bytes", taken),
        lease_variable=_fresh(f"idol_{lease.name}_lease", taken),
        doc=lease.doc,
    )


def _value(stem: str, operation: syntax.Operation) -> ir.Value:
    ok = operation.reply.ok
    conversion = _conversion(ok.recv)
    is_bool_byte = (
        ok.type.is_bool and conversion is None and operation.encoding is Encoding.ZEROCOPY
    )
    wire_type = conversion.wire_type if conversion else str(ok.type)
    optional = None
    if is_optional_number(ok):
        optional = ir.OptionalWire(f"{stem}_REPLY_value", wire_type)
        wire_type = optional.struct
    return ir.Value(
        type=str(ok.type),
        is_unit=ok.type.is_unit and conversion is None,
        is_bool_byte=is_bool_byte,
        wire_type="u8" if is_bool_byte else wire_type,
        conversion=conversion,
        optional=optional,
    )


def _error(operation: syntax.Operation) -> ir.Error | None:
    error = operation.reply.error
    if error is None:
        return None
    if error.type is None:
        client, server = "idol_runtime::ServerDeath", "core::convert::Infallible"
        return ir.Error(error.kind, None, client, server, None)
    declared = str(error.type)
    size = _size(operation.encoding, declared) if error.kind is ErrorKind.COMPLEX else None
    return ir.Error(error.kind, declared, declared, declared, size)


def _server_bound(operation: syntax.Operation, error: ir.Error | None) -> str | None:
    """An operation that is not repeated needs an error type that can tell of server death."""
    if operation.idempotent or error is None:
        return None
    match error.kind:
        case ErrorKind.C_LIKE:
            return f"{error.type}: idol_runtime::IHaveConsideredServerDeathWithThisErrorType"
        case ErrorKind.COMPLEX:
            return f"{error.type}: From<idol_runtime::ServerDeath>"
        case ErrorKind.SERVER_DEATH:
            return None


def _size(encoding: Encoding, rust_type: str) -> str:
    """Give the most bytes that a value can take; ssmarshal never needs more than memory does."""
    if encoding is Encoding.HUBPACK:
        return f"<{rust_type} as hubpack::SerializedSize>::MAX_SIZE"
    return f"core::mem::size_of::<{rust_type}>()"


def needs_length_check(lease: ir.Lease) -> bool:
    """Return whether a lease can be longer than allowed."""
    return lease.max_len is not None and lease.max_len < _UNLIMITED


def _fresh(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _snake_case(name: str) -> str:
    """Turn `ControlPlaneAgent` into `control_plane_agent`, `SpiNOR2` into `spi_nor2`."""
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return re.sub(r"([A-Z])([A-Z][a-z])", r"\1_\2", name).lower()


def _doc_lines(doc: str | None) -> tuple[str, ...]:
    """Split documentation into lines that can stand behind `///`."""
    if not doc:
        return ()
    return tuple(line.strip() for line in doc.strip().splitlines())
