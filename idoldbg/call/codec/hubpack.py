"""Hubpack (crate `hubpack` 0.1.2), the encoding of most Idol interfaces; also of Complex errors.

`max_size` is the crate's `SerializedSize::MAX_SIZE`. There is no char.
"""

from __future__ import annotations

from idoldbg._vendor import hubpack
from idoldbg.call.codec.serde import Format, SerdeCodec

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


class _Writer(hubpack.Writer):
    def put_char(self, value: str) -> None:
        raise hubpack.EncodeError(f"hubpack has no `char` (value {value!r})")


class _Reader(hubpack.Reader):
    def take_char(self) -> str:
        raise hubpack.DecodeError("hubpack has no `char`", self.offset)


_CODEC = SerdeCodec(
    Format(
        name="hubpack",
        make_writer=_Writer,
        make_reader=_Reader,
        errors=(hubpack.HubpackError,),
        int_sizes=frozenset({1, 2, 4, 8, 16}),
        max_char_size=None,
        max_variant_size=lambda count: 1,
        max_variants=256,
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
