"""`counters` in all its forms, and `counters ipc`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from idoldbg.build.program import Program
from idoldbg.render.counters import format_leaf
from idoldbg.views.counters import (
    CounterKind,
    CounterStatic,
    find_counters,
    read_counter_statics,
    select_counters,
)
from idoldbg.views.task_calls import TaskCalls, read_task_calls, select_calls
from tests.real.peer import Peer

COMMAND = "counters"
STATIC = re.compile(r"^ [|+][-+> ]+(\S+):$")
ROW = re.compile(r"^ +(\d+) (\S.*)$")
Facts = dict[str, Any]


def leaf_facts(statics: Sequence[CounterStatic], *, zeros: bool) -> Facts:
    return {
        f"{s.task} {s.full_name} {format_leaf(leaf.path)}": leaf.count
        for s in statics
        for leaf in s.leaves
        if zeros or leaf.count
    }


def sums(statics: Sequence[CounterStatic]) -> Facts:
    facts: Facts = {}
    for static in statics:
        for leaf in static.leaves:
            key = f"{static.task} {static.full_name} {leaf.path[0]}"
            facts[key] = facts.get(key, 0) + leaf.count
    return facts


def parse(text: str) -> Facts:
    """Return the counts of the variants that are named in full, and the sums of a tree."""
    facts: Facts = {}
    task = name = ""
    for line in text.splitlines():
        static, row = STATIC.match(line), ROW.match(line)
        if static is not None:
            name = static[1]
        elif row is not None and not row[2].startswith(("|", "+")):
            facts[f"{task} {name} {row[2].removesuffix('(_)')}"] = int(row[1])
        elif re.fullmatch(r"\S+", line):
            task = line
    return facts


def parse_csv(text: str) -> Facts:
    rows = (line.rsplit(",", 1) for line in text.splitlines()[1:])
    return {name.replace(",", " ", 2): int(count) for name, count in rows}


def parse_json(text: str) -> Facts:
    facts: Facts = {}

    def collect(path: list[str], value: Any) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                collect([*path, name], inner)
        else:
            facts[f"{path[0]} {path[1]} {format_leaf(path[2:])}"] = value

    collect([], json.loads(text) if text.strip() else {})
    return facts


def parse_list(text: str) -> Facts:
    facts: Facts = {}
    task = ""
    for line in text.splitlines():
        row = re.match(r"^ +0x(\w+) +(\d+) (\S+)$", line)
        if row is not None:
            facts[f"{task} {row[3]}"] = (int(row[1], 16), int(row[2]))
        elif line.endswith(":"):
            task = line.removesuffix(":")
    return facts


OPERATION = re.compile(r"^ fn (\w+)::(\w+)\(\)")
CLIENT = re.compile(r"^ +task (\S+) (?:\((\d+) restarts?\) )?.*= (\d+) ok$")
ERROR = re.compile(r"^ +- Err\((.+)\) \.* \+ (\d+)")


def parse_calls(text: str) -> Facts:
    facts: Facts = {}
    operation = client = ""
    for line in text.splitlines():
        if (found := OPERATION.match(line)) is not None:
            operation = f"{found[1]}.{found[2]}"
        elif (found := CLIENT.match(line)) is not None:
            client = found[1]
            facts[f"{client} {operation} ok"] = int(found[3])
            facts[f"{client} restarts"] = None if found[2] is None else int(found[2])
        elif (found := ERROR.match(line)) is not None:
            facts[f"{client} {operation} {found[1]}"] = int(found[2])
    return facts


def call_facts(found: TaskCalls, *, zeros: bool) -> Facts:
    facts: Facts = {}
    for call in found.calls:
        if zeros or call.count:
            where = f"{call.client} {call.interface}.{call.operation}"
            facts[f"{where} ok"] = call.ok
            facts[f"{call.client} restarts"] = call.client_restarts
            facts |= {f"{where} {n}": c for n, c in call.errors.items() if zeros or c}
    return facts


def answers(program: Program) -> dict[str, tuple[Callable[[str], Facts], Facts]]:
    """Return for each of Humility's forms how to read it, and our facts."""
    # Humility does not show the counters of servers.
    sets = tuple(s for s in find_counters(program) if s.kind != CounterKind.SERVER)
    statics = read_counter_statics(program, sets)
    of_task = read_counter_statics(program, select_counters(sets, ["gimlet_seq"]))
    calls = read_task_calls(program)
    chosen = select_calls(calls, clients=("gimlet_seq", "net"))
    places = {f"{s.task} {s.full_name}": (s.address, s.size) for s in statics}
    return {
        "counters": (parse, leaf_facts(statics, zeros=False)),
        "counters-arg": (parse, leaf_facts(of_task, zeros=False)),
        "counters-full": (parse, sums(statics)),
        "counters-csv": (parse_csv, leaf_facts(statics, zeros=False)),
        "counters-csv-full": (parse_csv, leaf_facts(statics, zeros=True)),
        "counters-json": (parse_json, leaf_facts(statics, zeros=True)),
        "counters-list": (parse_list, places),
        "counters-ipc": (parse_calls, call_facts(calls, zeros=False)),
        "counters-ipc-full": (parse_calls, call_facts(calls, zeros=True)),
        "counters-ipc-filtered": (parse_calls, call_facts(chosen, zeros=False)),
    }


def test_counters(peer: Peer) -> None:
    theirs: Facts = {}
    ours: Facts = {}
    for command, (read, facts) in answers(peer.program).items():
        theirs |= {f"{command} {n}": fact for n, fact in read(peer.output_of(command)).items()}
        ours |= {f"{command} {n}": fact for n, fact in facts.items()}
    peer.compare(theirs, ours)
