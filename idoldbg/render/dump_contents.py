"""Content of core dumps, and differences between two of them."""

from __future__ import annotations

from typing import Any

from idoldbg.model.values import Raw, Value, format_value, to_json
from idoldbg.render import source as source_json
from idoldbg.render.dump import ranges_json
from idoldbg.render.printable import join_lines
from idoldbg.render.tasks import describe_state
from idoldbg.render.text import table_lines
from idoldbg.views.dump_diff import Change, DumpDiff
from idoldbg.views.dump_info import DumpInfo
from idoldbg.views.source import Source
from idoldbg.views.tasks import TaskRow

__all__ = ["diff_json", "diff_text", "info_json", "info_text"]

Object = dict[str, Any]
MOST_BYTES = 32  # of a byte array that are shown when it has changed


def info_text(info: DumpInfo) -> str:
    """Describe a dump in a few lines."""
    at = "" if info.ticks is None else f" at {info.ticks} ms"
    rows = [["dump", f"{_subject(info)}{at}"]]
    build = info.build
    if build is None:
        rows.append(["build", "none: give it with --archive"])
    else:
        where = "inside" if build.is_inside else build.path
        facts = [build.board, f"image {build.image_id or 'without id'}", build.git_rev, where]
        rows.append(["build", ", ".join([build.name, *(f for f in facts if f)])])
    count = len(info.segments)
    rows.append(["memory", f"{info.size} bytes in {count} segment{'s' * (count != 1)}"])
    if info.task is None:
        missing = info.missing_registers
        lacks = f", without {' '.join(missing)}" if missing and info.registers else ""
        rows.append(["registers", f"{len(info.registers) or 'none'}{lacks}"])
    rows += [["missing", _gap(gap.address, gap.size, gap.region)] for gap in info.gaps]
    if info.cut:
        rows.append(["missing", f"{info.cut} bytes that are cut off the file"])
    if info.unknown:
        rows.append(["missing", f"unknown: {info.unknown}"])
    if info.epitaph is not None:
        rows.append(["panic", info.epitaph])
    rows += [
        [name, text] for name, text in (("doubt", info.doubt), ("wrong", info.mismatch)) if text
    ]
    rows.append(["complete", "yes" if info.is_complete else "no"])
    return join_lines(table_lines(rows))


def _subject(info: DumpInfo) -> str:
    if info.task is None:
        return "the whole system"
    return f"task {info.task}, `{info.name}`" if info.name else f"task {info.task}"


def _gap(address: int, size: int, region: str | None) -> str:
    of = f" of {region}" if region else ""
    return f"0x{address:08x} to 0x{address + size:08x}: {size} bytes{of}"


def info_json(info: DumpInfo, source: Source) -> Object:
    """Return the object of `dump info`."""
    build = info.build
    return {
        "schema": "idoldbg.dump-info/1",
        "source": source_json.json(source),
        "path": info.path,
        "kind": "system" if info.task is None else "task",
        "task": None if info.task is None else {"index": info.task, "name": info.name},
        "ticks": info.ticks,
        "build": None
        if build is None
        else {
            "path": build.path,
            "name": build.name,
            "board": build.board,
            "image_id": build.image_id,
            "git_rev": build.git_rev,
            "is_inside": build.is_inside,
        },
        "segments": ranges_json(info.segments),
        "registers": list(info.registers),
        "missing_registers": list(info.missing_registers),
        "missing": [
            {"address": gap.address, "size": gap.size, "region": gap.region} for gap in info.gaps
        ],
        "cut": info.cut,
        "missing_unknown": info.unknown or None,
        "epitaph": info.epitaph,
        "doubt": info.doubt or None,
        "mismatch": info.mismatch or None,
        "complete": info.is_complete,
    }


def diff_text(diff: DumpDiff) -> str:
    """List the differences, a section for each kind; unchanged kinds are left out."""
    lines = [f"time: {_time(diff.ticks_before)} to {_time(diff.ticks_after)}"]
    if diff.ticks_before is not None and diff.ticks_after is not None:
        lines[0] += f" ({diff.ticks_after - diff.ticks_before:+d} ms)"
    if diff.registers:
        lines += ["", "registers"]
        lines += table_lines(
            [[f"  {c.name}", _word(c.before), _word(c.after)] for c in diff.registers]
        )
    if diff.tasks:
        lines += ["", "tasks"]
        for change in diff.tasks:
            lines.append(f"  {change.before.name}")
            lines += [
                f"    {mark} {_row(row)}"
                for mark, row in (("-", change.before), ("+", change.after))
            ]
    if diff.statics:
        lines += ["", "statics"]
        for static in diff.statics:
            lines.append(f"  {static.path} (0x{static.address:08x})")
            lines += [f"    {_part(change)}" for change in static.changes]
            if not static.changes:
                lines.append("    (bytes that its type does not show)")
    if diff.memory:
        total = sum(change.changed for change in diff.memory)
        lines += ["", f"memory: {total} bytes changed"]
        lines += table_lines(
            [
                [f"  0x{m.address:08x}", f"{m.changed} of {m.size}", m.place or ""]
                for m in diff.memory
            ]
        )
    for title, ranges in (("before", diff.only_before), ("after", diff.only_after)):
        if ranges:
            lines += [
                "",
                f"only in the dump {title}",
                *(f"  {_gap(*each, None)}" for each in ranges),
            ]
    lines += [f"not compared: {why}" for why in diff.unreadable]
    if diff.is_same:
        lines.append("no differences")
    return join_lines(lines)


def _time(ticks: int | None) -> str:
    return "unknown" if ticks is None else f"{ticks} ms"


def _word(value: int | Value | None) -> str:
    return f"0x{value:08x}" if isinstance(value, int) else "-"


def _row(row: TaskRow) -> str:
    return f"gen {row.generation}, {describe_state(row)}"


def _part(change: Change) -> str:
    name = f"{change.name}: " if change.name else ""
    return f"{name}{_shown(change.before)} -> {_shown(change.after)}"


def _shown(value: int | Value | None) -> str:
    if isinstance(value, Raw) and len(value.data) > MOST_BYTES:
        return f"{value.data[:MOST_BYTES].hex()}… ({len(value.data)} bytes)"
    if value is None or isinstance(value, int):
        return str(value)
    return format_value(value, hexadecimal=True)


def diff_json(diff: DumpDiff, before: Source, after: Source) -> Object:
    """Return the object of `dump diff`."""
    return {
        "schema": "idoldbg.dump-diff/1",
        "before": source_json.json(before),
        "after": source_json.json(after),
        "same": diff.is_same,
        "registers": [
            {"name": c.name, "before": c.before, "after": c.after} for c in diff.registers
        ],
        "tasks": [
            {
                "index": c.before.index,
                "name": c.before.name,
                "before": _state(c.before),
                "after": _state(c.after),
            }
            for c in diff.tasks
        ],
        "statics": [
            {
                "path": s.path,
                "address": s.address,
                "size": s.size,
                "changes": [
                    {"part": c.name, "before": _value(c.before), "after": _value(c.after)}
                    for c in s.changes
                ],
            }
            for s in diff.statics
        ],
        "memory": [
            {"address": m.address, "size": m.size, "changed": m.changed, "place": m.place}
            for m in diff.memory
        ],
        "only_before": ranges_json(diff.only_before),
        "only_after": ranges_json(diff.only_after),
        "not_compared": list(diff.unreadable),
    }


def _state(row: TaskRow) -> Object:
    return {"generation": row.generation, "state": describe_state(row)}


def _value(value: int | Value | None) -> Any:
    return value if value is None or isinstance(value, int) else to_json(value)
