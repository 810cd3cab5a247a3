"""Reasons why a call has no answer, from data read before and after it; no guesses.

Where the memory of the target leaves several causes open, all of them are named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from idol.records import dataclass
from idoldbg.call.hiffy.status import Status
from idoldbg.errors import DecodeError
from idoldbg.model.values import EnumValue, Unreadable, format_value

__all__ = [
    "REPLY_FAULTS",
    "Reason",
    "TextState",
    "describe_wait",
    "fault_reason",
    "find_reason",
    "describe_reply_fault",
    "describe_restart",
]

_TASK_INDEX_MASK = 0x3FF  # abi::TaskId: the index in the low ten bits
_MODULI = (64, 256)  # a generation counts modulo one of these
_MANY_RESTARTS = 8  # more than happen in a call

REPLY_FAULTS: Mapping[str, str] = {
    "UndefinedOperation": "it does not implement the operation",
    "BadMessageSize": "it expects arguments of another size, so the image on the target has other "
    "types than the archive",
    "BadMessageContents": "the arguments are not values of its types",
    "BadLeases": "it expects other leases, or longer or shorter ones",
    "ReplyBufferTooSmall": "its reply is larger than the archive's types allow",
    "AccessViolation": "hiffy is not among the operation's allowed callers",
}
"""What the variants of `abi::ReplyFaultReason` say about a message."""


class TextState(Enum):
    """Owner of the program in HIFFY_TEXT after a call."""

    OURS = "ours"
    ZEROED = "zeroed"  # in whole or in part
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Reason:
    """Reason for a missing answer: `failure` is for programs, `message` for people."""

    failure: str
    message: str


_RESET = Reason("reset", "the board was reset during the call")
_CONFLICT = "another debugger used hiffy at the same time"


def find_reason(
    before: Status, now: Status, text: TextState, names: Sequence[str], otherwise: str = ""
) -> Reason:
    """Explain an exchange that did not end as one program of ours does.

    `before` is when hiffy was ready for it. The image is known to be the right one. `otherwise` is
    a trace of another debugger that was seen.
    """
    if now.is_back(before):
        return _RESET
    if now.words.ready > 1 or not now.is_sound:  # no firmware has written that
        return Reason("reset", "the board was reset during the call, or lost its power")
    is_wiped = text is TextState.ZEROED and now.generation == before.generation
    if now.is_faulted and not is_wiped:  # a state of zeros is a fault, too
        return fault_reason(now, names)
    if now.generation != before.generation:
        return _restarted(before, now)
    is_anew = now.words.are_anew(before.words)
    if is_anew or text is TextState.ZEROED:
        if before.state is None:  # no task table to tell one from the other
            return Reason("restarted", "hiffy was restarted, or the board reset, during the call")
        return _RESET
    if otherwise:
        return Reason("conflict", f"{_CONFLICT}: {otherwise}")
    if text is TextState.OTHER:
        return Reason("conflict", f"{_CONFLICT}: HIFFY_TEXT holds the program of another")
    if now.words.counters == before.words.counters:
        return Reason(
            "lost kick",
            "HIFFY_KICK is gone, and hiffy has counted no program: either the board was reset "
            f"during the call, or {_CONFLICT}",
        )
    return Reason("conflict", f"{_CONFLICT}: more programs were started than this one")


def _restarted(before: Status, now: Status) -> Reason:
    old, new = before.generation_number, now.generation_number
    if old is not None and new is not None:
        count = new - old
        if new < old:
            count += next((m for m in _MODULI if old < m), 0)
        if 0 < count <= _MANY_RESTARTS:
            return Reason("restarted", "hiffy was restarted during the call")
    return Reason("restarted", "hiffy was restarted, or the board reset, during the call")


def describe_restart(message: str) -> str:
    """Add what a restart may be due to, where nothing recorded it."""
    return (
        f"{message}, and nothing recorded why. If a server rejected the message, it is one of: "
        "hiffy is not among the operation's allowed callers; the image on the target has other "
        "types than the archive; the server does not implement the operation; a lease does not "
        "suit it"
    )


def describe_reply_fault(task: str, reason: str) -> str:
    """Describe why a server killed hiffy for its message."""
    why = REPLY_FAULTS.get(reason)
    return (
        f"hiffy was restarted during the call: task `{task}` rejected the message with a reply "
        f"fault, {reason}" + (f": {why}" if why else "")
    )


def fault_reason(now: Status, names: Sequence[str]) -> Reason:
    """Explain a hiffy that was seen to have faulted."""
    found = now.reply_fault
    if found is not None:
        task, reason = found
        return Reason("reply fault", describe_reply_fault(_task_name(task, names), reason))
    state = "" if now.state is None else format_value(now.state)
    return Reason("faulted", f"hiffy itself faulted during the call: {state}")


def describe_wait(status: Status, names: Sequence[str], *, is_live: bool) -> str:
    """Describe what keeps hiffy from taking a program or answering."""
    scheduler, words = status.scheduler_state, status.words
    if not is_live:
        return (
            f"the kernel's clock stands still at {status.ticks} ticks: the core is halted, or the "
            "board was reset and does not start"
        )
    if status.state is None:
        return f"HIFFY_READY is {words.ready} (its state is not known)"
    if isinstance(status.state, Unreadable):
        return f"its entry in the task table makes no sense ({status.state.reason})"
    if status.is_faulted:
        return f"it has faulted: {format_value(status.state)}"
    if scheduler is None:
        return f"its state is {format_value(status.state)}"
    if scheduler.variant in ("InReply", "InSend"):
        verb = "reply" if scheduler.variant == "InReply" else "take its message"
        return f"it is waiting for {_peer(scheduler, names)} to {verb}"
    if scheduler.variant == "Stopped":
        return "it is stopped (held by the supervisor, or never started)"
    if scheduler.variant == "Runnable":
        return "it is runnable, but tasks of higher priority leave it no time, or it is busy"
    if words.kick:
        return "it was kicked and has not woken up: is the core halted, or its clock off?"
    if words.ready:
        return "it is ready, and did not take the program"
    return "it is busy with another program, or its memory is left over from before a reset"


def _peer(scheduler: EnumValue, names: Sequence[str]) -> str:
    try:
        name = _task_name(int(scheduler.only), names)
    except DecodeError:
        return "another task"
    return name if name.startswith("task ") else f"`{name}`"


def _task_name(task_id: int, names: Sequence[str]) -> str:
    index = task_id & _TASK_INDEX_MASK
    return names[index] if index < len(names) else f"task {index}"
