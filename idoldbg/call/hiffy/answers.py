"""A program as it was sent, the answer that it left in hiffy's memory, or the error without one."""

from __future__ import annotations

from idol.records import dataclass
from idoldbg.call.codec import image
from idoldbg.call.hif.ops import HifError, Opcode
from idoldbg.call.hif.results import FunctionResult, Success, decode_results
from idoldbg.call.hiffy.actions import Range
from idoldbg.call.hiffy.layout import HiffyLayout
from idoldbg.call.hiffy.program import HifProgram
from idoldbg.call.hiffy.reasons import Reason, TextState, describe_restart
from idoldbg.call.hiffy.status import Status, Words
from idoldbg.errors import CallTimeout, HiffyFailure
from idoldbg.model.values import EnumValue, format_value

__all__ = [
    "DONE",
    "HARMLESS",
    "Sent",
    "Unanswered",
    "decode_stack",
    "describe_made",
    "ends_well",
    "has_ended",
    "make_failure",
    "make_timeout",
    "name_of",
    "result_ranges",
    "stopped",
]

DONE = bytes([Opcode.DONE])
HARMLESS = DONE * 4
"""Makes a program do nothing; a whole word, which every access port can write."""

_HINTS = {
    "Invalid": "hiffy met an operation that it does not know",
    "Fault(BadParameter(0))": "the task does not exist in the running image",
    "Fault(ReturnStackOverflow)": "the reply did not fit in HIFFY_RSTACK or HIFFY_SCRATCH",
    "Fault(ReturnValueOverflow)": "the reply did not fit in HIFFY_SCRATCH",
    "Fault(StackOverflow)": "the program pushed more than the stack holds",
    "IllegalOp(BadFunction)": "the running image has fewer functions than the debug information",
}
# Of programs that call other functions.
_FUNCTION_HINTS = {
    "Invalid": _HINTS["Invalid"],
    "Fault(BadParameter(": "an argument has a value that the function does not take (they are "
    "counted from 0)",
    "Fault(EmptyParameter(": "an argument must not be None (they are counted from 0)",
    "Fault(ReturnStackOverflow)": "the results did not fit in HIFFY_RSTACK",
    "Fault(ReturnValueOverflow)": "the result did not fit in HIFFY_SCRATCH",
    "Fault(StackOverflow)": _HINTS["Fault(StackOverflow)"],
    "IllegalOp(BadFunction)": _HINTS["IllegalOp(BadFunction)"],
}
# Reasons for which hiffy stops before it sends anything.
_UNSENT = ("Invalid", "IllegalOp", "Fault(BadParameter", "Fault(StackOverflow", "Fault(Missing")


@dataclass(frozen=True, slots=True)
class Sent:
    """A program as it was written, and how hiffy was before, at `begin_s` of the link's clock.

    `witness` is what an earlier program has left in HIFFY_TEXT, at an offset; or b"".
    """

    program: HifProgram
    text: bytes
    before: Status
    timeout_s: float
    begin_s: float
    witness: tuple[int, bytes]

    @property
    def name(self) -> str:
        return name_of(self.program)

    @property
    def first_word(self) -> bytes:
        """First word of the program; overwriting it makes the rest harmless."""
        return self.text[: len(HARMLESS)]

    def text_state(self, text: bytes) -> TextState:
        """Return the state of the text buffer, whose beginning is harmless by now."""
        found, ours = text[len(HARMLESS) :], self.text[len(HARMLESS) :]
        if found == ours:
            return TextState.OURS
        # Memory that was zeroed, perhaps while the program was being written.
        rest = found.lstrip(b"\0")
        return TextState.ZEROED if ours.endswith(rest) else TextState.OTHER


class Unanswered(Exception):
    """There is no answer, for a reason; `timed_out` after the whole of the time allowed."""

    def __init__(self, reason: Reason, *, timed_out: bool = False, is_unsent: bool = False) -> None:
        super().__init__(reason.message)
        self.reason = reason
        self.timed_out = timed_out
        self.is_unsent = is_unsent


def has_ended(before: Words, words: Words) -> bool:
    """Return whether exactly one program has come to an end, good or bad."""
    requests, errors = before.counters
    return words.counters in ((_next(requests), errors), (requests, _next(errors)))


def result_ranges(layout: HiffyLayout, program: HifProgram, *, is_failure: bool) -> list[Range]:
    """Return what to read: the failure, or the return stack and a Complex error's bytes."""
    if is_failure:
        return [(layout.failure.address, layout.failure.size)]
    size = min(program.result_size, layout.return_stack.size)
    ranges = [(layout.return_stack.address, size)]
    last = program.messages[-1] if program.messages else None
    if last is not None and last.error_size and layout.scratch is not None:
        size = min(last.error_size, last.reply_size, layout.scratch.size)
        ranges.append((layout.scratch.address, size))
    return ranges


def ends_well(stack: bytes) -> bool:
    """Return whether the last function on a return stack succeeded; False for nonsense."""
    try:
        results = decode_results(stack)
    except HifError:
        return False
    return bool(results) and isinstance(results[-1], Success)


def decode_stack(program: HifProgram, stack: bytes) -> tuple[FunctionResult, ...]:
    """Return what each function returned; raise `Unanswered` where that makes no sense."""
    try:
        results = decode_results(stack)
    except HifError as error:
        reason = Reason("nonsense", f"hiffy's answer makes no sense: {error}")
        raise Unanswered(reason) from None
    count = len(program.messages)
    if count and len(results) != count:
        message = f"{len(results)} results on hiffy's return stack for {count} calls"
        raise Unanswered(Reason("nonsense", message))
    return results


def stopped(layout: HiffyLayout, program: HifProgram, data: bytes) -> Unanswered:
    """Return what HIFFY_FAILURE, an `Option<hif::Failure>`, stands for."""
    value = image.decode(layout.failure_type, data)
    if isinstance(value, EnumValue) and value.variant == "Some":
        value = value.only
    failure = format_value(value)
    known = _HINTS if program.messages else _FUNCTION_HINTS
    hint = next((f": {words}" for start, words in known.items() if failure.startswith(start)), "")
    reason = Reason(failure, f"hiffy stopped the program with {failure}{hint}")
    is_unsent = len(program.messages) == 1 and failure.startswith(_UNSENT)
    return Unanswered(reason, is_unsent=is_unsent)


def make_failure(sent: Sent, unanswered: Unanswered, is_unmade: bool) -> HiffyFailure:
    """Return the error for a program without an answer."""
    reason, name = unanswered.reason, sent.name
    message = describe_restart(reason.message) if reason.failure == "restarted" else reason.message
    message = f"{message}; {describe_made(sent.program, is_unmade)}"
    if unanswered.timed_out:
        error: HiffyFailure = make_timeout(
            name, message, reason.failure, sent.timeout_s, may_have_run=not is_unmade
        )
    else:
        text = f"{name}: {message}" if name else message
        error = HiffyFailure(
            text, operation=name, failure=reason.failure, may_have_run=not is_unmade
        )
    error.generation = sent.before.generation_number
    return error


def describe_made(program: HifProgram, is_unmade: bool) -> str:
    """Describe what is known of a call without an answer."""
    match len(program.messages):
        case 0:
            return "the program was not executed" if is_unmade else "the program may have run"
        case 1:
            return "the call was not made" if is_unmade else "the call may have been made"
    return "the calls were not made" if is_unmade else "the calls may have been made"


def make_timeout(
    name: str, message: str, failure: str, timeout_s: float, *, may_have_run: bool
) -> CallTimeout:
    """Return the error for an answer, or a readiness, that did not come in time."""
    text = f"{name}: {message}" if name else message
    return CallTimeout(
        text, operation=name, failure=failure, timeout_s=timeout_s, may_have_run=may_have_run
    )


def name_of(program: HifProgram) -> str:
    """Return the name of a program's only call; "" for several."""
    return program.messages[0].name if len(program.messages) == 1 else ""


def _next(counter: int) -> int:
    return (counter + 1) & 0xFFFFFFFF
