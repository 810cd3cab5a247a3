"""Fixes of what breaks the rules of the language."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from idol import ron
from idol.editor.edits import Edit, quote
from idol.editor.fixes.case import Case, Fix
from idol.editor.fixes.structure import free_name, taken_names
from idol.hints import Final
from idol.rust_type import KEYWORDS, Slice, is_identifier, is_raw_name
from idol.syntax import Argument

#: An operation to begin with.
_FIRST: Final = '"first": (reply: Result(ok: "()", err: ServerDeath))'


def _no_operations(case: Case) -> Iterator[Fix]:
    field = case.surgeon.get_field(case.root, "ops") if case.root else None
    if field is not None and isinstance(field.value, ron.Map):
        yield Fix("Add an operation", (case.surgeon.insert(field.value, _FIRST),))
    elif field is None and isinstance(case.root, ron.Struct):
        yield Fix("Add an operation", (case.surgeon.insert(case.root, f"ops: {{{_FIRST}}}"),))


def _bad_name(case: Case) -> Iterator[Fix]:
    node = case.find_node()
    if not isinstance(node, ron.String):
        return
    name = node.value.removeprefix("r#")
    if is_raw_name(name) and name == node.value:
        yield case.rename(node.span, f"r#{name}")
    plain = re.sub(r"\W+", "_", name).strip("_") or "name"
    if plain[0].isdigit():
        plain = f"n{plain}"
    if plain in KEYWORDS:
        plain = f"{plain}_value"
    taken = taken_names(case)
    if is_identifier(plain):
        yield case.rename(node.span, plain if plain not in taken else free_name(plain, taken))


def _reserved_name(case: Case) -> Iterator[Fix]:
    node = case.find_node()
    if isinstance(node, ron.String):
        yield case.rename(node.span, f"get_{node.value}")


def _colliding_names(case: Case) -> Iterator[Fix]:
    node = case.find_node()
    if isinstance(node, ron.String):
        yield case.rename(node.span, free_name(node.value, taken_names(case)))


def _unsized_value(case: Case) -> Iterator[Fix]:
    declared, operation = case.declared, case.operation
    entry = case.find_item("args")
    if entry is not None and declared is not None and operation is not None:
        found: Argument | None = next(
            (a for a in declared.arguments if a.span == entry.key.span), None
        )
        if found is not None:
            yield case.lend(operation, entry.map, entry.number, found)
    node = case.find_node()
    if isinstance(node, ron.String) and declared is not None:
        types = [declared.reply.ok.type, *(a.type for a in declared.arguments)]
        rust = next((t.rust for t in types if t.span == node.span), None)
        if isinstance(rust, Slice):
            array = f"[{rust.element}; 16]"
            yield case.replace(f"Use an array, `{array}`", node.span, quote(array))


def _no_access(case: Case) -> Iterator[Fix]:
    entry = case.find_item("leases")
    if entry is not None and isinstance(entry.value, ron.Struct):
        for access in ("read", "write"):
            edit = case.surgeon.set_field(entry.value, access, "true")
            yield Fix(f"Add `{access}: true`", (edit,))


def _max_len_on_sized(case: Case) -> Iterator[Fix]:
    entry = case.find_item("leases")
    if entry is not None:
        yield Fix("Leave `max_len` out", tuple(case.surgeon.remove_field(entry.value, "max_len")))


def _complex_needs_hubpack(case: Case) -> Iterator[Fix]:
    yield from case.set_field("encoding", "Hubpack")
    node = case.find_node()
    if isinstance(node, ron.Tuple):
        yield case.replace("Use `CLike`", node.head, "CLike")


def _recv_needs_zerocopy(case: Case) -> Iterator[Fix]:
    yield from case.drop_recv()


def _recv_primitive(case: Case) -> Iterator[Fix]:
    node = case.find_node()
    if isinstance(node, ron.Tuple) and len(node.items) == 1:
        yield case.replace("Receive a `u8`", node.items[0].span, '"u8"')


def _zerocopy_option(case: Case) -> Iterator[Fix]:
    yield from case.set_field("encoding", "Hubpack")
    text = case.surgeon.cut(case.finding.span)
    node = case.find_node()
    struct = case.find_struct()
    kind = case.surgeon.get_field(struct, "type") if struct is not None else None
    if struct is not None and kind is not None and kind.value.span == case.finding.span:
        edit = case.surgeon.set_field(struct, "recv", 'FromPrimitive("u8")')
        yield Fix('Receive it with `FromPrimitive("u8")`', (edit,))
        return
    if isinstance(node, ron.String):
        new = f'(type: {text}, recv: FromPrimitive("u8"))'
        yield case.replace('Receive it with `FromPrimitive("u8")`', case.finding.span, new)


def _idempotent_read_write_lease(case: Case) -> Iterator[Fix]:
    yield from case.drop_idempotent()


def _idempotent_server_death(case: Case) -> Iterator[Fix]:
    reply = case.surgeon.get_field(case.operation, "reply") if case.operation else None
    ok = case.surgeon.get_field(reply.value, "ok") if reply else None
    if reply is not None and ok is not None:
        new = f"Simple({case.surgeon.cut(ok.value.span)})"
        yield case.replace("Reply with `Simple(…)`", reply.value.span, new)
    yield from case.drop_idempotent()


def _cannot_tell_server_death(case: Case) -> Iterator[Fix]:
    reply = case.surgeon.get_field(case.operation, "reply") if case.operation else None
    inner = case.simple_value(reply.value) if reply else None
    if reply is not None and inner is not None:
        new = f"Result(ok: {case.surgeon.cut(inner.span)}, err: ServerDeath)"
        yield Fix("Reply with `Result(…, err: ServerDeath)`", (Edit(reply.value.span, new),))
    yield from case.set_field("idempotent", "true")


MAKERS: Final[Mapping[str, Callable[[Case], Iterator[Fix]]]] = {
    "no-operations": _no_operations,
    "bad-name": _bad_name,
    "reserved-name": _reserved_name,
    "colliding-names": _colliding_names,
    "unsized-value": _unsized_value,
    "no-access": _no_access,
    "max-len-on-sized": _max_len_on_sized,
    "complex-needs-hubpack": _complex_needs_hubpack,
    "recv-needs-zerocopy": _recv_needs_zerocopy,
    "recv-primitive": _recv_primitive,
    "zerocopy-option": _zerocopy_option,
    "idempotent-read-write-lease": _idempotent_read_write_lease,
    "idempotent-server-death": _idempotent_server_death,
    "cannot-tell-server-death": _cannot_tell_server_death,
}
