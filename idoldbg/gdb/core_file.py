"""ELF cores as gdb reads them: memory, and the registers of each task as those of a thread.

Written after what Linux writes for 32-bit Arm (`struct elf_prstatus`, `NT_ARM_VFP`), which gdb also
takes for programs without an operating system, and gdb's own note of a target description.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

from idol.records import dataclass
from idoldbg.model.memory import Segment

__all__ = ["CoreThread", "encode_core"]

ET_CORE, EM_ARM, EV_CURRENT = 4, 40, 1
PT_LOAD, PT_NOTE = 1, 4
NT_PRSTATUS, NT_ARM_VFP, NT_GDB_TDESC = 1, 0x400, 0xFF000000
READ, WRITE, EXECUTE = 4, 2, 1
EHDR, PHDR = struct.Struct("<16sHHIIIIIHHHHHH"), struct.Struct("<8I")
PRSTATUS = 148  # bytes
PID_AT, REGISTERS_AT = 24, 72
NAMES = (*(f"r{i}" for i in range(13)), "sp", "lr", "pc", "xpsr")
EABI5 = 0x05000000

_M_PROFILE = """<?xml version="1.0"?>
<!DOCTYPE target SYSTEM "gdb-target.dtd">
<target><architecture>arm</architecture>
<feature name="org.gnu.gdb.arm.m-profile">
{registers}
<reg name="sp" bitsize="32" type="data_ptr"/>
<reg name="lr" bitsize="32" type="int"/>
<reg name="pc" bitsize="32" type="code_ptr"/>
<reg name="xpsr" bitsize="32" regnum="25"/>
</feature>
{floats}</target>
"""
_FLOATS = """<feature name="org.gnu.gdb.arm.vfp">
{registers}
<reg name="fpscr" bitsize="32"/>
</feature>
"""


@dataclass(frozen=True, slots=True)
class CoreThread:
    """A thread: its number, and its registers by name; `sp` and `pc` are there.

    Others that are not known are written as zero, for which the format has no other word.
    """

    number: int
    registers: Mapping[str, int]


def encode_core(
    threads: Sequence[CoreThread], segments: Iterable[Segment], *, has_floats: bool
) -> bytes:
    """Write a core; the first thread is the one that gdb selects. Segments do not overlap."""
    loads = [s for s in segments if s.data]
    notes = _note("GDB", NT_GDB_TDESC, _description(has_floats))
    for thread in threads:
        notes += _note("CORE", NT_PRSTATUS, _prstatus(thread))
        if has_floats:
            notes += _note("LINUX", NT_ARM_VFP, _floats(thread))
    count = 1 + len(loads)
    at = EHDR.size + count * PHDR.size
    headers = [PHDR.pack(PT_NOTE, at, 0, 0, len(notes), 0, READ, 4)]
    at += len(notes)
    for load in loads:
        size, flags = len(load.data), READ | WRITE | EXECUTE
        headers.append(PHDR.pack(PT_LOAD, at, load.address, 0, size, size, flags, 4))
        at += size + -size % 4
    identity = b"\x7fELF\x01\x01\x01" + bytes(9)
    header = EHDR.pack(
        identity, ET_CORE, EM_ARM, EV_CURRENT, 0, EHDR.size, 0, EABI5,
        EHDR.size, PHDR.size, count, 0, 0, 0,
    )  # fmt: skip
    data = [load.data + bytes(-len(load.data) % 4) for load in loads]
    return b"".join((header, *headers, notes, *data))


def _note(owner: str, kind: int, content: bytes) -> bytes:
    name = owner.encode() + b"\0"
    head = struct.pack("<III", len(name), len(content), kind)
    return head + name + bytes(-len(name) % 4) + content + bytes(-len(content) % 4)


def _prstatus(thread: CoreThread) -> bytes:
    status = bytearray(PRSTATUS)
    struct.pack_into("<I", status, PID_AT, thread.number)
    values = [thread.registers.get(name, 0) for name in NAMES]
    struct.pack_into(f"<{len(values)}I", status, REGISTERS_AT, *values)
    return bytes(status)


def _floats(thread: CoreThread) -> bytes:
    """Return d0 to d31, of which Cortex-M has half, and fpscr."""
    singles = [thread.registers.get(f"s{i}", 0) for i in range(32)]
    return struct.pack("<33I", *singles, 0).ljust(256, b"\0")[:256] + struct.pack(
        "<I", thread.registers.get("fpscr", 0)
    )


def _description(has_floats: bool) -> bytes:
    general = "\n".join(f'<reg name="r{i}" bitsize="32"/>' for i in range(13))
    doubles = "\n".join(f'<reg name="d{i}" bitsize="64" type="ieee_double"/>' for i in range(16))
    floats = _FLOATS.format(registers=doubles) if has_floats else ""
    return _M_PROFILE.format(registers=general, floats=floats).encode() + b"\0"
