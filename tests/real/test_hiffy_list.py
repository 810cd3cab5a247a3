"""`hiffy --list`: every operation, its arguments, and the types of its replies."""

from __future__ import annotations

from typing import Any

from idoldbg.model.types import short_name
from tests.real.peer import Peer

COMMAND = "hiffy-list"


def parse(text: str) -> dict[str, Any]:
    """Read Humility's listing; where it cannot find a type, it leaves both of the reply out."""
    facts: dict[str, Any] = {}
    task = operation = ""
    lines = iter(text.splitlines())
    for line in lines:
        fields = line.replace("|", " ", 1).split(None, 1)
        if fields[:1] == ["INTERFACE"]:
            task = next(lines).split()[1]
        elif fields[:1] == ["+-->"]:
            operation = f"{task} {fields[1]}"
            facts[operation] = "operation"
        elif fields:
            facts[f"{operation} {fields[0]}"] = short_name(fields[1].strip())
    return facts


def facts_of(document: Any, theirs: dict[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for server in document["interfaces"]:
        for each in server["operations"]:
            operation = f"{server['task']} {server['interface']}.{each['name']}"
            facts[operation] = "operation"
            replies = {"<ok>": each["ok"]} | ({"<error>": each["error"]} if each["error"] else {})
            if f"{operation} <ok>" not in theirs:
                replies = {}
            named = {argument["name"]: argument["type"] for argument in each["args"]} | replies
            for name, type_ in named.items():
                facts[f"{operation} {name}"] = None if type_ is None else short_name(type_)
    return facts


def test_hiffy_list(peer: Peer) -> None:
    if peer.failure:
        peer.may_fail(lambda: peer.json("list"))
    theirs = parse(peer.stdout)
    peer.compare(theirs, facts_of(peer.json("list"), theirs))
