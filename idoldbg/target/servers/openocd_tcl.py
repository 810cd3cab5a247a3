"""Commands for OpenOCD's Tcl port, and what its answers mean. Pure: strings in, values out.

A command and an answer are text that ends with the byte 0x1a (OpenOCD user's guide, "Tcl RPC
server"). An answer says nothing of whether the command failed, so each is run in a `catch`, in a
lambda of its own, which leaves no variables behind.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from idol.records import dataclass

__all__ = [
    "END",
    "Malformed",
    "Outcome",
    "ReadOutcome",
    "Transfer",
    "decode_outcome",
    "decode_reads",
    "decode_registers",
    "encode_command",
    "encode_reads",
    "encode_write",
    "plan_reads",
    "plan_writes",
    "register_name",
]

END = b"\x1a"
CHUNK_BYTES = 2048  # of memory in one `read_memory` or `write_memory`: a line of 6 KB of text
_VALUE = re.compile(r"0x([0-9a-fA-F]{1,16})|([0-9]{1,10})")
_REASON_LIMIT = 400


class Malformed(Exception):
    """An answer that OpenOCD does not give; the connection must be closed."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One access: `count` elements of `width` bytes, aligned to their width."""

    address: int
    width: int
    count: int

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self.width * self.count


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a command, or the error message of the one that failed."""

    text: str
    failed: bool


@dataclass(frozen=True, slots=True)
class ReadOutcome:
    """Bytes of several reads, up to the first that failed, and its error."""

    data: tuple[bytes, ...]
    error: str | None


def encode_command(command: str) -> bytes:
    """Return the bytes that run a command and tell a result (`=`) from an error (`!`)."""
    body = f'if {{[catch {{{command}}} r]}} {{return "!$r"}} else {{return "=$r"}}'
    return f"apply {{{{}} {{{body}}}}}".encode() + END


def decode_outcome(answer: bytes) -> Outcome:
    """Return what an answer to `encode_command` means; raise `Malformed`."""
    text = answer.decode(errors="replace")
    if text[:1] not in ("=", "!"):
        raise Malformed(f"it answered `{text[:60]}`, not as OpenOCD's Tcl port does")
    return Outcome(text[1:].strip()[: _REASON_LIMIT if text[0] == "!" else None], text[0] == "!")


def encode_reads(transfers: Sequence[Transfer]) -> bytes:
    """Return the bytes that read several pieces of memory, in order, up to the first failure."""
    wanted = " ".join(f"0x{t.address:x} {t.width * 8} {t.count}" for t in transfers)
    loop = (
        "foreach {a w n} $wanted {"
        'if {[catch {read_memory $a $w $n} r]} {return "$read!$r"}; append read $r ";"}'
    )
    body = f'set read ""; {loop}; return $read'
    return f"apply {{{{wanted}} {{{body}}}}} {{{wanted}}}".encode() + END


def decode_reads(transfers: Sequence[Transfer], answer: bytes) -> ReadOutcome:
    """Return what an answer to `encode_reads` means; raise `Malformed`."""
    values, failed, reason = answer.decode(errors="replace").partition("!")
    *parts, rest = values.split(";")
    complete = len(parts) <= len(transfers) if failed else len(parts) == len(transfers)
    if rest.strip() or not complete:
        raise Malformed(f"it answered `{values[:60]}` where memory was asked for")
    data = tuple(_to_bytes(t, part) for t, part in zip(transfers, parts, strict=False))
    return ReadOutcome(data, reason.strip()[:_REASON_LIMIT] if failed else None)


def _to_bytes(transfer: Transfer, text: str) -> bytes:
    words = text.split()
    if len(words) != transfer.count:
        raise Malformed(f"it answered {len(words)} values where {transfer.count} were asked for")
    try:
        return b"".join(_number(w).to_bytes(transfer.width, "little") for w in words)
    except OverflowError:
        raise Malformed(f"it answered a value of more than {transfer.width} bytes") from None


def encode_write(transfer: Transfer, data: bytes) -> bytes:
    """Return the bytes that write `data`, all of a transfer."""
    width = transfer.width
    values = " ".join(
        hex(int.from_bytes(data[at : at + width], "little")) for at in range(0, len(data), width)
    )
    return encode_command(f"write_memory 0x{transfer.address:x} {width * 8} {{{values}}}")


def plan_reads(address: int, size: int) -> tuple[Transfer, ...]:
    """Return the accesses that read a range.

    1 or 2 aligned bytes are one access of that width; others are rounded out to whole words.
    """
    if size in (1, 2) and address % size == 0:
        return (Transfer(address, size, 1),)
    start, end = address & ~3, (address + size + 3) & ~3
    return tuple(
        Transfer(at, 4, min(CHUNK_BYTES, end - at) // 4) for at in range(start, end, CHUNK_BYTES)
    )


def plan_writes(address: int, size: int) -> tuple[Transfer, ...]:
    """Return the aligned accesses that write a range, and nothing beside it."""
    found = []
    at, end = address, address + size
    while at < end:
        left = end - at
        width = 4 if at % 4 == 0 and left >= 4 else 2 if at % 2 == 0 and left >= 2 else 1
        count = min(left, CHUNK_BYTES) // 4 if width == 4 else 1
        found.append(Transfer(at, width, count))
        at += width * count
    return tuple(found)


# Our names in lower case → OpenOCD's (`src/target/armv7m.c`, `armv7m_regs`).
_CORE = {
    **{f"r{n}": f"r{n}" for n in range(13)},
    "sp": "sp",
    "r13": "sp",
    "lr": "lr",
    "r14": "lr",
    "pc": "pc",
    "r15": "pc",
    "xpsr": "xPSR",
    **{n: n for n in ("msp", "psp", "primask", "basepri", "faultmask", "control", "fpscr")},
}


def register_name(name: str) -> tuple[str, int] | None:
    """Return OpenOCD's name of a register, and by how many bits ours is shifted in it."""
    key = name.lower()
    if key in _CORE:
        return _CORE[key], 0
    if re.fullmatch(r"s(\d|[12]\d|3[01])", key):  # halves of double registers
        number = int(key[1:])
        return f"d{number // 2}", 32 * (number % 2)
    return None


def decode_registers(text: str, name: str) -> int:
    """Return the value in the result of `get_reg {NAME}`; raise `Malformed`."""
    words = text.split()
    if len(words) != 2 or words[0] != name:
        raise Malformed(f"it answered `{text[:60]}` where register {name} was asked for")
    return _number(words[1])


def _number(text: str) -> int:
    match = _VALUE.fullmatch(text)
    if match is None:
        raise Malformed(f"it answered `{text[:40]}` where a number was asked for")
    return int(match[1], 16) if match[1] else int(match[2])
