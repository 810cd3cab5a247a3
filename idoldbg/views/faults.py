"""Fault records of tasks that the supervisor has restarted.

A restart wipes the kernel's record of the fault. A supervisor may keep the last one itself: a
static called JEFE_LAST_FAULT, as the jefe of `fixtures/firmware` has it. Its layout is read from
DWARF by member names: `task`, `generation`, `fault` (an Option of `abi::FaultInfo`), `message_len`
and `message`. Stock Hubris keeps none; then there is nothing to tell.
"""

from __future__ import annotations

from idoldbg.build.program import Program
from idoldbg.call.codec import image
from idoldbg.errors import IdoldbgError
from idoldbg.model.types import Struct, Type
from idoldbg.model.values import Raw, Value
from idoldbg.views.tasks import GENERATIONS, Fault, read_fault

__all__ = ["read_fault_before", "read_last_fault"]

VARIABLE = "JEFE_LAST_FAULT"
MEMBERS = {"task", "generation", "fault", "message_len", "message"}
SUPERVISOR = 0  # the task that the kernel notifies of faults
DEPTH_LIMIT = 8


def read_last_fault(program: Program, task_index: int, generation: int) -> Fault | None:
    """Read the supervisor's record of the fault that ended one incarnation of a task.

    None where the firmware keeps no record, or the last one is about another task or incarnation.
    """
    try:
        supervisor = program.object(program.archive.tasks[SUPERVISOR].name)
        for variable in supervisor.find_variables(VARIABLE):
            found = _find_record(variable.type, 0, 0)
            if variable.address is None or found is None:
                continue
            offset, record = found
            data = program.memory.read(variable.address + offset, record.size)
            return _fault(program, image.decode(record, data), task_index, generation)
    except IdoldbgError:
        pass  # a post-mortem adds what it can and never hides the failure itself
    return None


def read_fault_before(program: Program, task_index: int, generation: int) -> Fault | None:
    """Read the record of the fault that ended the incarnation before this one."""
    return read_last_fault(program, task_index, (generation - 1) % GENERATIONS)


def _find_record(type_: Type, offset: int, depth: int) -> tuple[int, Struct] | None:
    """Find the record inside `StaticCell<LastFault>` and the like."""
    if not isinstance(type_, Struct) or depth > DEPTH_LIMIT:
        return None
    if {m.name for m in type_.members} >= MEMBERS:
        return offset, type_
    for member in type_.members:
        found = _find_record(member.type, offset + member.offset, depth + 1)
        if found is not None:
            return found
    return None


def _fault(program: Program, record: Value, task_index: int, generation: int) -> Fault | None:
    fault = record["fault"].as_variant("Some")
    if fault is None or (int(record["task"]), int(record["generation"])) != (
        task_index,
        generation,
    ):
        return None
    message, size = record["message"], int(record["message_len"])
    text = message.data[:size].decode(errors="replace") if isinstance(message, Raw) else ""
    name = program.archive.tasks[task_index].name
    return read_fault(program, fault.only, text or None, name)
