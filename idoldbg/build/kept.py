"""The kinds of results that an index keeps of a build's objects.

Where they are known, a command needs neither the interfaces' texts nor the debug information that
they were found in, and a process that makes one call loads no module for these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from idol.kinds import Encoding, ErrorKind
from idoldbg.build.index.fields import (
    BOOL,
    INT,
    MEMBER,
    TEXT,
    TYPE,
    Field,
    IndexDamaged,
    Source,
    choice,
    inline,
    many,
    mapping,
    only,
    optional,
    pair,
)
from idoldbg.build.index.results import Kind
from idoldbg.call.hiffy.layout import Area, HiffyFunction, HiffyLayout, TaskEntry
from idoldbg.model.code import CodePoint, SourceFrame, UnwindRow
from idoldbg.model.regions import Region, RegionKind, RegionMap, StackArea
from idoldbg.model.symbols import Variable
from idoldbg.model.types import Array, Struct
from idoldbg.resolver.operation import (
    Candidate,
    How,
    Resolution,
    ResolvedArgument,
    ResolvedLease,
    ResolvedOperation,
)

__all__ = [
    "ADDRESS",
    "CANDIDATE",
    "CODE",
    "HIFFY_LAYOUT",
    "HOLDS",
    "INTERFACE",
    "LAYOUT",
    "OPERATION",
    "PROGRAM_SIZES",
    "REGIONS",
    "SERVER",
    "STATICS",
    "TASK_TYPE",
    "TYPES",
    "USED_SIZES",
    "FoundTypes",
]

#: By task: the text of the interface that it serves, None where it serves none.
INTERFACE: Kind[str | None] = Kind("interface", optional(TEXT))
#: By interface: the task that alone serves it.
SERVER: Kind[str] = Kind("server", TEXT)
#: By the name of a static of the kernel: its address, None where it has none.
ADDRESS: Kind[int | None] = Kind("address", optional(INT))
#: By object and address: the code there. As many as addresses on stacks have been looked at.
CODE: Kind[CodePoint] = Kind(
    "code",
    inline(
        CodePoint,
        function=optional(TEXT),
        start=optional(INT),
        sources=many(
            inline(
                SourceFrame,
                function=optional(TEXT),
                file=optional(TEXT),
                line=optional(INT),
                column=optional(INT),
                is_inlined=BOOL,
            )
        ),
        row=optional(
            inline(UnwindRow, cfa_register=INT, cfa_offset=INT, saved=mapping(INT, key=INT))
        ),
        is_stub=BOOL,
    ),
)
#: The type of an entry of the kernel's task table.
TASK_TYPE: Kind[Struct] = Kind("task type", only(Struct))
#: Where the supervisor keeps what to do when a task faults; None where it does not say.
HOLDS: Kind[tuple[int, Array] | None] = Kind("holds", optional(pair(INT, only(Array))))

CANDIDATE = inline(
    Candidate, name=TEXT, size=INT, objects=many(TEXT), differences=many(TEXT), type=TYPE
)
_RESOLUTION = {
    "text": TEXT,
    "type": optional(TYPE),
    "how": choice(How),
    "candidates": many(CANDIDATE),
    "object": optional(TEXT),
}
_ARGUMENT = inline(ResolvedArgument, **_RESOLUTION, name=TEXT, wire=optional(MEMBER))
_LEASE = inline(
    ResolvedLease,
    **_RESOLUTION,
    name=TEXT,
    read=BOOL,
    write=BOOL,
    max_len=optional(INT),
    is_slice=BOOL,
)
_OPERATION = inline(
    ResolvedOperation,
    interface=TEXT,
    operation=TEXT,
    task=TEXT,
    code=INT,
    encoding=choice(Encoding),
    idempotent=BOOL,
    doc=optional(TEXT),
    arguments=many(_ARGUMENT),
    leases=many(_LEASE),
    ok=inline(Resolution, **_RESOLUTION),
    error=optional(inline(Resolution, **_RESOLUTION)),
    error_kind=optional(choice(ErrorKind)),
    message=optional(only(Struct)),
    contradiction=TEXT,
    doubt=TEXT,
)


def _get_operation(source: Source, row: Sequence[int], at: int) -> tuple[Any, int]:
    found, at = _OPERATION.get(source, row, at)
    if not 0 < found.code < 1 << 16:
        raise IndexDamaged("an operation with a code that no message has room for")
    return found, at


#: By `operation_key`: an operation as one task serves it, without overrides of types.
OPERATION: Kind[ResolvedOperation] = Kind("operation", Field(_OPERATION.put, _get_operation))

FoundTypes: TypeAlias = tuple[tuple[tuple[Candidate, int | None], ...], tuple[Candidate, ...]]
"""Types with their declared alignments (None: not said), and types that are only declared."""
#: By name and object ("": all of them): the types that a name fits.
TYPES: Kind[FoundTypes] = Kind("types", pair(many(pair(CANDIDATE, optional(INT))), many(CANDIDATE)))

_VARIABLE = inline(
    Variable,
    name=TEXT,
    full_name=TEXT,
    linkage_name=TEXT,
    address=optional(INT),
    size=INT,
    type=TYPE,
    die_offset=INT,
    pieces=many(pair(INT, INT)),
)
FoundStatics: TypeAlias = tuple[tuple[Variable, tuple[str, str | None, tuple[str, ...]]], ...]
"""Statics, each with the memory that it is in, its source file, and its other names."""
#: By object: its statics.
STATICS: Kind[FoundStatics] = Kind(
    "statics", many(pair(_VARIABLE, pair(TEXT, optional(TEXT), many(TEXT))))
)

_AREA = inline(Area, address=INT, size=INT)
HIFFY_LAYOUT = inline(
    HiffyLayout,
    text=_AREA,
    data=optional(_AREA),
    return_stack=_AREA,
    scratch=optional(_AREA),
    scratch_size=INT,
    requests=INT,
    errors=INT,
    kick=INT,
    ready=INT,
    failure=_AREA,
    failure_type=TYPE,
    functions=mapping(
        inline(HiffyFunction, name=TEXT, id=INT, argument_count=INT, errors=mapping(TEXT, INT))
    ),
    version_words=many(INT),
    version=optional(pair(INT, INT, INT)),
    task=optional(inline(TaskEntry, state=_AREA, state_type=TYPE, generation=_AREA)),
    task_names=many(TEXT),
)
#: hiffy in this image.
LAYOUT: Kind[HiffyLayout] = Kind("hiffy", HIFFY_LAYOUT)

_REGION = inline(
    Region,
    low=INT,
    size=INT,
    kind=choice(RegionKind),
    owners=many(TEXT),
    read=BOOL,
    write=BOOL,
    execute=BOOL,
    device=BOOL,
    dma=BOOL,
    name=optional(TEXT),
    descriptor=optional(INT),
)
_REGION_MAP = inline(
    RegionMap, regions=many(_REGION), stacks=many(inline(StackArea, owner=TEXT, low=INT, high=INT))
)
#: Who may touch what memory.
REGIONS: Kind[RegionMap] = Kind("regions", _REGION_MAP)
#: By the order of the regions: how many bytes of each are used; None: unknown.
USED_SIZES: Kind[tuple[int | None, ...]] = Kind("used sizes", many(optional(INT)))
#: By object: how many bytes of memory its program takes; None: unknown.
PROGRAM_SIZES: Kind[dict[str, int | None]] = Kind("program sizes", mapping(optional(INT)))
