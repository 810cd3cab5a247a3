"""`registers -s`: the core's stack, as far as Humility follows it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.real import stack_text
from tests.real.peer import Peer
from tests.real.test_registers import NO_ARCHIVE
from tests.real.test_registers import parse as parse_registers

COMMAND = "registers-s"


def parse(text: str) -> list[stack_text.Physical]:
    return stack_text.theirs([line for line in text.splitlines() if "<-" not in line])


def add(facts: dict[str, Any], frames: list[stack_text.Physical]) -> None:
    for index, frame in enumerate(frames):
        facts[f"frame {index} pc"] = frame.pc
        facts[f"frame {index} cfa"] = frame.cfa
        facts[f"frame {index} functions"] = [source[0] for source in frame.sources]


def facts_of(peer: Peer, answer: Any, count: int) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    regions = [f["place"]["region"] for f in answer["stack"]["frames"] if not f["inlined"]]
    frames = stack_text.ours(answer["stack"])[:count]  # it stops at exceptions and at `_start`
    for frame, region in zip(frames, regions, strict=False):
        owner = (region or "").removesuffix(" flash")
        sources = stack_text.sources_at(peer.program, owner, frame.pc) if owner else []
        frame.sources = sources or [(frame.sources[-1][0], None, None, None)]
    add(facts, frames)
    return facts


def test_registers_s(peer: Peer) -> None:
    if not parse_registers(peer.stdout):
        peer.may_fail(lambda: peer.json("registers", "-s"))
    if peer.name.endswith(".fails"):
        pytest.skip(NO_ARCHIVE)
    theirs: dict[str, Any] = {}
    frames = parse(peer.stdout)
    add(theirs, frames)
    peer.compare(theirs, facts_of(peer, peer.json("registers", "-s"), len(frames)))
