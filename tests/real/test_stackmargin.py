"""`stackmargin`: base, size, depth and margin of each stack."""

from __future__ import annotations

from typing import Any

from tests.real.peer import Peer

COMMAND = "stackmargin"


def parse(text: str) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for line in text.splitlines()[1:]:
        _, task, base, *numbers = line.split()
        facts[f"{task} base"] = int(base, 16)
        for name, number in zip(("size", "touched", "margin"), numbers, strict=True):
            facts[f"{task} {name}"] = int(number)
    return facts


def facts_of(answer: Any) -> dict[str, Any]:
    return {
        f"{stack['task']} {name}": stack[name]
        for stack in answer["stacks"]
        for name in ("base", "size", "touched", "margin")
    }


def test_stackmargin(peer: Peer) -> None:
    if peer.failure:
        peer.may_fail(lambda: peer.json("stackmargin"))
    peer.compare(parse(peer.stdout), facts_of(peer.json("stackmargin")))
