"""`registers`: values, and what they are the addresses of."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.real.peer import CommandFailed, Peer

COMMAND = "registers"
NO_ARCHIVE = "the dump has no archive in it: Humility shows bare values, ours asks for the build"
ROW = re.compile(r" *(R\d+|SP|LR|PC|PSR|MSP|PSP|SPR|FPSCR) = 0x(\w{8})(?: <- (.*))?")
PLACE = re.compile(r"(?:(?P<task>\S+): )?(?P<name>.*?)(?:\+0x(?P<offset>\w+))?")
PACKED = ("primask", "basepri", "faultmask", "control")


def parse(text: str) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for line in text.splitlines():
        if not (match := ROW.fullmatch(line)):
            continue
        name, value = match[1].lower(), int(match[2], 16)
        if name == "spr":
            facts |= {each: value >> 8 * i & 0xFF for i, each in enumerate(PACKED)}
            continue
        name = "xpsr" if name == "psr" else name
        facts[name] = value
        if match[3] and name != "xpsr" and (owner := re.match(r"(\S+): ", match[3])):
            facts[f"{name} owner"] = owner[1]
    return facts


def facts_of(answer: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for name, register in answer["registers"].items():
        facts[name] = register["value"]
        region = (register["place"] or {}).get("region")
        if region and f"{name} owner" in wanted:
            facts[f"{name} owner"] = region.split()[0]
    return facts


def test_registers(peer: Peer) -> None:
    theirs = parse(peer.stdout)
    if not theirs:
        peer.may_fail(lambda: peer.json("registers"))
    if peer.name.endswith(".fails"):
        pytest.skip(NO_ARCHIVE)
    peer.compare(theirs, facts_of(peer.json("registers"), theirs))


def test_dumps_without_registers_say_so(peer: Peer) -> None:
    if parse(peer.stdout):
        return
    try:
        peer.json("registers")
    except CommandFailed:
        return
    raise AssertionError("it has registers")
