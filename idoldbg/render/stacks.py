"""Stacks as text and as JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from idoldbg.render.printable import one_line, printable
from idoldbg.render.tasks import describe_end
from idoldbg.views.backtrace import Backtrace, Frame
from idoldbg.views.regions import Place

__all__ = ["describe_source", "json", "lines", "short_path"]

WIDEST = 56  # characters of a function that others are aligned with
_CHECKOUT = "/hubris/"  # what Hubris's build calls its own folder
_GENERATED = re.compile(r".*/target/[^/]+/release/build/")


def lines(trace: Backtrace, *, sources: bool) -> list[str]:
    """Write a frame a line, innermost first, and why there are no more; `sources` adds places."""
    rows = [[printable(cell) for cell in _row(frame, sources)] for frame in trace.frames]
    width = max((len(row[1]) for row in rows if len(row[1]) <= WIDEST), default=0)
    shown = [
        one_line("  ".join([row[0], row[1].ljust(width), *filter(None, row[2:])]).rstrip())
        for row in rows
    ]
    problem = describe_end(trace)
    return [*shown, f"({problem})"] if problem else shown or ["(nothing known)"]


def _row(frame: Frame, sources: bool) -> Sequence[str]:
    address, inlined = f"0x{frame.address:08x}", "(inlined)" if frame.is_inlined else ""
    if frame.function is None:
        return (address, "?", "", "")
    if sources:
        return (address, frame.function, inlined, describe_source(frame.place))
    if frame.is_inlined or frame.offset is None:
        return (address, frame.function, inlined, "")
    return (address, f"{frame.function} + {frame.offset}", "", "")


def describe_source(place: Place) -> str:
    """Write file, line and column, "" where they are not known."""
    if place.file is None:
        return ""
    numbers = [str(number) for number in (place.line, place.column) if number is not None]
    return ":".join([short_path(place.file), *numbers])


def short_path(file: str) -> str:
    """Write a file of Hubris relative to its checkout, and a generated one to its build."""
    return _GENERATED.sub("build/", file.removeprefix(_CHECKOUT))


def json(trace: Backtrace) -> dict[str, Any]:
    """Return a stack; `is_guess` where its frames are not certain."""
    return {
        "task": trace.task,
        "end": str(trace.end),
        "problem": describe_end(trace),
        "is_guess": trace.doubt is not None,
        "frames": [_frame(frame) for frame in trace.frames],
    }


def _frame(frame: Frame) -> dict[str, Any]:
    place = frame.place
    return {
        "function": frame.function,
        "inlined": frame.is_inlined,
        "origin": str(frame.origin),
        "cfa": frame.cfa,
        "place": {
            "address": place.address,
            "region": place.region,
            "symbol": place.symbol,
            "offset": place.offset,
            "file": place.file,
            "line": place.line,
            "column": place.column,
        },
    }
