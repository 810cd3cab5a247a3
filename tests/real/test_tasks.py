"""`tasks`: index, name, generation, priority and state of each task, and the time."""

from __future__ import annotations

import re
from typing import Any

from tests.real.peer import Peer

COMMAND = "tasks"
TIME = re.compile(r"system time = (\d+)")
ROW = re.compile(r" ?(\d+) (\S+) +(\d+|\?) +(\d+|\?) (.*)")
# What we say more: where an address lies, which bits of CFSR are set.
MORE = re.compile(r"(\(precise: 0x\w+\) in (?:syscall|task code)|sp=0x\w+): .*?(?= \(was:)")


def parse(text: str) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for line in text.splitlines():
        if match := TIME.match(line):
            facts["time"] = int(match[1])
        elif match := ROW.match(line):
            index, name, generation, priority, state = match.groups()
            facts[f"{name} index"] = int(index)
            facts[f"{name} generation"] = int(generation)
            facts[f"{name} priority"] = int(priority)
            facts[f"{name} state"] = " ".join(state.split())
    return facts


def facts_of(answer: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {"time": answer["time_ms"]}
    for task in answer["tasks"]:
        if task["generation"] is None:
            continue  # not in the dump of another task; Humility leaves it out
        for name in ("index", "generation", "priority"):
            facts[f"{task['name']} {name}"] = task[name]
        facts[f"{task['name']} state"] = MORE.sub(r"\1", " ".join(task["state"].split()))
    return facts


def test_tasks(peer: Peer) -> None:
    if peer.failure:
        peer.may_fail(lambda: peer.json("tasks"))
    peer.compare(parse(peer.stdout), facts_of(peer.json("tasks")))
