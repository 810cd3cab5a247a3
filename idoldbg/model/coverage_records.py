"""Raw records of coverage, as an emulated board writes them: lines of ASCII, before any meaning."""

from __future__ import annotations

from collections.abc import Iterator

from idol.records import dataclass
from idoldbg.errors import DecodeError

__all__ = ["BlockRecord", "MessageRecord", "encode_record", "read_coverage_records"]

ADDRESS_END = 1 << 32


@dataclass(frozen=True, slots=True)
class BlockRecord:
    """Code that was executed: `size` bytes from `address`."""

    address: int
    size: int


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """A message that was answered: the server's index, the message's number, the response code.

    `data` has the first bytes of an answer whose code is not 0.
    """

    server: int
    code: int
    response: int
    data: bytes = b""


def encode_record(record: BlockRecord | MessageRecord) -> bytes:
    """Return a record as one line."""
    if isinstance(record, BlockRecord):
        return f"b {record.address:x} {record.size:x}\n".encode()
    facts = f"{record.server:x} {record.code:x} {record.response:x}"
    return f"m {facts} {record.data.hex() or '-'}\n".encode()


def read_coverage_records(data: bytes) -> Iterator[BlockRecord | MessageRecord]:
    """Read lines; a last one that was cut off is left out. Raises `DecodeError`."""
    lines = data.split(b"\n")[:-1]
    for number, line in enumerate(lines, 1):
        record = _read(line)
        if record is None:
            raise DecodeError(f"not a record of coverage: line {number}", type="coverage")
        yield record


def _read(line: bytes) -> BlockRecord | MessageRecord | None:
    try:
        kind, *fields = line.decode("ascii").split(" ")
        if kind == "b":
            address, size = (int(each, 16) for each in fields)
            if address >= 0 and size > 0 and address + size <= ADDRESS_END:
                return BlockRecord(address, size)
        elif kind == "m":
            server, code, response = (int(each, 16) for each in fields[:3])
            (text,) = fields[3:]
            data = b"" if text == "-" else bytes.fromhex(text)
            if min(server, code, response) >= 0:
                return MessageRecord(server, code, response, data)
    except ValueError:  # of numbers, and of how many there are
        pass
    return None
