"""Values from bytes and back, in the encodings that Hubris speaks.

| module | for |
| --- | --- |
| `image` | memory itself: statics, and Idol's `Zerocopy` arguments and replies |
| `hubpack` | Idol's `Hubpack`, and every `Complex` error |
| `ssmarshal` | Idol's `Ssmarshal` |
| `postcard` | HIF programs and results |

Each has the functions of `Codec`. All are pure, and safe on hostile bytes and types.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from idol.near import near_misses
from idoldbg.call.codec import image
from idoldbg.errors import NotFound
from idoldbg.model.types import Member, Type
from idoldbg.model.values import Value

__all__ = ["Codec", "for_encoding"]


class Codec(Protocol):
    """Protocol that each codec module implements."""

    @property
    def name(self) -> str:
        """The encoding's name in Idol files, in lower case."""

    def encode(self, value: Value) -> bytes:
        """Return the encoding of a value; raise `EncodeError`."""

    def encode_arguments(self, members: Sequence[Member], values: Sequence[Value]) -> bytes:
        """Return a call's message from the members of its ARGS struct and their values.

        A bool or C-like enum whose member is an integer (`raw_…`) is written as that integer.
        """

    def decode(self, type_: Type, data: bytes) -> Value:
        """Return the value at the front of `data`, whatever follows; raise `DecodeError`."""

    def decode_arguments(self, members: Sequence[Member], data: bytes) -> tuple[Value, ...]:
        """Return the members' values from a call's message."""

    def max_size(self, type_: Type) -> int:
        """Return the size of the longest encoding of a value of that type."""

    def reply_size(self, type_: Type) -> int:
        """Return how large a reply buffer the server demands for that type."""


_NAMES = ("zerocopy", "hubpack", "ssmarshal")


def for_encoding(name: str) -> Codec:
    """Return the codec of an Idol operation's `encoding` (`Zerocopy`, `Hubpack`, `Ssmarshal`)."""
    match name.lower():
        case "zerocopy":
            return image.PACKED
        case "hubpack":
            from idoldbg.call.codec import hubpack  # each loads when an operation speaks it

            return hubpack
        case "ssmarshal":
            from idoldbg.call.codec import ssmarshal

            return ssmarshal
    raise NotFound("encoding", name, near=near_misses(name, _NAMES))
