"""A message to a task, and its outcome: Hubris's `sys_send`, whatever carries it.

A message is one call with its values encoded; `idoldbg.call.calls` makes it, and decodes the
outcome.
"""

from __future__ import annotations

from typing import TypeAlias

from idol.records import dataclass

__all__ = [
    "ErrorReply",
    "Lease",
    "Message",
    "Outcome",
    "RawReply",
    "ReadLease",
    "ServerDeath",
    "WriteLease",
]


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
class Message:
    """One message to a task.

    `task` is an index in the image's task table, `code` the operation's. `reply_size` is the size
    of the reply buffer, which servers check (`Codec.reply_size`); `leases` stand in the operation's
    order. Where `error_size` is given, that many bytes of the reply are fetched when the server
    answers with an error: a Complex error is there. `name` is for error messages.
    """

    task: int
    code: int
    payload: bytes
    reply_size: int
    leases: tuple[Lease, ...] = ()
    error_size: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class RawReply:
    """The server answered with code 0; nothing is decoded yet.

    `data` fills the reply buffer: the reply itself may be shorter. `lease` is the content of the
    write lease afterwards.
    """

    data: bytes
    lease: bytes = b""


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """The server answered with another code; `data` is its reply where that could be read."""

    code: int
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class ServerDeath:
    """The server died before it answered; `generation` is the new one's, modulo 64."""

    generation: int


Outcome: TypeAlias = RawReply | ErrorReply | ServerDeath
