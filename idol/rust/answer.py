"""Replies of a server: in the operation's encoding, at once or by a token.

A server in order returns a `Result`, and the dispatch loop answers with it. A pipelined one gets a
token, a value that owes the client an answer: each way of answering consumes it, it cannot be
copied, and to drop it is a panic with the operation's name.
"""

from __future__ import annotations

from idol import ir
from idol.kinds import Encoding, ErrorKind
from idol.rust.common import (
    emit_event,
    emit_optional_value,
    emit_or_panic,
    emit_panic,
    emit_panic_functions,
    serializer,
)
from idol.rust.emit import Emitter

_SENDER = "rm.sender"


def answer_panics(operation: ir.Operation) -> list[str]:
    """List the panics that answering can end in."""
    panics = []
    if operation.encoding is not Encoding.ZEROCOPY and not operation.ok.is_unit:
        panics.append(operation.panics["encode_reply"])
    if _is_complex(operation):
        panics.append(operation.panics["encode_error"])
    return panics


def _is_complex(operation: ir.Operation) -> bool:
    return operation.error is not None and operation.error.kind is ErrorKind.COMPLEX


# -- in order ----------------------------------------------------------------------------------


def emit_result(emitter: Emitter, interface: ir.Interface, operation: ir.Operation) -> None:
    """Answer with what the server's method returned, and make the value of `handle` of it."""
    local = operation.locals
    if operation.is_bare:
        _good_answer(emitter, interface, operation, _SENDER, local["result"])
        emitter.line("Ok(())")
        return
    with emitter.block(f"match {local['result']} {{"):
        with emitter.block(f"Ok({'()' if operation.ok.is_unit else local['value']}) => {{"):
            _good_answer(emitter, interface, operation, _SENDER, local["value"])
            emitter.line("Ok(())")
        _error_arms(emitter, interface, operation)


def _error_arms(emitter: Emitter, interface: ir.Interface, operation: ir.Operation) -> None:
    """Print the handling of an error: a reply of its own, or a code for the dispatch loop."""
    bad, counters = operation.locals["error"], interface.counters
    runtime = f"Err(idol_runtime::RequestError::Runtime({bad}))"
    fail = f"Err(idol_runtime::RequestError::Fail({bad}))"
    if _is_complex(operation):
        # An answer with code 1 and a message, so the outcome is `Ok`.
        with emitter.block(f"{runtime} => {{"):
            _event(emitter, interface, operation, "runtime", bad)
            _encoded_answer(emitter, operation, _SENDER, "1", bad, operation.locals["ERROR_SIZE"])
            emitter.line("Ok(())")
        with emitter.block(f"{fail} => {{"):
            _event(emitter, interface, operation, "fail", bad)
            emitter.line(fail)
        return
    convert = "u16::from" if _has_code(operation) else "|idol| match idol {}"
    is_counted = counters and (operation.server_event_error or counters.combine_client_errors)
    if counters is None or not is_counted:
        emitter.arm(f"Err({bad})", f"Err({bad}.map_runtime({convert}))")
        return
    if not counters.combine_client_errors:
        with emitter.block(f"Err({bad}) => {{"):
            emit_event(emitter, counters.server_static, f"{operation.event}(Err({bad}))")
            emitter.line(f"Err({bad}.map_runtime({convert}))")
        return
    if _has_code(operation):
        with emitter.block(f"{runtime} => {{"):
            _event(emitter, interface, operation, "runtime", bad)
            emitter.line(f"Err(idol_runtime::RequestError::Runtime(u16::from({bad})))")
    else:
        emitter.arm(runtime, f"match {bad} {{}}")
    with emitter.block(f"{fail} => {{"):
        _event(emitter, interface, operation, "fail", bad)
        emitter.line(fail)


def _has_code(operation: ir.Operation) -> bool:
    return operation.error is not None and operation.error.kind is ErrorKind.C_LIKE


# -- tokens ------------------------------------------------------------------------------------


def emit_tokens(emitter: Emitter, interface: ir.Interface) -> None:
    """Print the tokens of all operations."""
    for operation in interface.operations:
        emitter.blank()
        _token(emitter, interface, operation)


def _token(emitter: Emitter, interface: ir.Interface, operation: ir.Operation) -> None:
    name = f"{interface.name}.{operation.name}"
    emitter.docs([f"Owes the caller of `{name}` an answer; to drop it is a panic."])
    emitter.line("#[allow(non_camel_case_types)]")
    emitter.line('#[must_use = "the client waits until it is answered"]')
    emitter.struct(f"pub struct {operation.token_struct}", ["client: userlib::TaskId"])
    emitter.blank()
    emitter.line("#[allow(bindings_with_variant_name, dead_code)]")
    with emitter.block(f"impl {operation.token_struct} {{"):
        emitter.docs(["Names the task that waits."])
        with emitter.block("pub fn client(&self) -> userlib::TaskId {"):
            emitter.line("self.client")
        _token_reply(emitter, interface, operation)
        _token_error(emitter, interface, operation)
        emitter.blank()
        emitter.docs(["Answers with a fault of the client, which broke the rules."])
        emitter.function("pub fn fault", ["self", "error: idol_runtime::ClientError"])
        with emitter.block_body():
            _event(emitter, interface, operation, "fail", "error")
            with emitter.block("if let Some(idol_reason) = error.into_fault() {"):
                emitter.line("userlib::sys_reply_fault(self.client, idol_reason);")
            emitter.line("core::mem::forget(self);")
        _token_finish(emitter, operation)
        emitter.blank()
        emitter.docs(["Answers nobody: for a client that is known to be gone."])
        with emitter.block("pub fn abandon(self) {"):
            emitter.line("core::mem::forget(self);")
    emitter.blank()
    with (
        emitter.block(f"impl Drop for {operation.token_struct} {{"),
        emitter.block("fn drop(&mut self) {"),
    ):
        emit_panic_functions(emitter, [operation.panics["dropped"]])
        emit_panic(emitter, operation.panics["dropped"], is_last=True)


def _token_reply(emitter: Emitter, interface: ir.Interface, operation: ir.Operation) -> None:
    emitter.blank()
    emitter.docs(["Answers."])
    parameters = ["self"] if operation.ok.is_unit else ["self", f"value: {operation.ok.type}"]
    emitter.function("pub fn reply", parameters)
    with emitter.block_body():
        panic = operation.panics["encode_reply"]
        if panic in answer_panics(operation):
            emit_panic_functions(emitter, [panic])
        _good_answer(emitter, interface, operation, "self.client", "value")
        emitter.line("core::mem::forget(self);")


def _token_error(emitter: Emitter, interface: ir.Interface, operation: ir.Operation) -> None:
    error = operation.error
    if error is None or error.type is None:
        return
    emitter.blank()
    emitter.docs(["Answers with the operation's own error."])
    emitter.function("pub fn error", ["self", f"error: {error.type}"])
    with emitter.block_body():
        if error.message_size is not None:
            emitter.assign(f"const {operation.locals['ERROR_SIZE']}: usize", error.message_size)
            emit_panic_functions(emitter, [operation.panics["encode_error"]])
        _event(emitter, interface, operation, "runtime", "error")
        if error.message_size is not None:
            size = operation.locals["ERROR_SIZE"]
            _encoded_answer(emitter, operation, "self.client", "1", "error", size)
        else:
            arguments = ["self.client", "u32::from(u16::from(error))", "&[]"]
            emitter.call("userlib::sys_reply(", arguments, ");")
        emitter.line("core::mem::forget(self);")


def _token_finish(emitter: Emitter, operation: ir.Operation) -> None:
    error = operation.error
    if error is None or error.type is None:
        return
    emitter.blank()
    emitter.docs(["Answers with what a method of a server in order would return."])
    result = [operation.ok.type, f"idol_runtime::RequestError<{error.type}>"]
    emitter.method_of_result("pub fn finish", "result", result)
    with emitter.block_body(), emitter.block("match result {"):
        if operation.ok.is_unit:
            emitter.line("Ok(()) => self.reply(),")
        else:
            emitter.line("Ok(value) => self.reply(value),")
        emitter.line("Err(idol_runtime::RequestError::Runtime(error)) => self.error(error),")
        emitter.line("Err(idol_runtime::RequestError::Fail(error)) => self.fault(error),")


# -- what goes out -----------------------------------------------------------------------------


def _good_answer(
    emitter: Emitter,
    interface: ir.Interface,
    operation: ir.Operation,
    client: str,
    variable: str,
) -> None:
    _event(emitter, interface, operation, "ok", variable)
    if operation.ok.is_unit:
        emitter.line(f"userlib::sys_reply({client}, 0, &[]);")
    elif operation.encoding is Encoding.ZEROCOPY:
        if operation.ok.optional is not None:
            sent = operation.locals["reply"]
            emit_optional_value(emitter, sent, operation.ok.optional, variable)
            variable = sent
        arguments = [client, "0", f"zerocopy::IntoBytes::as_bytes(&{variable})"]
        emitter.call("userlib::sys_reply(", arguments, ");")
    else:
        size = operation.reply_size_constant
        _encoded_answer(emitter, operation, client, "0", variable, size)


def _encoded_answer(
    emitter: Emitter, operation: ir.Operation, client: str, code: str, value: str, size: str
) -> None:
    local = operation.locals
    emitter.assign(f"let mut {local['reply']}", f"[0u8; {size}]")
    emit_or_panic(
        emitter,
        f"Ok({local['size']})",
        f"{serializer(operation.encoding)}::serialize(&mut {local['reply']}, &{value})",
        operation.panics["encode_reply" if code == "0" else "encode_error"],
    )
    emitter.line(f"userlib::sys_reply({client}, {code}, &{local['reply']}[..{local['size']}]);")


# -- counting ----------------------------------------------------------------------------------


def _event(
    emitter: Emitter,
    interface: ir.Interface,
    operation: ir.Operation,
    outcome: str,
    variable: str,
) -> None:
    """Count an outcome: `ok`, the server's own error (`runtime`), or `fail`."""
    counters, event = interface.counters, operation.event
    if counters is None:
        return
    is_plain = operation.server_event_error is None
    if outcome == "ok":
        event = event if is_plain else f"{event}(Ok(()))"
    elif outcome == "fail" and counters.combine_client_errors:
        event = f"{counters.event_enum}::ClientError({variable})"
    elif is_plain:
        return
    else:
        error = variable
        if not counters.combine_client_errors:
            kind = "Runtime" if outcome == "runtime" else "Fail"
            error = f"idol_runtime::RequestError::{kind}({variable})"
        emitter.assign(f"let {operation.locals['event']}", f"Err({error})")
        event = f"{event}({operation.locals['event']})"
    emit_event(emitter, counters.server_static, event)
