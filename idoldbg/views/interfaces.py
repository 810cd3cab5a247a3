"""Interfaces and operations of a build's servers, with their types from DWARF."""

from __future__ import annotations

from functools import partial

from idol.near import near_misses
from idol.records import dataclass
from idoldbg.build.kept import OPERATION
from idoldbg.build.program import Program, ServedInterface, operation_key
from idoldbg.build.workers import share_out
from idoldbg.errors import DebugInfoError, NotFound
from idoldbg.model.archive import TaskImage
from idoldbg.resolver import ResolvedOperation

__all__ = ["Server", "read_ahead", "read_interfaces"]


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


def read_ahead(program: Program, workers: int) -> None:
    """Resolve all operations in several processes, for `read_interfaces`.

    See `idoldbg.build.workers`, also for errors.
    """
    if workers > 1 and not program.type_overrides:  # results with overrides are not kept
        tasks = program.unread_tasks(lambda server: _is_resolved(program, server))
        share_out(program, [partial(_resolve, program, task) for task in tasks], workers)


def _is_resolved(program: Program, server: ServedInterface) -> bool:
    name, task = server.interface.name, server.task.name
    return all(
        program.knows(OPERATION, operation_key(f"{name}.{operation.name}", task))
        for operation in server.interface.operations
    )


def _resolve(program: Program, task: TaskImage) -> None:
    server = program.find_served(task)
    if isinstance(server, ServedInterface):
        for operation in server.interface.operations:
            program.resolve(server, operation.name)


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
