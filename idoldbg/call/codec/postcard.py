"""Postcard 0.7, in which HIF programs and their results are written.

Facts from the crate's `src/ser/serializer.rs` and `src/de/deserializer.rs`, version 0.7.3: unlike
postcard 1.x, integers are little-endian in their full size. Only lengths and variants are varints:
seven bits a byte, least significant first, the top bit set on all but the last byte, and no more
bytes than a usize of the *reading* machine can need (5 on a 32-bit target). A char is its UTF-8
behind its length.
"""

from __future__ import annotations

from idoldbg.call.codec.items import LittleEndianReader, LittleEndianWriter, decode_utf8_char
from idoldbg.call.codec.serde import Format, SerdeCodec, WireError

__all__ = [
    "decode",
    "decode_arguments",
    "decode_prefix",
    "encode",
    "encode_arguments",
    "encode_varint",
    "max_size",
    "name",
    "reply_size",
    "take_varint",
]


def encode_varint(value: int) -> bytes:
    """Return a length or a variant's index."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def take_varint(data: bytes, offset: int = 0, *, usize_bits: int = 32) -> tuple[int, int]:
    """Return a varint and the offset after it; raise `WireError`.

    `usize_bits` is the word size of the machine whose reader is followed. As there, bits that do
    not fit in the word are lost.
    """
    value = 0
    for index in range((usize_bits + 7) // 7):
        if offset + index >= len(data):
            raise WireError("1 byte wanted, 0 left")
        byte = data[offset + index]
        value |= (byte & 0x7F) << (7 * index)
        if not byte & 0x80:
            return value & ((1 << usize_bits) - 1), offset + index + 1
    raise WireError("a varint that does not end")


class _Writer(LittleEndianWriter):
    def put_char(self, value: str) -> None:
        data = value.encode("utf-8")
        self._out += encode_varint(len(data)) + data

    def put_variant(self, index: int) -> None:
        self._out += encode_varint(index)


class _Reader(LittleEndianReader):
    def take_char(self) -> str:
        size, self.offset = take_varint(self._data, self.offset)
        if size > 4:
            raise WireError(f"a char of {size} bytes")
        # As upstream, only the first char of these bytes counts; they must all be UTF-8.
        data = self.take_bytes(size)
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            raise WireError("no UTF-8 char") from None
        return decode_utf8_char(data)[0]

    def take_variant(self, count: int) -> int:
        index, self.offset = take_varint(self._data, self.offset)
        if index >= count:
            raise WireError(f"variant {index} of an enum that has {count}")
        return index


_CODEC = SerdeCodec(
    Format(
        name="postcard",
        make_writer=_Writer,
        make_reader=_Reader,
        errors=(WireError,),
        int_sizes=frozenset({1, 2, 4, 8, 16}),
        max_char_size=5,
        max_variant_size=lambda count: len(encode_varint(max(count - 1, 0))),
    )
)
name = _CODEC.name
encode = _CODEC.encode
encode_arguments = _CODEC.encode_arguments
decode = _CODEC.decode
decode_arguments = _CODEC.decode_arguments
decode_prefix = _CODEC.decode_prefix
max_size = _CODEC.max_size
reply_size = _CODEC.reply_size
