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
- Where each read costs a transaction, the program is read whole before it is made harmless. The
  image's id is then left out where the kernel's clock shows that the board was not reset since it
  was read, and bytes of an earlier call in HIFFY_TEXT that hiffy was not started during this one.
- A program that is given up is made harmless in the same way; its kick may stay behind.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from idoldbg.call.hif.ops import HIF_VERSION
from idoldbg.call.hif.results import FunctionResult
from idoldbg.call.hiffy.actions import MAX_GAP, Machine, Range, Read, ReadMany, Wait, Write
from idoldbg.call.hiffy.answers import (
    DONE,
    HARMLESS,
    Sent,
    Unanswered,
    decode_stack,
    describe_made,
    ends_well,
    has_ended,
    make_failure,
    make_timeout,
    name_of,
    result_ranges,
    stopped,
)
from idoldbg.call.hiffy.layout import HiffyLayout
from idoldbg.call.hiffy.pace import Continuity, KernelClock, Pace
from idoldbg.call.hiffy.program import HifProgram, build_program, interpret
from idoldbg.call.hiffy.reasons import Reason, TextState, describe_wait, find_reason
from idoldbg.call.hiffy.status import WORD, ImageMark, Status, StatusReader, Words
from idoldbg.call.message import ErrorReply, Message, Outcome
from idoldbg.errors import IdoldbgError, NotCallable

__all__ = ["Mailbox", "random_tag"]

SUSPICIOUS_S = 0.3
"""After this time without an answer, polls look at hiffy's own state too."""

RESTART_S = 0.2
"""How long a supervisor may take to restart a hiffy that has faulted."""

TAG_SIZE = 8


_NO_WITNESS = (0, b"")

PROMPT_S = 0.1
"""In this time nobody programs another image and has it boot."""


def random_tag() -> bytes:
    """Return bytes that no other program has."""
    return os.urandom(TAG_SIZE)


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
        self._image = Continuity()
        self._reads_one_by_one = False
        # Where each read costs a transaction: bytes of an earlier call, behind its program.
        self._witness = _NO_WITNESS

    def forget(self) -> None:
        """Drop what is known of the target: it was reset, or others wrote to its memory."""
        self._data = b""
        self._is_version_checked = False
        self._clock = KernelClock()
        self._image = Continuity()
        self._witness = _NO_WITNESS

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
        before, present, begin_s = yield from self._wait_until_ready(timeout_s, program, *more)
        if not self._is_version_checked:
            # Not earlier: the variables have their values only once hiffy has started.
            yield from self._check_version(name_of(program))
        sealed = self._sealed(program.text)
        witness = self._find_witness(len(sealed))
        if self._reads_one_by_one and self._reader.mark is not None and not witness[1]:
            sealed += self._make_tag()[: self.layout.text.size - len(sealed)]
        sent = Sent(program, sealed, before, timeout_s, begin_s, witness)
        try:
            for address, _ in data if present != (program.data,) else ():
                yield Write(address, program.data, joins=True)
            self._data = program.data or self._data
            # After the data: it never runs on older ones.
            yield Write(self.layout.text.address, sent.text, joins=True)
            yield Write(self.layout.kick, (1).to_bytes(WORD, "little"))
            words, first, pace = yield from self._wait_for_end(sent)
            if first:
                return (yield from self._collect(sent, words, first, pace))
            self._reads_one_by_one = True
            return (yield from self._collect_one_by_one(sent, words, pace))
        except Unanswered as unanswered:
            # After traces of others, or of a reset, nothing proves that it was not made.
            is_back = yield from self._take_back(sent)
            is_unmade = unanswered.is_unsent or (is_back and unanswered.timed_out)
            raise make_failure(sent, unanswered, is_unmade) from None
        except (IdoldbgError, KeyboardInterrupt) as error:
            is_unmade = yield from self._take_back(sent)
            error.add_note(describe_made(program, is_unmade))
            raise

    def _sealed(self, text: bytes) -> bytes:
        """Return a program with its end and its tag, in whole words where that fits."""
        room = self.layout.text.size - len(text) - len(DONE)
        if room < 0:
            return text
        tag = self._make_tag()[:TAG_SIZE]
        pad = bytes(-(len(text) + len(DONE) + len(tag)) % WORD)
        return text + DONE + (pad + tag if len(pad) + len(tag) <= room else tag[:room])

    def _find_witness(self, end: int) -> tuple[int, bytes]:
        """Return where in HIFFY_TEXT a witness is, and what, if a program of `end` bytes spares it.

        Bytes of an earlier call that are there after a call show that hiffy was not started since,
        so that the image is still the one that was seen before it. They come with the program's.
        """
        offset, witness = self._witness
        return self._witness if witness and end <= offset <= end + MAX_GAP else _NO_WITNESS

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
    ) -> Machine[tuple[Status, tuple[bytes, ...], float]]:
        """Return how hiffy is once it is ready, what is in `more` then, and when it was asked."""
        pace = Pace((yield Wait(0)))
        action = self._reader.before(*more)
        while True:
            status, found = self._reader.status_before((yield action))
            is_live = self._clock.is_live(status.ticks, pace.now_s)
            is_ready = status.is_ready and is_live
            yield from self._check_image(status, pace.now_s, is_ready=is_ready)
            if is_ready:
                return status, found, pace.now_s
            if pace.elapsed_s >= timeout_s:
                why = describe_wait(status, self.layout.task_names, is_live=is_live)
                message = f"hiffy was not ready within {timeout_s:g} s: {why}"
                if program is not None:
                    message += f"; {describe_made(program, True)}"
                name = "" if program is None else name_of(program)
                raise make_timeout(name, message, "not ready", timeout_s, may_have_run=False)
            yield from pace.wait(timeout_s)

    def _check_image(self, status: Status, begin_s: float, *, is_ready: bool) -> Machine[None]:
        """Compare the image's mark; read it where that was not free and it may have changed."""
        found, is_same = status.image, False
        if found == b"":
            end_s = yield Wait(0)
            is_same = self._image.is_unbroken(status.ticks, begin_s, end_s) and is_ready
            if not is_same:
                (found,) = yield ReadMany(self._reader.mark_ranges)
        if not is_same:
            self._image.forget()
            self._reader.check_image(found)
        if status.ticks is not None:
            self._image.begin(status.ticks, begin_s)

    def _wait_for_end(self, sent: Sent) -> Machine[tuple[Words, bytes, Pace]]:
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
                    raise Unanswered(find_reason(sent.before, faulted, state, names))
                if status.is_faulted:  # it says of what; the supervisor will restart it
                    faulted = status
                    state = TextState.OURS if any(first) else TextState.ZEROED
                    continue
                if status.generation != sent.before.generation or status.is_back(sent.before):
                    yield from self._explain(sent)
            else:
                words, first = self._reader.read_poll((yield self._reader.poll(first_range)))
            if has_ended(before, words):
                return words, first, pace
            if words.counters != before.counters:
                yield from self._explain(sent)
            if words.is_idle:
                yield from self._explain(sent, is_running=True)
            if is_late and pace.elapsed_s >= sent.timeout_s:
                why = describe_wait(status, self.layout.task_names, is_live=True)
                reason = Reason("timeout", f"no answer within {sent.timeout_s:g} s: {why}")
                raise Unanswered(reason, timed_out=True)

    def _collect(
        self, sent: Sent, ended: Words, first: bytes, pace: Pace
    ) -> Machine[tuple[tuple[FunctionResult, ...], bytes]]:
        """Read what a program left, and make sure that it was ours and ran once."""
        layout, reader, program = self.layout, self._reader, sent.program
        yield from self._check_first(sent, first)
        yield Write(layout.text.address, HARMLESS[: len(sent.text)], joins=True)
        is_failure = ended.errors != sent.before.words.errors
        results = result_ranges(layout, program, is_failure=is_failure)
        data_ranges = self._data_ranges(program)
        action = reader.proof(results, (layout.text.address, len(sent.text)), *data_ranges)
        while True:
            parts = yield action
            words, mark, (text, *data) = reader.read_proof(parts, len(results))
            reader.check_image(*mark)
            if sent.text_state(text) is not TextState.OURS or words.counters != ended.counters:
                yield from self._explain(sent, text)
            yield from self._check_data(sent, data)
            if (yield from self._is_at_rest(sent, words, pace)):
                return self._decode(sent, parts[: len(results)], is_failure=is_failure)

    def _collect_one_by_one(
        self, sent: Sent, ended: Words, pace: Pace
    ) -> Machine[tuple[tuple[FunctionResult, ...], bytes]]:
        """Collect where each read costs a transaction: as few as prove the same.

        The program is read before its first word is made harmless, not after: written once, with a
        tag of its own, it cannot come back, so it was there when the results were read. What runs
        until it is harmless is counted.
        """
        layout, reader, program = self.layout, self._reader, sent.program
        is_failure = ended.errors != sent.before.words.errors
        results = result_ranges(layout, program, is_failure=is_failure)
        data_ranges = self._data_ranges(program)
        offset, witness = sent.witness
        size = offset + len(witness) if witness else len(sent.text)
        left: tuple[bytes, ...] = ()
        if len(results) > 1:  # the bytes of an error matter where there is one
            left = yield ReadMany((results[0],))
            results = [] if ends_well(left[0]) else results[1:]
        parts = yield reader.left_by(results, (layout.text.address, size), *data_ranges)
        left, (text, *data) = (*left, *parts[: len(results)]), parts[len(results) :]
        own = text[: len(sent.text)]
        yield from self._check_first(sent, own[: len(sent.first_word)])
        if sent.text_state(own) is not TextState.OURS:
            yield from self._explain(sent, own)
        yield from self._check_data(sent, data)
        yield Write(layout.text.address, HARMLESS[: len(sent.text)], joins=True)
        has_witness = bool(witness) and text[offset:] == witness
        is_same_image = has_witness and pace.begin_s - sent.begin_s <= PROMPT_S
        while True:
            words, mark = reader.read_last((yield reader.last(with_mark=not is_same_image)))
            reader.check_image(*mark)
            if words.counters != ended.counters:
                yield from self._explain(sent, own)
            if (yield from self._is_at_rest(sent, words, pace)):
                break
        if not has_witness:
            offset = max(len(sent.text) - TAG_SIZE, len(HARMLESS))
            self._witness = offset, sent.text[offset:]
        return self._decode(sent, left, is_failure=is_failure)

    def _check_first(self, sent: Sent, first: bytes) -> Machine[None]:
        if first != sent.first_word:
            yield from self._explain(
                sent,
                None if any(first) else bytes(len(sent.text)),
                otherwise="HIFFY_TEXT began as another's program",
            )

    def _check_data(self, sent: Sent, data: Sequence[bytes]) -> Machine[None]:
        if not data or data == [sent.program.data]:
            return
        if not any(data[0]):
            yield from self._explain(sent, bytes(len(sent.text)))  # zeroed, by a start of hiffy
        yield from self._explain(sent, otherwise="HIFFY_DATA holds what another has written")

    def _is_at_rest(self, sent: Sent, words: Words, pace: Pace) -> Machine[bool]:
        """Return whether hiffy sleeps; False after a pause where it does not yet, or just woke."""
        if words.kick:
            yield from self._explain(sent, otherwise="HIFFY_KICK was set once more")
        if words.ready:
            return True
        if pace.elapsed_s >= sent.timeout_s:
            raise Unanswered(Reason("timeout", "hiffy does not come to rest"), timed_out=True)
        yield from pace.wait(sent.timeout_s)
        return False

    def _decode(
        self, sent: Sent, results: Sequence[bytes], *, is_failure: bool
    ) -> tuple[tuple[FunctionResult, ...], bytes]:
        if is_failure:
            raise stopped(self.layout, sent.program, results[0])
        return decode_stack(sent.program, results[0]), b"".join(results[1:])

    # ------------------------------------------------------------------ when it goes wrong

    def _explain(
        self,
        sent: Sent,
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
            if has_ended(before, status.words):
                return
            if status.words.counters == before.counters and not status.words.is_idle:
                return
        state = sent.text_state(first_text if text is None else text)
        if sent.text_state(last_text) is TextState.ZEROED:
            state = TextState.ZEROED  # what was there before, a reset has left over
        names = self.layout.task_names
        raise Unanswered(find_reason(sent.before, status, state, names, otherwise))

    def _take_back(self, sent: Sent) -> Machine[bool]:
        """Make a program harmless that was given up; return whether it surely has not run.

        A kick that is pending stays: cleared, it might be somebody else's. Nothing is done where
        the text is somebody else's, or the link does not let us look.
        """
        range_ = (self.layout.text.address, len(sent.text))
        try:
            text = yield Read(*range_)
            if sent.text_state(text) is not TextState.OURS:
                return False
            yield Write(self.layout.text.address, HARMLESS[: len(sent.text)], joins=True)
            # Had hiffy begun before, it would be busy, or have counted, or been restarted since.
            parts = yield self._reader.after(range_)
        except IdoldbgError:
            return False
        status, (_, text) = self._reader.status_after(parts)
        is_pending = status.words.kick != 0 and status.words.ready == 1
        is_ours = sent.text_state(text) is TextState.OURS
        return is_pending and is_ours and status.is_as(sent.before)
