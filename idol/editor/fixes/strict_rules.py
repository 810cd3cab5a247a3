"""Fixes of what `idol check --strict` finds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from idol import ron
from idol.editor.edits import Edit, quote
from idol.editor.fixes.case import Case, Fix
from idol.editor.fixes.structure import free_name, taken_names
from idol.hints import Final
from idol.sizes import value_size

#: Stands where a person has to write.
PLACEHOLDER: Final = "TODO: what it does."


def _idempotent_name(case: Case) -> Iterator[Fix]:
    yield from case.drop_idempotent()


def _hiffy_arguments(case: Case) -> Iterator[Fix]:
    """Pass the largest argument in a lease."""
    declared, operation = case.declared, case.operation
    field = case.surgeon.get_field(operation, "args") if operation else None
    if declared is None or operation is None or field is None:
        return
    if not isinstance(field.value, ron.Map):
        return
    by_size = sorted(
        declared.arguments, key=lambda a: -value_size(a.value, declared.encoding).minimum
    )
    for argument in by_size[:1]:
        keys = [key.span for key, _ in field.value.entries]
        yield case.lend(operation, field.value, keys.index(argument.span), argument)


def _hiffy_read_write_lease(case: Case) -> Iterator[Fix]:
    """Lend one piece of memory to read, another to write."""
    entry = case.find_item("leases")
    if entry is None or not isinstance(entry.value, ron.Struct):
        return
    second = free_name(f"{entry.key.value}_out", taken_names(case)).removesuffix("_2")
    if second in taken_names(case):
        second = free_name(second, taken_names(case))
    edits = case.surgeon.remove_field(entry.value, "write")
    kind = case.surgeon.get_field(entry.value, "type")
    if kind is None:
        return
    parts = [f"type: {case.surgeon.cut(kind.value.span)}", "write: true"]
    if (limit := case.surgeon.get_field(entry.value, "max_len")) is not None:
        parts.append(f"max_len: {case.surgeon.cut(limit.value.span)}")
    edits.append(case.surgeon.insert(entry.map, f"{quote(second)}: ({', '.join(parts)})"))
    yield Fix(f"Lend `{second}` to be written", tuple(edits))


def _cannot_be_sent(case: Case) -> Iterator[Fix]:
    node = case.find_node()
    if isinstance(node, ron.String):
        fixed = re.sub(r"\busize\b", "u32", re.sub(r"\bisize\b", "i32", node.value))
        if fixed != node.value:
            yield case.replace(f"Use `{fixed}`", node.span, quote(fixed))
    yield from case.set_field("encoding", "Hubpack")


def _redundant_recv(case: Case) -> Iterator[Fix]:
    yield from case.drop_recv()


def _name_style(case: Case) -> Iterator[Fix]:
    node = case.find_node()
    if not isinstance(node, ron.String):
        return
    is_raw = node.value.startswith("r#")
    name = node.value.removeprefix("r#")
    spaced = re.sub(r"([a-z0-9])([A-Z])|([A-Z])(?=[A-Z][a-z])", r"\1\3_\2", name)
    parts = [part for part in spaced.split("_") if part]
    if "UpperCamelCase" in case.finding.message:
        yield case.rename(node.span, "".join(part[:1].upper() + part[1:] for part in parts))
    else:
        new = "_".join(part.lower() for part in parts)
        yield case.rename(node.span, f"r#{new}" if is_raw else new)


def _undocumented(case: Case) -> Iterator[Fix]:
    operation = case.entry.value if case.entry else None
    if isinstance(operation, ron.Struct | ron.Tuple):
        item = f"doc: {quote(PLACEHOLDER)}"
        edits: list[Edit] = case.surgeon.remove_field(operation, "doc")
        edits = edits or [case.surgeon.insert(operation, item, first=True)]
        if edits[0].text == "" and isinstance(operation, ron.Struct):
            field = case.surgeon.get_field(operation, "doc")
            edits = [Edit(field.value.span, quote(PLACEHOLDER))] if field else []
        yield Fix("Add `doc`", tuple(edits))


MAKERS: Final[Mapping[str, Callable[[Case], Iterator[Fix]]]] = {
    "idempotent-toggle": _idempotent_name,
    "idempotent-write": _idempotent_name,
    "hiffy-arguments": _hiffy_arguments,
    "hiffy-read-write-lease": _hiffy_read_write_lease,
    "cannot-be-sent": _cannot_be_sent,
    "redundant-recv": _redundant_recv,
    "name-style": _name_style,
    "undocumented": _undocumented,
}
