"""The server's trait, the loop's way from a message to a method of it, and the failing server."""

from __future__ import annotations

from idol import ir
from idol.kinds import RecvKind
from idol.options import ServerStyle
from idol.rust.answer import answer_panics, emit_result
from idol.rust.common import CLIPPY_PARAMETERS, emit_method_docs, emit_panic_functions
from idol.rust.emit import Emitter

#: Tasks from which a loop over their indices is smaller than a chain of comparisons.
_LOOP_CALLERS = 4

#: The type parameter of the dispatch loop; a short one might be the name of a declared type.
_SERVER = "IdolServer"

_BAD_CONTENTS = "return Err(idol_runtime::ClientError::BadMessageContents.fail());"
_BAD_LEASE = "return Err(idol_runtime::ClientError::BadLease.fail());"
_BAD_CALLER = "return Err(idol_runtime::ClientError::AccessViolation.fail());"

_STYLE_DOCS = {
    ServerStyle.IN_ORDER: ("Each message is answered before the next one is received.",),
    ServerStyle.PIPELINED: (
        "A method may keep its `replier` and answer after later messages have been received. Until",
        "then the client waits, and its leases can be used.",
    ),
}


# -- the trait ---------------------------------------------------------------------------------


def emit_trait(emitter: Emitter, interface: ir.Interface) -> None:
    """Print the trait that a server implements."""
    summary = interface.doc or (f"A server of the `{interface.name}` interface.",)
    emitter.docs((*summary, "", *_STYLE_DOCS[interface.style]))
    with emitter.block(f"pub trait {interface.server_trait}: idol_runtime::NotificationHandler {{"):
        emitter.docs(["Names the only task to receive from; `None` receives from all."])
        with emitter.block("fn recv_source(&self) -> Option<userlib::TaskId> {"):
            emitter.line("None")
        emitter.blank()
        emitter.docs(["Hears that the task named by `recv_source` has died."])
        with emitter.block("fn closed_recv_fail(&mut self) {"):
            emitter.line("panic!()")
        for operation in interface.operations:
            emitter.blank()
            emit_method_docs(emitter, operation)
            _method_head(emitter, interface, operation, is_declared_only=True)


def _method_head(
    emitter: Emitter,
    interface: ir.Interface,
    operation: ir.Operation,
    is_declared_only: bool = False,
) -> None:
    parameters = [f"{operation.locals['msg']}: &userlib::RecvMessage"]
    result = operation.server_result
    if interface.style is ServerStyle.PIPELINED:
        parameters.append(f"{operation.locals['replier']}: {operation.token_struct}")
        result = ()
    parameters += [f"{a.name}: {a.type}" for a in operation.arguments]
    parameters += [f"{lease.name}: {lease.server_type}" for lease in operation.leases]
    bound = None
    if is_declared_only:
        bound = operation.server_bound
        if len(parameters) + 1 > CLIPPY_PARAMETERS:
            emitter.line("#[allow(clippy::too_many_arguments)]")
    opening = f"fn {operation.name}"
    emitter.function(opening, ["&mut self", *parameters], result, bound, is_declared_only)


# -- dispatch ----------------------------------------------------------------------------------


def emit_dispatch(emitter: Emitter, interface: ir.Interface) -> None:
    """Print what `idol_runtime::dispatch` calls with each message."""
    trait, enum = interface.server_trait, interface.operation_enum
    emitter.line("#[automatically_derived]")
    generics, runtime_trait = f"impl<{_SERVER}: {trait}>", f"idol_runtime::Server<{enum}>"
    is_short = emitter.fits(f"{generics} {runtime_trait}")
    emitter.line(f"{generics} {runtime_trait}" if is_short else generics)
    with emitter.indented():
        if not is_short:
            emitter.line(runtime_trait)
        emitter.call("for (", [f"core::marker::PhantomData<{enum}>", f"&'_ mut {_SERVER}"], ")")
    with emitter.block("{"):
        with emitter.block("fn recv_source(&self) -> Option<userlib::TaskId> {"):
            emitter.line(f"<{_SERVER} as {trait}>::recv_source(self.1)")
        emitter.blank()
        with emitter.block("fn closed_recv_fail(&mut self) {"):
            emitter.line(f"<{_SERVER} as {trait}>::closed_recv_fail(self.1)")
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
    is_in_order = interface.style is ServerStyle.IN_ORDER
    if is_in_order:
        if operation.error is not None and operation.error.message_size is not None:
            constant = f"const {local['ERROR_SIZE']}: usize"
            emitter.assign(constant, operation.error.message_size)
        emit_panic_functions(emitter, answer_panics(operation))
    _check_caller(emitter, operation)
    arguments = local["arguments"] if operation.arguments else "_"
    with emitter.let_else(f"Some({arguments})", f"{operation.read_function}(incoming)"):
        emitter.line(_BAD_CONTENTS)
    values = [_argument_value(emitter, operation, a) for a in operation.arguments]
    for lease in operation.leases:
        _check_lease(emitter, lease)
    values += [lease.lease_variable for lease in operation.leases]
    call = f"<{_SERVER} as {interface.server_trait}>::{operation.name}("
    if is_in_order:
        if operation.is_bare and operation.ok.is_unit:
            emitter.call(call, ["self.1", "rm", *values], ");")
        else:
            emitter.assign_call(f"let {local['result']}", call, ["self.1", "rm", *values])
        emit_result(emitter, interface, operation)
        return
    token = local["token"]
    emitter.assign_literal(f"let {token}", operation.token_struct, ["client: rm.sender"])
    emitter.call(call, ["self.1", "rm", token, *values], ");")
    emitter.line("Ok(())")


def _check_caller(emitter: Emitter, operation: ir.Operation) -> None:
    """Print the check that the client is one of the tasks that may call."""
    callers = operation.allowed_callers
    if callers is None:
        return
    if not callers:
        # In a condition, or the compiler would say that nothing after it is reached.
        with emitter.block("if rm.sender != userlib::TaskId::KERNEL {"):
            emitter.line(_BAD_CALLER)
        return
    if len(callers) < _LOOP_CALLERS:
        sender = operation.locals["sender"]
        emitter.line(f"let {sender} = rm.sender.index();")
        condition = " && ".join(f"{sender} != {index}" for index in callers)
    else:
        listed = [str(index) for index in callers]
        constant = operation.locals["CALLERS"]
        emitter.listed(f"const {constant}: [usize; {len(callers)}] = [", listed, "];", width=60)
        condition = f"!{constant}.contains(&rm.sender.index())"
    with emitter.block(f"if {condition} {{"):
        emitter.line(_BAD_CALLER)


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
        emitter.assign(f"let {variable}", f"core::convert::TryFrom::try_from({variable})")
        with emitter.let_else(f"Ok({variable})", variable):
            emitter.line(_BAD_LEASE)


# -- the server that fails ---------------------------------------------------------------------


def emit_fail_server(emitter: Emitter, interface: ir.Interface, error: str) -> None:
    """Print a server all of whose operations fail with one error."""
    emitter.docs(["A server that answers every call with the same error."])
    emitter.struct("pub struct FailServer", [f"err: {error}"])
    emitter.blank()
    emitter.line("#[allow(dead_code)]")
    with (
        emitter.block("impl FailServer {"),
        emitter.block(f"pub fn new(err: {error}) -> Self {{"),
    ):
        emitter.line("Self { err }")
    emitter.blank()
    emitter.line("#[allow(bindings_with_variant_name, unused)]")
    with emitter.block(f"impl {interface.server_trait} for FailServer {{"):
        for operation in interface.operations:
            emitter.blank()
            _method_head(emitter, interface, operation)
            with emitter.block_body():
                if interface.style is ServerStyle.PIPELINED:
                    emitter.line(f"{operation.locals['replier']}.error(self.err)")
                else:
                    emitter.line("Err(self.err.into())")
    emitter.blank()
    with emitter.block("impl idol_runtime::NotificationHandler for FailServer {"):
        with emitter.block("fn current_notification_mask(&self) -> u32 {"):
            emitter.line("0")
        emitter.blank()
        with emitter.block("fn handle_notification(&mut self, _: userlib::NotificationBits) {"):
            emitter.line("unreachable!()")
