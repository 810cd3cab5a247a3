"""The server stub: a trait with one method for each operation, and what calls it.

The public items are those of oxidecomputer/idolatry 0.5.0, so that a crate can change generators
without other changes: `<OPERATION>_MSG_SIZE`, `<OPERATION>_REPLY_SIZE`, `INCOMING_SIZE`,
`<Interface>_<operation>_ARGS`, `read_<operation>_msg`, `<Interface>Operation`,
`InOrder<Interface>Impl`.

Debuggers need the types of arguments, leases, replies and errors from the debug information, and
the compiler leaves out what a task does not use. Each operation therefore has a struct of its
types, and a static has a type that leads to all of them: `<Interface>_TYPES.<operation>` with
`arguments` and `leases` (tuples, as declared), `message`, `reply` and `error`. No code refers to
the static: the optimizer drops it, and its description, with every type in it, stays.
"""

from __future__ import annotations

from idol import ir
from idol.rust.common import (
    emit_head,
    emit_operation_enum,
    emit_or_panic,
    emit_panic_functions,
    serializer,
)
from idol.rust.emit import Emitter
from idol.syntax import Encoding, ErrorKind, RecvKind

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

_BAD_CONTENTS = "return Err(idol_runtime::ClientError::BadMessageContents.fail());"
_BAD_LEASE = "return Err(idol_runtime::ClientError::BadLease.fail());"


def emit_server(interface: ir.Interface) -> str:
    """Print the whole server stub."""
    emitter = Emitter()
    emit_head(emitter, interface, f"server stub of interface {interface.name}")
    _imports(emitter)
    emit_operation_enum(emitter, interface)
    for operation in interface.operations:
        emitter.blank()
        _message(emitter, operation)
    emitter.blank()
    _kept_types(emitter, interface)
    emitter.blank()
    _sizes(emitter, interface)
    emitter.blank()
    _operation_properties(emitter, interface)
    emitter.blank()
    _in_order_trait(emitter, interface)
    emitter.blank()
    _dispatch(emitter, interface)
    emitter.blank()
    _definition(emitter, interface)
    return str(emitter)


def _imports(emitter: Emitter) -> None:
    """Bring in what servers written for the upstream generator expect to be in scope."""
    emitter.line("#[allow(unused_imports)]")
    emitter.line("use userlib::UnwrapLite;")
    emitter.blank()


# -- messages ----------------------------------------------------------------------------------


def _message(emitter: Emitter, operation: ir.Operation) -> None:
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
    with emitter.block(f"pub fn {argument.name}(&self) -> Option<{argument.type}> {{"):
        convert = f"userlib::FromPrimitive::{argument.conversion.function}"
        emitter.line(f"{convert}(self.{argument.field})")


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
        emitter.line("Ok((arguments, _)) => Some(arguments),")
        emitter.line("Err(_) => None,")


def _kept_types(emitter: Emitter, interface: ir.Interface) -> None:
    """Print what exists for debuggers alone; see the top of this file."""
    for operation in interface.operations:
        _operation_types(emitter, interface, operation)
        emitter.blank()
    emitter.docs([f"The types of `{interface.name}`, one field an operation."])
    emitter.line("#[allow(dead_code, non_camel_case_types)]")
    fields = [f"{o.name}: {o.types_struct}" for o in interface.operations]
    emitter.struct(f"struct {interface.types_struct}", fields)
    emitter.blank()
    emitter.docs(["Keeps the types in the debug information; nothing refers to it."])
    emitter.line("#[allow(dead_code)]")
    static = f"static {interface.types_static}: Option<fn() -> {interface.types_struct}>"
    emitter.assign(static, "None")


def _operation_types(emitter: Emitter, interface: ir.Interface, operation: ir.Operation) -> None:
    emitter.docs([f"The reply of `{interface.name}.{operation.name}`, for debuggers."])
    emitter.line("#[allow(dead_code, non_camel_case_types)]")
    if operation.encoding is Encoding.ZEROCOPY:
        emitter.line("#[repr(C, packed)]")
    emitter.struct(f"struct {operation.reply_struct}", [f"value: {operation.ok.type}"])
    emitter.blank()
    emitter.docs([f"The types of `{interface.name}.{operation.name}`, for debuggers."])
    emitter.line("#[allow(dead_code, non_camel_case_types)]")
    with emitter.block(f"struct {operation.types_struct} {{"):
        if operation.arguments:
            emitter.tuple_field("arguments", [a.type for a in operation.arguments])
        if operation.leases:
            emitter.tuple_field("leases", [f"*const {lease.type}" for lease in operation.leases])
        emitter.line(f"message: {operation.arguments_struct},")
        emitter.line(f"reply: {operation.reply_struct},")
        if operation.error is not None and operation.error.type is not None:
            emitter.line(f"error: {operation.error.type},")


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
        emitter.listed("let sizes = [", constants, "];", width=60)
        emitter.line("let mut largest = 0;")
        emitter.line("let mut index = 0;")
        with emitter.block("while index < sizes.len() {"):
            with emitter.block("if sizes[index] > largest {"):
                emitter.line("largest = sizes[index];")
            emitter.line("index += 1;")
        emitter.line("largest")


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


# -- the trait ---------------------------------------------------------------------------------


def _in_order_trait(emitter: Emitter, interface: ir.Interface) -> None:
    emitter.docs(
        (
            *(interface.doc or (f"A server of the `{interface.name}` interface.",)),
            "",
            "Each message is answered before the next one is received.",
        )
    )
    trait = interface.in_order_trait
    with emitter.block(f"pub trait {trait}: idol_runtime::NotificationHandler {{"):
        emitter.docs(["Names the only task to receive from; `None` receives from all."])
        with emitter.block("fn recv_source(&self) -> Option<userlib::TaskId> {"):
            emitter.line("None")
        emitter.blank()
        emitter.docs(["Hears that the task named by `recv_source` has died."])
        with emitter.block("fn closed_recv_fail(&mut self) {"):
            emitter.line("panic!()")
        for operation in interface.operations:
            emitter.blank()
            _trait_method(emitter, operation)


def _trait_method(emitter: Emitter, operation: ir.Operation) -> None:
    emitter.docs(operation.doc)
    parameters = [f"{operation.locals['msg']}: &userlib::RecvMessage"]
    parameters += [f"{a.name}: {a.type}" for a in operation.arguments]
    parameters += [f"{lease.name}: {lease.server_type}" for lease in operation.leases]
    if len(parameters) + 1 > 7:
        emitter.line("#[allow(clippy::too_many_arguments)]")
    emitter.function(
        f"fn {operation.name}",
        ["&mut self", *parameters],
        operation.server_result,
        operation.server_bound,
        is_declared_only=True,
    )


# -- dispatch ----------------------------------------------------------------------------------


def _dispatch(emitter: Emitter, interface: ir.Interface) -> None:
    trait, enum = interface.in_order_trait, interface.operation_enum
    emitter.line("#[automatically_derived]")
    emitter.line(f"impl<S: {trait}> idol_runtime::Server<{enum}>")
    with emitter.indented():
        emitter.call("for (", [f"core::marker::PhantomData<{enum}>", "&'_ mut S"], ")")
    with emitter.block("{"):
        with emitter.block("fn recv_source(&self) -> Option<userlib::TaskId> {"):
            emitter.line(f"<S as {trait}>::recv_source(self.1)")
        emitter.blank()
        with emitter.block("fn closed_recv_fail(&mut self) {"):
            emitter.line(f"<S as {trait}>::closed_recv_fail(self.1)")
        emitter.blank()
        parameters = ["&mut self", f"op: {enum}", "incoming: &[u8]", "rm: &userlib::RecvMessage"]
        result = ["()", "idol_runtime::RequestError<u16>"]
        emitter.function("fn handle", parameters, result)
        with emitter.block_body(), emitter.block("match op {"):
            for operation in interface.operations:
                with emitter.block(f"{operation.variant} => {{"):
                    _case(emitter, interface, operation)


def _case(emitter: Emitter, interface: ir.Interface, operation: ir.Operation) -> None:
    """Decode the message, check the leases, call the server, answer."""
    local = operation.locals
    if operation.error is not None and operation.error.message_size is not None:
        emitter.assign("const ERROR_SIZE: usize", operation.error.message_size)
    emit_panic_functions(emitter, _panics(operation))
    arguments = local["arguments"] if operation.arguments else "_"
    with emitter.let_else(f"Some({arguments})", f"{operation.read_function}(incoming)"):
        emitter.line(_BAD_CONTENTS)
    values = [_argument_value(emitter, operation, a) for a in operation.arguments]
    for lease in operation.leases:
        _check_lease(emitter, lease)
    values += [lease.lease_variable for lease in operation.leases]
    call = f"<S as {interface.in_order_trait}>::{operation.name}("
    emitter.assign_call(f"let {local['result']}", call, ["self.1", "rm", *values])
    with emitter.block(f"match {local['result']} {{"):
        value = "()" if operation.ok.is_unit else local["value"]
        with emitter.block(f"Ok({value}) => {{"):
            _reply(emitter, operation, "0", None if operation.ok.is_unit else local["value"])
            emitter.line("Ok(())")
        _error_case(emitter, operation)


def _panics(operation: ir.Operation) -> list[str]:
    panics = []
    if operation.encoding is not Encoding.ZEROCOPY and not operation.ok.is_unit:
        panics.append(operation.panics["encode_reply"])
    if operation.error is not None and operation.error.kind is ErrorKind.COMPLEX:
        panics.append(operation.panics["encode_error"])
    return panics


def _argument_value(emitter: Emitter, operation: ir.Operation, argument: ir.Argument) -> str:
    """Return the expression for one argument, after printing the checks that it needs."""
    arguments = operation.locals["arguments"]
    conversion = argument.conversion
    if conversion is None:
        return f"{arguments}.{argument.name}{'()' if argument.is_bool else ''}"
    if conversion.kind is RecvKind.FROM_PRIMITIVE:
        with emitter.let_else(f"Some({argument.value_variable})", f"{arguments}.{argument.name}()"):
            emitter.line(_BAD_CONTENTS)
        return argument.value_variable
    if conversion.function is None:
        return f"{arguments}.{argument.field}.into()"
    return f"{conversion.function}({arguments}.{argument.field})"


def _check_lease(emitter: Emitter, lease: ir.Lease) -> None:
    """Print the checks of count, access and length; the client is at fault if they fail."""
    variable = lease.lease_variable
    items = ["rm.sender", str(lease.index)]
    if lease.is_slice:
        items.append("None")
        if lease.max_len is not None:
            emitter.line(f"let {variable} = core::num::NonZeroU32::new({lease.max_len});")
            items[-1] = variable
    emitter.assign_call(f"let {variable}", f"idol_runtime::Leased::{lease.leased_function}(", items)
    with emitter.let_else(f"Some({variable})", variable):
        emitter.line(_BAD_LEASE)
    if lease.max_len is not None:
        emitter.line(f"let {variable} = core::convert::TryFrom::try_from({variable});")
        with emitter.let_else(f"Ok({variable})", variable):
            emitter.line(_BAD_LEASE)


def _reply(emitter: Emitter, operation: ir.Operation, code: str, value: str | None) -> None:
    """Answer with a value in the operation's encoding; None is an empty message."""
    if value is None:
        emitter.line(f"userlib::sys_reply(rm.sender, {code}, &[]);")
    elif operation.encoding is Encoding.ZEROCOPY:
        emitter.call(
            "userlib::sys_reply(",
            ["rm.sender", code, f"zerocopy::IntoBytes::as_bytes(&{value})"],
            ");",
        )
    else:
        _encoded_reply(emitter, operation, code, value, operation.reply_size_constant)


def _encoded_reply(
    emitter: Emitter, operation: ir.Operation, code: str, value: str, size: str
) -> None:
    local = operation.locals
    emitter.assign(f"let mut {local['reply']}", f"[0u8; {size}]")
    emit_or_panic(
        emitter,
        f"Ok({local['size']})",
        f"{serializer(operation.encoding)}::serialize(&mut {local['reply']}, &{value})",
        operation.panics["encode_reply" if code == "0" else "encode_error"],
    )
    emitter.line(f"userlib::sys_reply(rm.sender, {code}, &{local['reply']}[..{local['size']}]);")


def _error_case(emitter: Emitter, operation: ir.Operation) -> None:
    bad = operation.locals["error"]
    error = operation.error
    if error is None or error.kind is ErrorKind.SERVER_DEATH:
        # The server cannot fail by itself, only by the client's fault.
        emitter.arm(f"Err({bad})", f"Err({bad}.map_runtime(|e| match e {{}}))")
    elif error.kind is ErrorKind.C_LIKE:
        emitter.arm(f"Err({bad})", f"Err({bad}.map_runtime(u16::from))")
    else:
        _complex_error_case(emitter, operation)


def _complex_error_case(emitter: Emitter, operation: ir.Operation) -> None:
    """A Complex error is an answer with code 1 and a message, so the outcome is `Ok`."""
    local = operation.locals
    runtime = f"Err(idol_runtime::RequestError::Runtime({local['error']}))"
    with emitter.block(f"{runtime} => {{"):
        _encoded_reply(emitter, operation, "1", local["error"], "ERROR_SIZE")
        emitter.line("Ok(())")
    emitter.line(f"Err(idol_runtime::RequestError::Fail({local['error']})) => {{")
    emitter.line(f"    Err(idol_runtime::RequestError::Fail({local['error']}))")
    emitter.line("}")


# -- the definition ----------------------------------------------------------------------------


def _definition(emitter: Emitter, interface: ir.Interface) -> None:
    """Put the interface's text into a section that is not loaded, for debuggers."""
    emitter.docs([f"The text of {interface.source_name}, for debuggers; it is not loaded."])
    emitter.line("#[used]")
    emitter.line('#[unsafe(link_section = ".idolatry")]')
    text = "".join(_ESCAPES.get(byte) or f"\\x{byte:02x}" for byte in interface.definition)
    declaration = f"static {interface.definition_static}: [u8; {len(interface.definition)}]"
    emitter.assign(declaration, f'*b"{text}"')


_ESCAPES = {byte: chr(byte) for byte in range(0x20, 0x7F)} | {
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
    ord("\\"): "\\\\",
    ord('"'): '\\"',
}
