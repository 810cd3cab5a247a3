"""Core dumps: what was written, what is in one, and how two differ."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from idoldbg.model.snapshot import Written
from idoldbg.render import source as source_json
from idoldbg.render.printable import join_lines
from idoldbg.views.source import Source

__all__ = ["json", "ranges_json", "text"]

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
