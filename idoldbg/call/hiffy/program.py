"""Calls as HIF programs, within the limits of the image's hiffy; results as outcomes.

Stack layout of the functions: Hubris, `task/hiffy/src/common.rs`. From the bottom: task, operation
code, the payload a byte an entry, its length, the size of the reply buffer, the size of the read
lease, the size of the write lease (the last two only for the functions that have them). Reply and
write lease share the scratch area, which then is the function's result; the read lease is the
start of HIFFY_DATA.

Everything is checked here, before anything is written to the target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from idol.records import dataclass
from idoldbg.call.hif.encode import encode_program
from idoldbg.call.hif.ops import Op, Opcode, push
from idoldbg.call.hif.results import DONE_SIZE, FAILED_SIZE, Failed, FunctionResult, success_size
from idoldbg.call.hiffy.layout import HiffyFunction, HiffyLayout
from idoldbg.call.message import (
    ErrorReply,
    Lease,
    Message,
    Outcome,
    RawReply,
    ReadLease,
    ServerDeath,
    WriteLease,
)
from idoldbg.call.transport import Room
from idoldbg.errors import LimitExceeded, NotCallable

__all__ = [
    "PAYLOAD_LIMIT",
    "SHAPES",
    "STACK_LENGTH",
    "HifProgram",
    "Shape",
    "find_function",
    "find_shape",
    "measure_room",
    "build_program",
    "interpret",
    "split_batches",
]

STACK_LENGTH = 32
"""Entries of the stack (`main.rs`), not visible in DWARF."""
SEAL_SIZE = 12
"""Bytes after a program that tell it from all others (`mailbox.py`), where there is room."""
PAYLOAD_LIMIT = 32
"""Bytes of the array in which the functions collect a payload (`common.rs`)."""

_DEAD = 0xFFFFFF00  # a response code of the kernel: the peer died; the low byte is its generation


@dataclass(frozen=True, slots=True)
class HifProgram:
    """A program ready to be written.

    `result_size` is the most that its results can take of the return stack, `messages` are the
    calls behind the results (none for a program made otherwise).
    """

    text: bytes
    data: bytes
    result_size: int
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Shape:
    """Call of a combination of leases: hiffy's function, and its arguments.

    `extra` counts the stack entries besides the payload.
    """

    function: str
    extra: int

    @property
    def payload_room(self) -> int:
        """The most bytes of arguments."""
        return min(PAYLOAD_LIMIT, STACK_LENGTH - self.extra)


SHAPES: Mapping[tuple[type[Lease], ...], Shape] = {
    (): Shape("Send", 4),
    (ReadLease,): Shape("SendLeaseRead", 5),
    (WriteLease,): Shape("SendLeaseWrite", 5),
    (ReadLease, WriteLease): Shape("SendLeaseReadWrite", 6),
}
"""By the kinds of the leases, in the operation's order; there are no other calls."""


def build_program(layout: HiffyLayout, messages: Sequence[Message]) -> HifProgram:
    """Return the program that makes these calls one after the other.

    Raise `LimitExceeded` with the figures, or `NotCallable`, when this hiffy cannot.
    """
    parts: list[bytes] = []
    data = b""
    result_size = DONE_SIZE
    for index, message in enumerate(messages):
        if index:
            parts.append(_drop(messages[index - 1]))
        parts.append(encode_program(_call_ops(layout, message)))
        lease = _read_data(message)
        if not _may_share(data, lease):
            raise NotCallable(
                "calls with different read leases do not fit in one program",
                operation=message.name,
            )
        data = max(data, lease, key=len)
        result_size += _result_size(message)
    text = b"".join([*parts, _DONE])
    name = messages[0].name if len(messages) == 1 else ""
    _limit("the program", "HIFFY_TEXT", len(text), layout.text.size, name)
    _limit("the results", "HIFFY_RSTACK", result_size, layout.return_stack.size, name)
    return HifProgram(text, data, result_size, tuple(messages))


_DONE = encode_program([Op(Opcode.DONE)])


def _drop(message: Message) -> bytes:
    """Return what takes off the stack the entries that a call has left there."""
    return encode_program([Op(Opcode.DROP_N, len(message.payload) + _shape(message).extra)])


def _may_share(data: bytes, lease: bytes) -> bool:
    """Return whether one HIFFY_DATA serves both: every read lease is its beginning."""
    return lease.startswith(data) or data.startswith(lease)


def split_batches(
    layout: HiffyLayout, messages: Sequence[Message]
) -> tuple[tuple[Message, ...], ...]:
    """Divide calls into programs that fit, in order; raise as `build_program` for one that cannot.

    A call whose error data is wanted ends its program, for the next call overwrites it.
    """
    batches: list[list[Message]] = []
    text_size = result_size = 0
    data = b""
    for message in messages:
        alone = build_program(layout, [message])
        more_text, more_results = len(alone.text) - len(_DONE), alone.result_size - DONE_SIZE
        last = batches[-1][-1] if batches else None
        if last is not None and not last.error_size and _may_share(data, alone.data):
            more_text += len(_drop(last))
            text_fits = text_size + more_text + SEAL_SIZE <= layout.text.size
            if text_fits and result_size + more_results <= layout.return_stack.size:
                batches[-1].append(message)
                text_size += more_text
                result_size += more_results
                data = max(data, alone.data, key=len)
                continue
        batches.append([message])
        text_size, result_size, data = len(alone.text), alone.result_size, alone.data
    return tuple(map(tuple, batches))


def interpret(message: Message, result: FunctionResult) -> Outcome:
    """Return what a function's result means for the call; error data is not in it."""
    if isinstance(result, Failed):
        if result.code & _DEAD == _DEAD:
            return ServerDeath(result.code & 0xFF)
        return ErrorReply(result.code)
    return RawReply(result.data[: message.reply_size], result.data[message.reply_size :])


def find_shape(leases: Sequence[type[Lease]], operation: str = "") -> Shape:
    """Return how a message with leases of these kinds is sent; raise `NotCallable`."""
    shape = SHAPES.get(tuple(leases))
    if shape is None:
        kinds = " and ".join("read" if k is ReadLease else "write" for k in leases)
        raise NotCallable(
            f"hiffy cannot lend {kinds} leases in this order: it has calls with one read lease, one"
            " write lease, or a read lease followed by a write lease",
            operation=operation,
        )
    return shape


def _shape(message: Message) -> Shape:
    return find_shape([type(lease) for lease in message.leases], message.name)


def find_function(layout: HiffyLayout, shape: Shape, operation: str = "") -> HiffyFunction:
    """Return this hiffy's function for a shape; raise `NotCallable` where it has none."""
    function = layout.functions.get(shape.function)
    if function is None:
        raise NotCallable(
            f"this image's hiffy has no {shape.function} (it has {', '.join(layout.functions)}): "
            "build it with the feature `send`, or `send-rw` for calls with both kinds of lease",
            operation=operation,
        )
    if function.argument_count != shape.extra:
        raise NotCallable(
            f"this image's {shape.function} takes {function.argument_count} arguments where "
            f"{shape.extra} are known: its hiffy is from a different Hubris version",
            operation=operation,
        )
    return function


def measure_room(layout: HiffyLayout, shape: Shape) -> Room:
    """Return how much a message of a shape can have; a reply takes room on HIFFY_RSTACK as well."""
    reply = min(layout.scratch_size, max(0, layout.return_stack.size - DONE_SIZE))
    while reply and DONE_SIZE + success_size(reply) > layout.return_stack.size:
        reply -= 1  # for the length before it: a few bytes
    return Room(shape.payload_room, reply, layout.data_size)


def _read_data(message: Message) -> bytes:
    return next((lease.data for lease in message.leases if isinstance(lease, ReadLease)), b"")


def _write_size(message: Message) -> int:
    return next((lease.size for lease in message.leases if isinstance(lease, WriteLease)), 0)


def _result_size(message: Message) -> int:
    return max(FAILED_SIZE, success_size(message.reply_size + _write_size(message)))


def _call_ops(layout: HiffyLayout, message: Message) -> list[Op]:
    function = find_function(layout, _shape(message), message.name)
    _check(layout, message)
    ops = [push(message.task), push(message.code)]
    ops += [push(byte) for byte in message.payload]
    ops += [push(len(message.payload)), push(message.reply_size)]
    for lease in message.leases:
        ops.append(push(len(lease.data) if isinstance(lease, ReadLease) else lease.size))
    ops.append(Op(Opcode.CALL, function.id))
    return ops


def _check(layout: HiffyLayout, message: Message) -> None:
    name = message.name
    room = _shape(message).payload_room
    _limit("the arguments", "what hiffy can send", len(message.payload), room, name)
    reply = message.reply_size + _write_size(message)
    what = "the reply and the write lease" if _write_size(message) else "the reply"
    _limit(what, "HIFFY_SCRATCH", reply, layout.scratch_size, name)
    if layout.data is None and _read_data(message):
        raise NotCallable(
            f"{name}: this image's hiffy has no HIFFY_DATA, where the data of a read lease goes: "
            "the linker drops it when none of hiffy's functions takes data",
            operation=name,
        )
    _limit("the read lease", "HIFFY_DATA", len(_read_data(message)), layout.data_size, name)
    _limit(what, "HIFFY_RSTACK", DONE_SIZE + _result_size(message), layout.return_stack.size, name)
    if layout.task_names and message.task >= len(layout.task_names):
        raise NotCallable(f"no such task: {message.task}", operation=name)
    if not 0 <= message.code <= 0xFFFF:
        raise NotCallable(f"operation codes are 16 bits, not {message.code}", operation=name)


def _limit(what: str, where: str, actual: int, limit: int, operation: str) -> None:
    if actual > limit:
        of = f" of {operation}" if operation else ""
        verb = "take" if what.endswith("s") or " and " in what else "takes"
        raise LimitExceeded(
            f"{what}{of} {verb} {actual} bytes, {where} has room for {limit}",
            operation=operation,
            limit=limit,
            actual=actual,
        )
