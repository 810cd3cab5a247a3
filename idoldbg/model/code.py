"""Code addresses: the functions there, their source, and how to find the caller's registers."""

from __future__ import annotations

from collections.abc import Mapping

from idol.records import dataclass, field

__all__ = ["CodePoint", "LineSpan", "SourceFrame", "UnwindRow"]


@dataclass(frozen=True, slots=True)
class SourceFrame:
    """One function at a code address, and the place in its source that the code is of.

    `file` is the path that the compiler wrote. What debug information does not say is None.
    """

    function: str | None
    file: str | None
    line: int | None
    column: int | None
    is_inlined: bool = False


@dataclass(frozen=True, slots=True)
class LineSpan:
    """Code that a line of a source file is compiled to: from `start` up to `end`."""

    start: int
    end: int
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class UnwindRow:
    """The canonical frame address is a register plus an offset; `saved` maps registers to offsets.

    Offsets count from the canonical frame address. Registers are DWARF's numbers: 13 is sp, 14 lr.
    """

    cfa_register: int
    cfa_offset: int
    saved: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CodePoint:
    """One code address of an object.

    `function` is the path of the symbol that covers it, `start` that symbol's address. `sources` is
    as `ObjectInfo.find_frames` returns it. `row` is from the call frame information or, where
    `is_stub`, from what a system call's stub pushes before its `svc`.
    """

    function: str | None
    start: int | None
    sources: tuple[SourceFrame, ...] = ()
    row: UnwindRow | None = None
    is_stub: bool = False
