"""Why a task died, after the supervisor has restarted it.

A restart wipes the kernel's record of the fault. A supervisor may keep its own: a static array
called JEFE_FAULT_RECORDS with an entry for each task, as that of `fixtures/firmware` does. Its
layout is read from DWARF by member names: `count`, `generation`, `fault` (an Option of
`abi::FaultInfo`), `message_len`, `message`. Stock Hubris has none; then there is nothing to tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from idoldbg.codec import image
from idoldbg.errors import IdoldbgError
from idoldbg.program import Program
from idoldbg.types import Array, Type, type_size
from idoldbg.values import to_python

__all__ = ["FaultRecord", "read_fault_record"]

VARIABLE = "JEFE_FAULT_RECORDS"
SUPERVISOR = 0  # the task index that the kernel notifies of faults


@dataclass(frozen=True, slots=True)
class FaultRecord:
    """The last fault of a task: how many it had, which incarnation died, and of what.

    `kind` is the variant of `abi::FaultInfo`, `message` the text of a panic, cut where the
    supervisor cut it.
    """

    count: int
    generation: int
    kind: str
    message: str | None


def read_fault_record(program: Program, task_index: int) -> FaultRecord | None:
    """Read a task's record; None where the firmware keeps none, or the task never faulted."""
    try:
        supervisor = program.object(program.archive.tasks[SUPERVISOR].name)
        for variable in supervisor.find_variables(VARIABLE):
            found = _find_array(variable.type, 0)
            if variable.address is None or found is None or task_index >= found[1].count:
                continue
            offset, array = found
            size = type_size(array.element)
            address = variable.address + offset + task_index * size
            data = program.memory.read(address, size)
            return _record(to_python(image.decode(array.element, data, address=address)))
    except IdoldbgError:
        pass  # a post-mortem adds what it can and never hides the failure itself
    return None


def _find_array(type_: Type, offset: int, depth: int = 0) -> tuple[int, Array] | None:
    """Find the array inside `StaticCell<[FaultRecord; N]>` and the like."""
    if isinstance(type_, Array):
        return offset, type_
    if depth < 8:
        for member in getattr(type_, "members", ()):
            found = _find_array(member.type, offset + member.offset, depth + 1)
            if found is not None:
                return found
    return None


def _record(fields: Any) -> FaultRecord | None:
    if not isinstance(fields, Mapping) or not fields.get("count"):
        return None
    fault = fields.get("fault")
    kind = next(iter(fault)) if isinstance(fault, Mapping) else str(fault)
    message = fields.get("message")
    size = fields.get("message_len")
    text = None
    if kind == "Panic" and isinstance(message, bytes) and isinstance(size, int):
        text = message[:size].decode(errors="replace")
    generation = fields.get("generation")
    return FaultRecord(
        count=int(fields["count"]),
        generation=generation if isinstance(generation, int) else 0,
        kind=kind,
        message=text,
    )
