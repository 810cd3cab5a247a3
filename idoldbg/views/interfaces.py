"""Interfaces and operations of a build's servers, with their types from DWARF."""

from __future__ import annotations

from idol.near import near_misses
from idol.records import dataclass
from idoldbg.build.program import Program
from idoldbg.errors import DebugInfoError, NotFound
from idoldbg.resolver import ResolvedOperation

__all__ = ["Server", "first_server", "read_interfaces"]


@dataclass(frozen=True, slots=True)
class Server:
    """One interface as one task serves it.

    `problems` are complaints about the interface's text that did not keep it from being used, and
    why there are no operations where its task's debug information is malformed.
    """

    interface: str
    task: str
    operations: tuple[ResolvedOperation, ...]
    problems: tuple[str, ...] = ()


def read_interfaces(program: Program, what: str | None = None) -> tuple[Server, ...]:
    """Resolve all interfaces, or those that `Interface` or `Interface.operation` selects.

    Servers stand in task order. Raises `NotFound` when the selection is empty.
    """
    interface_name, _, operation_name = (what or "").partition(".")
    result = []
    for server in program.servers:
        if what and server.interface.name != interface_name:
            continue
        names = [o.name for o in server.interface.operations]
        if operation_name and operation_name not in names:
            raise NotFound(
                "operation",
                operation_name,
                near=near_misses(operation_name, names),
                where=f"interface `{interface_name}`",
            )
        operations: tuple[ResolvedOperation, ...] = ()
        problems = server.problems
        try:
            operations = tuple(
                program.resolve(server, name) for name in names if operation_name in ("", name)
            )
        except DebugInfoError as error:
            if what:
                raise
            # One damaged task must not prevent the listing of the others.
            problems += (f"its types cannot be read: {error}",)
        result.append(Server(server.interface.name, server.task.name, operations, problems))
    if what and not result:
        raise program.no_interface(interface_name)
    return tuple(result)


def first_server(program: Program, operation: str) -> str | None:
    """Return the first task of several that serve `Interface.operation`, None for one or none.

    Their arguments are the same: help and completion need not know which is meant.
    """
    interface = operation.partition(".")[0]
    tasks = [s.task.name for s in program.servers if s.interface.name == interface]
    return tasks[0] if len(tasks) > 1 else None
