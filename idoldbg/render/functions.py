"""hiffy's functions and their answers, as text and JSON."""

from __future__ import annotations

from typing import Any

from idoldbg.call.functions import FunctionCall, Functions
from idoldbg.call.hif.results import Failed
from idoldbg.call.hiffy.functions import Signature, is_buffer
from idoldbg.model.types import CEnum, Type, short_name
from idoldbg.render import source as source_of
from idoldbg.render.printable import join_lines, one_line
from idoldbg.render.text import hexdump, table_lines
from idoldbg.views.source import Source

__all__ = ["json", "list_json", "list_text", "text"]

SHORT = 8  # bytes of an answer that stand in one line


def list_text(found: Functions) -> str:
    """Write each function with its arguments, then the variants of the enums among them."""
    lines = table_lines([[each.name, _arguments(each), _errors(each)] for each in found.signatures])
    enums = {
        type_.name: type_
        for each in found.signatures
        for type_ in (*each.arguments, each.error)
        if isinstance(type_, CEnum) and not each.is_send
    }
    if enums:
        lines.append("")
    lines += [f"{short_name(t.name)}: {', '.join(t.variant_names)}" for t in enums.values()]
    layout = found.layout
    lines += [
        "",
        f"program {layout.text.size} bytes, data {layout.data_size}, results "
        f"{layout.return_stack.size}, scratch {layout.scratch_size}",
    ]
    return join_lines(lines)


def _arguments(signature: Signature) -> str:
    shown = (short_name(signature.arguments[i].name) for i in signature.places)
    return "(by `idoldbg call`)" if signature.is_send else f"({', '.join(shown)})"


def _errors(signature: Signature) -> str:
    return f"fails with {short_name(signature.error.name)}" if signature.errors else ""


def list_json(found: Functions, origin: Source) -> dict[str, Any]:
    """Return the object of `hiffy` without a function."""
    layout = found.layout
    return {
        "schema": "idoldbg.hiffy-functions/1",
        "source": source_of.json(origin),
        "limits": {
            "program": layout.text.size,
            "data": layout.data_size,
            "results": layout.return_stack.size,
            "scratch": layout.scratch_size,
        },
        "functions": [
            {
                "name": each.name,
                "id": each.id,
                "arguments": [_argument(each, i) for i in range(len(each.arguments))],
                "errors": [
                    {"code": code, "name": name} for code, name in sorted(each.errors.items())
                ],
            }
            for each in found.signatures
        ],
    }


def _argument(signature: Signature, place: int) -> dict[str, Any]:
    type_ = signature.arguments[place]
    return {
        "type": type_.name,
        "variants": _variants(type_),
        "is_bytes": is_buffer(type_),
        "is_filled_in": place not in signature.places,
    }


def _variants(type_: Type) -> list[dict[str, Any]] | None:
    if not isinstance(type_, CEnum):
        return None
    return [{"name": e.name, "value": e.value} for e in type_.enumerators]


def text(done: FunctionCall) -> str:
    """Write what a function returned, or the name of the code that it failed with."""
    name = done.signature.name
    if done.error is not None:
        return one_line(f"{name}: failed with {done.error}")
    if not done.data:
        return one_line(f"{name}: done, nothing returned")
    if len(done.data) > SHORT:
        return f"{one_line(name)}: {len(done.data)} bytes\n{hexdump(done.data)}"
    number = int.from_bytes(done.data, "little")
    shown = f" (little-endian {number}, 0x{number:x})" if len(done.data) in (1, 2, 4, 8) else ""
    return one_line(f"{name}: {done.data.hex(' ')}{shown}")


def json(done: FunctionCall, source: Source) -> dict[str, Any]:
    """Return the object of `hiffy FUNCTION`."""
    code = done.result.code if isinstance(done.result, Failed) else None
    return {
        "schema": "idoldbg.hiffy/1",
        "source": source_of.json(source),
        "function": done.signature.name,
        "arguments": list(done.arguments),
        "ok": None if code is not None else {"hex": done.data.hex()},
        "err": None if code is None else {"code": code, "name": done.signature.errors.get(code)},
    }
