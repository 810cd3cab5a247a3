"""Memory, and writes to it, as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from idoldbg.render import source as source_object
from idoldbg.render.printable import join_lines, one_line
from idoldbg.render.tasks import describe_place
from idoldbg.views.memory_dump import MemoryDump, MemoryWrite
from idoldbg.views.source import Source

__all__ = ["json", "text", "write_json", "write_text"]

LINE = 16  # bytes
CHANGES = 64  # values of a write that are shown


def text(dump: MemoryDump) -> str:
    """Write a head that says where it is, and a hex dump with the symbols that begin in a line."""
    head = one_line(f"0x{dump.address:08x}  {describe_place(dump.place) or 'no region'}")
    lines = list(_pointers(dump)) if dump.pointers else list(_hex_lines(dump))
    if dump.problem:
        end = dump.address + len(dump.data)
        lines.append(one_line(f"0x{end:08x}  ends here, of {dump.wanted} bytes: {dump.problem}"))
    return join_lines([head, *lines])


def _hex_lines(dump: MemoryDump) -> Iterator[str]:
    columns = LINE // dump.width * (2 * dump.width + 1) - 1
    for offset in range(0, len(dump.data), LINE):
        part = dump.data[offset : offset + LINE]
        address = dump.address + offset
        shown = " ".join(_values(part, dump.width)).ljust(columns)
        plain = "".join(chr(b) if 0x20 <= b < 0x7F else "." for b in part)
        names = dict.fromkeys(n for at, n in dump.labels if address <= at < address + LINE)
        label = f"  {', '.join(names)}" if names else ""
        yield one_line(f"0x{address:08x}  {shown}  {plain.ljust(LINE) if names else plain}{label}")


def _pointers(dump: MemoryDump) -> Iterator[str]:
    labels = dict(dump.labels)
    for index, place in enumerate(dump.pointers):
        address = dump.address + 4 * index
        meaning = describe_place(place)
        name = f"{labels[address]}: " if address in labels else ""
        yield one_line(f"0x{address:08x}  0x{place.address:08x}  {name}{meaning}".rstrip())


def _values(data: bytes, width: int) -> list[str]:
    """Write little-endian numbers of `width` bytes."""
    return [data[at : at + width][::-1].hex() for at in range(0, len(data), width)]


def json(dump: MemoryDump, source: Source) -> dict[str, Any]:
    """Return the object of `readmem`."""
    return {
        "schema": "idoldbg.readmem/1",
        "source": source_object.json(source),
        "address": dump.address,
        "wanted": dump.wanted,
        "width": dump.width,
        "data": {"hex": dump.data.hex()},
        "place": asdict(dump.place),
        "labels": [{"address": address, "name": name} for address, name in dump.labels],
        "pointers": [asdict(place) for place in dump.pointers],
        "problem": dump.problem or None,
    }


def write_text(done: MemoryWrite) -> str:
    """Write each value as it was before and is after."""
    lines = [one_line(f"0x{done.address:08x}  {describe_place(done.place) or 'no region'}")]
    pairs = list(
        zip(_values(done.before, done.width), _values(done.after, done.width), strict=True)
    )
    for index, (before, after) in enumerate(pairs[:CHANGES]):
        lines.append(f"0x{done.address + index * done.width:08x}  {before} → {after}")
    if len(pairs) > CHANGES:
        lines.append(f"… and {len(pairs) - CHANGES} more")
    return join_lines(lines)


def write_json(done: MemoryWrite, source: Source) -> dict[str, Any]:
    """Return the object of `writemem`."""
    return {
        "schema": "idoldbg.writemem/1",
        "source": source_object.json(source),
        "address": done.address,
        "width": done.width,
        "before": {"hex": done.before.hex()},
        "after": {"hex": done.after.hex()},
        "place": asdict(done.place),
    }
