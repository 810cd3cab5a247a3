"""Stacks as Humility prints them: functions that were called, each with what is inlined in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from idoldbg.build.program import Program

__all__ = ["Physical", "ours", "sources_at", "theirs"]

FRAME = re.compile(r"[| ]*(?:\+--->)? +0x(\w{8}) 0x(\w{8}) (.+)$")
PLACE = re.compile(r"[| ]* @ (.*?):(\d+)(?::(\d+))?$")
GENERATED = re.compile(r"hubris/target/[^/]+/release/build/")
WITHOUT_FRAMES = ("_start", "SVCall", "PendSV")  # they push nothing
Source = tuple[str | None, str | None, int | None, int | None]


@dataclass
class Physical:
    """One function that was called: its frame address, the program counter, and the sources."""

    cfa: int | None
    pc: int
    sources: list[Source] = field(default_factory=list)


def theirs(lines: list[str]) -> list[Physical]:
    """Read frames; those of the same frame address are one function's."""
    found: list[Physical] = []
    for line in lines:
        if match := FRAME.match(line):
            cfa, pc = int(match[1], 16), int(match[2], 16) & ~1
            is_apart = found and match[3] in WITHOUT_FRAMES and pc != found[-1].pc
            if not found or found[-1].cfa != cfa or is_apart:
                found.append(Physical(cfa, pc))
            found[-1].pc = pc  # of inlined ones it may be where they begin
            found[-1].sources.append((match[3], None, None, None))
        elif found and (match := PLACE.match(line)):
            name, *_ = found[-1].sources[-1]
            numbers = [int(number) if number else None for number in match.groups()[1:]]
            found[-1].sources[-1] = (name, match[1], numbers[0] or None, numbers[1] or None)
    return found


def ours(stack: dict[str, Any]) -> list[Physical]:
    """Return the frames of our JSON in the same form."""
    found: list[Physical] = []
    is_open = False
    for frame in stack["frames"]:
        place = frame["place"]
        if not is_open:
            found.append(Physical(frame["cfa"], place["address"]))
        source = (frame["function"], place["file"], place["line"], place["column"])
        found[-1].sources.append(shortened(source))
        is_open = frame["inlined"]
    return found


def sources_at(program: Program, owner: str, pc: int) -> list[Source]:
    """Return our sources at an address, as Humility looks them up: not before return addresses."""
    frames = program.object(owner).find_frames(pc)
    return [shortened((f.function, f.file, f.line, f.column)) for f in frames]


def shortened(source: Source) -> Source:
    """Shorten a path as Humility does."""
    name, file, line, column = source
    return (name, GENERATED.sub("build/", file) if file else file, line, column)
