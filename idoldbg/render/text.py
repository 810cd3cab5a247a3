"""Text for people. Tables have no ruling lines, so that `grep`, `awk` and diffs work on them."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

from idoldbg.call.calls import Reply
from idoldbg.errors import OperationError
from idoldbg.model.board import Board
from idoldbg.model.values import Bool, Char, EnumValue, Float, Int, Value, format_value
from idoldbg.render import notation
from idoldbg.render.printable import join_lines, one_line, printable
from idoldbg.resolver import (
    How,
    Resolution,
    ResolvedArgument,
    ResolvedLease,
    ResolvedOperation,
)
from idoldbg.views.interfaces import Server
from idoldbg.views.tasks import TaskTable

__all__ = [
    "boards",
    "hexdump",
    "interfaces",
    "operation_error",
    "operation_example",
    "operation_help",
    "probes",
    "reply",
    "table",
    "table_lines",
    "task_lines",
    "tasks",
]

MISSING = "???"
BYTES_PER_LINE = 16
WIDEST = 160  # characters of a column
DOC_WIDTH = 88


def table(rows: Sequence[Sequence[str]]) -> str:
    """Align columns to the left; the last one is not padded."""
    return "\n".join(table_lines(rows))


def table_lines(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Return the lines of a table, the columns `right` aligned to the right.

    A cell that is endless stands out of its column, instead of making all others as wide.
    """
    if not rows:
        return []
    clean = [[printable(cell) for cell in row] for row in rows]
    widths = [
        max((len(row[i]) for row in clean if len(row[i]) <= WIDEST), default=0)
        for i in range(len(clean[0]))
    ]
    return [
        one_line(
            "  ".join(
                cell.rjust(width) if index in right else cell.ljust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
        )
        for row in clean
    ]


def hexdump(data: bytes) -> str:
    """Write 16 bytes a line: offset, hex, and the printable characters."""
    lines = []
    for offset in range(0, len(data), BYTES_PER_LINE):
        part = data[offset : offset + BYTES_PER_LINE]
        shown = "".join(chr(b) if 0x20 <= b < 0x7F else "." for b in part)
        lines.append(f"{offset:08x}  {part.hex(' '):<47}  {shown}")
    return "\n".join(lines)


def reply(result: Reply, *, hexadecimal: bool = False) -> str:
    """Write the value of a call, then each lease that the server wrote: as its elements, in a form
    that `call` takes again, or as a hex dump of bytes.
    """
    value = format_value(result.value, hexadecimal=hexadecimal)
    lines = [f"{result.operation.name}() => {value}"]
    for lease in result.operation.leases:
        if lease.write:
            lines += _written(result, lease, hexadecimal=hexadecimal)
    return join_lines(lines)


def _written(result: Reply, lease: ResolvedLease, *, hexadecimal: bool) -> list[str]:
    data, elements = result.leases[lease.name], result.elements(lease.name)
    if elements is None:
        return [f"{lease.name} ({len(data)} bytes):", *_indented(hexdump(data))]
    shown = [format_value(element, hexadecimal=hexadecimal) for element in elements]
    kind = lease.type.name if lease.type is not None else MISSING
    if not lease.is_slice:
        return [f"{lease.name} ({kind}): {', '.join(shown)}"]
    head = f"{lease.name} ({len(shown)} element{'s' * (len(shown) != 1)} of {kind}):"
    if all(_is_short(element) for element in elements):
        return [head, *_filled(shown)]
    return [head, "  [", *(f"    {text}," for text in shown), "  ]"]


def _is_short(value: Value) -> bool:
    is_plain = isinstance(value, EnumValue) and value.payload is None
    return is_plain or isinstance(value, Int | Bool | Char | Float)


def _filled(elements: Sequence[str]) -> list[str]:
    """Write a list in as few lines as it fits in; breaks stand between elements alone."""
    lines = ["  ["]
    for index, element in enumerate(elements):
        text = element + (", " if index + 1 < len(elements) else "]")
        if len(lines[-1]) + len(text.rstrip()) > DOC_WIDTH:
            lines.append("   ")
        lines[-1] += text
    lines[-1] += "" if elements else "]"
    return [line.rstrip() for line in lines]


def _indented(text: str) -> list[str]:
    return textwrap.indent(text, "  ").splitlines()


def operation_error(operation: ResolvedOperation, error: OperationError) -> str:
    """Write the error that an operation answered with."""
    if error.value is not None:
        what = format_value(error.value)
    else:
        what = error.variant or f"unknown code {error.code}"
    return one_line(f"{operation.name}() => Err({what})")


def tasks(found: TaskTable) -> str:
    """Write the task table in the columns that Hubris's users know."""
    head, lines = task_lines(found)
    return join_lines([*head, *lines])


def task_lines(found: TaskTable) -> tuple[list[str], list[str]]:
    """Return the head of the task table, and a line for each task."""
    from idoldbg.render.tasks import describe_state  # no call that succeeds needs it

    time = "unknown" if found.time_ms is None else str(found.time_ms)
    head = [f"system time = {time}"]
    if found.epitaph is not None:
        head.append(f"kernel has panicked: {found.epitaph}")
    rows = [["ID", "TASK", "GEN", "PRI", "STATE"]]
    for row in found.rows:
        numbers = ["?" if n is None else str(n) for n in (row.generation, row.priority)]
        rows.append(
            [f"{row.index:2}", row.name, *(n.rjust(3) for n in numbers), describe_state(row)]
        )
    columns, *lines = table_lines(rows)
    return [*head, columns], lines


def interfaces(servers: Sequence[Server], detailed: bool, *, explain: bool = False) -> str:
    """Write interfaces with their operations.

    `detailed` adds codes, encodings and docs; `explain` adds how large messages are and how each
    type was found.
    """
    blocks: list[str] = []
    for server in servers:
        lines = [f"{server.interface}  (task {server.task})"]
        lines += [f"  note: {problem}" for problem in server.problems]
        for operation in server.operations:
            lines += _operation_lines(operation, detailed, explain=explain)
        blocks.append(join_lines(lines))
    return "\n\n".join(blocks) if blocks else "no task of this build serves an interface"


def _operation_lines(
    operation: ResolvedOperation, detailed: bool, *, explain: bool = False
) -> list[str]:
    lines = [f"  {operation.name}"]
    if detailed:
        facts = [f"code {operation.code}", operation.encoding]
        facts += ["idempotent"] if operation.idempotent else []
        lines[0] += f"  ({', '.join(facts)})"
        if operation.doc:
            doc = textwrap.fill(" ".join(operation.doc.split()), DOC_WIDTH)
            lines += textwrap.indent(doc, "      ").splitlines()
    if explain:
        lines.append(f"      {_sizes(operation)}")
    roles: list[tuple[str, str, Resolution]] = [
        *((a.name, _type(a), a) for a in operation.arguments),
        *((lease.name, _lease_type(lease), lease) for lease in operation.leases),
        ("<ok>", _type(operation.ok), operation.ok),
    ]
    if operation.error is not None:
        roles.append(("<error>", _type(operation.error), operation.error))
    rows = [
        [name, type_, _how(found)] if explain else [name, type_] for name, type_, found in roles
    ]
    lines += [f"      {line}" for line in table_lines(rows)]
    for _, _, found in roles:
        lines += _candidates(found)
    return lines


def _type(found: Resolution) -> str:
    return found.type_name or f"{MISSING} {found.text}"


def _how(found: Resolution) -> str:
    where = "" if found.how is not How.ELSEWHERE else f" ({found.object})"
    return f"{found.how}{where}"


def _sizes(operation: ResolvedOperation) -> str:
    """Describe the sizes of the messages; those that are copied as they lie have one."""
    is_fixed = operation.encoding == "Zerocopy"
    message = _size("message", operation.wire.arguments_size, is_fixed)
    can_only_succeed = is_fixed and operation.error is None
    return f"{message}, {_size('reply', operation.wire.reply_size, can_only_succeed)}"


def _size(what: str, size: int | None, is_fixed: bool) -> str:
    if not size:
        return f"empty {what}" if size == 0 else f"{what} of unknown size"
    if size == 1:
        return f"{what} of 1 byte"
    return f"{what} of {'' if is_fixed else 'up to '}{size} bytes"


def _candidates(found: Resolution) -> list[str]:
    """Describe what an ambiguous name may mean, and how to settle it."""
    if found.type is not None or not found.candidates:
        return []
    if found.how is How.INCOMPLETE:
        where = ", ".join(sorted({o for c in found.candidates for o in c.objects}))
        return [f"      {found.text} is declared in {where}, but defined nowhere"]
    lines = [f"      {found.text} is one of these; settle it with --type {found.text}=PATH:"]
    rows = [
        [f"        {c.name}", f"{c.size} byte{'s' * (c.size != 1)}", "; ".join(c.differences)]
        for c in found.candidates
    ]
    return [*lines, *table_lines(rows)]


def _lease_type(lease: ResolvedLease) -> str:
    access = {(True, False): "read", (False, True): "write"}.get(
        (lease.read, lease.write), "read, write"
    )
    limit = "" if lease.max_len is None else f", at most {lease.max_len} elements"
    return f"{_type(lease)}  ({access} lease{limit})"


def operation_help(operation: ResolvedOperation) -> str:
    """Write what `call` takes for one operation."""
    lines = [f"Usage: idoldbg call {operation.name} [OPTIONS]", ""]
    lines += _operation_lines(operation, detailed=True)
    rows = []
    for argument in operation.arguments:
        written = [MISSING] if argument.type is None else notation.forms(argument.type)
        rows += [[flag, line] for flag, line in zip_longest([_option(argument, "VALUE")], written)]
    for lease in operation.leases:
        if lease.read:
            rows.append([_option(lease, "DATA"), _takes(lease)])
        else:
            rows.append([_option(lease, "COUNT"), "elements to make room for; printed"])
    if rows:
        lines += ["", "Options:", *table_lines([[flag or "", line or ""] for flag, line in rows])]
    example = operation_example(operation)
    if example is not None:
        lines += ["", "Example:", f"  {example}"]
    return join_lines(lines)


def _option(parameter: ResolvedArgument | ResolvedLease, value: str) -> str:
    return f"  --{_flag(parameter.name)} {value}"


def operation_example(operation: ResolvedOperation) -> str | None:
    """Return a command line that makes a call, None where a value is too long to be shown."""
    parts = [f"idoldbg call {operation.name}"]
    for argument in operation.arguments:
        value = None if argument.type is None else notation.example(argument.type)
        if value is None:
            return None
        parts.append(f"--{_flag(argument.name)} {shlex.quote(value)}")
    for lease in operation.leases:
        value = "4"
        if lease.read:
            element = None if lease.element is None else notation.example(lease.element)
            if element is None:
                return None
            value = shlex.quote(f"[{element}]" if lease.is_slice else element)
        elif not lease.is_slice:
            continue
        parts.append(f"--{_flag(lease.name)} {value}")
    return " ".join(parts)


def _takes(lease: ResolvedLease) -> str:
    """Describe the data for a lease that the server reads."""
    data = "hex:…, @FILE, str:TEXT or - (stdin)"
    if lease.type is None:
        return MISSING
    if lease.type.is_byte or (not lease.is_slice and lease.type.is_byte_array):
        return data.replace("hex:…, ", "hex:…, [1, 2], ")
    return f"{f'[…] of {lease.type.name}' if lease.is_slice else lease.type.name}, or bytes: {data}"


def _flag(name: str) -> str:
    return name.replace("_", "-")


def boards(known: Iterable[Board], detailed: bool) -> str:
    """Write the boards; `detailed` adds what to watch out for."""
    rows = [["BOARD", "CHIP", "PART", "EMULATED", "PYOCD TARGET", "TO FLASH"]]
    notes: dict[str, list[str]] = {}
    for board in known:
        probe = board.probe
        flash = probe.flash_target or probe.pyocd_target
        to_flash = f"{flash} (pack {probe.pack})" if probe.pack else flash
        emulated = "yes" if board.emulation else "no"
        rows.append(
            [board.name, board.chip.name, board.part, emulated, probe.pyocd_target, to_flash]
        )
        for note in probe.notes:
            notes.setdefault(printable(note), []).append(printable(board.name))
    lines = table_lines(rows)
    for note, names in notes.items() if detailed else ():
        lines += ["", *textwrap.wrap(note, DOC_WIDTH)]
        lines += [f"    {line}" for line in textwrap.wrap(", ".join(names), DOC_WIDTH - 4)]
    return join_lines(lines)


def probes(found: Sequence[Any]) -> str:
    """Write the probes, one a line."""
    if not found:
        return "no debug probe found"
    rows = [["UNIQUE ID", "PROBE", "BOARD", "IN USE BY"]]
    for p in found:
        board = ", ".join(p.boards) or p.board_guess or ""
        rows.append([p.unique_id, p.description, board, p.used_by or ""])
    return table(rows)
