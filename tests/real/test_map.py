"""`map`: every region, its rights, its owners and its name."""

from __future__ import annotations

import re
from typing import Any

from idoldbg.model.regions import Region, RegionKind
from idoldbg.views.regions import read_regions
from tests.real.peer import Peer

COMMAND = "map"
ROW = re.compile(
    r"(?P<at>-|0x\w+) +0x(?P<low>\w+) - 0x(?P<high>\w+) +\S+ (?P<rights>\S{6}) (?P<id>..?) +"
    r"(?:\[(?P<name>.*?)\] )?(?P<owners>.*)"
)


def parse(text: str) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for line in text.splitlines()[1:]:
        row = ROW.fullmatch(line.rstrip())
        assert row is not None, line
        name = row["name"] if row["name"] != "??" else None
        where = f"0x{row['low']}"
        facts[f"{where} size"] = int(row["high"], 16) - int(row["low"], 16) + 1
        facts[f"{where} rights"] = row["rights"]
        facts[f"{where} descriptor"] = None if row["at"] == "-" else int(row["at"], 16)
        facts[f"{where} owners"] = tuple(row["owners"].split(", "))
        facts[f"{where} name"] = name
    return facts


def rights(region: Region) -> str:
    flags = (region.read, region.write, region.execute, region.device, region.dma)
    shown = "".join(c if f else "-" for c, f in zip("rwxdm", flags, strict=True))
    return shown + ("e" if region.kind is RegionKind.EXTERNAL else "-")


def facts_of(regions: tuple[Region, ...]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for region in regions:
        where = f"0x{region.low:08x}"
        if f"{where} size" in facts:  # Humility has no second region of a base
            where += f" of {region.size}"
        facts[f"{where} size"] = region.size
        facts[f"{where} rights"] = rights(region)
        facts[f"{where} descriptor"] = region.descriptor
        facts[f"{where} owners"] = region.owners
        facts[f"{where} name"] = region.name
    return facts


def test_map(peer: Peer) -> None:
    if peer.failure:
        peer.may_fail(lambda: read_regions(peer.program))
    peer.compare(parse(peer.stdout), facts_of(read_regions(peer.program).regions))
