"""The client stub: a type with one method for each operation.

The public items are those of oxidecomputer/idolatry 0.5.0, so that a crate can change generators
without other changes: `<Interface>Operation`, `<Interface>` with `From<TaskId>`, one method an
operation with the arguments first and the leases after them.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from idol import ir
from idol.kinds import Encoding, ErrorKind, RecvKind
from idol.lower import needs_length_check
from idol.rust.common import (
    CLIPPY_PARAMETERS,
    emit_counters,
    emit_event,
    emit_head,
    emit_method_docs,
    emit_operation_enum,
    emit_optional_arms,
    emit_optional_struct,
    emit_optional_value,
    emit_or_panic,
    emit_panic,
    emit_panic_functions,
    serializer,
)
from idol.rust.emit import Emitter

_MESSAGE_DERIVES = {
    Encoding.ZEROCOPY: ("zerocopy_derive::IntoBytes", "zerocopy_derive::Immutable"),
    Encoding.SSMARSHAL: ("serde::Serialize",),
    Encoding.HUBPACK: ("serde::Serialize", "hubpack::SerializedSize"),
}


def emit_client(interface: ir.Interface) -> str:
    """Print the whole client stub."""
    emitter = Emitter(interface.is_formatted)
    emit_head(emitter, interface, f"client stub of interface {interface.name}")
    emit_operation_enum(emitter, interface)
    emitter.blank()
    _client_type(emitter, interface)
    if interface.counters is not None:
        emitter.blank()
        errors = [operation.client_event_error for operation in interface.operations]
        emit_counters(emitter, interface, interface.counters.client_static, errors)
    if interface.operations:
        emitter.blank()
        with emitter.block(f"impl {interface.client_struct} {{"):
            for operation in interface.operations:
                emitter.blank()
                _method(emitter, interface, operation)
    emitter.blank()
    _scope(emitter, interface)
    return str(emitter)


def _scope(emitter: Emitter, interface: ir.Interface) -> None:
    """Bring in what crates written for the upstream generator find in scope, and what they bring.

    Upstream's stub imports `UnwrapLite` for the crate, and takes `sys_send` from the crate's own
    import. A glob import yields to both kinds of the crate's imports and leaves them in use, so
    a crate may import either name, all of `userlib`, or nothing.
    """
    emitter.comments(["What crates find in scope; their own imports of these names come first."])
    emitter.line("#[allow(unused_imports)]")
    emitter.line(f"use {interface.scope_module}::*;")
    emitter.blank()
    with emitter.block(f"mod {interface.scope_module} {{"):
        # Apart, since editions of rustfmt sort them differently.
        for name in ("UnwrapLite", "sys_send"):
            emitter.blank()
            emitter.line("#[allow(unused_imports)]")
            emitter.line(f"pub use userlib::{name};")


def _client_type(emitter: Emitter, interface: ir.Interface) -> None:
    name = interface.client_struct
    emitter.docs(interface.doc or (f"Client of the `{interface.name}` interface.",))
    emitter.line("#[derive(Clone, Debug)]")
    with emitter.block(f"pub struct {name} {{"):
        emitter.line("/// The server, in the generation that was alive when it last answered.")
        emitter.line("current_id: core::cell::Cell<userlib::TaskId>,")
    emitter.blank()
    emitter.line("#[automatically_derived]")
    with (
        emitter.block(f"impl From<userlib::TaskId> for {name} {{"),
        emitter.block("fn from(idol_task: userlib::TaskId) -> Self {"),
        emitter.block("Self {"),
    ):
        emitter.line("current_id: core::cell::Cell::new(idol_task),")


def _method(emitter: Emitter, interface: ir.Interface, operation: ir.Operation) -> None:
    if emit_method_docs(emitter, operation):
        emitter.docs([""])
    repeats = "idempotent: sent again if the server dies"
    if not operation.idempotent:
        repeats = "not idempotent"
    emitter.docs([f"Operation {operation.code} of `{interface.name}`, {repeats}."])
    parameters = [f"{a.name}: {a.type}" for a in operation.arguments]
    parameters += [f"{lease.name}: {lease.client_type}" for lease in operation.leases]
    if operation.has_named_types:
        # An enum's variant may have the name of the parameter.
        emitter.line("#[allow(bindings_with_variant_name)]")
    if len(parameters) + 1 > CLIPPY_PARAMETERS:
        emitter.line("#[allow(clippy::too_many_arguments)]")
    opening = f"pub fn {operation.name}"
    emitter.function(opening, ["&self", *parameters], operation.client_result)
    with emitter.block_body():
        _optional_structs(emitter, operation)
        _message_struct(emitter, operation)
        _reply_struct(emitter, operation)
        _sizes(emitter, operation)
        emit_panic_functions(emitter, _panics(operation))
        emitter.blank()
        for lease in operation.leases:
            if needs_length_check(lease):
                with emitter.block(f"if {lease.name}.len() > {lease.max_len} {{"):
                    emit_panic(emitter, lease.too_long_panic)
        _message(emitter, operation)
        reply = operation.locals["reply"]
        emitter.line(f"let mut {reply} = [0u8; {operation.locals['REPLY_SIZE']}];")
        if operation.idempotent:
            with emitter.block("loop {"):
                _send(emitter, operation)
                _repeat_on_death(emitter, operation)
                _outcome(emitter, interface, operation)
        else:
            _send(emitter, operation)
            _outcome(emitter, interface, operation)


# -- items inside a method ---------------------------------------------------------------------


def _message_struct(emitter: Emitter, operation: ir.Operation) -> None:
    emitter.line("#[allow(non_camel_case_types)]")
    emitter.derive(_MESSAGE_DERIVES[operation.encoding])
    if operation.encoding is Encoding.ZEROCOPY:
        emitter.line("#[repr(C, packed)]")
    fields = [f"{a.name}: {a.client_field_type}" for a in operation.arguments]
    emitter.struct(f"struct {operation.arguments_struct}", fields)


def _optional_structs(emitter: Emitter, operation: ir.Operation) -> None:
    for argument in operation.arguments:
        if argument.optional is not None:
            emit_optional_struct(emitter, argument.optional, _MESSAGE_DERIVES[operation.encoding])


def _reply_struct(emitter: Emitter, operation: ir.Operation) -> None:
    """Print what the reply is read as, which debuggers look for, too."""
    if operation.encoding is not Encoding.ZEROCOPY or operation.ok.is_unit:
        return
    if operation.ok.optional is not None:
        emit_optional_struct(emitter, operation.ok.optional, ["zerocopy_derive::FromBytes"])
    emitter.line("#[allow(non_camel_case_types)]")
    emitter.derive(["zerocopy_derive::FromBytes"])
    emitter.line("#[repr(C, packed)]")
    emitter.struct(f"struct {operation.reply_struct}", [f"value: {operation.ok.wire_type}"])


def _sizes(emitter: Emitter, operation: ir.Operation) -> None:
    local = operation.locals
    reply, good, bad = local["REPLY_SIZE"], local["OK_SIZE"], local["ERROR_SIZE"]
    if operation.encoding is not Encoding.ZEROCOPY:
        emitter.assign(f"const {local['MESSAGE_SIZE']}: usize", operation.message_size)
    if operation.error is None or operation.error.message_size is None:
        emitter.assign(f"const {reply}: usize", operation.reply_size)
        return
    emitter.assign(f"const {good}: usize", operation.reply_size)
    emitter.assign(f"const {bad}: usize", operation.error.message_size)
    with emitter.block(f"const {reply}: usize = if {good} > {bad} {{", "};"):
        emitter.line(good)
        emitter.outdented("} else {")
        emitter.line(bad)


def _panics(operation: ir.Operation) -> list[str]:
    """List the panics that a method can end in."""
    panics = [lease.too_long_panic for lease in operation.leases if needs_length_check(lease)]
    if operation.encoding is not Encoding.ZEROCOPY:
        panics.append(operation.panics["encode_arguments"])
    if not operation.ok.is_unit:
        panics.append(operation.panics["decode_reply"])
    if operation.error is not None:
        complex_error = operation.error.kind is ErrorKind.COMPLEX
        panics.append(operation.panics["decode_error" if complex_error else "unknown_code"])
    return panics


# -- sending -----------------------------------------------------------------------------------


def _message(emitter: Emitter, operation: ir.Operation) -> None:
    """Make the message: the struct itself for zerocopy, else an encoded buffer."""
    local = operation.locals
    initializers = [_initializer(emitter, a) for a in operation.arguments]
    emitter.assign_literal(f"let {local['arguments']}", operation.arguments_struct, initializers)
    if operation.encoding is Encoding.ZEROCOPY:
        return
    crate, message = serializer(operation.encoding), local["message"]
    emitter.line(f"let mut {message} = [0u8; {local['MESSAGE_SIZE']}];")
    emit_or_panic(
        emitter,
        f"Ok({local['size']})",
        f"{crate}::serialize(&mut {message}, &{local['arguments']})",
        operation.panics["encode_arguments"],
    )
    emitter.line(f"let {message} = &{message}[..{local['size']}];")


def _initializer(emitter: Emitter, argument: ir.Argument) -> str:
    """Return the field of the message struct, after printing what it is made of."""
    name, optional = argument.name, argument.optional
    if optional is None:
        return f"{name}: {name} as u8" if argument.is_bool else name
    emit_optional_value(emitter, argument.value_variable, optional, name)
    return f"{name}: {argument.value_variable}"


def _send(emitter: Emitter, operation: ir.Operation) -> None:
    local = operation.locals
    for lease in operation.leases:
        expression = f"zerocopy::IntoBytes::{lease.bytes_function}({lease.name})"
        emitter.assign(f"let {lease.bytes_variable}", expression)
    if operation.leases:
        leases = [
            f"userlib::Lease::{x.lease_function}({x.bytes_variable})" for x in operation.leases
        ]
        emitter.listed(f"let {local['leases']} = [", leases, "];", width=60)
    emitter.line(f"let {local['task']} = self.current_id.get();")
    if operation.encoding is Encoding.ZEROCOPY:
        message = f"zerocopy::IntoBytes::as_bytes(&{local['arguments']})"
    else:
        message = local["message"]
    arguments = [
        local["task"],
        f"{operation.variant} as u16",
        message,
        f"&mut {local['reply']}",
        f"&{local['leases']}" if operation.leases else "&[]",
    ]
    code = local["code"] if operation.idempotent or operation.error else "_"
    size = local["size"] if _uses_size(operation) else "_"
    emitter.assign_call(f"let ({code}, {size})", "sys_send(", arguments)


def _uses_size(operation: ir.Operation) -> bool:
    if operation.encoding is Encoding.ZEROCOPY:
        return False
    complex_error = operation.error and operation.error.kind is ErrorKind.COMPLEX
    return bool(complex_error) or not operation.ok.is_unit


def _repeat_on_death(emitter: Emitter, operation: ir.Operation) -> None:
    with _if_dead(emitter, operation):
        _note_generation(emitter, operation)
        emitter.line("continue;")


def _if_dead(emitter: Emitter, operation: ir.Operation) -> AbstractContextManager[None]:
    local = operation.locals
    return emitter.block(
        f"if let Some({local['generation']}) = userlib::extract_new_generation({local['code']}) {{"
    )


def _note_generation(emitter: Emitter, operation: ir.Operation) -> None:
    """Talk to the server's new incarnation from now on."""
    local = operation.locals
    emitter.assign(
        f"let {local['task']}",
        f"userlib::TaskId::for_index_and_gen({local['task']}.index(), {local['generation']})",
    )
    emitter.line(f"self.current_id.set({local['task']});")


# -- receiving ---------------------------------------------------------------------------------


def _outcome(emitter: Emitter, interface: ir.Interface, operation: ir.Operation) -> None:
    """Decode the reply; what is printed last is the value of the method."""
    if operation.error is not None:
        with emitter.block(f"if {operation.locals['code']} != 0 {{"):
            _ERRORS[operation.error.kind](emitter, interface, operation, operation.error)
    _good_reply(emitter, interface, operation)


def _count(
    emitter: Emitter, interface: ir.Interface, operation: ir.Operation, outcome: str
) -> None:
    """Print the counting of an outcome, if calls are counted."""
    counters = interface.counters
    if counters is not None:
        event = operation.event if operation.error is None else f"{operation.event}({outcome})"
        emit_event(emitter, counters.client_static, event)


def _fail(emitter: Emitter, interface: ir.Interface, operation: ir.Operation, error: str) -> None:
    """Print the return of an error."""
    _count(emitter, interface, operation, f"Err({error})")
    emitter.line(f"return Err({error});")


def _c_like_error(
    emitter: Emitter, interface: ir.Interface, operation: ir.Operation, error: ir.Error
) -> None:
    local = operation.locals
    if not operation.idempotent:
        with _if_dead(emitter, operation):
            _note_generation(emitter, operation)
    emit_or_panic(
        emitter,
        f"Ok({local['error']})",
        f"core::convert::TryFrom::try_from({local['code']})",
        operation.panics["unknown_code"],
    )
    _fail(emitter, interface, operation, local["error"])


def _complex_error(
    emitter: Emitter, interface: ir.Interface, operation: ir.Operation, error: ir.Error
) -> None:
    local = operation.locals
    if not operation.idempotent:
        with _if_dead(emitter, operation):
            _note_generation(emitter, operation)
            death = f"{error.client_type}::from(idol_runtime::ServerDeath)"
            emitter.assign(f"let {local['error']}", death)
            _fail(emitter, interface, operation, local["error"])
    _decode(emitter, operation, local["error"], "decode_error")
    _fail(emitter, interface, operation, local["error"])


def _server_death(
    emitter: Emitter, interface: ir.Interface, operation: ir.Operation, error: ir.Error
) -> None:
    with _if_dead(emitter, operation):
        _note_generation(emitter, operation)
        _fail(emitter, interface, operation, error.client_type)
    emit_panic(emitter, operation.panics["unknown_code"])


_ERRORS = {
    ErrorKind.C_LIKE: _c_like_error,
    ErrorKind.COMPLEX: _complex_error,
    ErrorKind.SERVER_DEATH: _server_death,
}


def _good_reply(emitter: Emitter, interface: ir.Interface, operation: ir.Operation) -> None:
    ok, value = operation.ok, operation.locals["value"]
    if ok.is_unit:
        _count(emitter, interface, operation, "Ok(())")
        _finish(emitter, operation, "()")
        return
    read = value
    if operation.encoding is Encoding.ZEROCOPY:
        read = f"{value}.value"
        _decode(emitter, operation, value, "decode_reply", operation.reply_struct)
    else:
        _decode(emitter, operation, value, "decode_reply")
    if ok.conversion is not None and ok.conversion.kind is RecvKind.FROM_PRIMITIVE:
        found = f"userlib::FromPrimitive::{ok.conversion.function}({read})"
        if ok.optional is not None:
            with emitter.block(f"let {value} = match {read}.is_some {{", "};"):
                emit_optional_arms(emitter, ok.conversion, read)
            found = value
        emit_or_panic(emitter, f"Some({value})", found, operation.panics["decode_reply"])
        read = value
    elif ok.is_bool_byte:
        read = f"{read} != 0"
    elif ok.conversion is not None:
        function = ok.conversion.function
        read = f"{function}({read})" if function else f"{read}.into()"
    _count(emitter, interface, operation, "Ok(())")
    _finish(emitter, operation, read)


def _finish(emitter: Emitter, operation: ir.Operation, expression: str) -> None:
    """End the method with a value; an idempotent one leaves its loop by that."""
    if operation.error is not None:
        expression = f"Ok({expression})"
    if operation.idempotent:
        emitter.line("return;" if expression == "()" else f"return {expression};")
    elif expression != "()":
        emitter.line(expression)


def _decode(
    emitter: Emitter,
    operation: ir.Operation,
    variable: str,
    cause: str,
    rust_type: str | None = None,
) -> None:
    """Read the reply buffer; without a type, the use of the variable decides what it is."""
    local = operation.locals
    if operation.encoding is Encoding.ZEROCOPY:
        pattern = f"Ok::<{rust_type}, _>({variable})" if rust_type else f"Ok({variable})"
        expression = f"zerocopy::FromBytes::read_from_bytes(&{local['reply']})"
    else:
        pattern = f"Ok(({variable}, _))"
        crate = serializer(operation.encoding)
        expression = f"{crate}::deserialize(&{local['reply']}[..{local['size']}])"
    emit_or_panic(emitter, pattern, expression, operation.panics[cause])
