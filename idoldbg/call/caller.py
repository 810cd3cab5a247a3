"""Makes calls: permission, checks, order; a transport carries them.

`idoldbg.call.opener` opens a caller for a target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from idoldbg.build.program import Program
from idoldbg.call.calls import (
    Call,
    Reply,
    build_message,
    decode_error,
    decode_reply,
    lease_kinds,
)
from idoldbg.call.forensics import Forensics
from idoldbg.call.hif.results import FunctionResult
from idoldbg.call.hiffy.program import HifProgram
from idoldbg.call.message import ErrorReply, Message, Outcome, ServerDeath
from idoldbg.call.transport import Room, Transport
from idoldbg.errors import (
    CallError,
    HiffyFailure,
    IdoldbgError,
    LinkTimeout,
    MismatchError,
    NotCallable,
    OperationError,
    ServerDied,
)
from idoldbg.model.archive import TaskImage
from idoldbg.resolver import ResolvedOperation
from idoldbg.views.boot import starts_at_boot

__all__ = ["Caller"]


class Caller:
    """Calls to the tasks of one image on one target.

    The image on the target is compared with the build; nothing is written before. `timeout_s`
    bounds the wait for readiness and that for the answer, each. With `forensics`, failures carry a
    post-mortem; a target without memory has none. `notify` is told what was done to the target
    besides calls, and once of each operation what of it may travel otherwise.
    """

    def __init__(
        self,
        program: Program,
        transport: Transport,
        forensics: Forensics | None,
        *,
        timeout_s: float,
        notify: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.program = program
        self.transport = transport
        self.forensics = forensics
        self.timeout_s = timeout_s
        self.notify = notify
        self.recovers = True
        """Whether a hiffy that waits for ever is restarted through the supervisor."""
        self._doubts: set[str] = set()  # that were told

    @property
    def restarts(self) -> tuple[int, ...]:
        """The generations of hiffy that were begun here, to make it answer again."""
        return () if self.forensics is None else self.forensics.restarts

    def call(self, call: Call) -> Reply:
        """Make one call.

        Raises `OperationError` (the operation's own error), `ServerDied`, `HiffyFailure`,
        `NotCallable` (nothing was written), `MismatchError`, or what the link raises.
        """
        message = self._checked_message(call)
        (outcome,) = self._send([message])
        return self._answer(call, outcome)

    def call_all(self, calls: Sequence[Call]) -> Iterator[Reply | CallError]:
        """Make calls in order, as many at once as the transport takes; yield what each came to.

        Failed calls (`OperationError`, `ServerDied`) are yielded and stop no other. What a single
        call raises before it is made is raised before any is. `HiffyFailure` ends the batch: it is
        raised with a note of how many calls that leaves in doubt. `timeout_s` is for each group
        that is sent at once.
        """
        messages = [self._checked_message(call) for call in calls]
        for call, outcome in zip(calls, self._send_all(messages), strict=True):
            try:
                answer: Reply | CallError = self._answer(call, outcome)
            except (OperationError, ServerDied) as error:
                answer = error
            yield answer

    def run(self, program: HifProgram) -> tuple[FunctionResult, ...]:
        """Execute a program of hiffy's functions; errors as `call`, those of functions returned.

        Raises `NotCallable` where calls do not travel through hiffy's memory.
        """
        if self.forensics is None:
            raise NotCallable("hiffy's functions are called through its memory, which is not here")
        self.check_image()
        try:
            return self.forensics.transport.run(program, timeout_s=self.timeout_s)
        except (HiffyFailure, LinkTimeout, MismatchError) as error:
            raise self._look_into(error)[0] from error.__cause__

    def room(self, operation: ResolvedOperation) -> Room:
        """Return how much a call of an operation can carry; raise `NotCallable` if none can be."""
        self._check_allowed(operation)
        return self.transport.limits.room(lease_kinds(operation))

    def check(self, call: Call) -> None:
        """Refuse a call that cannot be made, without touching the target; as `call` would."""
        self.transport.limits.split([self._message(call)])

    def check_image(self) -> None:
        """Compare the image on the target with the build's; raise `MismatchError`."""
        self.transport.check_image()

    def wait_until_ready(self) -> None:
        """Let the target run until calls can be made; raise `HiffyFailure` if that never comes."""
        try:
            self.transport.wait_until_ready(timeout_s=self.timeout_s)
        except (HiffyFailure, MismatchError) as error:
            raise self._find_cause(error) from error.__cause__

    def forget(self) -> None:
        """Look at everything on the target again: it was reset, flashed, or used by others."""
        self.transport.forget()
        if self.forensics is not None:
            self.forensics.forget()

    # ------------------------------------------------------------------ before a call

    def _checked_message(self, call: Call) -> Message:
        """Return the message of a call that passed all checks, also those on the target."""
        message = self._message(call)
        doubt = f"{call.operation.name}: {call.operation.doubt}" if call.operation.doubt else ""
        if doubt and doubt not in self._doubts:
            self._doubts.add(doubt)
            self.notify(doubt)
        self.check_image()
        self._check_started(call, self.program.task(call.operation.task))
        return message

    def _message(self, call: Call) -> Message:
        message = build_message(call, self.program.task(call.operation.task).index)
        self._check_allowed(call.operation)
        return message

    def _check_allowed(self, operation: ResolvedOperation) -> None:
        """Refuse what the server would answer by killing its client."""
        task, client = self.program.task(operation.task), self.transport.client
        callers = task.allowed_callers.get(operation.operation)
        if callers is not None and client not in callers:
            raise NotCallable(
                f"{operation.name} may be called by {', '.join(callers) or 'nobody'} only "
                f"(`allowed-callers` of task `{task.name}`); {client} would be killed for it",
                operation=operation.name,
            )

    def _check_started(self, call: Call, task: TaskImage) -> None:
        """Refuse to wait for a task that was never started.

        Only tasks that are not started at boot cost this look at the target.
        """
        if self.forensics is None or task.start or starts_at_boot(self.program, task):
            return
        self.wait_until_ready()  # before that, the task table may not be there yet
        if self.forensics.is_started(task):
            return
        raise NotCallable(
            f"{call.operation.name}: task `{task.name}` is not started, so "
            f"{self.transport.client} would wait for it for ever; start it first (Jefe can, on "
            "most systems)",
            operation=call.operation.name,
        )

    # ------------------------------------------------------------------ the exchange

    def _send_all(self, messages: Sequence[Message]) -> Iterator[Outcome]:
        """Send messages in groups; an error says how many were answered, and are in doubt."""
        answered = 0
        for group in self.transport.limits.split(messages):
            end = answered + len(group)
            outcomes = self._send(group)
            while answered < end:
                try:
                    outcome = next(outcomes)
                except IdoldbgError as error:
                    is_begun = not (isinstance(error, HiffyFailure) and not error.may_have_run)
                    in_doubt = end - answered if is_begun else 0
                    error.add_note(_describe_batch(len(messages), answered, in_doubt))
                    raise
                answered += 1
                yield outcome

    def _send(self, group: Sequence[Message]) -> Iterator[Outcome]:
        """Send a group; find out more where it is not answered.

        What was not sent because hiffy did not become ready is sent once more if hiffy could be
        restarted.
        """
        answered = 0
        try:
            for outcome in self.transport.send(group, timeout_s=self.timeout_s):
                answered += 1
                yield outcome
            return
        except (HiffyFailure, LinkTimeout, MismatchError) as error:
            found, is_recovered = self._look_into(error)
            if not (is_recovered and isinstance(found, HiffyFailure)):
                raise found from error.__cause__
            if found.failure != "not ready":
                raise found from error.__cause__
            self.notify(f"{found.message}; {'; '.join(found.__notes__)}")
        try:
            yield from self.transport.send(group[answered:], timeout_s=self.timeout_s)
        except (HiffyFailure, LinkTimeout, MismatchError) as error:
            raise self._look_into(error)[0] from error.__cause__

    def _look_into(self, error: IdoldbgError) -> tuple[IdoldbgError, bool]:
        """Return an error with what the target shows of it, and whether hiffy was restarted."""
        found = self._find_cause(error)
        if self.forensics is None or not isinstance(found, HiffyFailure | LinkTimeout):
            return found, False
        recovered = self.forensics.examine(found, timeout_s=self.timeout_s, recovers=self.recovers)
        return found, recovered

    def _find_cause(self, error: IdoldbgError) -> IdoldbgError:
        """Return a better error where the target's memory shows why; forget what is in doubt."""
        if isinstance(error, MismatchError):
            self.forget()  # somebody has flashed it
        if not isinstance(error, HiffyFailure):
            return error
        if error.failure == "reset":
            self.forget()
        if self.forensics is None:
            return error
        return self.forensics.find_cause(error, timeout_s=self.timeout_s)

    def _answer(self, call: Call, outcome: Outcome) -> Reply:
        if isinstance(outcome, ServerDeath):
            raise self._death(call, outcome.generation)
        if isinstance(outcome, ErrorReply):
            raise decode_error(call.operation, outcome)
        return decode_reply(call, outcome)

    def _death(self, call: Call, generation: int) -> ServerDied:
        """Report which task died, why, and its state now, as far as that can be read."""
        name, task = call.operation.name, self.program.task(call.operation.task)
        why = "" if self.forensics is None else self.forensics.describe_death(task, generation)
        return ServerDied(
            f"{name}: task `{task.name}` died while it had the message{why}",
            operation=name,
            task=task.name,
            generation=generation,
        )


def _describe_batch(total: int, answered: int, in_doubt: int) -> str:
    """Describe how far a batch came: the next group, of `in_doubt` calls, gave no answers."""
    unmade = total - answered - in_doubt
    parts = [f"of the {total} calls of this batch, {answered} were answered"]
    parts += [f"{in_doubt} may have been made or not, in the program that failed"] * (in_doubt > 0)
    parts += [f"{unmade} were not made"] * (unmade > 0)
    return ", ".join(parts)
