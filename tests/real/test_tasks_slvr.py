"""`tasks -slvr --guess`: stacks with inlined functions and lines, registers.

Humility looks return addresses up as they are: these are the next call's, or the next function's.
So the sources of a caller are compared at that address, and frames by function and frame address.
"""

from __future__ import annotations

import re
from typing import Any

from tests.real import stack_text
from tests.real.peer import Peer

COMMAND = "tasks-slvr"
ROW = re.compile(r" ?(\d+) (\S+) +(?:\d+|\?) +(?:\d+|\?) ")
REGISTER = re.compile(r"\b(R\d+|SP|LR|PC|PSR) = 0x(\w{8})")


def split(text: str) -> dict[str, list[str]]:
    """Return the lines below each task's row."""
    tasks: dict[str, list[str]] = {}
    below: list[str] = []
    for line in text.splitlines():
        if match := ROW.match(line):
            below = tasks.setdefault(match[2], [])
        below.append(line)
    return tasks


def parse(text: str) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for task, lines in split(text).items():
        for name, value in REGISTER.findall("\n".join(lines)):
            facts[f"{task} {name.lower().replace('psr', 'xpsr')}"] = int(value, 16)
        stack = lines[: next((i for i, x in enumerate(lines) if "R0 = " in x), len(lines))]
        stack = [line for line in stack if " Task {" not in line]
        add_stack(facts, task, stack_text.theirs(stack))
    return facts


def add_stack(facts: dict[str, Any], task: str, frames: list[stack_text.Physical]) -> None:
    for index, frame in enumerate(frames):
        facts[f"{task} frame {index} pc"] = frame.pc
        facts[f"{task} frame {index} cfa"] = frame.cfa
        facts[f"{task} frame {index} sources"] = frame.sources


def failed(text: str) -> set[str]:
    """Return the tasks whose registers or stacks Humility fails to read."""
    return {
        task
        for task, lines in split(text).items()
        if re.search("(registers|failed): ", " ".join(lines[:4]))
    }


def named(theirs: dict[str, Any], ours: dict[str, Any], answer: Any, text: str) -> None:
    """Name facts for what they are: a guess of ours, a place that the compiler gave line 0, …"""
    lost = failed(text)
    guesses = [t["name"] for t in answer["tasks"] if t["stack"] and t["stack"]["is_guess"]]
    without_line = {
        fact.removesuffix(" sources")
        for fact, value in ours.items()
        if fact.endswith(" sources") and any(s[1] and not s[2] for s in value)
    }
    for fact in list(theirs | ours):
        task = fact.partition(" ")[0]
        if task in lost and task not in guesses:
            rename(theirs, ours, fact, f"failed: {fact}")
        elif task in guesses:
            rename(theirs, ours, fact, f"guess: {fact}")
        elif fact.rpartition(" ")[0] in without_line:
            rename(theirs, ours, fact, f"line 0: {fact}")


def rename(theirs: dict[str, Any], ours: dict[str, Any], fact: str, name: str) -> None:
    for facts in (theirs, ours):
        if fact in facts:
            facts[name] = facts.pop(fact)


def facts_of(peer: Peer, answer: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for task in answer["tasks"]:
        name, registers = task["name"], task["registers"] or {}
        if task["generation"] is None:
            continue
        for register, value in registers.items():
            if f"{name} {register}" in wanted or (value is not None and register[0] != "s"):
                facts[f"{name} {register}"] = value
        facts.pop(f"{name} fpscr", None)  # Humility shows none of floating point
        frames = stack_text.ours(task["stack"])
        if frames and frames[-1].sources[-1][0] == "_start":
            last = f"{name} frame {len(frames) - 1} pc"
            if last not in wanted:
                frames.pop()  # Humility stops before
        for frame in frames:
            sources = stack_text.sources_at(peer.program, name, frame.pc)
            frame.sources = sources or [(frame.sources[-1][0], None, None, None)]
        add_stack(facts, name, frames)
    return facts


def test_tasks_slvr(peer: Peer) -> None:
    if peer.failure:
        peer.may_fail(lambda: peer.json("tasks", "-s"))
    theirs, answer = parse(peer.stdout), peer.json("tasks", "-sr", "--guess")
    ours = facts_of(peer, answer, theirs)
    named(theirs, ours, answer, peer.stdout)
    peer.compare(theirs, ours)
