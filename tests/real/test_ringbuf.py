"""`ringbuf`, with a filter and with totals: every entry of every ring buffer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from idoldbg.model.values import format_value
from idoldbg.views.ring_buffers import RingBuffer, read_ring_buffers, select_ring_buffers
from tests.real.peer import Peer

COMMAND = "ringbuf"
HEAD = re.compile(r"^humility: ring buffer (\S+) in (\S+?):\n", re.MULTILINE)
ROW = re.compile(r"^ *(\d+) +(\d+) +(\d+) +(\d+) (.*)$", re.MULTILINE)
TOTAL = re.compile(r"^ +(\d+) (\w+)(?:\(_\))?$", re.MULTILINE)


def parse(text: str) -> dict[str, Any]:
    parts = HEAD.split(text)
    facts: dict[str, Any] = {}
    for name, task, body in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        rows = ROW.findall(body)
        facts[f"{task} {name} slots"] = tuple(int(row[0]) for row in rows)
        for slot, line, generation, count, payload in rows:
            where = f"{task} {name} {slot}"
            facts[f"{where} numbers"] = (int(line), int(generation), int(count))
            facts[f"{where} payload"] = re.sub(r"[\s,]", "", payload)
        for count, variant in TOTAL.findall(body.partition("TOTAL VARIANT")[2]):
            facts[f"{task} {name} total {variant}"] = int(count)
    return facts


def facts_of(rings: Iterable[RingBuffer], theirs: dict[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for ring in rings:
        name = f"{ring.full_name}{ring.path}"
        if f"{ring.task} {ring.name} slots" in theirs:  # older: statics without their path
            name = ring.name
        facts[f"{ring.task} {name} slots"] = tuple(e.slot for e in ring.entries)
        for entry in ring.entries:
            where = f"{ring.task} {name} {entry.slot}"
            payload = format_value(entry.payload, hexadecimal=True).replace("hex:", "")
            facts[f"{where} numbers"] = (entry.line, entry.generation, entry.count)
            facts[f"{where} payload"] = re.sub(r"[\s,]", "", payload)
        for leaf in ring.totals or ():
            key = f"{ring.task} {name} total {leaf.path[0]}"
            facts[key] = facts.get(key, 0) + leaf.count
    return facts


def test_ringbuf(peer: Peer) -> None:
    rings = read_ring_buffers(peer.program)
    theirs: dict[str, Any] = {}
    ours: dict[str, Any] = {}
    for command, filters in [
        ("ringbuf", ()),
        ("ringbuf-arg", ("i2c",)),
        ("ringbuf-full-totals", ()),
    ]:
        facts = parse(peer.output_of(command))
        found = facts_of(select_ring_buffers(rings, filters), facts)
        theirs |= {f"{command} {name}": fact for name, fact in facts.items()}
        ours |= {f"{command} {name}": fact for name, fact in found.items()}
    peer.compare(theirs, ours)
