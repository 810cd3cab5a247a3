"""Checks of who may call what, who is started, and how hiffy is reached: the application's choices.

All of it stands in `app.toml`: `allowed-callers` of a task's configuration, `start`, and
`[config.net.sockets]` (Hubris, `build/xtask/src/config.rs` and `build/net/src/lib.rs`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from idol.findings.region import Region
from idoldbg.audit.finding import Finding, make_finding
from idoldbg.audit.hiffy import HIFFY
from idoldbg.audit.image import Image
from idoldbg.audit.subject import Subject
from idoldbg.build.program import ServedInterface
from idoldbg.views.boot import starts_at_boot

__all__ = ["check_caller", "check_network", "check_started", "is_restricted"]

_RPC = "udprpc"  # the task that calls Idol operations for the network
_REACHED_BY = frozenset({HIFFY, _RPC})


def is_restricted(server: ServedInterface, operation: str) -> bool:
    """Return whether a server kills hiffy for calling an operation."""
    callers = server.task.allowed_callers.get(operation)
    return callers is not None and HIFFY not in callers


def check_caller(subject: Subject) -> Iterator[Finding]:
    """Report an operation that is closed to hiffy."""
    task = subject.server.task
    if not is_restricted(subject.server, subject.operation.name):
        return
    callers = task.allowed_callers[subject.operation.name]
    listed = ", ".join(f"`{name}`" for name in callers) or "nobody"
    yield subject.finding(
        "caller-restricted",
        f"only {listed} may call it (`allowed-callers` of task `{task.name}`); the server would "
        "have hiffy killed for it, so idoldbg refuses to call",
        f'If a debugger should call it, add "hiffy" to `{subject.operation.name}` in '
        f"`[tasks.{task.name}.config.allowed-callers]` of app.toml.",
    )


def check_started(image: Image, server: ServedInterface) -> Iterator[Finding]:
    """Report a server that waits for somebody to start it."""
    if starts_at_boot(image.program, server.task):
        return
    yield make_finding(
        "task-not-started",
        f"task `{server.task.name}` is not started at boot: its operations can be called only "
        "after somebody has started it",
        f"Start it (Jefe can), or set `start = true` in `[tasks.{server.task.name}]` of app.toml.",
        server.task.name,
        server.interface.name,
        place=Region.of(server.interface.source, server.interface.span),
    )


def check_network(image: Image) -> Iterator[Finding]:
    """Report a network that does not lead to hiffy, nor to the task that calls for the network."""
    archive = image.program.archive
    if archive.other_processor:  # hiffy makes no difference
        return
    if not any(t.crate == "task-net" or t.name == "net" for t in archive.tasks):
        return
    owners = _socket_owners(archive.app)
    crates = {t.crate for t in archive.tasks if t.name in owners}
    if owners & _REACHED_BY or crates & {f"task-{name}" for name in _REACHED_BY}:
        return
    yield make_finding(
        "no-network-path",
        "the image has a network, but neither hiffy nor a task `udprpc` has a socket: calls need "
        "a debug probe",
        "Where boards are reached over the network, add a task `udprpc` with a UDP socket.",
        name="net",
    )


def _socket_owners(app: Mapping[str, Any]) -> set[str]:
    """Return the tasks that sockets belong to; app.toml is untrusted and may hold anything."""
    table: Any = app
    for key in ("config", "net", "sockets"):
        table = table.get(key) if isinstance(table, dict) else None
    if not isinstance(table, dict):
        return set()
    owners = set()
    for socket in table.values():
        owner = socket.get("owner") if isinstance(socket, dict) else None
        name = owner.get("name") if isinstance(owner, dict) else None
        if isinstance(name, str):
            owners.add(name)
    return owners
