"""Single items of the format, and the errors.

Facts taken from the crate `hubpack` 0.1.2 (`src/ser.rs`, `src/de.rs`): integers and floats are
little-endian in their full size; a bool and the presence of an Option are one byte, 0 or 1; a
variant is its index in declaration order in one byte; tuples, arrays and structs are their elements
and nothing else; `()` is nothing. There are no strings, sequences or maps, and no `char`.
"""

from __future__ import annotations

import struct

__all__ = ["DecodeError", "EncodeError", "HubpackError", "Reader", "Writer"]


class HubpackError(ValueError):
    """Root of this package's errors."""


class EncodeError(HubpackError):
    """A value that does not fit its schema, or that the format cannot express."""


class DecodeError(HubpackError):
    """Bytes that are not an encoding of the schema; `offset` counts from their start."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(f"{message} at offset {offset}")
        self.message = message
        self.offset = offset


# Sign bit, exponent mask and mantissa size of the two IEEE 754 formats, by size in bytes.
_FLOATS = {4: ("<f", 23), 8: ("<d", 52)}


class Writer:
    """Collects encoded items; `data` is what there is so far."""

    def __init__(self) -> None:
        self._out = bytearray()

    @property
    def data(self) -> bytes:
        return bytes(self._out)

    def put_int(self, value: int, size: int, *, signed: bool) -> None:
        """Append an integer of `size` bytes."""
        try:
            self._out += value.to_bytes(size, "little", signed=signed)
        except OverflowError:
            kind = "i" if signed else "u"
            raise EncodeError(f"{value} does not fit in {kind}{size * 8}") from None

    def put_float(self, value: float, size: int) -> None:
        """Append an f32 or f64; a NaN keeps its sign and payload as far as they fit."""
        form, mantissa = _FLOATS[size]
        if value != value:
            bits = int.from_bytes(struct.pack("<d", value), "little")
            if size == 4:
                payload = (bits >> 29) & 0x7FFFFF
                bits = (bits >> 63 << 31) | (0xFF << mantissa) | (payload or 1 << 22)
            self._out += bits.to_bytes(size, "little")
            return
        try:
            self._out += struct.pack(form, value)
        except OverflowError:
            raise EncodeError(f"{value!r} does not fit in f{size * 8}") from None

    def put_bool(self, value: bool) -> None:
        """Append a bool, or the presence of an Option."""
        self._out.append(1 if value else 0)

    def put_variant(self, index: int) -> None:
        """Append the index of an enum's variant."""
        if not 0 <= index <= 0xFF:
            raise EncodeError(f"variant {index}: the format knows 256 variants")
        self._out.append(index)

    def put_bytes(self, data: bytes) -> None:
        """Append an array of u8."""
        self._out += data


class Reader:
    """Takes items from the front of `data`; `offset` is where the next one starts."""

    def __init__(self, data: bytes, offset: int = 0) -> None:
        self._data = data
        self.offset = offset

    def take_bytes(self, size: int) -> bytes:
        """Take an array of u8."""
        part = self._data[self.offset : self.offset + size]
        if len(part) < size:
            raise DecodeError(
                f"{size} bytes wanted, {len(part)} left", min(self.offset, len(self._data))
            )
        self.offset += size
        return part

    def take_int(self, size: int, *, signed: bool) -> int:
        """Take an integer of `size` bytes."""
        return int.from_bytes(self.take_bytes(size), "little", signed=signed)

    def take_float(self, size: int) -> float:
        """Take an f32 or f64; an f32 NaN is widened with its sign and payload."""
        form, _ = _FLOATS[size]
        data = self.take_bytes(size)
        (value,) = struct.unpack(form, data)
        if size == 4 and value != value:
            bits = int.from_bytes(data, "little")
            wide = (bits >> 31 << 63) | (0x7FF << 52) | ((bits & 0x7FFFFF) << 29)
            (value,) = struct.unpack("<d", wide.to_bytes(8, "little"))
        return float(value)

    def take_bool(self) -> bool:
        """Take a bool, or the presence of an Option."""
        at = self.offset
        value = self.take_bytes(1)[0]
        if value > 1:
            raise DecodeError(f"{value} is neither false (0) nor true (1)", at)
        return value == 1

    def take_variant(self, count: int) -> int:
        """Take the index of a variant of an enum that has `count` of them."""
        at = self.offset
        index = self.take_bytes(1)[0]
        if index >= count:
            raise DecodeError(f"variant {index} of an enum that has {count}", at)
        return index
