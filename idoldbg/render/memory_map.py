"""Memory maps, and what is at an address, as text and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from idoldbg.model.regions import Region, RegionKind
from idoldbg.render import source as source_object
from idoldbg.render.printable import join_lines, one_line
from idoldbg.render.tasks import describe_place
from idoldbg.render.text import table_lines
from idoldbg.views.memory_map import Gap, MapRow, Memory, MemoryMap
from idoldbg.views.regions import Place
from idoldbg.views.source import Source

__all__ = ["at_json", "at_text", "describe_memory", "describe_region", "json", "size_text", "text"]

Object = dict[str, Any]
GAP = "—"
HEAD = ["LOW", "HIGH", "SIZE", "RIGHTS", "OWNERS", "MEMORY", "UNUSED", ""]
RIGHT = (2, 6)


def size_text(size: int) -> str:
    """Write a number of bytes as a person would: `12 KiB` where that is exact."""
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return str(size)


def text(found: MemoryMap) -> str:
    """Write a line a region, by address, with gaps between; then each memory as a whole."""
    lines: dict[int, list[list[str]]] = {}
    for row in found.rows:
        lines.setdefault(row.region.low, []).append(_row(row))
    for gap in found.gaps:
        lines.setdefault(gap.low, []).append(_gap(gap))
    rows = [HEAD, *(row for low in sorted(lines) for row in lines[low])]
    shown = table_lines(rows, right=RIGHT)
    if found.memories:
        shown += ["", *(one_line(describe_memory(memory)) for memory in found.memories)]
    return join_lines(shown)


def at_text(place: Place, rows: Sequence[MapRow]) -> str:
    """Write what is at an address, and who may touch it."""
    what = describe_place(place) or "nothing that is known"
    head = one_line(f"0x{place.address:08x}  {what}")
    if not rows:
        return join_lines([head, "no region: neither a task nor the kernel may touch it"])
    return join_lines([head, "", *table_lines([HEAD, *map(_row, rows)], right=RIGHT)])


def describe_memory(memory: Memory) -> str:
    """Describe how much of a memory is used, lost and free."""
    lost = memory.allocated - memory.used
    share = f" ({100 * lost // memory.allocated} %)" if memory.allocated else ""
    return (
        f"{memory.name} ({size_text(memory.size)}): {memory.used} bytes used, {lost} lost to the "
        f"sizes that regions can have{share}, {memory.size - memory.allocated} free"
    )


def describe_region(region: Region) -> str:
    """Name the memory of a region: its kind, or the peripheral's name."""
    if region.name is not None:
        return region.name if region.device else f"{region.name} (external)"
    return "RAM" if region.kind is RegionKind.RAM else str(region.kind)


def _row(row: MapRow) -> list[str]:
    region = row.region
    overlaps = ", ".join(f"0x{other.low:08x} {other.owners[0]}" for other in row.overlaps)
    return [
        f"0x{region.low:08x}",
        f"0x{region.end - 1:08x}",
        size_text(region.size),
        _rights(region),
        ", ".join(region.owners),
        describe_region(region),
        str(row.waste) if row.waste else "",
        f"overlaps {overlaps}" if overlaps else "",
    ]


def _gap(gap: Gap) -> list[str]:
    high = gap.low + gap.size - 1
    return [f"0x{gap.low:08x}", f"0x{high:08x}", size_text(gap.size), GAP, GAP, GAP, "", ""]


def _rights(region: Region) -> str:
    flags = (region.read, region.write, region.execute)
    rights = "".join(c if f else "-" for c, f in zip("rwx", flags, strict=True))
    return f"{rights}{' device' if region.device else ''}{' dma' if region.dma else ''}"


def json(found: MemoryMap, source: Source) -> Object:
    """Return the object of `map`."""
    return {
        "schema": "idoldbg.map/1",
        "source": source_object.json(source),
        "regions": [_region(row) for row in found.rows],
        "gaps": [asdict(gap) for gap in found.gaps],
        "memories": [asdict(memory) for memory in found.memories],
        "stacks": [asdict(stack) for stack in found.stacks],
    }


def at_json(place: Place, rows: Sequence[MapRow], source: Source) -> Object:
    """Return the object of `map ADDRESS`."""
    return {
        "schema": "idoldbg.map/1",
        "source": source_object.json(source),
        "place": asdict(place),
        "regions": [_region(row) for row in rows],
    }


def _region(row: MapRow) -> Object:
    return {
        **asdict(row.region),
        "kind": str(row.region.kind),
        "owners": list(row.region.owners),
        "used": row.used,
        "waste": row.waste,
        "overlaps": [{"low": o.low, "owners": list(o.owners)} for o in row.overlaps],
    }
