"""Writes core dumps that `idoldbg.build.load.dump_file` and humility open.

The layout is humility's (`humility-core/src/hubris.rs`, `dump`): an ELF core file for Arm; a note
segment each for the registers, or the task that it is a dump of, and for the build's archive, then
a loadable segment for each piece of memory.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

from idoldbg.build.debuginfo.elf import MAX_HEADERS
from idoldbg.build.load.dump_file import (
    DCRSR_NUMBERS,
    NT_ARCHIVE,
    NT_REGISTERS,
    NT_TASK,
    OWNER,
    PACKED_NAMES,
    PACKED_NUMBER,
)
from idoldbg.errors import EncodeError
from idoldbg.model.memory import Segment

__all__ = ["encode_dump"]

_ELF_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
_PROGRAM_HEADER = struct.Struct("<8I")
_SECTION_HEADER_SIZE = 40  # there are none, but humility's writer says so
_TASK, _TASK_MAGIC = struct.Struct("<2sHIQ"), b"\xda\xda"
_ET_CORE, _EM_ARM, _PT_LOAD, _PT_NOTE, _PF_R = 4, 40, 1, 4, 4


def encode_dump(
    archive: bytes | None,
    segments: Iterable[Segment],
    registers: Mapping[str, int],
    task: tuple[int, int] | None = None,
) -> bytes:
    """Return the bytes of a core dump.

    `archive` is the build's zip file, None to leave it out. `registers` may hold any that a core
    has, by their names in lower case: those that humility's format has no number for are left out.
    The word of special registers needs CONTROL and PRIMASK; Armv6-M has no others, which read as 0.
    `task` makes it the dump of one task: its index, and the kernel's time in ticks. Such a dump has
    no registers. Segments must not overlap: humility refuses that.
    """
    notes = [] if task is None else [_note(NT_TASK, _TASK.pack(_TASK_MAGIC, task[0], 0, task[1]))]
    pairs = [(DCRSR_NUMBERS[n], v) for n, v in registers.items() if n in DCRSR_NUMBERS]
    if "control" in registers and "primask" in registers:
        parts = (registers.get(name, 0) & 0xFF for name in PACKED_NAMES)
        pairs.append((PACKED_NUMBER, int.from_bytes(parts, "little")))
    if pairs and task is None:
        data = b"".join(struct.pack("<II", *pair) for pair in sorted(pairs))
        notes.append(_note(NT_REGISTERS, data))
    if archive is not None:
        notes.append(_note(NT_ARCHIVE, archive))
    loads = [s for s in segments if s.data]
    count = len(notes) + len(loads)
    if count > MAX_HEADERS:
        raise EncodeError(f"{len(loads)} pieces of memory: more than readers of dumps take")
    identification = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")
    header = _ELF_HEADER.pack(
        identification, _ET_CORE, _EM_ARM, 1, 0, _ELF_HEADER.size, 0, 0,
        _ELF_HEADER.size, _PROGRAM_HEADER.size, count, _SECTION_HEADER_SIZE, 0, 0,
    )  # fmt: skip
    offset = len(header) + count * _PROGRAM_HEADER.size
    table = []
    for note in notes:
        table.append(_PROGRAM_HEADER.pack(_PT_NOTE, offset, 0, 0, len(note), 0, _PF_R, 0))
        offset += len(note)
    for load in loads:
        size = len(load.data)
        table.append(_PROGRAM_HEADER.pack(_PT_LOAD, offset, load.address, 0, size, size, _PF_R, 0))
        offset += len(_padded(load.data))
    return b"".join([header, *table, *notes, *(_padded(load.data) for load in loads)])


def _note(kind: int, data: bytes) -> bytes:
    owner = OWNER.encode() + b"\0"
    return struct.pack("<III", len(owner), len(data), kind) + _padded(owner) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
