"""Protocol on the socket of a running board: frames, requests, errors.

docs/board-protocol.md is the description for people. A frame is two little-endian 32-bit sizes, a
header (one JSON object in UTF-8) and a payload of bytes. Pure: bytes in, values out.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from idol.records import dataclass
from idoldbg.errors import FaultError, IdoldbgError, LinkError, LinkTimeout, Unsupported

__all__ = [
    "FrameReader",
    "MAX_OPERATIONS",
    "MAX_PAYLOAD",
    "MAX_WAIT_S",
    "BoardOperation",
    "PROTOCOL",
    "TAKEN",
    "ProtocolError",
    "decode_error",
    "decode_operations",
    "encode_error",
    "encode_frame",
    "is_number",
    "segment_list",
]

PROTOCOL = 1
MAX_HEADER = 256 << 10
MAX_PAYLOAD = 4 << 20
MAX_OPERATIONS = 256
MAX_REGISTERS = 128
MAX_TEXT = 4096
MAX_WAIT_S = 60.0
ADDRESS_END = 1 << 32

_SIZES = struct.Struct("<II")
Header = dict[str, Any]


class ProtocolError(Exception):
    """Bytes that are not a frame, or a malformed request; the connection must be closed."""


def encode_frame(header: Mapping[str, Any], payload: bytes = b"") -> bytes:
    """Return the bytes of one frame."""
    text = json.dumps(header, separators=(",", ":")).encode()
    return _SIZES.pack(len(text), len(payload)) + text + payload


class FrameReader:
    """Cuts a stream of bytes into frames. Its memory is bounded by the largest frame."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def is_empty(self) -> bool:
        """Whether no part of a frame has come yet."""
        return not self._buffer

    def feed(self, data: bytes) -> None:
        """Take bytes as they came."""
        self._buffer += data

    def take(self) -> tuple[Header, bytes] | None:
        """Return the next frame's header and payload, None before it is complete.

        Raises `ProtocolError`; a frame that is too large raises it as soon as its sizes are known.
        """
        if len(self._buffer) < _SIZES.size:
            return None
        header_size, payload_size = _SIZES.unpack_from(self._buffer)
        if not 0 < header_size <= MAX_HEADER or payload_size > MAX_PAYLOAD:
            raise ProtocolError(
                f"a frame of {header_size} + {payload_size} bytes: at most {MAX_HEADER} + "
                f"{MAX_PAYLOAD} are allowed"
            )
        body = _SIZES.size + header_size
        if len(self._buffer) < body + payload_size:
            return None
        text = bytes(self._buffer[_SIZES.size : body])
        payload = bytes(self._buffer[body : body + payload_size])
        del self._buffer[: body + payload_size]
        try:
            header = json.loads(text)
        except (ValueError, RecursionError):
            raise ProtocolError("a header that is not JSON") from None
        if not isinstance(header, dict):
            raise ProtocolError("a header that is not a JSON object")
        return header, payload


@dataclass(frozen=True, slots=True)
class BoardOperation:
    """One step of a request; `data` is its part of the payload."""

    name: str
    values: Mapping[str, Any]
    data: bytes = b""


# For each operation its fields: (kind, may be left out).
_FIELDS: dict[str, dict[str, tuple[str, bool]]] = {
    "read": {"address": ("address", False), "size": ("size", False)},
    "write": {"address": ("address", False), "size": ("size", False)},
    "registers": {"names": ("names", False)},
    "wait": {"seconds": ("seconds", False)},
    "halt": {},
    "resume": {},
    "hold": {},
    "lock": {"seconds": ("seconds", True)},
    "unlock": {},
    "release": {},
    "reset": {"halt": ("flag", True), "line": ("flag", True)},
    "uart": {},
    "uart-send": {"port": ("text", False), "size": ("size", False)},
    "flash": {
        "segments": ("segments", False),
        "archive": ("text", True),
        "image_id": ("text", True),
    },
    "name-image": {
        "segments": ("segments", False),
        "archive": ("text", False),
        "image_id": ("text", False),
    },
    "instrument-start": {"name": ("text", False), "settings": ("settings", False)},
    "instrument-take": {"name": ("text", False)},
    "instrument-stop": {"name": ("text", False)},
    "status": {},
}
TAKEN = 1 << 20
"""Bytes that an instrument gives at once; it is asked again until it has no more."""
_WITH_DATA = {"write", "uart-send", "flash", "name-image"}


def decode_operations(header: Header, payload: bytes) -> tuple[BoardOperation, ...]:
    """Check a whole request and return its operations; raise `ProtocolError`.

    Nothing of a request is done before all of it has been checked.
    """
    given = header.get("do")
    if not isinstance(given, list) or not 0 < len(given) <= MAX_OPERATIONS:
        raise ProtocolError(f"`do` is not a list of 1 to {MAX_OPERATIONS} operations")
    operations = []
    used = answer = 0
    for entry in given:
        name = entry.get("op") if isinstance(entry, dict) else None
        if not isinstance(name, str) or name not in _FIELDS:
            raise ProtocolError(f"no operation: {str(entry)[:80]}")
        values = _values(name, entry)
        size = _data_size(name, values)
        operations.append(BoardOperation(name, values, payload[used : used + size]))
        used += size
        answer += values["size"] if name == "read" else 0
        answer += TAKEN if name in ("instrument-take", "instrument-stop") else 0
    if used != len(payload):
        raise ProtocolError(f"a payload of {len(payload)} bytes, where {used} are spoken of")
    if answer > MAX_PAYLOAD:
        raise ProtocolError(f"{answer} bytes to read at once: at most {MAX_PAYLOAD} are allowed")
    return tuple(operations)


def _values(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    fields = _FIELDS[name]
    if unknown := entry.keys() - fields.keys() - {"op"}:
        raise ProtocolError(f"{name}: unknown {sorted(unknown)[0][:40]!r}")
    values = {}
    for field, (kind, optional) in fields.items():
        if field not in entry:
            if optional:
                continue
            raise ProtocolError(f"{name}: `{field}` is missing")
        if not _fits(kind, entry[field]):
            raise ProtocolError(f"{name}: invalid {kind} in `{field}`")
        values[field] = entry[field]
    if "address" in values and values["address"] + values["size"] > ADDRESS_END:
        raise ProtocolError(f"{name}: beyond the 32-bit address space")
    return values


def _fits(kind: str, value: Any) -> bool:
    match kind:
        case "address":
            return _is_integer(value, ADDRESS_END - 1)
        case "size":
            return _is_integer(value, MAX_PAYLOAD)
        case "seconds":
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            return number and 0 <= value <= MAX_WAIT_S  # no NaN is
        case "flag":
            return isinstance(value, bool)
        case "settings":
            return isinstance(value, dict)
        case "text":
            return isinstance(value, str) and len(value) <= MAX_TEXT
        case "names":
            return (
                isinstance(value, list)
                and len(value) <= MAX_REGISTERS
                and all(isinstance(v, str) and len(v) <= 32 for v in value)
            )
        case _:  # segments
            return (
                isinstance(value, list)
                and len(value) <= MAX_OPERATIONS
                and all(isinstance(v, list) and len(v) == 2 and _is_segment(*v) for v in value)
            )


def is_number(value: Any) -> TypeGuard[float]:
    """Return whether a value is what a float can hold: JSON's integers have any size."""
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and abs(value) <= sys.float_info.max
    )


def _is_integer(value: Any, highest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= highest


def _is_segment(address: Any, size: Any) -> bool:
    return (
        _is_integer(address, ADDRESS_END - 1)
        and _is_integer(size, MAX_PAYLOAD)
        and bool(address + size <= ADDRESS_END)
    )


def _data_size(name: str, values: Mapping[str, Any]) -> int:
    if name not in _WITH_DATA:
        return 0
    if "segments" in values:
        return sum(size for _, size in values["segments"])
    return int(values["size"])


def encode_error(error: IdoldbgError) -> Header:
    """Return an error as a header's `error`."""
    facts: Header = {"kind": type(error).__name__, "message": error.message[:MAX_TEXT]}
    if isinstance(error, FaultError):
        facts |= {"address": error.address, "size": error.size}
    elif isinstance(error, Unsupported):
        facts["capability"] = error.capability
    elif isinstance(error, LinkTimeout):
        facts["timeout_s"] = error.timeout_s
    return facts


def decode_error(facts: Any, link: str) -> IdoldbgError:
    """Return the error that a header's `error` stands for; any other kind is a `LinkError`."""
    if not isinstance(facts, dict):
        return LinkError(f"{link}: the board's process refused without a reason", link=link)
    message = str(facts.get("message", ""))[:MAX_TEXT]
    match facts.get("kind"):
        case "FaultError" if _is_integer(facts.get("address"), ADDRESS_END - 1):
            size = facts.get("size")
            return FaultError(
                message, address=facts["address"], size=size if isinstance(size, int) else 0
            )
        case "Unsupported":
            return Unsupported(message, capability=str(facts.get("capability", "")), link=link)
        case "LinkTimeout" if is_number(facts.get("timeout_s")):
            return LinkTimeout(message, timeout_s=float(facts["timeout_s"]), link=link)
    return LinkError(f"{link}: {message}", link=link)


def segment_list(segments: Sequence[tuple[int, bytes]]) -> list[list[int]]:
    """Return the `segments` of a `flash` operation whose payload is all the bytes in turn."""
    return [[address, len(data)] for address, data in segments]
