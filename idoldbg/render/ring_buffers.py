"""Ring buffers as text and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from idoldbg.model.values import format_value, to_json
from idoldbg.render import source as source_object
from idoldbg.render.counters import format_leaf
from idoldbg.render.printable import join_lines, one_line
from idoldbg.render.stacks import short_path
from idoldbg.render.text import table_lines
from idoldbg.views.counters import CounterLeaf
from idoldbg.views.ring_buffers import NewEntries, RingBuffer, RingEntry
from idoldbg.views.source import Source

__all__ = ["json", "listing", "news", "news_objects", "ring_lines", "text"]

Object = dict[str, Any]
EXPANDED = 1000  # times that an entry is repeated at most
TOTALS = ("all", "nonzero", "no")


def text(rings: Sequence[RingBuffer], *, totals: str = "nonzero", expand: bool = False) -> str:
    """Write each ring buffer with its entries, oldest first.

    `totals` is one of `TOTALS`; `expand` repeats an entry as often as it was counted.
    """
    if not rings:
        return "no ring buffer"
    blocks = [join_lines(ring_lines(ring, totals=totals, expand=expand)) for ring in rings]
    return "\n\n".join(blocks)


def ring_lines(ring: RingBuffer, *, totals: str = "nonzero", expand: bool = False) -> list[str]:
    """Return the lines of one ring buffer: its head, totals, entries."""
    lines = ["  ".join([*_head(ring), *([short_path(ring.file)] if ring.file else [])])]
    if ring.totals is not None and totals != "no":
        lines += _totals(ring.totals, show_all=totals == "all")
    if ring.problem:
        lines.append(f"   {ring.problem}")
    if ring.entries:
        rows = [["  line", "count", "entry"]]
        for entry in ring.entries:
            shown = format_value(entry.payload)
            if expand:
                rows += [[str(entry.line), "", shown] for _ in range(min(entry.count, EXPANDED))]
                if entry.count > EXPANDED:  # a damaged count has billions
                    rows.append([str(entry.line), f"×{entry.count - EXPANDED}", shown])
            else:
                rows.append([str(entry.line), f"×{entry.count}" * (entry.count != 1), shown])
        if any(len(r) > 2 for r in rows) and ring.entries[-1].slot == ring.last:
            rows[-1][2:] = [f"{rows[-1][2]}  ← newest"]
        lines += [f" {line}" for line in table_lines(rows, right=(0, 1))]
    return lines


def _head(ring: RingBuffer) -> list[str]:
    if not ring.capacity:
        state = "counts only" if ring.totals is not None else ""
    elif not ring.entries and not ring.problem and ring.last is None:
        state = f"{ring.capacity} slots, never written"
    else:
        lap = f", lap {ring.entries[-1].generation}" if ring.entries else ""
        state = f"{ring.capacity} slots{lap}"
    return [ring.task, f"{ring.full_name}{ring.path}", *([state] if state else [])]


def _totals(totals: Sequence[CounterLeaf], *, show_all: bool) -> list[str]:
    if show_all:
        rows = [[str(leaf.count), format_leaf(leaf.path)] for leaf in totals]
        return ["   totals:", *(f"   {line}" for line in table_lines(rows, right=(0,)))]
    counted = sorted((t for t in totals if t.count), key=lambda t: -t.count)
    counts = " · ".join(f"{format_leaf(t.path)} {t.count}" for t in counted)
    return [f"   totals: {counts}"] if counts else []


def listing(rings: Sequence[RingBuffer]) -> str:
    """Write one line for each ring buffer, without entries."""
    if not rings:
        return "no ring buffer"
    rows = [["TASK", "RING BUFFER", "ADDRESS", "SLOTS", "WRITTEN", "FILE"]]
    for ring in rings:
        written = "-" if ring.problem else str(len(ring.entries))
        rows.append(
            [
                ring.task,
                f"{ring.full_name}{ring.path}",
                f"0x{ring.address:08x}",
                str(ring.capacity),
                written,
                short_path(ring.file) if ring.file else "",
            ]
        )
    return join_lines(table_lines(rows, right=(3, 4)))


def json(source: Source, rings: Iterable[RingBuffer]) -> Object:
    """Return the object of `ringbuf`."""
    return {
        "schema": "idoldbg.ringbuf/1",
        "source": source_object.json(source),
        "rings": [_ring(ring) for ring in rings],
    }


def _ring(ring: RingBuffer) -> Object:
    totals = ring.totals
    return {
        "task": ring.task,
        "name": ring.name,
        "full_name": ring.full_name,
        "path": ring.path,
        "file": short_path(ring.file) if ring.file else None,
        "address": ring.address,
        "capacity": ring.capacity,
        "last": ring.last,
        "written": ring.is_written,
        "problem": ring.problem,
        "entries": [_entry(entry) for entry in ring.entries],
        "totals": None
        if totals is None
        else [{"path": list(leaf.path), "count": leaf.count} for leaf in totals],
    }


def _entry(entry: RingEntry) -> Object:
    return {
        "slot": entry.slot,
        "generation": entry.generation,
        "line": entry.line,
        "count": entry.count,
        "payload": to_json(entry.payload),
        "text": format_value(entry.payload),
        "problem": entry.problem,
    }


# ---- following ----------------------------------------------------------------------------------


def news(ring: RingBuffer, found: NewEntries) -> list[str]:
    """Return the lines of what was written since: `task/name line count entry`."""
    where = f"{ring.task}/{ring.full_name}{ring.path}"
    lines = []
    if found.is_restarted:
        lines.append(f"{where}  … began anew")
    if found.more:
        lines.append(f"{where}  … the entry before {found.more} times more")
    if found.overwritten:
        entries = "entry" if found.overwritten == 1 else "entries"
        lines.append(f"{where}  … {found.overwritten} {entries} overwritten unseen")
    for entry in found.entries:
        count = f"  ×{entry.count}" if entry.count != 1 else ""
        lines.append(f"{where}  {entry.line}{count}  {format_value(entry.payload)}")
    return [one_line(line) for line in lines]


def news_objects(ring: RingBuffer, found: NewEntries) -> list[Object]:
    """Return what was written since as objects, one a line."""
    head: Object = {"task": ring.task, "full_name": ring.full_name, "path": ring.path}
    objects: list[Object] = []
    if found.is_restarted or found.more or found.overwritten:
        objects.append(
            {
                **head,
                "restarted": found.is_restarted,
                "more": found.more,
                "overwritten": found.overwritten,
            }
        )
    return [*objects, *({**head, **_entry(entry)} for entry in found.entries)]
