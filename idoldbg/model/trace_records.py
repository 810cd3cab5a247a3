"""Raw records of a task trace, as an emulated board writes them: bytes, before any meaning.

A record is a header (`HEADER`: kind, flags, size of what follows it, nanoseconds of board time) and
its fields. The registers are r4 to r11, which hold arguments and results of Hubris's
system calls (`sys/abi`). What memory a system call names is copied behind them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum

from idol.records import dataclass, field
from idoldbg.errors import DecodeError

__all__ = [
    "ENTER",
    "FAULT",
    "FROM_TABLE",
    "HEADER",
    "INDEX",
    "LOST",
    "NO_TASK",
    "SYSTEM_CALL",
    "Record",
    "RecordKind",
    "SysCall",
    "read_records",
    "whole_size",
]

NO_TASK = 0xFFFF
FROM_TABLE = 1
"""Flag of a call whose registers are from the task table: it counts if its task waits in a call."""
HEADER = struct.Struct("<BBHQ")
SYSTEM_CALL = struct.Struct("<H8IHH")
"""Task, r4 to r11, sizes of the two copies behind it: message, and table of leases or nothing."""
ENTER = struct.Struct("<HH")
"""Exception, task."""
INDEX = struct.Struct("<H")
"""Task; of `TASK`, the watched bytes of its entry follow."""
FAULT = struct.Struct("<HHIII")
"""Exception, task, program counter, CFSR's bits, address."""
LOST = struct.Struct("<I")


class RecordKind(IntEnum):
    """Kinds of records."""

    CALL = 1  # SYSTEM_CALL
    RESULT = 2  # SYSTEM_CALL
    SWITCH = 3  # INDEX
    ENTER = 4  # ENTER
    LEAVE = 5  # INDEX
    TASK = 6  # INDEX
    FAULT = 7  # FAULT
    RESET = 8
    RESTORED = 9
    LOST = 10  # LOST


class SysCall(IntEnum):
    """`abi::Sysnum` (Hubris's `sys/abi/src/lib.rs`)."""

    SEND = 0
    RECV = 1
    REPLY = 2
    SET_TIMER = 3
    BORROW_READ = 4
    BORROW_WRITE = 5
    BORROW_INFO = 6
    IRQ_CONTROL = 7
    PANIC = 8
    GET_TIMER = 9
    REFRESH_TASK_ID = 10
    POST = 11
    REPLY_FAULT = 12
    IRQ_STATUS = 13


@dataclass(frozen=True, slots=True)
class Record:
    """One record. `task` is an index or `NO_TASK`; the rest is set as its kind says.

    `number` is an exception's, or how many records were lost; `registers` are r4 to r11, which are
    `from_table` where the system call was made before the recording.
    """

    kind: RecordKind
    time_ns: int
    task: int = NO_TASK
    number: int = 0
    registers: tuple[int, ...] = ()
    data: bytes = field(default=b"", repr=False)
    leases: bytes = field(default=b"", repr=False)
    from_table: bool = False


def whole_size(data: bytes | bytearray) -> int:
    """Return how many bytes at the front of `data` are whole records."""
    at = 0
    while at + HEADER.size <= len(data):
        end = at + HEADER.size + int.from_bytes(data[at + 2 : at + 4], "little")
        if end > len(data):
            break
        at = end
    return at


def read_records(data: bytes) -> Iterator[Record]:
    """Cut bytes into records; raise `DecodeError` for what no recorder writes."""
    at = 0
    while at < len(data):
        try:
            number, flags, size, time_ns = HEADER.unpack_from(data, at)
            kind = RecordKind(number)
            body = data[at + HEADER.size : at + HEADER.size + size]
            if len(body) < size:
                raise ValueError("it is cut off")
            yield _read(kind, time_ns, body, from_table=bool(flags & FROM_TABLE))
        except (struct.error, ValueError) as error:
            raise DecodeError(
                f"not a trace: the record at byte {at}: {error}", type="trace", offset=at
            ) from None
        at += HEADER.size + size


def _read(kind: RecordKind, time_ns: int, body: bytes, *, from_table: bool) -> Record:
    match kind:
        case RecordKind.CALL | RecordKind.RESULT:
            task, *registers, size, lease_size = SYSTEM_CALL.unpack_from(body)
            rest = body[SYSTEM_CALL.size :]
            if len(rest) != size + lease_size:
                raise ValueError("its size is wrong")
            return Record(
                kind, time_ns, task, 0, tuple(registers), rest[:size], rest[size:], from_table
            )
        case RecordKind.SWITCH | RecordKind.LEAVE | RecordKind.TASK:
            task = INDEX.unpack_from(body)[0]
            return Record(kind, time_ns, task, data=body[INDEX.size :])
        case RecordKind.ENTER:
            number, task = ENTER.unpack(body)
            return Record(kind, time_ns, task, number)
        case RecordKind.FAULT:
            number, task, *registers = FAULT.unpack(body)
            return Record(kind, time_ns, task, number, tuple(registers))
        case RecordKind.LOST:
            return Record(kind, time_ns, number=LOST.unpack(body)[0])
    return Record(kind, time_ns)
