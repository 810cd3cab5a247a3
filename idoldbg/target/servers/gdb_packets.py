"""Packets of the GDB remote protocol. Pure: bytes in, values out.

Spec: "Debugging with GDB", appendix E: `$DATA#CHECKSUM`, escapes, run lengths, acknowledgements.
"""

from __future__ import annotations

import re

from idol.records import dataclass

__all__ = [
    "ACK",
    "INTERRUPT",
    "NACK",
    "GdbError",
    "Packet",
    "PacketReader",
    "Signal",
    "decode_error_reply",
    "decode_hex",
    "decode_memory",
    "decode_part",
    "decode_supported",
    "encode_binary",
    "encode_packet",
    "is_stop",
]

ACK, NACK, INTERRUPT = b"+", b"-", b"\x03"
_ESCAPED = b"#$}*"
MAX_PACKET = 1 << 18
MAX_NOISE = 1 << 12
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2})*")
_ERROR = re.compile(rb"E(?:[0-9a-fA-F]{2}|\..*)", re.DOTALL)


class GdbError(Exception):
    """Bytes that are not of this protocol, or an answer that makes no sense."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet; `data` is None where the checksum does not fit what came."""

    data: bytes | None


@dataclass(frozen=True, slots=True)
class Signal:
    """An acknowledgement between packets; `again` asks for the packet once more."""

    again: bool


def encode_packet(data: bytes) -> bytes:
    """Return the bytes of a packet whose data holds no byte that needs an escape."""
    return b"$%b#%02x" % (data, sum(data) & 0xFF)


def encode_binary(data: bytes) -> bytes:
    """Return data with its escapes, as `X` takes it."""
    return b"".join(
        bytes((0x7D, byte ^ 0x20)) if byte in _ESCAPED else bytes((byte,)) for byte in data
    )


class PacketReader:
    """Cuts a stream of bytes into packets and acknowledgements. Its memory is bounded."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._noise = 0

    def feed(self, data: bytes) -> None:
        """Take bytes as they came."""
        self._buffer += data

    def take(self) -> Packet | Signal | None:
        """Return what comes next, None before it is complete; raise `GdbError`."""
        while self._buffer:
            first = self._buffer[0]
            if first in (ACK[0], NACK[0]):
                del self._buffer[0]
                return Signal(first == NACK[0])
            if first in b"$%":
                end = self._buffer.find(b"#")
                if end < 0 or len(self._buffer) < end + 3:
                    if len(self._buffer) > MAX_PACKET:
                        raise GdbError(f"a packet of more than {MAX_PACKET} bytes")
                    return None
                body = bytes(self._buffer[1:end])
                checksum = bytes(self._buffer[end + 1 : end + 3])
                del self._buffer[: end + 3]
                if first == b"%"[0]:
                    continue  # a notification; none was asked for
                return Packet(_unpack(body, checksum))
            # Between packets there should be nothing; some servers greet, or end lines.
            del self._buffer[0]
            self._noise += 1
            if self._noise > MAX_NOISE:
                raise GdbError("it does not speak the GDB remote protocol")
        return None


def _unpack(body: bytes, checksum: bytes) -> bytes | None:
    """Return the data of a packet without escapes and run lengths, None for a wrong checksum."""
    try:
        expected = int(checksum, 16)
    except ValueError:
        return None
    if sum(body) & 0xFF != expected:
        return None
    if b"}" not in body and b"*" not in body:
        return body
    found = bytearray()
    rest = iter(body)
    for byte in rest:
        if byte == 0x7D:  # }
            found.append(next(rest, 0x20) ^ 0x20)
        elif byte == 0x2A:  # *: what was last, so many times more
            count = next(rest, 0) - 29
            if not found or not 3 <= count <= 97:
                return None
            found += found[-1:] * count
        else:
            found.append(byte)
        if len(found) > MAX_PACKET:
            raise GdbError(f"a packet of more than {MAX_PACKET} bytes")
    return bytes(found)


def decode_supported(reply: bytes) -> dict[str, str]:
    """Return what a server says of itself: `PacketSize` → `4000`, `QStartNoAckMode` → `+`."""
    found = {}
    for part in reply.decode(errors="replace").split(";")[:256]:
        name, equals, value = part.partition("=")
        if equals:
            found[name] = value
        elif part[-1:] in ("+", "-", "?"):
            found[part[:-1]] = part[-1]
    return found


def decode_error_reply(reply: bytes) -> str | None:
    """Return the error that a reply is, such as `E01`, None for any other."""
    if _ERROR.fullmatch(reply) is None:
        return None
    return reply.decode(errors="replace")[:200]


def decode_hex(reply: bytes) -> bytes:
    """Return the bytes of a reply in hexadecimal; raise `GdbError`."""
    if _HEX.fullmatch(reply) is None:
        raise GdbError(
            f"an answer that is not hexadecimal: `{reply[:40].decode(errors='replace')}`"
        )
    return bytes.fromhex(reply.decode())


def decode_memory(reply: bytes, size: int) -> bytes:
    """Return what `m` read, fewer bytes than `size` where memory ends; raise `GdbError`."""
    data = decode_hex(reply)
    if not data or len(data) > size:
        raise GdbError(f"{len(data)} bytes where {size} were asked for")
    return data


def decode_part(reply: bytes) -> tuple[bytes, bool]:
    """Return a part of what `qXfer` reads, and whether it is the last; raise `GdbError`."""
    if reply[:1] not in (b"m", b"l"):
        raise GdbError("an answer to qXfer that is none")
    return reply[1:], reply[:1] == b"l"


def is_stop(data: bytes) -> bool:
    """Return whether a packet says that the target has stopped, or ended."""
    return data[:1] in (b"T", b"S", b"W", b"X", b"N") and len(data) >= 3
