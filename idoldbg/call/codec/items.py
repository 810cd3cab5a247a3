"""Items that ssmarshal and postcard write alike: little-endian, in their full size."""

from __future__ import annotations

import struct

from idoldbg.call.codec.serde import WireError

__all__ = [
    "LittleEndianReader",
    "LittleEndianWriter",
    "decode_float",
    "decode_utf8_char",
    "encode_float",
]


def encode_float(value: float, size: int) -> bytes:
    """Return the IEEE 754 format of `size` bytes, least significant first.

    A NaN keeps its sign and, where it fits, its payload; `struct` alone would not promise that.
    """
    if value == value:
        try:
            return struct.pack("<f" if size == 4 else "<d", value)
        except OverflowError:
            raise WireError(f"{value!r} does not fit in f{size * 8}") from None
    wide = int.from_bytes(struct.pack("<d", value), "little")
    if size == 8:
        return wide.to_bytes(8, "little")
    payload = (wide >> 29) & 0x7FFFFF
    return ((wide >> 63 << 31) | 0x7F800000 | (payload or 1 << 22)).to_bytes(4, "little")


def decode_float(data: bytes) -> float:
    """Read what `encode_float` writes; an f32 NaN is widened with its sign and payload."""
    (value,) = struct.unpack("<f" if len(data) == 4 else "<d", data)
    if value != value and len(data) == 4:
        bits = int.from_bytes(data, "little")
        wide = (bits >> 31 << 63) | (0x7FF << 52) | ((bits & 0x7FFFFF) << 29)
        (value,) = struct.unpack("<d", wide.to_bytes(8, "little"))
    return float(value)


def decode_utf8_char(data: bytes) -> tuple[str, int]:
    """Return the char at the front of `data` and its size in UTF-8."""
    for size in range(1, 5):
        try:
            text = data[:size].decode("utf-8")
        except UnicodeDecodeError:
            continue
        if len(text) == 1 and len(data) >= size:
            return text, size
    raise WireError("no UTF-8 char" if data else "1 byte wanted, 0 left")


class LittleEndianWriter:
    """The items that have one spelling everywhere; subclasses add char and variant."""

    def __init__(self) -> None:
        self._out = bytearray()

    @property
    def data(self) -> bytes:
        """Bytes written so far."""
        return bytes(self._out)

    def put_int(self, value: int, size: int, *, signed: bool) -> None:
        """Append an integer of `size` bytes."""
        try:
            self._out += value.to_bytes(size, "little", signed=signed)
        except OverflowError:
            raise WireError(f"{value} does not fit in {size} bytes") from None

    def put_float(self, value: float, size: int) -> None:
        """Append an f32 or f64."""
        self._out += encode_float(value, size)

    def put_bool(self, value: bool) -> None:
        """Append 0 or 1."""
        self._out.append(1 if value else 0)

    def put_bytes(self, data: bytes) -> None:
        """Append bytes as they are."""
        self._out += data


class LittleEndianReader:
    """Counterpart of `LittleEndianWriter`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.offset = 0

    def take_bytes(self, size: int) -> bytes:
        """Take bytes as they are."""
        part = self._data[self.offset : self.offset + size]
        if len(part) < size:
            raise WireError(f"{size} bytes wanted, {len(part)} left")
        self.offset += size
        return part

    def take_int(self, size: int, *, signed: bool) -> int:
        """Take an integer of `size` bytes."""
        return int.from_bytes(self.take_bytes(size), "little", signed=signed)

    def take_float(self, size: int) -> float:
        """Take an f32 or f64."""
        return decode_float(self.take_bytes(size))

    def take_bool(self) -> bool:
        """Take 0 or 1."""
        value = self.take_bytes(1)[0]
        if value > 1:
            raise WireError(f"{value} is neither false (0) nor true (1)")
        return value == 1
