"""Moments of the past as text and JSON."""

from __future__ import annotations

from typing import Any

from idoldbg.model.moment import MemoryWrite, Moment
from idoldbg.render.printable import join_lines

__all__ = ["json", "text"]


def text(moment: Moment) -> str:
    """Return the moment in a few lines."""
    where = f"task `{moment.task}`" if moment.task else "the kernel"
    doing = "asleep in" if moment.is_sleeping else "in"
    back = moment.end_s - moment.time_s
    before = f", {_seconds(back)} before the end" if back > 0 else ""
    lines = [f"{_seconds(moment.time_s)} (cycle {moment.cycle}){before}: {doing} {where}"]
    place = f"  0x{moment.pc:08x}"
    if moment.function:
        place += f" {moment.function}"
    if moment.file:
        place += f" at {moment.file}" + (f":{moment.line}" if moment.line else "")
    lines.append(place)
    if moment.write is not None:
        lines.append(f"  {_write(moment.write)}")
    return join_lines(lines)


def json(moment: Moment) -> dict[str, Any]:
    """Return the moment as JSON."""
    write = moment.write
    return {
        "time_s": moment.time_s,
        "end_s": moment.end_s,
        "cycle": moment.cycle,
        "pc": moment.pc,
        "sleeping": moment.is_sleeping,
        "task": moment.task,
        "function": moment.function,
        "file": moment.file,
        "line": moment.line,
        "write": None
        if write is None
        else {
            "address": write.address,
            "size": write.size,
            "by": write.by,
            "value": write.value,
            "before": {"hex": write.before.hex()},
        },
    }


def _write(write: MemoryWrite) -> str:
    old = int.from_bytes(write.before, "little")
    new = "registers" if write.value is None else f"{write.value:#x}"
    if write.by == "debugger":
        new = "other bytes"
    shown = f"{old:#x}" if write.size <= 4 else f"{write.size} bytes"
    return f"about to write {new} to 0x{write.address:08x} (now {shown}), by the {write.by}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.6f} s"
