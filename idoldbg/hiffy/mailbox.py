"""The exchange with the running hiffy: ready, write, kick, poll, collect.

Rules (Hubris, `task/hiffy/src/main.rs`):

- HIFFY_READY is 1 while hiffy sleeps and may be given a program. After a restart it keeps its old
  value until hiffy runs again, so it counts only once the kernel shows hiffy inside a system call:
  tasks make none before `main` (humility #598).
- HIFFY_KICK = 1 starts HIFFY_TEXT. hiffy looks at it every millisecond after a program, then ever
  more rarely, at last every 250 ms.
- The end adds one to HIFFY_REQUESTS, or sets HIFFY_FAILURE and adds one to HIFFY_ERRORS. Any other
  change of the two means that hiffy was restarted.
- A reply fault from a server kills hiffy: its generation changes, its memory is zeroed.
"""

from __future__ import annotations

from collections.abc import Sequence

from idol.records import dataclass
from idoldbg.codec import image
from idoldbg.errors import CallTimeout, FaultError, HiffyFailure, NotCallable
from idoldbg.hif.ops import HIF_VERSION, HifError
from idoldbg.hif.results import FunctionResult, decode_results
from idoldbg.hiffy.actions import Machine, Read, ReadMany, Wait, Write
from idoldbg.hiffy.layout import HiffyLayout
from idoldbg.hiffy.program import (
    ErrorReply,
    Outcome,
    Program,
    SendRequest,
    build_program,
    interpret,
    split_batches,
)
from idoldbg.values import EnumValue, Int, StructValue, Unreadable, Value, format_value

__all__ = ["HiffySession"]

FIRST_WAIT_S = 0.001
LONGEST_WAIT_S = 0.02
WAIT_GROWTH = 1.25  # looks too late by a quarter of the program's own time at most
SUSPICIOUS_S = 0.3
"""After this time without an answer, polls look at hiffy's own state too."""

_WORD = 4
_TASK_INDEX_MASK = 0x3FF  # abi::TaskId: the index in the low ten bits
_STARTED = {"InSend", "InReply", "InRecv"}

_HINTS = {
    "Invalid": "hiffy met an operation that it does not know",
    "Fault(BadParameter(0))": "the task does not exist in the running image",
    "Fault(ReturnStackOverflow)": "the reply did not fit in HIFFY_RSTACK or HIFFY_SCRATCH",
    "Fault(ReturnValueOverflow)": "the reply did not fit in HIFFY_SCRATCH",
    "Fault(StackOverflow)": "the program pushed more than the stack holds",
    "IllegalOp(BadFunction)": "the running image has fewer functions than the debug information",
}


@dataclass(frozen=True, slots=True)
class _Status:
    ready: int
    kick: int
    requests: int
    errors: int
    state: Value | None  # abi::TaskState; None where the task table is not known
    generation: bytes

    @property
    def scheduler_state(self) -> EnumValue | None:
        """`abi::SchedState` of a healthy task."""
        if isinstance(self.state, EnumValue) and self.state.variant == "Healthy":
            return _only_field(self.state)
        return None

    @property
    def is_started(self) -> bool:
        if self.state is None:
            return True  # the task table is not known: believe HIFFY_READY
        scheduler = self.scheduler_state
        return scheduler is not None and scheduler.variant in _STARTED

    @property
    def is_ready(self) -> bool:
        return self.is_started and self.ready == 1 and self.kick == 0

    @property
    def is_faulted(self) -> bool:
        return isinstance(self.state, EnumValue) and self.state.variant == "Faulted"

    @property
    def mark(self) -> tuple[int, int, bytes]:
        """Changes whenever hiffy executes a program or is restarted."""
        return self.requests, self.errors, self.generation


def _only_field(value: EnumValue) -> EnumValue | None:
    if value.payload is None or not value.payload.fields:
        return None
    field = value.payload.fields[0][1]
    return field if isinstance(field, EnumValue) else None


@dataclass(frozen=True, slots=True)
class _Present:
    """What this session left in the target's memory, valid as long as `mark` has not moved."""

    mark: tuple[int, int, bytes]
    text: bytes
    data: bytes


class _Pace:
    """Waits that begin short and grow, and the time since `begin_s`.

    What was asked for counts even when the clock does not say so: no loop depends on it alone.
    """

    def __init__(self, begin_s: float) -> None:
        self._begin_s = begin_s
        self._asked_s = 0.0
        self._next_s = FIRST_WAIT_S
        self.elapsed_s = 0.0

    def wait(self, limit_s: float) -> Machine[None]:
        """Wait a little, not much beyond `limit_s` since the beginning."""
        wait_s = min(self._next_s, max(limit_s - self.elapsed_s, FIRST_WAIT_S))
        now_s = yield Wait(wait_s)
        self._asked_s += wait_s
        self._next_s = min(self._next_s * WAIT_GROWTH, LONGEST_WAIT_S)
        self.elapsed_s = max(now_s - self._begin_s, self._asked_s)


class HiffySession:
    """Calls through one image's hiffy on one target; remembers what it has written there.

    Every method returns a machine for `drive`. A machine that ends early, by an error of the link
    or by being dropped, leaves the session usable. hiffy itself may then still be busy: the next
    call waits for it.
    """

    def __init__(self, layout: HiffyLayout) -> None:
        self.layout = layout
        self._present: _Present | None = None
        self._is_version_checked = False

    def forget(self) -> None:
        """Drop what is known of the target's memory: it was reset, or others wrote to it."""
        self._present = None
        self._is_version_checked = False

    def wait_until_ready(self, *, timeout_s: float = 5.0) -> Machine[None]:
        """Wait for hiffy to sleep and take programs; raise `HiffyFailure` when it does not."""
        yield from self._wait_until_ready(timeout_s, "")

    def call(self, request: SendRequest, *, timeout_s: float = 5.0) -> Machine[Outcome]:
        """Make one call. `timeout_s` bounds the wait for readiness and that for the answer, each.

        Raise `NotCallable` before anything is written, `HiffyFailure` when hiffy cannot or does not
        answer.
        """
        outcomes = yield from self.run_program(
            build_program(self.layout, [request]), timeout_s=timeout_s
        )
        return outcomes[0]

    def call_all(
        self, requests: Sequence[SendRequest], *, timeout_s: float = 5.0
    ) -> Machine[tuple[Outcome, ...]]:
        """Make calls in order, in as few programs as they fit in. A failed call stops no other.

        `timeout_s` is for each program.
        """
        outcomes: list[Outcome] = []
        for batch in split_batches(self.layout, requests):
            program = build_program(self.layout, batch)
            outcomes += yield from self.run_program(program, timeout_s=timeout_s)
        return tuple(outcomes)

    def run_program(
        self, program: Program, *, timeout_s: float = 5.0
    ) -> Machine[tuple[Outcome, ...]]:
        """Execute a program of calls made by `build_program`."""
        results = yield from self.run(program, timeout_s=timeout_s)
        if len(results) != len(program.requests):
            raise _error(
                _name(program),
                f"{len(results)} results on hiffy's return stack for {len(program.requests)} calls",
            )
        outcomes = [interpret(*pair) for pair in zip(program.requests, results, strict=True)]
        last, request = outcomes[-1], program.requests[-1]
        scratch = self.layout.scratch
        if isinstance(last, ErrorReply) and request.error_size and scratch is not None:
            size = min(request.error_size, request.reply_size, scratch.size)
            outcomes[-1] = ErrorReply(last.code, (yield Read(scratch.address, size)))
        return tuple(outcomes)

    def run(
        self, program: Program, *, timeout_s: float = 5.0
    ) -> Machine[tuple[FunctionResult, ...]]:
        """Execute any program and return what its functions returned."""
        name = _name(program)
        before = yield from self._wait_until_ready(timeout_s, name)
        if not self._is_version_checked:
            # Not earlier: the variables have their values only once hiffy has started.
            yield from self._check_version(name)
        present, self._present = self._present, None
        yield from self._put(program, present if present and present.mark == before.mark else None)
        yield Write(self.layout.kick, (1).to_bytes(_WORD, "little"))
        is_done, mark = yield from self._wait_for_end(before, timeout_s, name)
        self._present = _Present(mark, program.text, program.data)
        if not is_done:
            raise (yield from self._failure(name))
        stack = yield Read(
            self.layout.return_stack.address,
            min(program.result_size, self.layout.return_stack.size),
        )
        try:
            return decode_results(stack)
        except HifError as error:
            raise _error(name, f"hiffy's answer makes no sense: {error}") from None

    def _check_version(self, name: str) -> Machine[None]:
        version = self.layout.version
        if version is None:
            words = yield ReadMany(tuple((a, _WORD) for a in self.layout.version_words))
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

    def _wait_until_ready(self, timeout_s: float, name: str) -> Machine[_Status]:
        pace = _Pace((yield Wait(0)))
        while True:
            status = yield from self._read_status()
            if status.is_ready:
                return status
            if pace.elapsed_s >= timeout_s:
                words = f"hiffy was not ready within {timeout_s:g} s: {self._describe(status)}"
                raise _timeout(name, words, "not ready", timeout_s)
            yield from pace.wait(timeout_s)

    def _read_status(self) -> Machine[_Status]:
        layout = self.layout
        ranges = [(a, _WORD) for a in (layout.ready, layout.kick, layout.requests, layout.errors)]
        if layout.task is not None:
            ranges += [
                (layout.task.state.address, layout.task.state.size),
                (layout.task.generation.address, layout.task.generation.size),
            ]
        parts = yield ReadMany(tuple(ranges))
        ready, kick, requests, errors = (int.from_bytes(part, "little") for part in parts[:4])
        words = ready, kick, requests, errors
        if layout.task is None:
            return _Status(*words, None, b"")
        return _Status(*words, image.decode(layout.task.state_type, parts[4]), parts[5])

    def _put(self, program: Program, present: _Present | None) -> Machine[None]:
        if present is None or not present.text.startswith(program.text):
            yield Write(self.layout.text.address, program.text)
        data = self.layout.data
        if data is None or not program.data:  # without the area, no program has data
            return
        if present is None or not present.data.startswith(program.data):
            yield Write(data.address, program.data)

    def _wait_for_end(
        self, before: _Status, timeout_s: float, name: str
    ) -> Machine[tuple[bool, tuple[int, int, bytes]]]:
        """Poll until the program ended; return whether it reached its Done, and the new mark."""
        layout = self.layout
        pace = _Pace((yield Wait(0)))
        while True:
            yield from pace.wait(timeout_s)
            is_late = pace.elapsed_s >= min(SUSPICIOUS_S, timeout_s)
            if is_late:
                status = yield from self._read_status()
                requests, errors = status.requests, status.errors
                if status.generation != before.generation:
                    raise self._restarted(name)
            else:
                words = yield ReadMany(((layout.requests, _WORD), (layout.errors, _WORD)))
                requests, errors = (int.from_bytes(w, "little") for w in words)
            if (requests, errors) == (_next(before.requests), before.errors):
                return True, (requests, errors, before.generation)
            if (requests, errors) == (before.requests, _next(before.errors)):
                return False, (requests, errors, before.generation)
            if (requests, errors) != (before.requests, before.errors):
                raise self._restarted(name)
            if not is_late:
                continue
            if status.is_faulted:
                raise self._faulted(status, name)
            if pace.elapsed_s >= timeout_s:
                words = f"no answer within {timeout_s:g} s: {self._describe(status)}"
                raise _timeout(name, words, "timeout", timeout_s)

    def _restarted(self, name: str) -> HiffyFailure:
        return _error(
            name,
            "hiffy was restarted during the call. Most likely the server rejected the message with "
            "a reply fault: hiffy is not among the operation's allowed callers, or the image on the"
            " target has other types than the archive",
            failure="restarted",
        )

    def _faulted(self, status: _Status, name: str) -> HiffyFailure:
        words = "" if status.state is None else format_value(status.state)
        return _error(name, f"hiffy itself faulted during the call: {words}", failure=words)

    def _failure(self, name: str) -> Machine[HiffyFailure]:
        """Return the error that HIFFY_FAILURE, an `Option<hif::Failure>`, stands for."""
        area = self.layout.failure
        try:
            data = yield Read(area.address, area.size)
        except FaultError as error:
            return _error(name, f"hiffy failed, and did not say why: {error}")
        value = image.decode(self.layout.failure_type, data)
        if isinstance(value, EnumValue) and value.variant == "Some" and value.payload is not None:
            value = value.payload.fields[0][1]
        words = format_value(value)
        hint = f": {_HINTS[words]}" if words in _HINTS else ""
        return _error(name, f"hiffy stopped the program with {words}{hint}", failure=words)

    def _describe(self, status: _Status) -> str:
        """Say in words what keeps hiffy from answering."""
        scheduler = status.scheduler_state
        if status.state is None:
            return f"HIFFY_READY is {status.ready} (its state is not known)"
        if isinstance(status.state, Unreadable):
            return f"its entry in the task table makes no sense ({status.state.reason})"
        if status.is_faulted:
            return f"it has faulted: {format_value(status.state)}"
        if scheduler is None:
            return f"its state is {format_value(status.state)}"
        if scheduler.variant in ("InReply", "InSend"):
            peer = self._peer(scheduler)
            verb = "reply" if scheduler.variant == "InReply" else "take its message"
            return f"it is waiting for {peer} to {verb}"
        if scheduler.variant == "Stopped":
            return "it is stopped (held by the supervisor, or never started)"
        if scheduler.variant == "Runnable":
            return "it is runnable, but tasks of higher priority leave it no time, or it is busy"
        if status.kick:
            return "it was kicked and has not woken up: is the core halted, or its clock off?"
        return "it is busy with another program"

    def _peer(self, scheduler: EnumValue) -> str:
        field: Value | None = None if scheduler.payload is None else scheduler.payload.fields[0][1]
        while isinstance(field, StructValue) and field.fields:
            field = field.fields[0][1]
        if not isinstance(field, Int):
            return "another task"
        index = field.value & _TASK_INDEX_MASK
        if index < len(self.layout.task_names):
            return f"`{self.layout.task_names[index]}`"
        return f"task {index}"


def _error(name: str, message: str, failure: str = "") -> HiffyFailure:
    return HiffyFailure(f"{name}: {message}" if name else message, operation=name, failure=failure)


def _timeout(name: str, message: str, failure: str, timeout_s: float) -> CallTimeout:
    words = f"{name}: {message}" if name else message
    return CallTimeout(words, operation=name, failure=failure, timeout_s=timeout_s)


def _name(program: Program) -> str:
    return program.requests[0].name if len(program.requests) == 1 else ""


def _next(counter: int) -> int:
    return (counter + 1) & 0xFFFFFFFF
