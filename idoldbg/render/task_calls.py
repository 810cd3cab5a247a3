"""Calls between tasks as text, JSON and graphs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from idoldbg.render import source as source_object
from idoldbg.render.printable import join_lines, one_line
from idoldbg.render.text import table_lines
from idoldbg.views.source import Source
from idoldbg.views.task_calls import CallCount, Edge, ServerCount, TaskCalls

__all__ = ["dot", "graph_json", "json", "matrix", "mermaid", "text"]

Object = dict[str, Any]
NONE = "·"


def text(found: TaskCalls, *, full: bool = False) -> str:
    """Write caller, server, operation and counts, then what the two ends count differently.

    Operations that were never called are left out unless `full`.
    """
    calls = [call for call in found.calls if full or call.count]
    calls += [call for call in _uncounted(found) if full or call.count]
    if not calls and not found.problems:
        is_counted = found.calls or found.servers
        return "no call was counted" if is_counted else "no call counters in this build"
    has_rate = found.interval_ms is not None
    rows = [["caller → server", "operation", "ok", "err", *(["/s"] if has_rate else []), ""]]
    for call in calls:
        errors = " · ".join(f"{name} {count}" for name, count in call.errors.items() if count)
        row = [
            f"{call.client} → {_servers(call.servers)}",
            f"{call.interface}.{call.operation}",
            str(call.ok),
            str(call.failed) if call.failed else NONE,
        ]
        if has_rate:
            row.append(_rate(call.count, found.interval_ms))
        rows.append([*row, errors])
    lines = table_lines(rows, right=(2, 3, 4) if has_rate else (2, 3))
    lines += [f"{name}: {problem}" for name, problem in found.problems]
    restarted = {c.client: c.client_restarts for c in calls if c.client_restarts}
    restarted |= {c.servers[0]: c.server_restarts for c in calls if c.servers and c.server_restarts}
    if restarted:
        names = ", ".join(f"{name} {count}" for name, count in restarted.items())
        lines.append(f"restarts, which zero a task's counters: {names}")
    lines += _differences(found.servers)
    return join_lines(lines)


def _uncounted(found: TaskCalls) -> list[CallCount]:
    """Return what servers counted of interfaces whose clients count nothing."""
    counted = {(call.interface, call.operation) for call in found.calls}
    return [
        CallCount(end.interface, end.operation, "?", (end.server,), end.ok, end.errors)
        for end in found.servers
        if end.ok is not None and (end.interface, end.operation) not in counted
    ]


def _servers(servers: Sequence[str]) -> str:
    return " or ".join(servers) if servers else "?"


def _rate(count: int, interval_ms: int | None) -> str:
    return f"{1000 * count / interval_ms:.1f}" if interval_ms else NONE


def _differences(servers: Sequence[ServerCount]) -> list[str]:
    return [
        f"{end.interface}.{end.operation}: clients sent {end.calls_sent}, `{end.server}` saw "
        f"{end.calls_seen}"
        for end in servers
        if None not in (end.calls_seen, end.calls_sent) and end.calls_seen != end.calls_sent
    ]


def matrix(found: TaskCalls) -> str:
    """Write a table of clients by servers, with the number of calls."""
    counts: dict[tuple[str, str], int] = {}
    for call in found.calls:
        key = (call.client, _servers(call.servers) if call.servers else f"?{call.interface}")
        counts[key] = counts.get(key, 0) + call.count
    clients = list(dict.fromkeys(client for client, _ in counts))
    servers = list(dict.fromkeys(server for _, server in counts))
    if not counts:
        return "no call counters in this build"
    rows = [["", *servers]]
    for client in clients:
        cells = [counts.get((client, server)) for server in servers]
        rows.append([client, *(str(cell) if cell else NONE for cell in cells)])
    return join_lines(table_lines(rows, right=range(1, len(servers) + 1)))


def json(source: Source, found: TaskCalls) -> Object:
    """Return the object of `counters ipc`."""
    return {
        "schema": "idoldbg.counters-ipc/1",
        "source": source_object.json(source),
        "interval_ticks": found.interval_ms,
        "calls": [_call(call) for call in found.calls],
        "servers": [_server(end) for end in found.servers],
        "problems": [{"static": name, "problem": why} for name, why in found.problems],
    }


def _call(call: CallCount) -> Object:
    return {
        "interface": call.interface,
        "operation": call.operation,
        "client": call.client,
        "server": call.servers[0] if len(call.servers) == 1 else None,
        "servers": list(call.servers),
        "ok": call.ok,
        "errors": {name: count for name, count in call.errors.items() if count},
        "client_restarts": call.client_restarts,
        "server_restarts": call.server_restarts,
    }


def _server(end: ServerCount) -> Object:
    return {
        "interface": end.interface,
        "operation": end.operation,
        "server": end.server,
        "calls_sent": end.calls_sent,
        "calls_seen": end.calls_seen,
        "ok": end.ok,
        "errors": {name: count for name, count in end.errors.items() if count},
    }


def graph_json(source: Source, edges: Sequence[Edge]) -> Object:
    """Return who may call whom as an object, of the schema of `counters ipc`."""
    return {
        "schema": "idoldbg.counters-ipc/1",
        "source": source_object.json(source),
        "edges": [
            {
                "client": edge.client,
                "server": edge.server,
                "slot": edge.slot,
                "interface": edge.interface,
                "calls": edge.calls,
            }
            for edge in edges
        ],
    }


def mermaid(edges: Sequence[Edge]) -> str:
    """Write the graph for Mermaid."""
    lines = ["flowchart LR"]
    for edge in edges:
        ends = [f'{_id(name)}["{_quoted(name)}"]' for name in (edge.client, edge.server)]
        label = _label(edge)
        arrow = f'-->|"{_quoted(label)}"|' if label else "-->"
        lines.append(f"  {ends[0]} {arrow} {ends[1]}")
    return "\n".join(one_line(line) for line in lines)


def dot(edges: Sequence[Edge]) -> str:
    """Write the graph for Graphviz."""
    lines = ["digraph calls {", "  rankdir=LR;", "  node [shape=box];"]
    for edge in edges:
        label = _label(edge)
        attribute = f' [label="{_quoted(label)}"]' if label else ""
        lines.append(f'  "{_quoted(edge.client)}" -> "{_quoted(edge.server)}"{attribute};')
    return "\n".join(one_line(line) for line in [*lines, "}"])


def _label(edge: Edge) -> str:
    parts = [edge.interface or "", "" if edge.calls is None else str(edge.calls)]
    return " ".join(part for part in parts if part)


def _id(name: str) -> str:
    return "t_" + re.sub(r"[^A-Za-z0-9]", lambda found: f"_{ord(found[0]):x}_", name)


def _quoted(name: str) -> str:
    return re.sub(r'["\\<>|&]', lambda found: f"#{ord(found[0])};", name)
