"""JSON for programs: one object per command, with its schema's name and version.

The contract is that of `docs/commands.md`: numbers as numbers, byte strings as `{"hex": "…"}`,
sorted keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from idoldbg.call.calls import Reply
from idoldbg.errors import OperationError
from idoldbg.model.board import Board
from idoldbg.model.types import shown_field
from idoldbg.model.values import to_json
from idoldbg.render import source
from idoldbg.render.printable import escape_json
from idoldbg.resolver import ResolvedOperation
from idoldbg.views.interfaces import Server
from idoldbg.views.layout import Part, PartKind, kind_of
from idoldbg.views.source import Source
from idoldbg.views.tasks import Fault, SchedulerState, TaskRow
from idoldbg.views.types import TypeLayout, TypeReport

if TYPE_CHECKING:
    from idoldbg.views.postmortem import PostMortem  # walks stacks: brings pyelftools
    from idoldbg.views.regions import Place

__all__ = [
    "boards",
    "dumps",
    "fault",
    "interfaces",
    "line",
    "operation_error",
    "place",
    "post_mortem",
    "probes",
    "reply",
    "task_row",
    "types",
]

Object = dict[str, Any]


def dumps(value: Object) -> str:
    """Write one object, indented, keys sorted, non-ASCII text as it is where it is printable."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return escape_json(text)


def line(value: Object) -> str:
    """Write one object in a line, as `dumps` does, for output that goes on."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return escape_json(text)


def reply(result: Reply) -> Object:
    """Return the object of a `call` that the operation answered with its ok value."""
    return {
        **_call_head(result.operation),
        "ok": to_json(result.value),
        "leases": {name: _lease(result, name, data) for name, data in result.leases.items()},
    }


def _lease(result: Reply, name: str, data: bytes) -> Object:
    elements = result.elements(name)
    if elements is None:
        return {"hex": data.hex()}
    return {"hex": data.hex(), "elements": [to_json(element) for element in elements]}


def operation_error(operation: ResolvedOperation, error: OperationError) -> Object:
    """Return the object of a `call` that the operation answered with its error."""
    return {
        **_call_head(operation),
        "err": {
            "variant": error.variant,
            "code": error.code,
            "value": None if error.value is None else to_json(error.value),
        },
        "leases": {},
    }


def _call_head(operation: ResolvedOperation) -> Object:
    return {
        "schema": "idoldbg.call/1",
        "interface": operation.interface,
        "operation": operation.operation,
        "task": operation.task,
    }


def interfaces(servers: Sequence[Server], origin: Source) -> Object:
    """Return the object of `list`."""
    return {
        "schema": "idoldbg.list/1",
        "source": source.json(origin),
        "interfaces": [
            {
                "interface": server.interface,
                "task": server.task,
                "problems": list(server.problems),
                "operations": [_operation(o) for o in server.operations],
            }
            for server in servers
        ],
    }


def _operation(operation: ResolvedOperation) -> Object:
    return {
        "name": operation.operation,
        "code": operation.code,
        "encoding": operation.encoding,
        "idempotent": operation.idempotent,
        "doc": operation.doc,
        "args": [{"name": a.name, "type": a.type_name} for a in operation.arguments],
        "leases": [
            {
                "name": lease.name,
                "type": lease.type_name,
                "read": lease.read,
                "write": lease.write,
                "max_len": lease.max_len,
            }
            for lease in operation.leases
        ],
        "ok": operation.ok.type_name,
        "error": None if operation.error is None else operation.error.type_name,
    }


def types(report: TypeReport, origin: Source) -> Object:
    """Return the object of `types`."""
    return {
        "schema": "idoldbg.types/1",
        "source": source.json(origin),
        "query": report.query,
        "types": [_type_layout(found) for found in report.types],
        "declared": [{"name": c.name, "objects": list(c.objects)} for c in report.declared],
    }


def _type_layout(found: TypeLayout) -> Object:
    candidate = found.candidate
    return {
        "name": candidate.name,
        "kind": kind_of(candidate.type),
        "size": candidate.size,
        "alignment": found.alignment,
        "padding": found.padding,
        "objects": list(candidate.objects),
        "differences": list(candidate.differences),
        "tag": None if found.layout.tag is None else asdict(found.layout.tag),
        "parts": [_part(part) for part in found.layout.parts],
        "wire": {
            wire.encoding.lower(): {"size": wire.size, "reason": wire.reason or None}
            for wire in found.wire
        },
    }


def _part(part: Part) -> Object:
    """Return one part of a layout; what does not apply to its kind is left out."""
    result: Object = {"kind": part.kind}
    if part.kind is not PartKind.PADDING:
        result["name"] = shown_field(part.name)
    if part.kind is PartKind.VARIANT:
        result["value"] = part.value
    else:
        result |= {"offset": part.offset, "size": part.size}
    if part.type is not None:
        result["type"] = part.type.name
    if part.tag is not None:
        result["tag"] = asdict(part.tag)
    if part.count is not None:
        result["count"] = part.count
    if part.parts or part.kind is PartKind.VARIANT:
        result["parts"] = [_part(inner) for inner in part.parts]
    if part.hidden:
        result["hidden"] = part.hidden
    return result


def task_row(row: TaskRow) -> Object:
    """Return a row of the task table."""
    from idoldbg.render.tasks import describe_state  # no call that succeeds needs it

    return {
        "index": row.index,
        "name": row.name,
        "generation": row.generation,
        "priority": row.priority,
        "state": describe_state(row),
        "scheduler_state": row.scheduler_state,
        "is_current": row.is_current,
        "fault": None if row.fault is None else fault(row.fault),
        "waits_for": row.waits_for,
        "restarts": row.restarts,
        "is_held": row.is_held,
        "is_dead": row.is_dead,
        "pending": row.pending,
        "wait": None if row.scheduler is None or row.fault else _wait(row.scheduler),
        "timer": None if row.timer is None else asdict(row.timer),
    }


_WAITS = {"InSend": "send", "InReply": "reply", "InRecv": "recv"}


def _wait(state: SchedulerState) -> Object | None:
    """Return what a task waits for; None for one that does not wait."""
    if state.kind not in _WAITS:
        return None
    return {
        "kind": _WAITS[state.kind],
        "peer": None if state.peer is None else state.peer.name,
        "mask": state.mask,
        "names": [each.name for each in state.notifications or ()],
    }


def fault(found: Fault) -> Object:
    """Return the object of a task's found."""
    from idoldbg.render.tasks import describe_fault, server_name

    return {
        "kind": found.kind,
        "words": describe_fault(found),
        "address": found.address,
        "panic_message": found.panic_message,
        "server": server_name(found),
        "reason": found.reason,
        "place": None if found.place is None else place(found.place),
    }


def place(found: Place) -> Object:
    """Return the meaning of an address."""
    return asdict(found)


def post_mortem(found: PostMortem) -> Object:
    """Return what an error object says of a post-mortem."""
    from idoldbg.render import stacks
    from idoldbg.render.tasks import describe_recovery  # no call that succeeds needs it

    return {
        "waits": [task_row(row) for row in found.waits],
        "running": None if found.running is None else task_row(found.running),
        "backtrace": None if found.backtrace is None else stacks.json(found.backtrace),
        "epitaph": found.epitaph,
        "is_halted": found.is_halted,
        "is_circular": found.is_circular,
        "recovery": describe_recovery(found.recovery),
    }


def boards(known: Iterable[Board]) -> Object:
    """Return the object of `boards`."""
    return {
        "schema": "idoldbg.boards/1",
        "boards": [
            {
                "name": board.name,
                "description": board.description,
                "chip": board.chip.name,
                "part": board.part,
                "emulated": board.emulation is not None,
                "pyocd_target": board.probe.pyocd_target,
                "flash_target": board.probe.flash_target,
                "pack": board.probe.pack,
                "notes": list(board.probe.notes),
            }
            for board in known
        ],
    }


def probes(found: Iterable[Any], notices: Sequence[str]) -> Object:
    """Return the object of `probes`."""
    return {
        "schema": "idoldbg.probes/1",
        "probes": [asdict(probe) for probe in found],
        "notices": list(notices),
    }
