"""The exchange with the running hiffy: ready, write, kick, poll, check, collect.

Rules (Hubris, `task/hiffy/src/main.rs`):

- HIFFY_READY is 1 while hiffy sleeps and may be given a program. After a restart it keeps its old
  value until hiffy runs again, so it counts only once the kernel shows hiffy inside a system call:
  tasks make none before `main` (humility #598). After a reset that nobody told us of, all of RAM
  may be left over: it counts only once the kernel's clock has been seen to run.
- HIFFY_KICK = 1 starts HIFFY_TEXT, which is executed in place. hiffy clears it first, and looks at
  it every millisecond after a program, then ever more rarely, at last every 250 ms.
- The end adds one to HIFFY_REQUESTS, or sets HIFFY_FAILURE and adds one to HIFFY_ERRORS.
- A reply fault from a server kills hiffy: its generation changes, its memory is zeroed.

Another debugger that knows no common lock may do the same at any moment. So the program that ran
is known to be ours before its results are believed:

- Each program ends in a tag of its own, behind its `Done`: no two are the same.
- After its end its first word is read, and then made a `Done` (whoever kicks it now starts
  nothing). The rest of text and data are read back with the results, the words, and the image's id.
  If all is ours, exactly one program has ended, nobody's kick is pending and hiffy sleeps, then it
  was this one that ran, once.
- The results are read before the text: had somebody else's program made them, its text would
  follow.
- A program that is given up is made harmless in the same way; its kick may stay behind.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from idol.records import dataclass
from idoldbg.call.codec import image
from idoldbg.call.hif.ops import HIF_VERSION, HifError, Opcode
from idoldbg.call.hif.results import FunctionResult, decode_results
from idoldbg.call.hiffy.actions import Machine, Range, Read, ReadMany, Wait, Write
from idoldbg.call.hiffy.layout import HiffyLayout
from idoldbg.call.hiffy.pace import KernelClock, Pace
from idoldbg.call.hiffy.program import HifProgram, build_program, interpret
from idoldbg.call.hiffy.reasons import (
    Reason,
    TextState,
    describe_restart,
    describe_wait,
    find_reason,
)
from idoldbg.call.hiffy.status import WORD, ImageMark, Status, StatusReader, Words
from idoldbg.call.message import ErrorReply, Message, Outcome
from idoldbg.errors import (
    CallTimeout,
    HiffyFailure,
    IdoldbgError,
    NotCallable,
)
from idoldbg.model.values import EnumValue, format_value

__all__ = ["Mailbox", "random_tag"]

SUSPICIOUS_S = 0.3
"""After this time without an answer, polls look at hiffy's own state too."""

RESTART_S = 0.2
"""How long a supervisor may take to restart a hiffy that has faulted."""

TAG_SIZE = 8
_DONE = bytes([Opcode.DONE])
_HARMLESS = _DONE * 4  # a whole word, which every access port can write

_HINTS = {
    "Invalid": "hiffy met an operation that it does not know",
    "Fault(BadParameter(0))": "the task does not exist in the running image",
    "Fault(ReturnStackOverflow)": "the reply did not fit in HIFFY_RSTACK or HIFFY_SCRATCH",
    "Fault(ReturnValueOverflow)": "the reply did not fit in HIFFY_SCRATCH",
    "Fault(StackOverflow)": "the program pushed more than the stack holds",
    "IllegalOp(BadFunction)": "the running image has fewer functions than the debug information",
}
# Reasons for which hiffy stops before it sends anything.
_UNSENT = ("Invalid", "IllegalOp", "Fault(BadParameter", "Fault(StackOverflow", "Fault(Missing")


def random_tag() -> bytes:
    """Return bytes that no other program has."""
    return os.urandom(TAG_SIZE)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A program as it was written, and how hiffy was before."""

    program: HifProgram
    text: bytes
    before: Status
    timeout_s: float

    @property
    def name(self) -> str:
        return _name(self.program)

    @property
    def first_word(self) -> bytes:
        """First word of the program; overwriting it makes the rest harmless."""
        return self.text[: len(_HARMLESS)]

    def text_state(self, text: bytes) -> TextState:
        """Return the state of the text buffer, whose beginning is harmless by now."""
        found, ours = text[len(_HARMLESS) :], self.text[len(_HARMLESS) :]
        if found == ours:
            return TextState.OURS
        # Memory that was zeroed, perhaps while the program was being written.
        rest = found.lstrip(b"\0")
        return TextState.ZEROED if ours.endswith(rest) else TextState.OTHER


class _Unanswered(Exception):
    """There is no answer, for a reason; `timed_out` after the whole of the time allowed."""

    def __init__(self, reason: Reason, *, timed_out: bool = False, is_unsent: bool = False) -> None:
        super().__init__(reason.message)
        self.reason = reason
        self.timed_out = timed_out
        self.is_unsent = is_unsent


class Mailbox:
    """The mailbox of one image's hiffy on one target.

    `mark` is compared in each call and raises `MismatchError`; `ticks` is the address of the
    kernel's clock, an u64 of milliseconds. `make_tag` returns bytes that no other program has.

    Every method returns a machine for `drive`. A machine that ends early, by an error of the link
    or by being dropped, leaves the session usable. hiffy itself may then still be busy: the next
    call waits for it.
    """

    def __init__(
        self,
        layout: HiffyLayout,
        *,
        mark: ImageMark | None = None,
        ticks: int | None = None,
        make_tag: Callable[[], bytes] = random_tag,
    ) -> None:
        self.layout = layout
        self._reader = StatusReader(layout, mark, ticks)
        self._make_tag = make_tag
        self._data = b""  # what was written last, and is perhaps still there
        self._is_version_checked = False
        self._clock = KernelClock()

    def forget(self) -> None:
        """Drop what is known of the target: it was reset, or others wrote to its memory."""
        self._data = b""
        self._is_version_checked = False
        self._clock = KernelClock()

    def wait_until_ready(self, *, timeout_s: float = 5.0) -> Machine[None]:
        """Wait for hiffy to sleep and take programs; raise `HiffyFailure` when it does not."""
        yield from self._wait_until_ready(timeout_s, None)

    def send(
        self, messages: Sequence[Message], *, timeout_s: float = 5.0
    ) -> Machine[tuple[Outcome, ...]]:
        """Send messages in one program; return what became of each.

        `timeout_s` bounds the wait for readiness and that for the answer, each.
        Raise `NotCallable` before anything is written where they do not fit, `MismatchError` for
        another image, `HiffyFailure` when hiffy cannot or does not answer, or somebody else used it
        meanwhile.
        """
        program = build_program(self.layout, messages)
        results, scratch = yield from self._run(program, timeout_s)
        outcomes = [interpret(*pair) for pair in zip(messages, results, strict=True)]
        last = outcomes[-1]
        if isinstance(last, ErrorReply) and scratch:
            outcomes[-1] = ErrorReply(last.code, scratch)
        return tuple(outcomes)

    def run(
        self, program: HifProgram, *, timeout_s: float = 5.0
    ) -> Machine[tuple[FunctionResult, ...]]:
        """Execute any program and return what its functions returned."""
        results, _ = yield from self._run(program, timeout_s)
        return results

    # ------------------------------------------------------------------ the exchange

    def _run(
        self, program: HifProgram, timeout_s: float
    ) -> Machine[tuple[tuple[FunctionResult, ...], bytes]]:
        # What we wrote last may still be there: it is left out only if it was just seen.
        data = self._data_ranges(program)
        more = data if program.data == self._data else ()
        before, present = yield from self._wait_until_ready(timeout_s, program, *more)
        if not self._is_version_checked:
            # Not earlier: the variables have their values only once hiffy has started.
            yield from self._check_version(_name(program))
        sent = _Sent(program, self._sealed(program.text), before, timeout_s)
        try:
            for address, _ in data if present != (program.data,) else ():
                yield Write(address, program.data)
            self._data = program.data or self._data
            yield Write(self.layout.text.address, sent.text)  # last: it never runs on older data
            yield Write(self.layout.kick, (1).to_bytes(WORD, "little"))
            words, first, pace = yield from self._wait_for_end(sent)
            return (yield from self._collect(sent, words, first, pace))
        except _Unanswered as unanswered:
            # After traces of others, or of a reset, nothing proves that it was not made.
            is_back = yield from self._take_back(sent)
            is_unmade = unanswered.is_unsent or (is_back and unanswered.timed_out)
            raise _failure(sent, unanswered, is_unmade) from None
        except (IdoldbgError, KeyboardInterrupt) as error:
            is_unmade = yield from self._take_back(sent)
            error.add_note(_describe_made(program, is_unmade))
            raise

    def _sealed(self, text: bytes) -> bytes:
        """Return a program with its end and its tag, in whole words where that fits."""
        room = self.layout.text.size - len(text) - len(_DONE)
        if room < 0:
            return text
        tag = self._make_tag()[:TAG_SIZE]
        pad = bytes(-(len(text) + len(_DONE) + len(tag)) % WORD)
        return text + _DONE + (pad + tag if len(pad) + len(tag) <= room else tag[:room])

    def _data_ranges(self, program: HifProgram) -> tuple[Range, ...]:
        """Return where the program's data goes; nowhere without any, or without HIFFY_DATA."""
        area = self.layout.data
        return () if area is None or not program.data else ((area.address, len(program.data)),)

    def _check_version(self, name: str) -> Machine[None]:
        version = self.layout.version
        if version is None:
            words = yield ReadMany(tuple((a, WORD) for a in self.layout.version_words))
            major, minor, patch = (int.from_bytes(w, "little") for w in words)
            version = major, minor, patch
        if max(version[:2]) > 0xFF:
            raise NotCallable(
                "hiffy's HIF version makes no sense: another image is on the target, or its memory "
                "was overwritten",
                operation=name,
            )
        if version[:2] != HIF_VERSION:
            known = ".".join(map(str, HIF_VERSION))
            raise NotCallable(
                f"hiffy speaks HIF {'.'.join(map(str, version))}, and only {known} is known here",
                operation=name,
            )
        self._is_version_checked = True

    def _wait_until_ready(
        self, timeout_s: float, program: HifProgram | None, *more: Range
    ) -> Machine[tuple[Status, tuple[bytes, ...]]]:
        """Return how hiffy is once it is ready, and what is in `more` then."""
        pace = Pace((yield Wait(0)))
        action = self._reader.before(*more)
        while True:
            status, found = self._reader.status_before((yield action))
            self._reader.check_image(status.image)
            is_live = self._clock.is_live(status.ticks, pace.now_s)
            if status.is_ready and is_live:
                return status, found
            if pace.elapsed_s >= timeout_s:
                why = describe_wait(status, self.layout.task_names, is_live=is_live)
                message = f"hiffy was not ready within {timeout_s:g} s: {why}"
                if program is not None:
                    message += f"; {_describe_made(program, True)}"
                name = "" if program is None else _name(program)
                raise _timeout(name, message, "not ready", timeout_s, may_have_run=False)
            yield from pace.wait(timeout_s)

    def _wait_for_end(self, sent: _Sent) -> Machine[tuple[Words, bytes, Pace]]:
        """Poll until a program ended; return the counters that say so, and its first word then.

        The word is b"" where it would have cost a transaction of its own.
        """
        first_range = (self.layout.text.address, len(sent.first_word))
        pace = Pace((yield Wait(0)))
        before = sent.before.words
        faulted, state = None, TextState.OURS
        while True:
            yield from pace.wait(sent.timeout_s)
            is_late = pace.elapsed_s >= min(SUSPICIOUS_S, sent.timeout_s)
            if is_late:
                parts = yield self._reader.after(first_range)
                status, (_, first) = self._reader.status_after(parts)
                self._reader.check_image(status.image)
                words = status.words
                is_over = pace.elapsed_s >= min(SUSPICIOUS_S + RESTART_S, sent.timeout_s)
                if faulted is not None and (is_over or not status.is_faulted):
                    names = self.layout.task_names
                    raise _Unanswered(find_reason(sent.before, faulted, state, names))
                if status.is_faulted:  # it says of what; the supervisor will restart it
                    faulted = status
                    state = TextState.OURS if any(first) else TextState.ZEROED
                    continue
                if status.generation != sent.before.generation or status.is_back(sent.before):
                    yield from self._explain(sent)
            else:
                words, first = self._reader.read_poll((yield self._reader.poll(first_range)))
            if _has_ended(before, words):
                return words, first, pace
            if words.counters != before.counters:
                yield from self._explain(sent)
            if words.is_idle:
                yield from self._explain(sent, is_running=True)
            if is_late and pace.elapsed_s >= sent.timeout_s:
                why = describe_wait(status, self.layout.task_names, is_live=True)
                reason = Reason("timeout", f"no answer within {sent.timeout_s:g} s: {why}")
                raise _Unanswered(reason, timed_out=True)

    def _collect(
        self, sent: _Sent, ended: Words, first: bytes, pace: Pace
    ) -> Machine[tuple[tuple[FunctionResult, ...], bytes]]:
        """Read what a program left, and make sure that it was ours and ran once."""
        layout, reader, program = self.layout, self._reader, sent.program
        if not first:
            first = yield Read(layout.text.address, len(sent.first_word))
        if first != sent.first_word:
            yield from self._explain(
                sent,
                None if any(first) else bytes(len(sent.text)),
                otherwise="HIFFY_TEXT began as another's program",
            )
        yield Write(layout.text.address, _HARMLESS[: len(sent.text)])
        is_failure = ended.errors != sent.before.words.errors
        results = self._result_ranges(program, is_failure)
        data_ranges = self._data_ranges(program)
        action = reader.proof(results, (layout.text.address, len(sent.text)), *data_ranges)
        while True:
            parts = yield action
            words, mark, (text, *data) = reader.read_proof(parts, len(results))
            reader.check_image(*mark)
            if sent.text_state(text) is not TextState.OURS or words.counters != ended.counters:
                yield from self._explain(sent, text)
            if data_ranges and data != [program.data] and not any(data[0]):
                yield from self._explain(sent, bytes(len(text)))  # zeroed, by a start of hiffy
            if data_ranges and data != [program.data]:
                yield from self._explain(
                    sent, otherwise="HIFFY_DATA holds what another has written"
                )
            if words.kick:
                yield from self._explain(sent, otherwise="HIFFY_KICK was set once more")
            if words.ready:
                break
            if pace.elapsed_s >= sent.timeout_s:
                raise _Unanswered(Reason("timeout", "hiffy does not come to rest"), timed_out=True)
            yield from pace.wait(sent.timeout_s)  # it has not gone to sleep yet, or just woke up
        if is_failure:
            raise self._stopped(sent, parts[0])
        return self._decode(sent, parts[0]), b"".join(parts[1 : len(results)])

    def _result_ranges(self, program: HifProgram, is_failure: bool) -> list[Range]:
        """Return what to read: the failure, or the return stack and a Complex error's bytes."""
        layout = self.layout
        if is_failure:
            return [(layout.failure.address, layout.failure.size)]
        size = min(program.result_size, layout.return_stack.size)
        ranges = [(layout.return_stack.address, size)]
        last = program.messages[-1] if program.messages else None
        if last is not None and last.error_size and layout.scratch is not None:
            size = min(last.error_size, last.reply_size, layout.scratch.size)
            ranges.append((layout.scratch.address, size))
        return ranges

    def _decode(self, sent: _Sent, stack: bytes) -> tuple[FunctionResult, ...]:
        try:
            results = decode_results(stack)
        except HifError as error:
            reason = Reason("nonsense", f"hiffy's answer makes no sense: {error}")
            raise _Unanswered(reason) from None
        count = len(sent.program.messages)
        if count and len(results) != count:
            message = f"{len(results)} results on hiffy's return stack for {count} calls"
            raise _Unanswered(Reason("nonsense", message))
        return results

    def _stopped(self, sent: _Sent, data: bytes) -> _Unanswered:
        """Return what HIFFY_FAILURE, an `Option<hif::Failure>`, stands for."""
        value = image.decode(self.layout.failure_type, data)
        if isinstance(value, EnumValue) and value.variant == "Some":
            value = value.only
        failure = format_value(value)
        hint = f": {_HINTS[failure]}" if failure in _HINTS else ""
        reason = Reason(failure, f"hiffy stopped the program with {failure}{hint}")
        is_unsent = len(sent.program.messages) <= 1 and failure.startswith(_UNSENT)
        return _Unanswered(reason, is_unsent=is_unsent)

    # ------------------------------------------------------------------ when it goes wrong

    def _explain(
        self,
        sent: _Sent,
        text: bytes | None = None,
        *,
        is_running: bool = False,
        otherwise: str = "",
    ) -> Machine[None]:
        """Look at everything once more and raise what has happened to the program.

        With `is_running`, return where nothing has: what was seen before was of different moments.
        `otherwise` is a trace of another debugger, which counts unless the board was reset.
        """
        range_ = (self.layout.text.address, len(sent.text))
        parts = yield self._reader.after(range_)
        status, (first_text, last_text) = self._reader.status_after(parts)
        self._reader.check_image(status.image)
        before = sent.before.words
        is_same = status.generation == sent.before.generation
        if is_running and is_same and not status.is_faulted:
            if _has_ended(before, status.words):
                return
            if status.words.counters == before.counters and not status.words.is_idle:
                return
        state = sent.text_state(first_text if text is None else text)
        if sent.text_state(last_text) is TextState.ZEROED:
            state = TextState.ZEROED  # what was there before, a reset has left over
        names = self.layout.task_names
        raise _Unanswered(find_reason(sent.before, status, state, names, otherwise))

    def _take_back(self, sent: _Sent) -> Machine[bool]:
        """Make a program harmless that was given up; return whether it surely has not run.

        A kick that is pending stays: cleared, it might be somebody else's. Nothing is done where
        the text is somebody else's, or the link does not let us look.
        """
        range_ = (self.layout.text.address, len(sent.text))
        try:
            text = yield Read(*range_)
            if sent.text_state(text) is not TextState.OURS:
                return False
            yield Write(self.layout.text.address, _HARMLESS[: len(sent.text)])
            # Had hiffy begun before, it would be busy, or have counted, or been restarted since.
            parts = yield self._reader.after(range_)
        except IdoldbgError:
            return False
        status, (_, text) = self._reader.status_after(parts)
        is_pending = status.words.kick != 0 and status.words.ready == 1
        is_ours = sent.text_state(text) is TextState.OURS
        return is_pending and is_ours and status.is_as(sent.before)


def _has_ended(before: Words, words: Words) -> bool:
    """Return whether exactly one program has come to an end, good or bad."""
    requests, errors = before.counters
    return words.counters in ((_next(requests), errors), (requests, _next(errors)))


def _failure(sent: _Sent, unanswered: _Unanswered, is_unmade: bool) -> HiffyFailure:
    reason, name = unanswered.reason, sent.name
    message = describe_restart(reason.message) if reason.failure == "restarted" else reason.message
    message = f"{message}; {_describe_made(sent.program, is_unmade)}"
    if unanswered.timed_out:
        error: HiffyFailure = _timeout(
            name, message, reason.failure, sent.timeout_s, may_have_run=not is_unmade
        )
    else:
        text = f"{name}: {message}" if name else message
        error = HiffyFailure(
            text, operation=name, failure=reason.failure, may_have_run=not is_unmade
        )
    error.generation = sent.before.generation_number
    return error


def _describe_made(program: HifProgram, is_unmade: bool) -> str:
    """Describe what is known of a call without an answer."""
    match len(program.messages):
        case 0:
            return "the program was not executed" if is_unmade else "the program may have run"
        case 1:
            return "the call was not made" if is_unmade else "the call may have been made"
    return "the calls were not made" if is_unmade else "the calls may have been made"


def _timeout(
    name: str, message: str, failure: str, timeout_s: float, *, may_have_run: bool
) -> CallTimeout:
    text = f"{name}: {message}" if name else message
    return CallTimeout(
        text, operation=name, failure=failure, timeout_s=timeout_s, may_have_run=may_have_run
    )


def _name(program: HifProgram) -> str:
    return program.messages[0].name if len(program.messages) == 1 else ""


def _next(counter: int) -> int:
    return (counter + 1) & 0xFFFFFFFF
