"""A zip writer that lies where it is told to."""

from __future__ import annotations

import bz2
import struct
import zlib
from dataclasses import dataclass, replace

STORED, DEFLATED, BZIP2 = 0, 8, 12
COMMENT = b"hubris build archive v11"


@dataclass(frozen=True, slots=True)
class Member:
    """One file and what the zip says of it; None: the truth."""

    name: bytes
    data: bytes
    method: int = BZIP2
    #: Written as it is, in place of the compressed data.
    packed: bytes | None = None
    crc: int | None = None
    size: int | None = None
    packed_size: int | None = None
    flags: int = 0
    header_at: int | None = None
    local_name: bytes | None = None
    extra: bytes = b""

    def pack(self) -> bytes:
        """Return the data as the method stores it."""
        if self.packed is not None:
            return self.packed
        if self.method == BZIP2:
            return bz2.compress(self.data, 1)
        if self.method == DEFLATED:
            packer = zlib.compressobj(1, zlib.DEFLATED, -15)
            return packer.compress(self.data) + packer.flush()
        return self.data


def write_zip(
    members: list[Member],
    *,
    comment: bytes = COMMENT,
    count: int | None = None,
    directory_size: int | None = None,
    directory_at: int | None = None,
) -> bytes:
    """Return a zip file of these members, in this order."""
    out = bytearray()
    directory = bytearray()
    for member in members:
        packed = member.pack()
        at = len(out) if member.header_at is None else member.header_at
        crc = zlib.crc32(member.data) if member.crc is None else member.crc
        size = len(member.data) if member.size is None else member.size
        packed_size = len(packed) if member.packed_size is None else member.packed_size
        local = member.name if member.local_name is None else member.local_name
        sizes = (crc, packed_size, size)
        out += struct.pack(
            "<4s5H3I2H", b"PK\3\4", 20, member.flags, member.method, 0, 0, *sizes,
            len(local), len(member.extra),
        )  # fmt: skip
        out += local + member.extra + packed
        directory += struct.pack(
            "<4s6H3I5H2I", b"PK\1\2", 20, 20, member.flags, member.method, 0, 0, *sizes,
            len(member.name), len(member.extra), 0, 0, 0, 0, at,
        )  # fmt: skip
        directory += member.name + member.extra
    end = struct.pack(
        "<4s4H2IH", b"PK\5\6", 0, 0,
        *[len(members) if count is None else count] * 2,
        len(directory) if directory_size is None else directory_size,
        len(out) if directory_at is None else directory_at,
        len(comment),
    )  # fmt: skip
    return bytes(out + directory + end + comment)


def bomb(member: Member, size: int) -> Member:
    """Make a member expand to `size` zeros."""
    return replace(member, packed=Member(b"", bytes(size), member.method).pack())
