"""Core dumps: what was written, what is in one, and how two differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from idoldbg.model.snapshot import Written
from idoldbg.render import source as source_json
from idoldbg.render.printable import join_lines
from idoldbg.render.text import table
from idoldbg.views.dump_areas import AreaDump, DumpAreas
from idoldbg.views.source import Source

__all__ = ["areas_json", "areas_text", "json", "ranges_json", "text"]

Object = dict[str, Any]
MOST_GAPS = 8  # lines about memory that could not be read


def text(done: Written) -> str:
    """Describe a dump that was written: a line, and what it lacks."""
    snapshot = done.snapshot
    of = "the whole system" if done.task is None else f"task `{done.task}`"
    at = "" if snapshot.ticks is None else f" at {snapshot.ticks} ms"
    registers = "" if snapshot.task is not None else f", {len(snapshot.registers)} registers"
    count = len(snapshot.segments)
    lines = [
        f"{done.path}: {of}{at}, {snapshot.size} bytes of memory in {count} "
        f"segment{'s' * (count != 1)}{registers}"
    ]
    lines += [f"  not readable: 0x{a:08x} to 0x{a + n:08x}" for a, n in snapshot.gaps[:MOST_GAPS]]
    if len(snapshot.gaps) > MOST_GAPS:
        left = snapshot.gaps[MOST_GAPS:]
        size = sum(size for _, size in left)
        lines.append(f"  not readable: {size} bytes more, in {len(left)} pieces")
    return join_lines(lines)


def json(done: Written, source: Source) -> Object:
    """Return the object of `dump`."""
    snapshot = done.snapshot
    return {
        "schema": "idoldbg.dump/1",
        "source": source_json.json(source),
        "path": done.path,
        "size": done.size,
        "has_build": done.has_build,
        "task": _task(snapshot.task, done.task),
        "ticks": snapshot.ticks,
        "registers": sorted(snapshot.registers),
        "segments": ranges_json((s.address, len(s.data)) for s in snapshot.segments),
        "unreadable": ranges_json(snapshot.gaps),
    }


def _task(index: int | None, name: str | None) -> Object | None:
    return None if index is None else {"index": index, "name": name}


def ranges_json(ranges: Iterable[tuple[int, int]]) -> list[Object]:
    """Return (address, size) pairs as objects."""
    return [{"address": address, "size": size} for address, size in ranges]


def areas_text(found: DumpAreas, written: Mapping[int, str], freed: int | None) -> str:
    """List the dumps in areas, with the files that they were written to, by area."""
    rows = [["AREA", "CONTENTS", "TIME", "DUMPER", "BYTES", "AREAS", ""]]
    for dump in found.dumps:
        time = "-" if dump.ticks is None else str(dump.ticks)
        note = f"({dump.problem})" if dump.problem else written.get(dump.index, "")
        size, count = str(dump.size), str(len(dump.areas))
        rows.append(
            [str(dump.index), _area_contents(dump), time, dump.dumper or "-", size, count, note]
        )
    used = sum(len(dump.areas) for dump in found.dumps)
    total = f"{used} of {len(found.areas)} areas hold dumps ({found.size} bytes in all)"
    lines = [table(rows), total] if found.dumps else [f"no dumps: {total}"]
    if found.problem:
        lines.append(f"the list is damaged: {found.problem}")
    if freed is not None:
        lines.append(f"{freed} area{'s' * (freed != 1)} freed")
    return "\n".join(lines)


def _area_contents(dump: AreaDump) -> str:
    """Describe what a dump in areas is of."""
    if dump.kind == "system":
        return "the whole system"
    if dump.task is None:
        return dump.kind
    name = dump.name or f"unknown#{dump.task}"
    return f"part of {name}" if dump.kind == "region" else name


def areas_json(
    found: DumpAreas, written: Mapping[int, str], freed: int | None, source: Source
) -> Object:
    """Return the object of `dump areas`."""
    return {
        "schema": "idoldbg.dump-areas/1",
        "source": source_json.json(source),
        "areas": [
            {
                "address": area.address,
                "size": area.length,
                "written": area.written,
                "contents": area.contents,
                "dumper": area.dumper,
            }
            for area in found.areas
        ],
        "dumps": [
            {
                "area": dump.index,
                "areas": len(dump.areas),
                "kind": dump.kind,
                "task": _task(dump.task, dump.name),
                "ticks": dump.ticks,
                "dumper": dump.dumper,
                "size": dump.size,
                "problem": dump.problem or None,
                "path": written.get(dump.index),
            }
            for dump in found.dumps
        ],
        "problem": found.problem or None,
        "freed": freed,
    }
