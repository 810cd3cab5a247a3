"""Sizes of an operation's message and reply, computed and as found in the image.

The computed sizes follow Idol's encodings: Zerocopy is the packed ARGS struct, hubpack and
ssmarshal the longest encoding of each field. An image holds the same sizes as the lengths of
buffers, which debug information shows (names from idolatry 0.5 `src/{client,server}.rs`):

| where | is |
| --- | --- |
| `<Iface>_<op>_ARGS`, under Zerocopy | the size of the message |
| `argsbuf` of a client's method | the longest message, where it is serialized |
| an array of u8 in the server's `main` | `INCOMING_SIZE`: the longest message of the interface |
| `reply_buf` in the server's `handle` | the longest ok or error value, where it is serialized |
| `reply` of a client's method | the longest reply, that of a `Complex` error included |

The constants themselves (`INCOMING_SIZE`, `<OP>_REPLY_SIZE`) are not there: rustc writes no
`const` to debug information.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from idol import Encoding, ErrorKind
from idol.records import dataclass
from idoldbg.build.debuginfo import DebugInfo
from idoldbg.call import codec
from idoldbg.errors import EncodeError
from idoldbg.model.symbols import Block
from idoldbg.model.types import Array, Member, Type, short_name
from idoldbg.resolver.evidence import is_arm

if TYPE_CHECKING:
    from idoldbg.resolver.operation import ResolvedOperation

__all__ = [
    "DeclaredSize",
    "SizeOf",
    "WireSizes",
    "find_contradiction",
    "find_declared",
    "find_incoming",
    "measure",
]


class SizeOf(StrEnum):
    """Subject of a size in the image."""

    ARGUMENTS = "arguments"
    OK = "ok value"
    ERROR = "error value"
    REPLY = "reply, whether ok or error"
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
        """Return whether it agrees with the computed size, as far as known."""
        return self.computed is None or self.size == self.computed

    @property
    def message(self) -> str:
        """Description of the size beside the computed one."""
        return (
            f"{self.where} (in `{self.object}`) has {self.size} bytes for the {self.of}, which "
            f"takes {self.computed} by its types"
        )


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


# ---- what the image shows ------------------------------------------------------------------------

# Names of the buffer that a server receives messages in, besides `incoming`, in Hubris.
_INCOMING = frozenset({"buffer", "buf", "msgbuf"})
_REPLIES = frozenset({"reply_buf", "reply", "idol_reply"})


def find_declared(
    operation: ResolvedOperation,
    handlers: Iterable[Block],
    objects: Iterable[DebugInfo],
) -> Iterator[DeclaredSize]:
    """Find the sizes of one operation that an image shows.

    `handlers` are what dispatches to the server's methods (`evidence.find_handlers`); clients are
    searched for in `objects`.
    """
    message = operation.message
    sizes = operation.wire
    if message is not None and operation.encoding is Encoding.ZEROCOPY:
        yield DeclaredSize(
            SizeOf.ARGUMENTS, message.size, sizes.arguments_size, message.name, operation.task
        )
    stem = f"{operation.interface}_{operation.operation}"
    encoding = codec.for_encoding(operation.encoding)
    ok_room = _size(encoding.reply_size, operation.ok.type)
    for block in handlers:
        if is_arm(block, stem):
            for of, name, size in _reply_buffers(block, in_error=False):
                computed = ok_room if of is SizeOf.OK else sizes.error_size
                where = f"`{name}` of the server's `handle`"
                yield DeclaredSize(of, size, computed, where, operation.task)
    for info in objects:
        for body in info.find_bodies(operation.name.replace(".", "::")):
            for name, size in _buffers(body):
                where = f"{body.full_name}::{name}"
                if name in ("reply", "idol_reply"):
                    yield DeclaredSize(SizeOf.REPLY, size, sizes.reply_size, where, info.name)
                elif name == "argsbuf":
                    room = sizes.arguments_room
                    yield DeclaredSize(SizeOf.ARGUMENTS, size, room, where, info.name)


def _reply_buffers(block: Block, *, in_error: bool) -> Iterator[tuple[SizeOf, str, int]]:
    """Find the buffers that replies are serialized into, under the variable of what is in them."""
    for name, type_ in block.variables:
        in_error = in_error or name in ("e", "error", "idol_error") or _is_request_error(type_)
        if name in _REPLIES and isinstance(type_, Array) and type_.is_byte_array:
            yield SizeOf.ERROR if in_error else SizeOf.OK, name, type_.count
    for inner in block.blocks:
        yield from _reply_buffers(inner, in_error=in_error)


def _is_request_error(type_: Type) -> bool:
    return short_name(type_.name).startswith("RequestError<")


def find_incoming(
    server: DebugInfo, interface: str, operations: Sequence[ResolvedOperation]
) -> DeclaredSize | None:
    """Find how long a message the server of an interface has room for; None where that is unseen.

    `operations` are all of the interface.
    """
    rooms = [o.wire.arguments_room for o in operations]
    known = [room for room in rooms if room is not None]
    computed = max(known, default=0) if len(known) == len(rooms) else None
    for body in _mains(server, interface):
        found = _incoming(list(_buffers(body)), computed)
        if found is not None:
            if computed is not None and found[1] == sum(known):
                computed = found[1]  # the stubs of 2021 had room for all messages at once
            where = f"{body.full_name}::{found[0]}"
            return DeclaredSize(SizeOf.INCOMING, found[1], computed, where, server.name)
    return None


def find_contradiction(
    operation: ResolvedOperation, handlers: Callable[[], Iterable[Block]], server: DebugInfo
) -> str:
    """Return which size in the server's code contradicts an operation's types; "" for none.

    Only where something is serialized: packed messages are compared field by field.
    """
    is_serialized = operation.encoding is not Encoding.ZEROCOPY
    if not is_serialized and operation.error_kind is not ErrorKind.COMPLEX:
        return ""
    for declared in find_declared(operation, handlers(), (server,)):
        if not declared.agrees:
            return declared.message
    room = operation.wire.arguments_room
    if is_serialized and room:
        for where, size in _incoming_buffers(server, operation.interface):
            if size < room:
                return DeclaredSize(SizeOf.ARGUMENTS, size, room, where, server.name).message
    return ""


def _incoming_buffers(server: DebugInfo, interface: str) -> Iterator[tuple[str, int]]:
    """Find the arrays called `incoming` in the server's `main`."""
    for body in _mains(server, interface):
        for name, size in _buffers(body):
            if name == "incoming":
                yield f"{body.full_name}::{name}", size


def _mains(server: DebugInfo, interface: str) -> Iterator[Block]:
    """Find the `main` of the crates that serve an interface."""
    crates = {t.name.partition("::")[0] for t in server.find_types(f"{interface}Operation")}
    for body in server.find_bodies("main"):
        if body.full_name.rpartition("::")[0] in crates:
            yield body


def _incoming(buffers: Sequence[tuple[str, int]], computed: int | None) -> tuple[str, int] | None:
    """Choose the buffer that messages come in, among the arrays of u8 in `main`.

    Only a telling name makes one of another size than expected the buffer: `main` may have arrays
    for other ends.
    """
    for buffer in buffers:
        if buffer[0] == "incoming" or (len(buffers) == 1 and buffer[0] in _INCOMING):
            return buffer
    return next((b for b in buffers if b[1] == computed), None)


def _buffers(block: Block) -> Iterator[tuple[str, int]]:
    """Find the arrays of u8 among a function's variables."""
    for name, type_ in block.variables:
        if isinstance(type_, Array) and type_.is_byte_array:
            yield name, type_.count
    for inner in block.blocks:
        yield from _buffers(inner)
