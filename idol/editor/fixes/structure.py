"""Fixes of what the reader finds: RON, fields, variants, texts of types."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from idol import ron
from idol.editor.edits import Edit, quote
from idol.editor.fixes.case import Case, Fix
from idol.hints import Final
from idol.near import near_misses
from idol.source import Span

_QUOTED = re.compile(r"`([^`]*)`")
_CLOSER = {"(": ")", "[": "]", "{": "}", "<": ">"}

#: What a missing field is filled with.
_FILLING: Final = {
    "name": '"Name"',
    "ops": "{}",
    "reply": 'Result(ok: "()", err: ServerDeath)',
    "type": '"u8"',
    "ok": '"()"',
    "err": "ServerDeath",
}


def _syntax(case: Case) -> Iterator[Fix]:
    message, span = case.finding.message, case.finding.span
    if message.startswith("expected `,`"):
        end = len(case.text[: span.start].rstrip())
        yield Fix("Insert `,`", (Edit(Span(end, end), ","),))
    for related in case.finding.related:
        if "is missing" in related.message and (closer := _QUOTED.search(related.message)):
            end = len(case.text[: related.span.start].rstrip().rstrip(","))
            yield Fix(f"Insert `{closer[1]}`", (Edit(Span(end, end), closer[1]),))
    if message.endswith("is not closed") and (opener := _QUOTED.search(message)):
        closer_text = _CLOSER.get(opener[1])
        if closer_text:
            end = len(case.text.rstrip())
            yield Fix(f"Insert `{closer_text}` at the end", (Edit(Span(end, end), closer_text),))
    if message == "this string has no closing quote":
        for match in re.finditer(r"(?=[,)\]}:\n]|$)", case.text[span.end : span.end + 300]):
            at = span.end + match.start()
            yield Fix('Insert `"`', (Edit(Span(at, at), '"'),))
    if message.startswith("expected `") and "found `" in message:
        wanted, found = _QUOTED.findall(message)[:2]
        if wanted in _CLOSER.values() and found in _CLOSER.values():
            yield case.replace(f"Replace `{found}` by `{wanted}`", span, wanted)


def _wrong_kind(case: Case) -> Iterator[Fix]:
    text, span = case.surgeon.cut(case.finding.span), case.finding.span
    message = case.finding.message
    if match := re.match(r"expected `(\w+)`, found `\w+`", message):
        yield case.replace(f"Replace by `{match[1]}`", span, match[1])
    if message.startswith("expected the name"):
        name = _QUOTED.findall(message)[0]
        yield Fix(f"Insert `{name}`", (Edit(Span(span.start, span.start), name),))
    if "`Some(…)`" in message:
        yield case.replace("Write `Some(…)`", span, f"Some({text})")
    if "`None`" in message or "takes a type only" in message:
        yield from _drop_second(case)
    if text.startswith('"') and text.endswith('"') and len(text) > 2:
        yield case.replace("Leave out the quotes", span, text[1:-1])
    yield case.replace("Write it in quotes", span, quote(text))


def _drop_second(case: Case) -> Iterator[Fix]:
    for node in (case.find_node(), case.find_struct()):
        if isinstance(node, ron.Tuple) and len(node.items) == 2:
            yield Fix("Leave out the second value", (case.surgeon.remove(node, 1),))


def _unknown_field(case: Case) -> Iterator[Fix]:
    from idol.editor.grammar import FIELDS

    struct, name = _owner(case)
    if struct is None or name is None:
        return
    taken = {field.name for field in struct.fields}
    known = sorted({n for fields in FIELDS.values() for n in fields} - taken)
    for near in near_misses(name, known):
        yield case.replace(f"Replace by `{near}`", case.finding.span, near)
    number = [field.name_span for field in struct.fields].index(case.finding.span)
    yield Fix(f"Leave `{name}` out", (case.surgeon.remove(struct, number),))


def _duplicate_field(case: Case) -> Iterator[Fix]:
    struct, name = _owner(case)
    if struct is None or name is None:
        return
    spans = [field.name_span for field in struct.fields]
    second = spans.index(case.finding.span)
    yield Fix("Leave this one out", (case.surgeon.remove(struct, second),))
    first = [field.name for field in struct.fields].index(name)
    yield Fix("Leave the first one out", (case.surgeon.remove(struct, first),))


def _owner(case: Case) -> tuple[ron.Struct | None, str | None]:
    """Return the struct and name of the field whose name the finding is at."""
    struct = case.find_struct()
    if isinstance(struct, ron.Struct):
        for field in struct.fields:
            if field.name_span == case.finding.span:
                return struct, field.name
    return None, None


def _missing_field(case: Case) -> Iterator[Fix]:
    quoted = _QUOTED.findall(case.finding.message)
    name = quoted[0] if quoted else ""
    filling = _FILLING.get(name)
    item = case.find_item("args", "leases")
    node: ron.Node | None = case.find_struct()
    if name == "reply":
        node = case.entry.value if case.entry else None
        if case.declared is None and case.operation is not None:
            flag = case.surgeon.get_field(case.operation, "idempotent")
            if flag is not None and isinstance(flag.value, ron.Bool) and flag.value.value:
                filling = 'Simple("()")'
    elif item is not None and name == "type" and item.key.span == case.finding.span:
        node = item.value
    if filling is None or not isinstance(node, ron.Struct | ron.Tuple):
        return
    yield Fix(f"Add `{name}: {filling}`", (case.surgeon.insert(node, f"{name}: {filling}"),))


def _unknown_variant(case: Case) -> Iterator[Fix]:
    from idol.editor.grammar import VARIANTS

    written = case.surgeon.cut(case.finding.span)
    known = sorted({name for variants in VARIANTS.values() for name in variants})
    near = near_misses(written, known)
    by_kind = re.match(r"unknown ([a-z ]+) `", case.finding.message)
    kinds = {"encoding": "encoding", "reply": "reply", "error": "error", "recv strategy": "recv"}
    shape = kinds.get(by_kind[1]) if by_kind else None
    choices = [
        name for kind, variants in VARIANTS.items() if str(kind) == shape for name in variants
    ]
    for name in dict.fromkeys([*near, *choices]):
        yield case.replace(f"Replace by `{name}`", case.finding.span, name)


def _duplicate_name(case: Case) -> Iterator[Fix]:
    node = case.find_node()
    if not isinstance(node, ron.String):
        return
    taken = {other.value for other in _keys(case)}
    yield case.rename(node.span, free_name(node.value, taken))


def _keys(case: Case) -> Iterator[ron.String]:
    """Yield the names beside the one that the finding is at, and of the same operation."""
    for name in ("args", "leases"):
        field = case.surgeon.get_field(case.operation, name) if case.operation else None
        if field is not None and isinstance(field.value, ron.Map):
            yield from (key for key, _ in field.value.entries if isinstance(key, ron.String))
    if case.entry is not None:
        yield from (key for key, _ in case.entry.map.entries if isinstance(key, ron.String))


def free_name(name: str, taken: set[str]) -> str:
    """Return a name with a number that none has."""
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def taken_names(case: Case) -> set[str]:
    """Return the names that the operation and its interface use."""
    return {key.value for key in _keys(case)}


def _bad_type(case: Case) -> Iterator[Fix]:
    for node in _strings_around(case):
        text = node.value
        opened: list[str] = []
        for character in text:
            if character in _CLOSER:
                opened.append(_CLOSER[character])
            elif opened and character == opened[-1]:
                opened.pop()
        closed = text + "".join(reversed(opened))
        stripped = text.rstrip(")]>;, ")
        for new in (closed, stripped, f"dyn {text}", text.strip().replace(" ", "")):
            if new and new != text:
                yield case.replace(f"Write `{new}`", node.span, quote(new))


def _strings_around(case: Case) -> Iterator[ron.String]:
    from idol.editor.fixes.case import holds
    from idol.editor.types import iter_strings

    at = Span(case.finding.span.start, case.finding.span.start)
    for node in iter_strings(case.root) if case.root else ():
        if holds(node.span, at):
            yield node


def _max_len_range(case: Case) -> Iterator[Fix]:
    entry = case.find_item("leases")
    if entry is not None:
        edits = tuple(case.surgeon.remove_field(entry.value, "max_len"))
        yield Fix("Leave `max_len` out", edits)


MAKERS: Final[Mapping[str, Callable[[Case], Iterator[Fix]]]] = {
    "ron-syntax": _syntax,
    "wrong-kind": _wrong_kind,
    "unknown-field": _unknown_field,
    "duplicate-field": _duplicate_field,
    "missing-field": _missing_field,
    "unknown-variant": _unknown_variant,
    "duplicate-name": _duplicate_name,
    "bad-type": _bad_type,
    "max-len-range": _max_len_range,
}
