"""What an index keeps besides look-ups: the results that each call begins with.

Where they are known, a call needs neither the interface's text nor the debug information that it
was settled with, and a process that makes one call loads no module for these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from idol.kinds import Encoding, ErrorKind
from idoldbg.hiffy.layout import Area, HiffyFunction, HiffyLayout, TaskEntry
from idoldbg.index.fields import (
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
from idoldbg.resolver.operation import (
    Candidate,
    How,
    Resolution,
    ResolvedArgument,
    ResolvedLease,
    ResolvedOperation,
)
from idoldbg.types import Struct

__all__ = ["LAYOUT", "OPERATION"]

_CANDIDATE = inline(
    Candidate, name=TEXT, size=INT, objects=many(TEXT), differences=many(TEXT), type=TYPE
)
_RESOLUTION = {
    "text": TEXT,
    "type": optional(TYPE),
    "how": choice(How),
    "candidates": many(_CANDIDATE),
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
)


def _get_operation(source: Source, row: Sequence[int], at: int) -> tuple[Any, int]:
    found, at = _OPERATION.get(source, row, at)
    if not 0 < found.code < 1 << 16:
        raise IndexDamaged("an operation with a code that no message has room for")
    return found, at


#: The operation that a name stands for, without overrides of types.
OPERATION = Field(_OPERATION.put, _get_operation)

_AREA = inline(Area, address=INT, size=INT)
#: hiffy in this image.
LAYOUT = inline(
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
