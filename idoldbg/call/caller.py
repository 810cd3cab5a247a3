"""Makes calls on a running target: image check, hiffy's mailbox, and what went wrong afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, partial
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeVar

from idol.records import replace
from idoldbg.build.kept import LAYOUT
from idoldbg.build.program import Program
from idoldbg.call.calls import Call, Reply, build_message, decode_error, decode_reply
from idoldbg.call.hiffy import (
    HiffyLayout,
    Machine,
    Mailbox,
    build_layout,
    build_program,
    drive,
    split_batches,
)
from idoldbg.call.hiffy.layout import find_variables
from idoldbg.call.hiffy.mailbox import random_tag
from idoldbg.call.hiffy.reasons import reply_fault_words
from idoldbg.call.hiffy.status import ImageMark
from idoldbg.call.message import ErrorReply, Message, Outcome, ServerDeath
from idoldbg.errors import (
    CallError,
    CallTimeout,
    DebugInfoError,
    FaultError,
    HiffyFailure,
    IdoldbgError,
    LinkTimeout,
    MismatchError,
    NotCallable,
    NotFound,
    OperationError,
    ServerDied,
)
from idoldbg.model.archive import TaskImage
from idoldbg.model.memory import (
    Clock,
    Exclusive,
    MemoryImage,
    MemoryReader,
    MemoryWriter,
    TagSource,
)
from idoldbg.resolver import ResolvedOperation
from idoldbg.views.boot import starts_at_boot
from idoldbg.views.tasks import is_before_tasks, read_task, table_address, task_type

if TYPE_CHECKING:
    from idoldbg.views.postmortem import PostMortem

__all__ = ["Caller", "LiveTarget"]

HIFFY = "hiffy"
RESTART_S = 0.5  # enough for hiffy to start, where it gets the processor at all
STARVED_RESTART_S = 0.02  # where it hardly will: emulating a busy target takes many times as long
GENERATIONS = 64  # abi::TaskId has six bits for them
EXPLAINED = ("reset", "restarted", "reply fault", "conflict", "lost kick")
"""Failures of which the state of the tasks afterwards tells nothing."""
T = TypeVar("T")


class LiveTarget(MemoryReader, MemoryWriter, Clock, Protocol):
    """A target that runs: its memory, and a way to let it go on."""


class Caller:
    """Calls through the hiffy task of one image on one target.

    Each call compares the image on the target with the build; nothing is written before.
    `timeout_s` bounds the wait for hiffy to be ready and that for its answer, each. Failures of
    hiffy carry a post-mortem. `notify` is told what was done to the target besides calls, and
    once of each operation what of it may travel otherwise.
    """

    def __init__(
        self,
        program: Program,
        target: LiveTarget,
        *,
        timeout_s: float,
        notify: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.program = program
        self.target = target
        self.timeout_s = timeout_s
        self.notify = notify
        self.recovers = True
        """Whether a hiffy that waits for ever is restarted through the supervisor."""
        self._is_image_checked = False
        self._restarts: list[int] = []
        self._doubts: set[str] = set()  # that were told

    @property
    def restarts(self) -> tuple[int, ...]:
        """The generations of hiffy that were begun here, to make it answer again."""
        return tuple(self._restarts)

    def call(self, call: Call) -> Reply:
        """Make one call.

        Raises `OperationError` (the operation's own error), `ServerDied`, `HiffyFailure`,
        `NotCallable` (nothing was written), `MismatchError`, or what the link raises.
        """
        session = self._session
        request = self._request(call)
        outcome = self._run(partial(session.call, request, timeout_s=self.timeout_s))
        return self._answer(call, outcome)

    def call_all(self, calls: Sequence[Call]) -> Iterator[Reply | CallError]:
        """Make calls in order, as few programs as they fit in; yield what each came to.

        Failed calls (`OperationError`, `ServerDied`) are yielded and stop no other. What a single
        call raises before it is made is raised before any is. `HiffyFailure` ends a program: it is
        raised with a note of how many calls that leaves in doubt. `timeout_s` is for each program.
        """
        session = self._session
        requests = [self._request(call) for call in calls]
        position = 0
        for batch in split_batches(session.layout, requests):
            program = build_program(session.layout, batch)
            try:
                outcomes = self._run(
                    partial(session.run_program, program, timeout_s=self.timeout_s)
                )
            except IdoldbgError as error:
                is_begun = not (isinstance(error, HiffyFailure) and not error.may_have_run)
                error.add_note(_batch_words(len(calls), position, len(batch) if is_begun else 0))
                raise
            for outcome in outcomes:
                call = calls[position]
                position += 1
                try:
                    answer: Reply | CallError = self._answer(call, outcome)
                except (OperationError, ServerDied) as error:
                    answer = error
                yield answer

    def limits(self, operation: ResolvedOperation) -> HiffyLayout:
        """Return what bounds the calls of an operation; raise `NotCallable` if none can be made."""
        self._check_allowed(operation, self.program.task(operation.task))
        return self._session.layout

    def check(self, call: Call) -> None:
        """Refuse a call that hiffy cannot make, without touching the target; as `call` would."""
        request = self._encode(call)
        build_program(self._session.layout, [request])

    @property
    def layout(self) -> HiffyLayout:
        """hiffy's variables and limits in this image; raise `NotCallable` where it has none."""
        return self._session.layout

    def _request(self, call: Call) -> Message:
        """Return the message of a call that passed all checks; compare the images before."""
        request = self._encode(call)
        doubt = f"{call.operation.name}: {call.operation.doubt}" if call.operation.doubt else ""
        if doubt and doubt not in self._doubts:
            self._doubts.add(doubt)
            self.notify(doubt)
        self.check_image()
        self._check_started(call, self.program.task(call.operation.task))
        return request

    def _encode(self, call: Call) -> Message:
        task = self.program.task(call.operation.task)
        request = build_message(call, task.index)
        self._check_allowed(call.operation, task)
        return request

    def _answer(self, call: Call, outcome: Outcome) -> Reply:
        if isinstance(outcome, ServerDeath):
            self._report_death(call, outcome.generation)
        if isinstance(outcome, ErrorReply):
            raise decode_error(call.operation, outcome)
        return decode_reply(call, outcome)

    def forget(self) -> None:
        """Look at everything on the target again: it was reset, flashed, or used by others."""
        self._is_image_checked = False
        self._restarts.clear()
        if "_session" in vars(self):
            self._session.forget()

    def check_image(self) -> None:
        """Compare image id and vector table of the target with the build's, once in a session.

        Every call compares the image id besides.

        Raises `MismatchError`.
        """
        if self._is_image_checked:
            return
        for mark in self._marks:
            try:
                actual = self.target.read(mark.address, len(mark.expected))
            except FaultError as error:
                raise MismatchError(
                    f"the target has no memory at 0x{mark.address:08x}, where this build has its "
                    f"{mark.what}: it is another chip, or locked",
                    expected=mark.expected.hex(),
                    actual="",
                ) from error
            if actual != mark.expected:
                raise mark.mismatch(actual)
        self._is_image_checked = True

    @cached_property
    def _marks(self) -> tuple[ImageMark, ...]:
        """Marks that identify this build's image; each call checks the first."""
        archive = self.program.archive
        marks = []
        if archive.image_id is not None and archive.image_id_address is not None:
            marks.append(ImageMark("image id", archive.image_id_address, archive.image_id))
        if archive.vector_table is not None:
            vectors = MemoryImage(archive.flash_segments()).read(archive.vector_table, 8)
            marks.append(ImageMark("vector table", archive.vector_table, vectors))
        return tuple(marks)

    def _check_allowed(self, operation: ResolvedOperation, task: TaskImage) -> None:
        """Refuse what the server would answer by killing hiffy."""
        callers = task.allowed_callers.get(operation.operation)
        if callers is not None and HIFFY not in callers:
            raise NotCallable(
                f"{operation.name} may be called by {', '.join(callers) or 'nobody'} only "
                f"(`allowed-callers` of task `{task.name}`); hiffy would be killed for it",
                operation=operation.name,
            )

    def _check_started(self, call: Call, task: TaskImage) -> None:
        """Refuse to wait for a task that was never started.

        Only tasks that are not started at boot cost this look at the target.
        """
        if task.start or starts_at_boot(self.program, task):
            return
        self.wait_until_ready()  # before that, the task table may not be there yet
        if read_task(self.program, task.index).is_started:
            return
        raise NotCallable(
            f"{call.operation.name}: task `{task.name}` is not started, so hiffy would wait for it "
            "for ever; start it first (Jefe can, on most systems)",
            operation=call.operation.name,
        )

    def prepare(self) -> None:
        """Look up all that calls need in the debug information, without touching the target."""
        _ = self._session

    def wait_until_ready(self) -> None:
        """Let the target run until hiffy waits for work; raise `HiffyFailure` if it never does."""
        self._drive(self._session.wait_until_ready(timeout_s=self.timeout_s))

    def _run(self, make: Callable[[], Machine[T]]) -> T:
        """Drive the machine of a call; find out more where hiffy does not do its work.

        A hiffy that never became ready for the call, but could be restarted, gets it once more.
        """
        try:
            return self._drive(make())
        except HiffyFailure as error:
            found = self._find_cause(error)
            if found is not error:
                raise found from None
            if error.failure in EXPLAINED:
                raise
            is_recovered = self._examine(error)
            if not (is_recovered and error.failure == "not ready"):
                raise
            self.notify(f"{error.message}; {'; '.join(error.__notes__)}")
        except LinkTimeout as error:  # emulation that takes too long: the link is in order
            self._explain(error)
            raise
        try:
            return self._drive(make())
        except HiffyFailure as error:
            self._examine(error)
            raise

    def _find_cause(self, error: HiffyFailure) -> HiffyFailure:
        """Return a better error for a hiffy that was restarted, if the firmware recorded why."""
        if error.failure != "restarted" or error.generation is None:
            return error
        from idoldbg.render.tasks import fault_words, server_name  # for what went wrong
        from idoldbg.views.faults import read_last_fault

        generation = error.generation % GENERATIONS
        fault = read_last_fault(self.program, self.program.task(HIFFY).index, generation)
        if fault is None:
            return error
        what, failure = f"hiffy was restarted during the call: {fault_words(fault)}", "restarted"
        server = server_name(fault)
        if server is not None and fault.reason is not None:
            what, failure = reply_fault_words(server, fault.reason), "reply fault"
        made = error.message.rpartition("; ")[2]
        name = f"{error.operation}: " if error.operation else ""
        found = HiffyFailure(f"{name}{what}; {made}", operation=error.operation, failure=failure)
        found.generation = error.generation
        return found

    def _examine(self, error: HiffyFailure) -> bool:
        """Add a post-mortem to the error; return whether hiffy was restarted."""
        from idoldbg.render.tasks import post_mortem_sentences
        from idoldbg.views.postmortem import read_post_mortem  # walks stacks: brings pyelftools

        found = read_post_mortem(self.program)
        if found is None:
            return False
        is_recovered = False
        if isinstance(error, CallTimeout) and found.is_wedged:
            words, is_recovered = self._recover(found) if self.recovers else ("", False)
            found = replace(found, recovery=words)
        error.post_mortem = found
        for sentence in post_mortem_sentences(found):
            error.add_note(sentence)
        return is_recovered

    def _explain(self, error: LinkTimeout) -> None:
        """Attach what the tasks were doing, if the target can still be read."""
        from idoldbg.render.tasks import post_mortem_sentences
        from idoldbg.views.postmortem import read_post_mortem  # walks stacks: brings pyelftools

        found = read_post_mortem(self.program)
        for sentence in post_mortem_sentences(found) if found is not None else ():
            error.add_note(sentence)

    def _recover(self, found: PostMortem) -> tuple[str, bool]:
        """Restart hiffy; return what came of it in words."""
        from idoldbg.call.supervisor import SUPERVISOR, Request, Supervisor  # for what went wrong

        supervisor = self.program.archive.tasks[SUPERVISOR].name
        done = f"hiffy was restarted through `{supervisor}`"
        try:
            with self._exclusive():  # else a restart may come into another's call
                Supervisor(self.program, self.target).ask(Request.START, HIFFY)
            row = read_task(self.program, self.program.task(HIFFY).index)
            if row.generation is not None:
                self._restarts.append(row.generation)
            restart_s = RESTART_S if found.starving_task is None else STARVED_RESTART_S
            self._drive(self._session.wait_until_ready(timeout_s=min(restart_s, self.timeout_s)))
        except HiffyFailure as error:
            return f"{done}, which did not help: {error.message}", False
        except IdoldbgError as error:
            return f"hiffy stays stuck until the board is reset: {error.message}", False
        return f"{done}, so that calls can be made again", True

    def _drive(self, machine: Machine[T]) -> T:
        target = self.target
        try:
            with self._exclusive():
                return drive(machine, target, target, target)
        except MismatchError:
            self.forget()  # somebody has flashed it
            raise
        except HiffyFailure as error:
            if error.failure == "reset":
                self.forget()
            if error.failure == "not ready" and is_before_tasks(self.program):
                raise CallTimeout(
                    f"the kernel had started no task within {self.timeout_s:g} s: it is still "
                    "booting (a longer --timeout helps), is held by something, or has failed",
                    operation=error.operation,
                    failure=error.failure,
                    timeout_s=self.timeout_s,
                ) from error
            raise

    @cached_property
    def _session(self) -> Mailbox:
        """hiffy's mailbox in this image; raise `NotCallable` where there is no hiffy."""
        processor = self.program.archive.other_processor
        if processor:
            raise NotCallable(
                f"this build is for {processor}: calls are made on Arm processors only, and of "
                "other builds no more than types, interfaces and core dumps can be read"
            )
        try:
            task = self.program.task(HIFFY)
        except NotFound:
            raise NotCallable(
                "this image has no task called hiffy, which is what makes calls for a debugger; "
                "add it to the application (see Hubris's app/*.toml)"
            ) from None
        layout = self.program.recall(LAYOUT, "", lambda: self._find_layout(task))
        mark = self._marks[0] if self._marks else None
        target = self.target
        return Mailbox(
            layout,
            mark=mark,
            ticks=self.program.kernel_address("TICKS"),
            make_tag=target.make_tag if isinstance(target, TagSource) else random_tag,
        )

    def _exclusive(self) -> AbstractContextManager[None]:
        """Keep others who use the target from making calls meanwhile; may be nested."""
        target = self.target
        return target.exclusive() if isinstance(target, Exclusive) else nullcontext()

    def _find_layout(self, task: TaskImage) -> HiffyLayout:
        variables = find_variables(self.program.object(HIFFY).find_variables)
        entry = task_type(self.program)
        address = table_address(self.program) + task.index * entry.size
        try:
            return build_layout(
                variables,
                task_entry=(address, entry),
                task_names=[t.name for t in self.program.archive.tasks],
            )
        except DebugInfoError as error:
            error.archive = self.program.archive.path  # which the layout knows nothing of
            raise

    def _report_death(self, call: Call, generation: int) -> NoReturn:
        """Report which task died, why, and its state now."""
        from idoldbg.render.tasks import fault_words  # for what went wrong
        from idoldbg.views.faults import read_last_fault

        task = self.program.task(call.operation.task)
        row = read_task(self.program, task.index)
        before = (generation - 1) % GENERATIONS
        fault = row.fault or read_last_fault(self.program, task.index, before)
        death = f"task `{task.name}` died while it had the message"
        if fault is None:
            sentences = [f"{death} (nothing in this firmware recorded why)"]
        else:
            sentences = [f"{death}: {fault_words(fault)}"]
        if row.fault is not None:
            sentences.append("it is still stopped")
        else:
            sentences.append(f"it was restarted and is now generation {row.generation}")
        raise ServerDied(
            f"{call.operation.name}: {'; '.join(sentences)}",
            operation=call.operation.name,
            task=task.name,
            generation=generation,
        )


def _batch_words(total: int, answered: int, in_doubt: int) -> str:
    """Describe how far a batch came: the next program, of `in_doubt` calls, gave no answers."""
    unmade = total - answered - in_doubt
    words = [f"of the {total} calls of this batch, {answered} were answered"]
    words += [f"{in_doubt} may have been made or not, in the program that failed"] * (in_doubt > 0)
    words += [f"{unmade} were not made"] * (unmade > 0)
    return ", ".join(words)
