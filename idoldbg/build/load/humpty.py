"""Dump areas: memory of the target that holds dumps until somebody fetches them.

Format: crate `humpty` (humpty/src/lib.rs). Jefe cuts the RAM that it was given for this into areas,
a list linked by addresses. Each begins with a header. The first area of a dump goes on with the
memory ranges that were asked for, then comes a stream of segments, told apart by their first bytes:
a task, a register, or compressed memory. A dump that does not fit goes on in the next area. Areas
are used from the first on; one that was claimed and has no dumper is being filled, or was not.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum

from idol.records import dataclass
from idoldbg.build.load.dump_file import DumpFile, name_registers
from idoldbg.build.load.lzss import decompress
from idoldbg.errors import DecodeError
from idoldbg.model.memory import Segment

__all__ = [
    "HEADER_SIZE",
    "AreaContents",
    "AreaHeader",
    "decode_header",
    "decode_ranges",
    "decode_stream",
    "decode_task",
    "free_header",
    "missing_size",
]

MAGIC, UNINITIALIZED = b"\x01\xde\xde\xad", b"\xba\x0d\xca\xfe"
_HEADER = struct.Struct("<4sIIIBBHI")
HEADER_SIZE = _HEADER.size
RANGE_SIZE = 8  # address and length of memory that was asked for
NO_DUMPER = 0xFF
_DUMPERS = {0xFE: "emulated", 1: "external", 2: "jefe"}
_REGISTER, _REGISTER_MAGIC = struct.Struct("<2sHI"), b"\xab\xba"
_TASK, _TASK_MAGIC = struct.Struct("<2sHIQ"), b"\xda\xda"
TASK_SIZE = _TASK.size
_DATA = struct.Struct("<IHH")
ALIGNMENT = 4


class AreaContents(IntEnum):
    """Purpose that an area was claimed for."""

    AVAILABLE = 0
    TASK = 1
    SYSTEM = 2
    REGION = 3


@dataclass(frozen=True, slots=True)
class AreaHeader:
    """Header of an area.

    `length` is that of the whole area in bytes, `written` how much of it is in use, the header
    included. `contents` is an `AreaContents`, or a number that is none. `dumper` is None until the
    area has been filled. `next` is the address of the next area, 0 after the last.
    """

    address: int
    length: int
    written: int
    contents: int
    dumper: str | None
    range_count: int
    next: int

    @property
    def is_claimed(self) -> bool:
        """Whether the area is in use."""
        return self.contents != AreaContents.AVAILABLE

    @property
    def data_size(self) -> int:
        """Bytes in use behind the header."""
        return self.written - HEADER_SIZE


def decode_header(data: bytes, address: int) -> AreaHeader:
    """Decode the header at `address`; raise `DecodeError` where there is none."""
    magic, own, length, written, contents, dumper, count, next_ = _HEADER.unpack_from(data)
    where = f"dump area at 0x{address:08x}"
    if magic == UNINITIALIZED:
        raise DecodeError(f"{where}: the supervisor is making it; try again")
    if magic != MAGIC:
        raise DecodeError(
            f"{where}: no dump area is there: it begins with {magic.hex(' ')}, "
            f"expected {MAGIC.hex(' ')}"
        )
    if own != address:
        raise DecodeError(f"{where}: its header is for 0x{own:08x}", offset=4)
    if not HEADER_SIZE + RANGE_SIZE * count <= written <= length:
        raise DecodeError(
            f"{where}: {written} of {length} bytes with {count} ranges: its header is damaged",
            offset=8,
        )
    name = None if dumper == NO_DUMPER else _DUMPERS.get(dumper, f"unknown ({dumper})")
    return AreaHeader(own, length, written, contents, name, count, next_)


def free_header(header: AreaHeader) -> bytes:
    """Return the header of the same area with nothing in it (`release_dump_areas_from`)."""
    return _HEADER.pack(
        MAGIC, header.address, header.length, HEADER_SIZE, AreaContents.AVAILABLE, NO_DUMPER, 0,
        header.next,
    )  # fmt: skip


def decode_ranges(header: AreaHeader, data: bytes) -> tuple[tuple[int, int], ...]:
    """Return (address, size) of the memory that was asked for, from what follows the header."""
    size = RANGE_SIZE * header.range_count
    return tuple(struct.iter_unpack("<II", data[:size]))


def decode_task(header: AreaHeader, data: bytes) -> tuple[int, int] | None:
    """Return index and time of the task that a dump is of, None if it is of none.

    `data` is what follows the header; the task comes before everything else.
    """
    stream = data[RANGE_SIZE * header.range_count :][: _TASK.size]
    if stream[:2] != _TASK_MAGIC or len(stream) < _TASK.size:
        return None
    _, index, _, ticks = _TASK.unpack(stream)
    return index, ticks


def decode_stream(parts: Sequence[bytes]) -> tuple[DumpFile, str]:
    """Decode the segments of a dump, from the streams of its areas in turn.

    Returns what is there, and why that is not all, if so: a stream that ends early or makes no
    sense from some place on.
    """
    data = b"".join(parts)
    pieces: list[Segment] = []
    pairs: list[tuple[int, int]] = []
    task: int | None = None
    ticks: int | None = None
    at, problem = 0, ""
    while at < len(data) and not problem:
        magic, left = data[at : at + 2], len(data) - at
        kind = {_TASK_MAGIC: _TASK, _REGISTER_MAGIC: _REGISTER}.get(magic, _DATA)
        if magic[0] % ALIGNMENT and kind is _DATA:
            problem = f"unknown segment {magic.hex(' ')} at byte {at} of its data"
        elif left < kind.size:
            problem = f"its data ends within a segment, at byte {at}"
        elif kind is _TASK:
            _, task, _, ticks = _TASK.unpack_from(data, at)
        elif kind is _REGISTER:
            pairs.append(_REGISTER.unpack_from(data, at)[1:])
        else:
            address, packed, size = _DATA.unpack_from(data, at)
            content = data[at + kind.size : at + kind.size + packed]
            plain = decompress(content, size)
            if len(content) < packed:
                problem = f"its data ends within the memory at 0x{address:08x}"
            elif len(plain) < size:
                problem = f"the memory at 0x{address:08x} is {size - len(plain)} bytes short"
            pieces.append(Segment(address, plain))
            at += -(-packed // ALIGNMENT) * ALIGNMENT
        at += kind.size
    return DumpFile(None, _join(pieces), name_registers(pairs), task, ticks), problem


def missing_size(ranges: Sequence[tuple[int, int]], segments: Sequence[Segment]) -> int:
    """Return how many bytes of what was asked for are not there."""
    there = 0
    for address, size in ranges:
        for segment in segments:
            there += max(0, min(segment.end, address + size) - max(segment.address, address))
    return max(0, sum(size for _, size in ranges) - there)


def _join(pieces: Sequence[Segment]) -> tuple[Segment, ...]:
    """Join what follows each other: memory is compressed in pieces of some hundred bytes."""
    joined: list[tuple[int, list[bytes]]] = []
    end = -1
    for piece in pieces:
        if piece.address == end:
            joined[-1][1].append(piece.data)
        else:
            joined.append((piece.address, [piece.data]))
        end = piece.end
    return tuple(Segment(address, b"".join(parts)) for address, parts in joined)
