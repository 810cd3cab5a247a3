"""Traces of tasks as text, a line an event, and as JSON."""

from __future__ import annotations

from typing import Any

from idoldbg.model.values import format_value, to_json
from idoldbg.render.tasks import describe_fault
from idoldbg.views.idol_messages import LentMemory, Outcome, Result
from idoldbg.views.task_trace import EventKind, IdolCall, TaskEvent

__all__ = ["SHOWN", "describe", "duration", "event_json", "line"]

SHOWN = (
    EventKind.CALL,
    EventKind.POST,
    EventKind.FAULT,
    EventKind.RESTART,
    EventKind.RESET,
    EventKind.RESTORED,
    EventKind.LOST,
)
"""Kinds that a trace shows where none are chosen: without timers, ticks and task switches."""
BYTES_SHOWN = 32


def line(event: TaskEvent) -> str:
    """Return an event as one line: when it began, who, what, and how long it took."""
    return f"{event.time_ns / 1e9:12.6f}  {describe(event)}"


def describe(event: TaskEvent) -> str:
    """Return who did what, and how long it took."""
    task, peer, name = event.task or "-", event.peer or "-", event.name
    lasted = duration(event.end_ns - event.time_ns)
    match event.kind:
        case EventKind.CALL if event.call is not None:
            return f"{task} → {peer}  {_call(event.call)}  in {lasted}"
        case EventKind.NOTIFICATION:
            return f"{task}  notified: {name or hex(event.number or 0)}"
        case EventKind.POST:
            return f"{task} → {peer}  post {name}"
        case EventKind.TIMER if event.number is None:
            return f"{task}  timer off"
        case EventKind.TIMER:
            return f"{task}  timer set to tick {event.number}: {name}"
        case EventKind.BORROW:
            way = "←" if name == "read" else "→"
            return f"{task} {way} {peer}  {name} {event.number} B of a lease  in {lasted}"
        case EventKind.INTERRUPT:
            return f"interrupt {name}{f' over {task}' if event.task else ''}  in {lasted}"
        case EventKind.FAULT:
            what = name if event.fault is None else describe_fault(event.fault)
            where = "" if event.address is None else f" (pc 0x{event.address:08x})"
            return f"{task}  FAULT: {what}{where}"
        case EventKind.RESTART:
            return f"{task}  restarted: generation {event.number}"
        case EventKind.SWITCH:
            return f"switch to {task}{f' from {peer}' if event.peer else ''}"
        case EventKind.SYSCALL:
            return f"{task}  {name}  in {lasted}"
        case EventKind.RESET:
            return "reset"
        case EventKind.RESTORED:
            return "the board went back to a snapshot"
    return f"{event.number} records were lost: too much happened between two looks"


def _call(call: IdolCall) -> str:
    parts = [f"{name}: {format_value(value)}" for name, value in call.arguments or ()]
    if call.arguments is None and call.data:
        parts.append(_bytes(call.data))
    parts += [_lease(lease) for lease in call.leases]
    return f"{call.message.full}({', '.join(parts)}) = {_result(call.result)}"


def _lease(lease: LentMemory) -> str:
    return f"{lease.name or 'lease'}: {lease.size} B"


def _result(result: Result) -> str:
    match result.outcome:
        case Outcome.OK if result.value is not None:
            return format_value(result.value)
        case Outcome.OK:
            return _bytes(result.data) if result.data else "()"
        case Outcome.ERROR if result.value is not None:
            return f"Err({format_value(result.value)})"
        case Outcome.ERROR:
            return f"Err({result.variant or f'code {result.code}'})"
        case Outcome.DEAD:
            return f"(its server died: generation {result.generation} now)"
        case Outcome.RESTARTED:
            return "(the caller was restarted)"
    return "(no answer yet)"


def _bytes(data: bytes) -> str:
    more = "…" if len(data) > BYTES_SHOWN else ""
    return f"{data[:BYTES_SHOWN].hex(' ')}{more}"


def duration(nanoseconds: int) -> str:
    """Return a time with three digits and its unit."""
    if nanoseconds < 1000:
        return f"{nanoseconds} ns"
    for unit, size in (("µs", 1e3), ("ms", 1e6), ("s", 1e9)):
        number = nanoseconds / size
        if number < 999.5 or unit == "s":
            digits = 2 if number < 9.995 else 1 if number < 99.95 else 0
            return f"{number:.{digits}f} {unit}"
    raise AssertionError  # the last unit always fits


def event_json(event: TaskEvent) -> dict[str, Any]:
    """Return an event as an object for one line of JSON; what it lacks is left out."""
    found: dict[str, Any] = {
        "kind": event.kind.value,
        "time_ns": event.time_ns,
        "end_ns": event.end_ns,
        "task": event.task,
        "peer": event.peer,
        "name": event.name or None,
        "number": event.number,
        "address": event.address,
    }
    if event.fault is not None:
        found |= {"fault": event.fault.kind, "message": describe_fault(event.fault)}
    if event.call is not None:
        found |= _call_json(event.call)
    return {name: value for name, value in found.items() if value is not None}


def _call_json(call: IdolCall) -> dict[str, Any]:
    result = call.result
    known = None if call.arguments is None else {n: to_json(v) for n, v in call.arguments}
    return {
        "interface": call.message.interface,
        "operation": call.message.operation,
        "code": call.message.code,
        "arguments": known,
        "message_bytes": None if known is not None else {"hex": call.data.hex()},
        "leases": [
            {"name": each.name, "size": each.size, "read": each.read, "write": each.write}
            for each in call.leases
        ],
        "received_ns": call.received_ns,
        "replied_ns": call.replied_ns,
        "outcome": result.outcome.value,
        "response": result.code,
        "variant": result.variant,
        "value": None if result.value is None else to_json(result.value),
        "reply_bytes": {"hex": result.data.hex()} if result.value is None and result.data else None,
        "problem": call.problem or result.problem or None,
    }
