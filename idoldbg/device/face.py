"""Python view of a build's interfaces, and a hash of each.

A hash changes with anything that a stub says about an interface: operations and their codes,
encodings, names, types with their fields and variants. It does not change with a new image id, with
documentation, or with where things lie in memory.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from idoldbg.build.program import Program, ServedInterface
from idoldbg.model.types import Array, CEnum, Enum, Pointer, Scalar, Struct, Type, Union
from idoldbg.resolver import Resolution, ResolvedOperation

__all__ = ["combined_hash", "interface_hashes", "server_key"]

DIGITS = 16


def server_key(server: ServedInterface) -> str:
    """Return how hashes are listed: `Interface@task`."""
    return f"{server.interface.name}@{server.task.name}"


def interface_hashes(program: Program) -> dict[str, str]:
    """Return the hash of every interface, in task order."""
    return {
        server_key(server): _hash(
            [
                _operation(program.resolve(server, operation.name))
                for operation in server.interface.operations
            ]
        )
        for server in program.servers
    }


def combined_hash(hashes: dict[str, str]) -> str:
    """Return one hash for all interfaces."""
    return _hash(hashes)


def _hash(face: Any) -> str:
    text = json.dumps(face, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def _operation(operation: ResolvedOperation) -> Any:
    return {
        "name": operation.operation,
        "code": operation.code,
        "encoding": str(operation.encoding),
        "idempotent": operation.idempotent,
        "arguments": [[a.name, _resolved(a)] for a in operation.arguments],
        "leases": [
            [le.name, _resolved(le), le.read, le.write, le.max_len, le.is_slice]
            for le in operation.leases
        ],
        "ok": _resolved(operation.ok),
        "error": None if operation.error is None else _resolved(operation.error),
        "error_kind": None if operation.error_kind is None else str(operation.error_kind),
    }


def _resolved(resolution: Resolution) -> Any:
    return {"missing": resolution.text} if resolution.type is None else _type(resolution.type)


def _type(type_: Type) -> Any:
    match type_:
        case Scalar(name=name):
            return name
        case CEnum(name=name, enumerators=enumerators):
            return {"enum": name, "variants": [[e.name, e.value] for e in enumerators]}
        case Struct(name=name, members=members):
            return {"struct": name, "fields": [[m.name, _type(m.type)] for m in members]}
        case Enum(name=name, variants=variants):
            return {"enum": name, "variants": [[v.name, _type(v.type)] for v in variants]}
        case Array(element=element, count=count):
            return {"array": _type(element), "count": count}
        case Pointer(target_name=name):
            return {"pointer": name}
        case Union(name=name, size=size):
            return {"union": name, "size": size}
    return {"opaque": type_.name}
