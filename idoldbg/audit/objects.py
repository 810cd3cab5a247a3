"""Findings about ELF files and debug information that cannot be read at all."""

from __future__ import annotations

import idol
from idoldbg.audit.finding import Finding, make_finding
from idoldbg.build.program import Program, ServedInterface
from idoldbg.errors import DebugInfoError

__all__ = ["check_object", "damaged", "damaged_types", "without_debug_info"]

_REBUILD = "Build the archive again; if that does not help, "


def damaged(task: str, reason: str, effect: str = "it is unknown what it serves") -> Finding:
    """Report a task, or the kernel, whose file or debug information is missing or malformed."""
    fix = f"{_REBUILD}the linker or a strip tool wrote this."
    message = f"`{task}` cannot be read, so {effect}: {reason.removeprefix(f'{task}: ')}"
    return make_finding("debug-info-damaged", message, fix, task)


def check_object(program: Program, name: str, effect: str) -> Finding | None:
    """Report an object whose ELF file is missing or malformed."""
    try:
        program.object(name).has_debug_info  # noqa: B018  reads the file's headers
    except DebugInfoError as error:
        return damaged(name, str(error), effect)
    return None


def without_debug_info(server: ServedInterface) -> Finding:
    """Report a server whose types are all unknown."""
    return make_finding(
        "debug-info-missing",
        f"the ELF of task `{server.task.name}` has no `.debug_info`: no type of "
        f"`{server.interface.name}` is known, so none of its operations can be called",
        "Set `debug = true` (or 2) in the profile that the image is built with, and do not strip "
        "the ELF files before they go into the archive.",
        server.task.name,
        server.interface.name,
    )


def damaged_types(
    server: ServedInterface, operation: idol.Operation | None, error: DebugInfoError
) -> Finding:
    """Report what cannot be read of an operation, or without one of the server's code."""
    what = "the server's code" if operation is None else "the types of the operation"
    return make_finding(
        "debug-info-damaged",
        f"{what} cannot be read: {error}",
        f"{_REBUILD}please report it with the archive.",
        server.task.name,
        server.interface.name,
        "" if operation is None else operation.name,
    )
