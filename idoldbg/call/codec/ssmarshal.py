"""Ssmarshal (crate `ssmarshal` 1.0.0), the older serde encoding of Idol interfaces.

Facts from the crate's `src/lib.rs`: integers, floats and bools as in hubpack, a variant is one
byte, a char its bare UTF-8; there are no 128-bit integers. It does not say that it is not text, so
serde takes it for human-readable (which a format is unless it says otherwise) and hands it
addresses (`core::net`) as strings, which it refuses. Idol's servers size a reply buffer by the
type's size in memory, not on the wire (idolatry, `src/server.rs`): see `reply_size`.
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
    "max_size",
    "name",
    "reply_size",
]


class _Writer(LittleEndianWriter):
    def put_char(self, value: str) -> None:
        self._out += value.encode("utf-8")

    def put_variant(self, index: int) -> None:
        if index > 0xFF:
            raise WireError(f"variant {index}: ssmarshal knows 256 variants")
        self._out.append(index)


class _Reader(LittleEndianReader):
    def take_char(self) -> str:
        text, size = decode_utf8_char(self._data[self.offset : self.offset + 4])
        self.offset += size
        return text

    def take_variant(self, count: int) -> int:
        index = self.take_bytes(1)[0]
        if index >= count:
            raise WireError(f"variant {index} of an enum that has {count}")
        return index


_CODEC = SerdeCodec(
    Format(
        name="ssmarshal",
        make_writer=_Writer,
        make_reader=_Reader,
        errors=(WireError,),
        int_sizes=frozenset({1, 2, 4, 8}),
        max_char_size=4,
        max_variant_size=lambda count: 1,
        max_variants=256,
        is_human_readable=True,
    ),
    reply_size=lambda type_: type_.size,
)
name = _CODEC.name
encode = _CODEC.encode
encode_arguments = _CODEC.encode_arguments
decode = _CODEC.decode
decode_arguments = _CODEC.decode_arguments
decode_prefix = _CODEC.decode_prefix
max_size = _CODEC.max_size
reply_size = _CODEC.reply_size
