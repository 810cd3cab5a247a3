"""Statics and their values as text and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from idoldbg.model.types import short_name, shown_field
from idoldbg.model.values import (
    ArrayValue,
    EnumValue,
    PointerValue,
    Raw,
    StructValue,
    Value,
    format_value,
    to_json,
)
from idoldbg.render import source as source_object
from idoldbg.render.printable import join_lines
from idoldbg.render.stacks import short_path
from idoldbg.render.text import hexdump, table_lines
from idoldbg.views.parts import VarRead
from idoldbg.views.source import Source
from idoldbg.views.variables import OPTIMISED, Static, VariableList

__all__ = ["changed", "json", "lines_of", "list_json", "list_text", "text", "value_object"]

Object = dict[str, Any]
WIDTH = 88  # characters of a value that is written in one line


def text(
    found: Iterable[VarRead],
    *,
    hexadecimal: bool = True,
    depth: int | None = None,
    raw: bool = False,
    c_string: bool = False,
) -> str:
    """Write each value under its name, type and address; deeper than `depth` stands `…`.

    With `raw` as a hex dump; with `c_string` arrays of bytes as a string up to the first NUL.
    """
    blocks = []
    for read in found:
        part = read.part
        at = "" if part.address is None else f" @ 0x{part.address:08x}"
        lines = [f"{part.expression}   {part.type.name}{at}"]
        if raw:
            lines += [f"  {line}" for line in hexdump(read.raw).split("\n")]
        else:
            shown = lines_of(read.value, hexadecimal=hexadecimal, depth=depth, c_string=c_string)
            lines += [f"  {line}" for line in shown]
        lines += [f"  ({note})" for note in read.notes]
        blocks.append(join_lines(lines))
    return "\n\n".join(blocks)


def lines_of(
    value: Value, *, hexadecimal: bool = True, depth: int | None = None, c_string: bool = False
) -> list[str]:
    """Return the lines of a value: one where it fits, else a part a line."""
    return _Lines(hexadecimal, c_string).of(value, 64 if depth is None else depth)


class _Lines:
    def __init__(self, hexadecimal: bool, c_string: bool) -> None:
        self.hexadecimal = hexadecimal
        self.c_string = c_string

    def of(self, value: Value, depth: int) -> list[str]:
        if self.c_string and isinstance(value, Raw):
            return [_as_string(value.data)]
        if isinstance(value, PointerValue):
            return [f"{format_value(value)} ({value.type.name})"]
        opened, parts, closed = self.parts(value)
        if not parts:
            return [format_value(value, hexadecimal=self.hexadecimal)]
        if depth <= 0:
            return [f"{opened}…{closed}"]
        inner = [(name, self.of(part, depth - 1)) for name, part in parts]
        if all(len(lines) == 1 for _, lines in inner):
            pad = " " if opened.endswith("{") else ""
            joined = ", ".join(f"{name}{lines[0]}" for name, lines in inner)
            line = f"{opened}{pad}{joined}{pad}{closed}"
            if len(line) <= WIDTH:
                return [line]
        result = [opened]
        for name, lines in inner:
            block = [f"{name}{lines[0]}", *lines[1:]]
            block[-1] += ","
            result += [f"    {line}" for line in block]
        return [*result, closed]

    def parts(self, value: Value) -> tuple[str, list[tuple[str, Value]], str]:
        """Return what opens a value, its named parts, and what closes it."""
        match value:
            case ArrayValue(elements=elements):
                return "[", [("", element) for element in elements], "]"
            case StructValue(type=type_):
                name = short_name(type_.name)
                return self.fields("" if name.startswith("(") else name, value)
            case EnumValue(variant=variant, payload=payload) if payload is not None:
                return self.fields(variant, payload)
            case _:
                return "", [], ""

    def fields(self, name: str, value: StructValue) -> tuple[str, list[tuple[str, Value]], str]:
        if value.type.is_tuple_like:
            return f"{name}(", [("", part) for _, part in value.fields], ")"
        named = [(f"{shown_field(field)}: ", part) for field, part in value.fields]
        return f"{name} {{".lstrip(), named, "}"


def _as_string(data: bytes) -> str:
    shown = data.split(b"\0", 1)[0].decode(errors="replace")
    escaped = shown.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def json(source: Source, found: Iterable[VarRead]) -> Object:
    """Return the object of `readvar`."""
    return {
        "schema": "idoldbg.readvar/1",
        "source": source_object.json(source),
        "variables": [value_object(read) for read in found],
    }


def value_object(read: VarRead) -> Object:
    """Return one value with its part."""
    part = read.part
    return {
        **_static(part.static),
        "expression": part.expression,
        "type": part.type.name,
        "address": part.address,
        "size": part.type.size,
        "value": to_json(read.value),
        "raw": {"hex": read.raw.hex()},
        "notes": list(read.notes),
    }


def list_text(found: VariableList, *, counts_optimised: bool = False) -> str:
    """Write one line for each static; what was optimised away comes last, or is only counted."""
    if not found.statics:
        return "no static"
    rows = [["TASK", "STATIC", "ADDRESS", "SIZE", "MEMORY", "FILE", "TYPE"]]
    there = [s for s in found.statics if s.memory != OPTIMISED]
    gone = [s for s in found.statics if s.memory == OPTIMISED]
    rows += [_row(s) for s in (there if counts_optimised else [*there, *gone])]
    lines = table_lines(rows, right=(3,))
    if counts_optimised and gone:
        lines.append(f"and {len(gone)} that the compiler left out: `--section optimised`")
    return join_lines(lines)


def _row(static: Static) -> list[str]:
    variable = static.variable
    also = f" (also {', '.join(static.aliases)})" if static.aliases else ""
    if variable.address is not None:
        at = f"0x{variable.address:08x}"
    else:
        at = ",".join(f"0x{address:x}+{size}" for address, size in variable.pieces)
    name = f"{variable.full_name}{also}"
    kind = variable.type.name
    return [static.task, name, at, str(variable.size), static.memory, _file(static), kind]


def _file(static: Static) -> str:
    return short_path(static.file) if static.file else ""


def list_json(source: Source, found: VariableList) -> Object:
    """Return the object of `vars`."""
    return {
        "schema": "idoldbg.vars/1",
        "source": source_object.json(source),
        "variables": [
            {
                **_static(static),
                "type": static.variable.type.name,
                "address": static.variable.address,
                "size": static.variable.size,
                "pieces": [{"address": a, "size": s} for a, s in static.variable.pieces]
                if static.variable.address is None
                else [],
                "aliases": list(static.aliases),
            }
            for static in found.statics
        ],
        "unreadable": [{"task": task, "reason": reason} for task, reason in found.unreadable],
    }


def _static(static: Static) -> Object:
    return {
        "task": static.task,
        "name": static.variable.name,
        "full_name": static.variable.full_name,
        "memory": static.memory,
        "file": _file(static) or None,
    }


def changed(before: Sequence[VarRead], after: Sequence[VarRead]) -> list[VarRead]:
    """Return the values that are not what they were."""
    old = {read.part.expression: read.raw for read in before}
    return [read for read in after if old.get(read.part.expression) != read.raw]
