"""The server stub: a trait with one method for each operation, and what calls it.

The public items are those of oxidecomputer/idolatry 0.5.0, so that a crate can change generators
without other changes: `<OPERATION>_MSG_SIZE`, `<OPERATION>_REPLY_SIZE`, `INCOMING_SIZE`,
`<Interface>_<operation>_ARGS`, `read_<operation>_msg`, `<Interface>Operation`,
`InOrder<Interface>Impl`.
"""

from __future__ import annotations

from idol import ir
from idol.kinds import Encoding, RecvKind
from idol.options import ServerStyle
from idol.rust.answer import emit_tokens
from idol.rust.common import (
    emit_counters,
    emit_head,
    emit_operation_enum,
    emit_optional_arms,
    emit_optional_struct,
    serializer,
)
from idol.rust.dispatch import emit_dispatch, emit_fail_server, emit_trait
from idol.rust.emit import Emitter
from idol.rust.keep import emit_definition, emit_kept_types

_MESSAGE_DERIVES = {
    Encoding.ZEROCOPY: (
        "Copy",
        "Clone",
        "zerocopy_derive::FromBytes",
        "zerocopy_derive::KnownLayout",
        "zerocopy_derive::Immutable",
        "zerocopy_derive::Unaligned",
    ),
    Encoding.SSMARSHAL: ("Copy", "Clone", "serde::Deserialize"),
    Encoding.HUBPACK: ("Copy", "Clone", "serde::Deserialize", "hubpack::SerializedSize"),
}


def emit_server(interface: ir.Interface) -> str:
    """Print the whole server stub."""
    emitter = Emitter(interface.is_formatted)
    emit_head(emitter, interface, f"server stub of interface {interface.name}")
    _imports(emitter)
    emit_operation_enum(emitter, interface)
    for operation in interface.operations:
        emitter.blank()
        _message(emitter, operation)
    emitter.blank()
    emit_kept_types(emitter, interface)
    emitter.blank()
    _sizes(emitter, interface)
    emitter.blank()
    _operation_properties(emitter, interface)
    if interface.counters is not None:
        emitter.blank()
        errors = [operation.server_event_error for operation in interface.operations]
        emit_counters(emitter, interface, interface.counters.server_static, errors)
    if interface.style is ServerStyle.PIPELINED:
        emitter.blank()
        emit_tokens(emitter, interface)
    emitter.blank()
    emit_trait(emitter, interface)
    emitter.blank()
    emit_dispatch(emitter, interface)
    if interface.fail_error is not None:
        emitter.blank()
        emit_fail_server(emitter, interface, interface.fail_error)
    emitter.blank()
    emit_definition(emitter, interface)
    return str(emitter)


def _imports(emitter: Emitter) -> None:
    """Bring in what servers written for the upstream generator expect to be in scope."""
    emitter.line("#[allow(unused_imports)]")
    emitter.line("use userlib::UnwrapLite;")
    emitter.blank()


# -- messages ----------------------------------------------------------------------------------


def _message(emitter: Emitter, operation: ir.Operation) -> None:
    for argument in operation.arguments:
        if argument.optional is not None:
            _optional_docs(emitter, f"`{argument.name}`")
            message_derives = _MESSAGE_DERIVES[operation.encoding]
            emit_optional_struct(emitter, argument.optional, message_derives, visibility="pub ")
            emitter.blank()
    if operation.ok.optional is not None:
        _optional_docs(emitter, "the reply")
        derives = ["zerocopy_derive::IntoBytes", "zerocopy_derive::Immutable"]
        emit_optional_struct(emitter, operation.ok.optional, derives, visibility="pub ")
        emitter.blank()
    emitter.line("#[allow(non_camel_case_types)]")
    emitter.derive(_MESSAGE_DERIVES[operation.encoding])
    if operation.encoding is Encoding.ZEROCOPY:
        emitter.line("#[repr(C, packed)]")
    fields = [f"pub {a.field}: {a.field_type}" for a in operation.arguments]
    emitter.struct(f"pub struct {operation.arguments_struct}", fields)
    accessors = [a for a in operation.arguments if _has_accessor(a)]
    if accessors:
        emitter.blank()
        with emitter.block(f"impl {operation.arguments_struct} {{"):
            for argument in accessors:
                emitter.blank()
                _accessor(emitter, argument)
    emitter.blank()
    _read_function(emitter, operation)


def _optional_docs(emitter: Emitter, what: str) -> None:
    emitter.docs([f"How {what} travels: 0 and nothing of note, or 1 and a number."])


def _has_accessor(argument: ir.Argument) -> bool:
    if argument.conversion is not None:
        return argument.conversion.kind is RecvKind.FROM_PRIMITIVE
    return argument.is_bool


def _accessor(emitter: Emitter, argument: ir.Argument) -> None:
    """Print the function that turns a raw field into the declared type."""
    if argument.conversion is None:
        with emitter.block(f"pub fn {argument.name}(&self) -> bool {{"):
            emitter.line(f"self.{argument.field} != 0")
        return
    opening = f"pub fn {argument.name}"
    emitter.function(opening, ["&self"], [f"Option<{argument.type}>"])
    with emitter.block_body():
        if argument.optional is None:
            function = argument.conversion.function
            emitter.line(f"userlib::FromPrimitive::{function}(self.{argument.field})")
            return
        with emitter.block(f"match self.{argument.field}.is_some {{"):
            emit_optional_arms(emitter, argument.conversion, f"self.{argument.field}")


def _read_function(emitter: Emitter, operation: ir.Operation) -> None:
    opening = f"pub fn {operation.read_function}"
    struct = operation.arguments_struct
    if operation.encoding is Encoding.ZEROCOPY:
        emitter.function(opening, ["bytes: &[u8]"], [f"Option<&{struct}>"])
        with emitter.block_body():
            emitter.line("zerocopy::FromBytes::ref_from_bytes(bytes).ok()")
        return
    emitter.function(opening, ["bytes: &[u8]"], [f"Option<{struct}>"])
    with (
        emitter.block_body(),
        emitter.block(f"match {serializer(operation.encoding)}::deserialize(bytes) {{"),
    ):
        emitter.line("Ok((idol_arguments, _)) => Some(idol_arguments),")
        emitter.line("Err(_) => None,")


def _sizes(emitter: Emitter, interface: ir.Interface) -> None:
    for operation in interface.operations:
        emitter.assign(
            f"pub const {operation.message_size_constant}: usize", operation.message_size
        )
        emitter.assign(f"pub const {operation.reply_size_constant}: usize", operation.reply_size)
    emitter.blank()
    emitter.docs(["Bytes of the longest message: the buffer that `idol_runtime::dispatch` needs."])
    with emitter.block("pub const INCOMING_SIZE: usize = {", "};"):
        constants = [operation.message_size_constant for operation in interface.operations]
        emitter.listed("let idol_sizes = [", constants, "];", width=60)
        emitter.line("let mut idol_largest = 0;")
        emitter.line("let mut idol_index = 0;")
        with emitter.block("while idol_index < idol_sizes.len() {"):
            with emitter.block("if idol_sizes[idol_index] > idol_largest {"):
                emitter.line("idol_largest = idol_sizes[idol_index];")
            emitter.line("idol_index += 1;")
        emitter.line("idol_largest")


def _operation_properties(emitter: Emitter, interface: ir.Interface) -> None:
    """Print what the dispatch loop of the runtime checks before it calls the server."""
    emitter.line("#[automatically_derived]")
    with emitter.block(f"impl idol_runtime::ServerOp for {interface.operation_enum} {{"):
        with emitter.block("fn max_reply_size(self) -> usize {"), emitter.block("match self {"):
            for operation in interface.operations:
                emitter.arm(f"Self::{operation.name}", operation.reply_size_constant)
        emitter.blank()
        opening = "fn required_lease_count(self) -> usize {"
        with emitter.block(opening), emitter.block("match self {"):
            for operation in interface.operations:
                emitter.arm(f"Self::{operation.name}", str(len(operation.leases)))
