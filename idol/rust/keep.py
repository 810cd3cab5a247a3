"""Data in a server stub for debuggers alone: the interface's types and its text.

Debuggers need the types of arguments, leases, replies and errors from the debug information, and
the compiler leaves out what a task does not use. Each operation therefore has a struct of its
types, and a static has a type that leads to all of them: `<Interface>_TYPES.<operation>` with
`arguments` and `leases` (tuples, as declared), `message`, `reply` and `error`. No code refers to
the static: the optimizer drops it, and its description, with every type in it, stays.
"""

from __future__ import annotations

from idol import ir
from idol.kinds import Encoding
from idol.rust.emit import Emitter


def emit_kept_types(emitter: Emitter, interface: ir.Interface) -> None:
    """Print what keeps the types in the debug information."""
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


def emit_definition(emitter: Emitter, interface: ir.Interface) -> None:
    """Put the interface's text into a section that is not loaded, for debuggers."""
    emitter.docs([f"The text of {interface.source_name}, for debuggers; it is not loaded."])
    emitter.line("#[used]")
    emitter.line('#[unsafe(link_section = ".idolatry")]')
    text = "".join(_ESCAPES.get(byte) or f"\\x{byte:02x}" for byte in interface.definition)
    text = text.replace("##", r"#\x23")  # which CI services take for a command of theirs
    declaration = f"static {interface.definition_static}: [u8; {len(interface.definition)}]"
    emitter.assign(declaration, f'*b"{text}"')


_ESCAPES = {byte: chr(byte) for byte in range(0x20, 0x7F)} | {
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
    ord("\\"): "\\\\",
    ord('"'): '\\"',
}
