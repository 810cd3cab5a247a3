"""Moments in the past of an emulated board."""

from __future__ import annotations

from idol.records import dataclass

__all__ = ["MemoryWrite", "Moment"]


@dataclass(frozen=True, slots=True)
class MemoryWrite:
    """A write to memory that is about to happen.

    `by` is `core`, `hardware` (registers stacked at an exception) or `debugger`; `value` is known
    for writes of the core, `before` is what is there now.
    """

    address: int
    size: int
    by: str
    value: int | None
    before: bytes


@dataclass(frozen=True, slots=True)
class Moment:
    """Position of an emulated board in its past.

    `task` is the one that runs, None in the kernel and before any task. `function`, `file` and
    `line` are of the instruction at `pc`, which is executed next. `end_s` is the end of what is
    recorded, in the board's seconds. `write` is set after a search for one.
    """

    time_s: float
    end_s: float
    cycle: int
    pc: int
    is_sleeping: bool
    task: str | None
    function: str | None
    file: str | None
    line: int | None
    write: MemoryWrite | None = None
