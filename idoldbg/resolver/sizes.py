"""How many bytes an operation's message and reply take, and what the image itself says of it.

The computed sizes follow Idol's encodings: Zerocopy is the packed ARGS struct, hubpack and
ssmarshal the longest encoding of each field. An image holds the same sizes as the lengths of
buffers, which debug information shows (names from idolatry 0.5 `src/{client,server}.rs`):

| where | is |
| --- | --- |
| `<Iface>_<op>_ARGS`, under Zerocopy | the size of the message |
| `argsbuf` of a client's method | the longest message, where it is serialized |
| an array of u8 in the server's `main` | `INCOMING_SIZE`: the longest message of the interface |
| `reply_buf` in the server's `handle` | the longest reply, where it is serialized |
| `reply` of a client's method | the longest reply, that of a `Complex` error included |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from idol import ErrorKind
from idoldbg import codec
from idoldbg.errors import EncodeError
from idoldbg.types import Member, Type

if TYPE_CHECKING:
    from idoldbg.resolver.operation import ResolvedOperation

__all__ = ["DeclaredSize", "SizeOf", "WireSizes", "measure"]


class SizeOf(StrEnum):
    """What a size in the image is the size of."""

    ARGUMENTS = "arguments"
    REPLY = "reply"
    INCOMING = "longest message of the interface"


@dataclass(frozen=True, slots=True)
class DeclaredSize:
    """A size that the image itself shows, in bytes; `computed` is ours, None where unknown.

    `where` names the variable or struct, such as `task_jefe::main::buf`, `object` the task.
    """

    of: SizeOf
    size: int
    computed: int | None
    where: str
    object: str

    @property
    def agrees(self) -> bool:
        """Whether it is what was computed, as far as that is known."""
        return self.computed is None or self.size == self.computed


@dataclass(frozen=True, slots=True)
class WireSizes:
    """The longest of each, in bytes; None where a type is missing or cannot be encoded.

    `error_size` is that of a `Complex` error's bytes, 0 where errors are codes. `reply_size` is
    how much room a caller must offer: for Ssmarshal, servers demand the type's size in memory.
    `arguments_room` is how much room the server must have for the message.
    """

    arguments_size: int | None
    arguments_room: int | None
    ok_size: int | None
    error_size: int | None
    reply_size: int | None


def measure(operation: ResolvedOperation) -> WireSizes:
    """Compute the sizes of one operation from its types."""
    encoding = codec.for_encoding(operation.encoding)
    members: Sequence[Member] | None = operation.wire_members
    if len(operation.wire_members) != len(operation.arguments):
        members = None
    ok = operation.ok.type
    error = None if operation.error is None else operation.error.type
    is_complex = operation.error_kind is ErrorKind.COMPLEX
    error_size = _size(codec.hubpack.max_size, error) if is_complex else 0
    room = _size(encoding.reply_size, ok)
    return WireSizes(
        arguments_size=_total(encoding.max_size, members),
        arguments_room=_total(encoding.max_size, members)
        if operation.message is None
        else _size(encoding.reply_size, operation.message),
        ok_size=_size(encoding.max_size, ok),
        error_size=error_size,
        reply_size=None if room is None or error_size is None else max(room, error_size),
    )


def _size(size_of: Callable[[Type], int], type_: Type | None) -> int | None:
    if type_ is None:
        return None
    try:
        return size_of(type_)
    except EncodeError:
        return None


def _total(size_of: Callable[[Type], int], members: Sequence[Member] | None) -> int | None:
    if members is None:
        return None
    sizes = [_size(size_of, m.type) for m in members]
    return None if None in sizes else sum(s for s in sizes if s is not None)
