"""Tasks that the supervisor holds: it leaves them alone when they fault, for a debugger.

Hubris's jefe keeps a `TaskStatus { disposition, state }` for each task in `task_states` of its
server, and that in the static JEFE_SERVER_IMPL (task/jefe/src/main.rs, since 2025). Older ones have
it on their stack, where nothing is known of it.
"""

from __future__ import annotations

from idoldbg.build.kept import HOLDS
from idoldbg.build.program import Program
from idoldbg.call.codec import image
from idoldbg.errors import IdoldbgError
from idoldbg.model.types import Array, CEnum, Enum, Struct
from idoldbg.model.values import ArrayValue, EnumValue
from idoldbg.views.parts import peel

__all__ = ["find_states", "read_holds"]

SERVER = "JEFE_SERVER_IMPL"
STATES = "task_states"
DISPOSITION = "disposition"
HOLD = "Hold"


def read_holds(program: Program) -> tuple[bool | None, ...]:
    """Return for each task whether it is held; None where the supervisor does not say."""
    unknown = (None,) * len(program.archive.tasks)
    if not unknown:
        return ()
    try:
        place = find_states(program)
        if place is None:
            return unknown
        address, type_ = place
        if type_.count != len(unknown):
            return unknown
        states = image.decode(type_, program.memory.read(address, type_.size), address=address)
    except IdoldbgError:
        return unknown
    if not isinstance(states, ArrayValue):
        return unknown
    found = [state.get(DISPOSITION) for state in states.elements]
    held = [each.variant == HOLD if isinstance(each, EnumValue) else None for each in found]
    return tuple(held)


def find_states(program: Program) -> tuple[int, Array] | None:
    """Return address and type of the supervisor's `task_states`; None where it has no such static.

    Raises what damaged debug information raises.
    """
    return program.recall(HOLDS, "", lambda: _find(program))


def _find(program: Program) -> tuple[int, Array] | None:
    supervisor = program.object(program.archive.tasks[0].name)
    if not supervisor.elf.find_symbols(SERVER):
        return None  # and its debug information is not read
    for variable in supervisor.find_variables(SERVER):
        server, offset = peel(variable.type)
        if variable.address is None or not isinstance(server, Struct):
            continue
        for member in server.members:
            states, inside = peel(member.type)
            if member.name == STATES and isinstance(states, Array) and _has_disposition(states):
                return variable.address + offset + member.offset + inside, states
    return None


def _has_disposition(states: Array) -> bool:
    element = states.element
    return isinstance(element, Struct) and any(
        m.name == DISPOSITION and isinstance(m.type, Enum | CEnum) and HOLD in m.type.variant_names
        for m in element.members
    )
