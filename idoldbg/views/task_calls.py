"""Calls between tasks, as both ends counted them, and who may call whom.

Each client task links its own stub: the task whose ELF file holds a static
`__IFACE_CLIENT_COUNTERS` is the caller. The server is the task that serves the interface among
those in the caller's task slots. Counters are zeroed with a task's RAM when it restarts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from idol.records import dataclass, field, replace
from idoldbg.build.program import Program
from idoldbg.errors import IdoldbgError
from idoldbg.views.counters import (
    CounterKind,
    CounterLeaf,
    CounterStatic,
    find_counters,
    flatten,
    read_counter_statics,
    subtract_leaves,
)
from idoldbg.views.tasks import read_tasks

__all__ = [
    "CallCount",
    "Edge",
    "ServerCount",
    "TaskCalls",
    "read_edges",
    "read_task_calls",
    "select_calls",
    "subtract_calls",
]

CLIENT_ERROR = "ClientError"  # variant of Idol's option `combine_client_errors`


@dataclass(frozen=True, slots=True)
class CallCount:
    """Calls of one operation by one client, as the client counted them.

    `servers` are the tasks that may have been called: more than one where the client has several
    slots for the interface, none where its server is unknown. Restarts are None where unknown.
    """

    interface: str
    operation: str
    client: str
    servers: tuple[str, ...]
    ok: int
    errors: Mapping[str, int] = field(default_factory=dict)
    client_restarts: int | None = None
    server_restarts: int | None = None

    @property
    def failed(self) -> int:
        """Number of calls that ended in an error."""
        return sum(self.errors.values())

    @property
    def count(self) -> int:
        """Number of calls."""
        return self.ok + self.failed


@dataclass(frozen=True, slots=True)
class ServerCount:
    """Calls of one operation from both ends: a difference tells of lost calls or restarts.

    `calls_sent` is what the clients counted together, None where none counts; `calls_seen`, `ok`
    and `errors` are the server's counts, None where it counts nothing.
    """

    interface: str
    operation: str
    server: str
    calls_sent: int | None
    calls_seen: int | None
    ok: int | None = None
    errors: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Edge:
    """A task slot: `client` may call `server`. `calls` is how often it did, None if not counted."""

    client: str
    server: str
    slot: str
    interface: str | None = None
    calls: int | None = None


@dataclass(frozen=True, slots=True)
class TaskCalls:
    """All that was counted. `interval_ms` is the time between two readings, None for totals."""

    calls: tuple[CallCount, ...]
    servers: tuple[ServerCount, ...]
    interval_ms: int | None = None
    problems: tuple[tuple[str, str], ...] = ()


def read_task_calls(program: Program) -> TaskCalls:
    """Read the counters of Idol's stubs; `problems` are (static, reason) of unreadable ones."""
    sets = tuple(
        s for s in find_counters(program) if s.kind in (CounterKind.CLIENT, CounterKind.SERVER)
    )
    statics = read_counter_statics(program, sets)
    restarts = _restarts(program)
    interfaces = _interfaces(program)
    calls = [
        CallCount(
            static.interface or "",
            operation,
            static.task,
            servers,
            ok,
            errors,
            restarts.get(static.task),
            restarts.get(servers[0]) if len(servers) == 1 else None,
        )
        for static in statics
        if static.kind is CounterKind.CLIENT
        for servers in [_servers_for(program, static.task, static.interface or "", interfaces)]
        for operation, (ok, errors) in _operations(static.leaves).items()
    ]
    problems = tuple((f"{s.task}/{s.full_name}", s.problem) for s in statics if s.problem)
    return TaskCalls(tuple(calls), _both_ends(calls, statics), None, problems)


def _restarts(program: Program) -> dict[str, int]:
    try:
        rows = read_tasks(program).rows
        counts = {r.name: r.generation if r.restarts is None else r.restarts for r in rows}
        return {name: count for name, count in counts.items() if count is not None}
    except IdoldbgError:
        return {}


def _interfaces(program: Program) -> dict[str, str]:
    """Return the interface that each task serves."""
    return {served.task.name: served.interface.name for served in program.servers}


def _servers_for(
    program: Program, client: str, interface: str, interfaces: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the tasks in the client's slots that serve an interface, else all that serve it."""
    serving = [t for t, name in interfaces.items() if name.upper() == interface.upper()]
    slots = program.archive.get_task(client).slots.values() if client != "kernel" else ()
    bound = tuple(dict.fromkeys(task for task in slots if task in serving))
    return bound or (tuple(serving) if len(serving) == 1 else ())


def _operations(leaves: Iterable[CounterLeaf]) -> dict[str, tuple[int, dict[str, int]]]:
    """Sum counters up by operation: what went well, and each error."""
    found: dict[str, tuple[int, dict[str, int]]] = {}
    for leaf in leaves:
        if not leaf.path:
            continue
        operation, *rest = leaf.path
        ok, errors = found.setdefault(operation, (0, {}))
        if rest[:1] == ["Err"]:
            if len(rest) > 1 or leaf.count:  # else an error that cannot be: `Infallible`
                name = flatten(CounterLeaf(tuple(rest[1:]) or ("Err",), 0))
                errors[name] = errors.get(name, 0) + leaf.count
        elif operation == CLIENT_ERROR and rest:  # what all operations of a server share
            errors[flatten(CounterLeaf(tuple(rest), 0))] = leaf.count
        else:
            found[operation] = (ok + leaf.count, errors)
    return found


def _both_ends(
    calls: Iterable[CallCount], statics: Iterable[CounterStatic]
) -> tuple[ServerCount, ...]:
    sent: dict[tuple[str, str, str], int] = {}
    for call in calls:
        if len(call.servers) == 1:
            key = (call.interface, call.operation, call.servers[0])
            sent[key] = sent.get(key, 0) + call.count
    seen: dict[tuple[str, str, str], tuple[int, dict[str, int]]] = {}
    for static in statics:
        if static.kind is CounterKind.SERVER and not static.problem:
            for operation, counted in _operations(static.leaves).items():
                seen[static.interface or "", operation, static.task] = counted
    result = []
    for key in dict.fromkeys([*sent, *seen]):
        interface, operation, server = key
        ok, errors = seen.get(key, (None, {}))
        total = None if ok is None else ok + sum(errors.values())
        result.append(ServerCount(interface, operation, server, sent.get(key), total, ok, errors))
    return tuple(result)


def select_calls(
    found: TaskCalls,
    *,
    clients: Iterable[str] = (),
    servers: Iterable[str] = (),
    interfaces: Iterable[str] = (),
    errors_only: bool = False,
) -> TaskCalls:
    """Return the calls whose client, server and interface contain one of the given parts."""

    def fits(parts: Iterable[str], *names: str) -> bool:
        wanted = [part.lower() for part in parts]
        return not wanted or any(part in name.lower() for part in wanted for name in names)

    calls = tuple(
        c
        for c in found.calls
        if fits(clients, c.client)
        and fits(servers, *c.servers)
        and fits(interfaces, c.interface)
        and (not errors_only or c.failed)
    )
    keys = {(c.interface, c.operation) for c in calls}
    clients = tuple(clients)
    ends = tuple(
        s
        for s in found.servers
        if fits(servers, s.server)
        and fits(interfaces, s.interface)
        and ((not clients and not errors_only) or (s.interface, s.operation) in keys)
    )
    return replace(found, calls=calls, servers=ends)


def subtract_calls(before: TaskCalls, after: TaskCalls, interval_ms: int | None) -> TaskCalls:
    """Return what was counted between two readings; counters wrap around as u32."""
    old = {(c.interface, c.operation, c.client): c for c in before.calls}
    calls = []
    for call in after.calls:
        was = old.get((call.interface, call.operation, call.client))
        if was is None:
            calls.append(call)
            continue
        errors = _moved(was.errors, call.errors)
        ok = subtract_leaves((CounterLeaf((), was.ok),), (CounterLeaf((), call.ok),))[0].count
        calls.append(replace(call, ok=ok, errors=errors))
    ends = {(s.interface, s.operation, s.server): s for s in before.servers}
    servers = []
    for end in after.servers:
        then = ends.get((end.interface, end.operation, end.server))
        if then is not None:
            numbers = _moved(
                {"sent": then.calls_sent or 0, "seen": then.calls_seen or 0, "ok": then.ok or 0},
                {"sent": end.calls_sent or 0, "seen": end.calls_seen or 0, "ok": end.ok or 0},
            )
            end = replace(
                end,
                calls_sent=None if end.calls_sent is None else numbers["sent"],
                calls_seen=None if end.calls_seen is None else numbers["seen"],
                ok=None if end.ok is None else numbers["ok"],
                errors=_moved(then.errors, end.errors),
            )
        servers.append(end)
    return TaskCalls(tuple(calls), tuple(servers), interval_ms, after.problems)


def _moved(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    pairs = (
        tuple(CounterLeaf((name,), count) for name, count in counts.items())
        for counts in (before, after)
    )
    return {leaf.path[0]: leaf.count for leaf in subtract_leaves(*pairs)}


def read_edges(program: Program, found: TaskCalls | None = None) -> tuple[Edge, ...]:
    """Return who may call whom by the task slots of the build, with calls where counted."""
    interfaces = _interfaces(program)
    calls: dict[tuple[str, str], int] = {}
    for call in found.calls if found is not None else ():
        if len(call.servers) == 1:
            key = (call.client, call.servers[0])
            calls[key] = calls.get(key, 0) + call.count
    edges = [
        Edge(task.name, server, slot, interfaces.get(server), calls.get((task.name, server)))
        for task in program.archive.tasks
        for slot, server in task.slots.items()
    ]
    known = {(edge.client, edge.server) for edge in edges}
    edges += [
        Edge(client, server, "", interfaces.get(server), count)
        for (client, server), count in calls.items()
        if (client, server) not in known
    ]
    return tuple(edges)
