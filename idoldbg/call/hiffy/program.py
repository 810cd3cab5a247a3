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
from typing import TypeAlias

from idol.records import dataclass
from idoldbg.call.hif.encode import encode_program
from idoldbg.call.hif.ops import Op, Opcode, push
from idoldbg.call.hif.results import DONE_SIZE, FAILED_SIZE, Failed, FunctionResult, success_size
from idoldbg.call.hiffy.layout import HiffyFunction, HiffyLayout
from idoldbg.errors import LimitExceeded, NotCallable

__all__ = [
    "PAYLOAD_LIMIT",
    "SHAPES",
    "STACK_LENGTH",
    "ErrorReply",
    "Lease",
    "Outcome",
    "Program",
    "ReadLease",
    "Reply",
    "SendRequest",
    "ServerDeath",
    "Shape",
    "WriteLease",
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
class ReadLease:
    """Memory that the server may read."""

    data: bytes


@dataclass(frozen=True, slots=True)
class WriteLease:
    """Memory of `size` bytes that the server may write."""

    size: int


Lease: TypeAlias = ReadLease | WriteLease


@dataclass(frozen=True, slots=True)
class SendRequest:
    """One message to a task.

    `reply_size` is that of the reply buffer, which servers check (`Codec.reply_size`); `leases`
    stand in the operation's order. Where `error_size` is given, that many bytes of the reply are
    fetched when the server answers with an error: a Complex error is there. `name` is for messages.
    """

    task: int
    code: int
    payload: bytes
    reply_size: int
    leases: tuple[Lease, ...] = ()
    error_size: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """The server answered with code 0. `data` fills the reply buffer: a reply may be shorter.

    `lease` is the content of the write lease afterwards.
    """

    data: bytes
    lease: bytes = b""


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """The server answered with another code; `data` is its reply where it could be had."""

    code: int
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class ServerDeath:
    """The server died before it answered; `generation` is its new one's, modulo 64."""

    generation: int


Outcome: TypeAlias = Reply | ErrorReply | ServerDeath


@dataclass(frozen=True, slots=True)
class Program:
    """A program ready to be written.

    `result_size` is the most that its results can take of the return stack, `requests` are the
    calls behind the results (none for a program made otherwise).
    """

    text: bytes
    data: bytes
    result_size: int
    requests: tuple[SendRequest, ...] = ()


@dataclass(frozen=True, slots=True)
class Shape:
    """How a combination of leases is called: hiffy's function, and what it takes.

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


def build_program(layout: HiffyLayout, requests: Sequence[SendRequest]) -> Program:
    """Return the program that makes these calls one after the other.

    Raise `LimitExceeded` with the figures, or `NotCallable`, when this hiffy cannot.
    """
    parts: list[bytes] = []
    data = b""
    result_size = DONE_SIZE
    for index, request in enumerate(requests):
        if index:
            parts.append(_drop(requests[index - 1]))
        parts.append(encode_program(_call_ops(layout, request)))
        lease = _read_data(request)
        if not _may_share(data, lease):
            raise NotCallable(
                "calls with different read leases do not fit in one program",
                operation=request.name,
            )
        data = max(data, lease, key=len)
        result_size += _result_size(request)
    text = b"".join([*parts, _DONE])
    name = requests[0].name if len(requests) == 1 else ""
    _limit("the program", "HIFFY_TEXT", len(text), layout.text.size, name)
    _limit("the results", "HIFFY_RSTACK", result_size, layout.return_stack.size, name)
    return Program(text, data, result_size, tuple(requests))


_DONE = encode_program([Op(Opcode.DONE)])


def _drop(request: SendRequest) -> bytes:
    """Return what takes off the stack the entries that a call has left there."""
    return encode_program([Op(Opcode.DROP_N, len(request.payload) + _shape(request).extra)])


def _may_share(data: bytes, lease: bytes) -> bool:
    """Tell whether one HIFFY_DATA serves both: every read lease is its beginning."""
    return lease.startswith(data) or data.startswith(lease)


def split_batches(
    layout: HiffyLayout, requests: Sequence[SendRequest]
) -> tuple[tuple[SendRequest, ...], ...]:
    """Divide calls into programs that fit, in order; raise as `build_program` for one that cannot.

    A call whose error data is wanted ends its program, for the next call overwrites it.
    """
    batches: list[list[SendRequest]] = []
    text_size = result_size = 0
    data = b""
    for request in requests:
        alone = build_program(layout, [request])
        more_text, more_results = len(alone.text) - len(_DONE), alone.result_size - DONE_SIZE
        last = batches[-1][-1] if batches else None
        if last is not None and not last.error_size and _may_share(data, alone.data):
            more_text += len(_drop(last))
            text_fits = text_size + more_text + SEAL_SIZE <= layout.text.size
            if text_fits and result_size + more_results <= layout.return_stack.size:
                batches[-1].append(request)
                text_size += more_text
                result_size += more_results
                data = max(data, alone.data, key=len)
                continue
        batches.append([request])
        text_size, result_size, data = len(alone.text), alone.result_size, alone.data
    return tuple(map(tuple, batches))


def interpret(request: SendRequest, result: FunctionResult) -> Outcome:
    """Return what a function's result means for the call; error data is not in it."""
    if isinstance(result, Failed):
        if result.code & _DEAD == _DEAD:
            return ServerDeath(result.code & 0xFF)
        return ErrorReply(result.code)
    return Reply(result.data[: request.reply_size], result.data[request.reply_size :])


def _shape(request: SendRequest) -> Shape:
    kinds = tuple(type(lease) for lease in request.leases)
    if kinds not in SHAPES:
        words = " and ".join("read" if k is ReadLease else "write" for k in kinds)
        raise NotCallable(
            f"hiffy cannot lend {words} leases in this order: it has calls with one read lease, one"
            " write lease, or a read lease followed by a write lease",
            operation=request.name,
        )
    return SHAPES[kinds]


def _function(layout: HiffyLayout, request: SendRequest) -> HiffyFunction:
    shape = _shape(request)
    function = layout.functions.get(shape.function)
    if function is None:
        raise NotCallable(
            f"this image's hiffy has no {shape.function} (it has {', '.join(layout.functions)}): "
            "build it with the feature `send`, or `send-rw` for calls with both kinds of lease",
            operation=request.name,
        )
    if function.argument_count != shape.extra:
        raise NotCallable(
            f"this image's {shape.function} takes {function.argument_count} arguments where "
            f"{shape.extra} are known: its hiffy is of another age",
            operation=request.name,
        )
    return function


def _read_data(request: SendRequest) -> bytes:
    return next((lease.data for lease in request.leases if isinstance(lease, ReadLease)), b"")


def _write_size(request: SendRequest) -> int:
    return next((lease.size for lease in request.leases if isinstance(lease, WriteLease)), 0)


def _result_size(request: SendRequest) -> int:
    return max(FAILED_SIZE, success_size(request.reply_size + _write_size(request)))


def _call_ops(layout: HiffyLayout, request: SendRequest) -> list[Op]:
    function = _function(layout, request)
    _check(layout, request)
    ops = [push(request.task), push(request.code)]
    ops += [push(byte) for byte in request.payload]
    ops += [push(len(request.payload)), push(request.reply_size)]
    for lease in request.leases:
        ops.append(push(len(lease.data) if isinstance(lease, ReadLease) else lease.size))
    ops.append(Op(Opcode.CALL, function.id))
    return ops


def _check(layout: HiffyLayout, request: SendRequest) -> None:
    name = request.name
    room = _shape(request).payload_room
    _limit("the arguments", "what hiffy can send", len(request.payload), room, name)
    reply = request.reply_size + _write_size(request)
    what = "the reply and the write lease" if _write_size(request) else "the reply"
    _limit(what, "HIFFY_SCRATCH", reply, layout.scratch_size, name)
    if layout.data is None and _read_data(request):
        raise NotCallable(
            f"{name}: this image's hiffy has no HIFFY_DATA, where the data of a read lease goes: "
            "the linker drops it when none of hiffy's functions takes data",
            operation=name,
        )
    _limit("the read lease", "HIFFY_DATA", len(_read_data(request)), layout.data_size, name)
    _limit(what, "HIFFY_RSTACK", DONE_SIZE + _result_size(request), layout.return_stack.size, name)
    if layout.task_names and request.task >= len(layout.task_names):
        raise NotCallable(f"there is no task {request.task}", operation=name)
    if not 0 <= request.code <= 0xFFFF:
        raise NotCallable(f"operation codes are 16 bits, not {request.code}", operation=name)


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
