"""Diagnosis of a failed call from the target's memory, and recovery of hiffy."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from idol.records import replace
from idoldbg.build.program import Program
from idoldbg.call.hiffy.reasons import describe_reply_fault
from idoldbg.call.hiffy.transport import HIFFY, HiffyTransport, use_alone
from idoldbg.errors import CallTimeout, HiffyFailure, IdoldbgError, LinkTimeout
from idoldbg.model.archive import TaskImage
from idoldbg.views.tasks import GENERATIONS, is_before_tasks, read_task

if TYPE_CHECKING:
    from idoldbg.views.postmortem import PostMortem

__all__ = ["Forensics"]

RESTART_S = 0.5  # enough for hiffy to start, where it gets the processor at all
STARVED_RESTART_S = 0.02  # where it hardly will: emulating a busy target takes many times as long
EXPLAINED = ("reset", "restarted", "reply fault", "conflict", "lost kick")
"""Failures of which the state of the tasks afterwards tells nothing."""


class Forensics:
    """Reads a target's memory around calls through its hiffy; restarts hiffy where that helps."""

    def __init__(self, program: Program, transport: HiffyTransport) -> None:
        self.program = program
        self.transport = transport
        self.restarts: tuple[int, ...] = ()
        """The generations of hiffy that were begun here, to make it answer again."""

    def forget(self) -> None:
        """Drop what is known of the target: it was reset."""
        self.restarts = ()

    def is_started(self, task: TaskImage) -> bool:
        """Return whether a task that is not started at boot has been started since."""
        return read_task(self.program, task.index).is_started

    def find_cause(self, error: HiffyFailure, *, timeout_s: float) -> HiffyFailure:
        """Return a better error where the kernel, or its record of faults, shows why."""
        if error.failure == "not ready" and is_before_tasks(self.program):
            return CallTimeout(
                f"the kernel had started no task within {timeout_s:g} s: it is still booting (a "
                "longer --timeout helps), is held by something, or has failed",
                operation=error.operation,
                failure=error.failure,
                timeout_s=timeout_s,
            )
        if error.failure != "restarted" or error.generation is None:
            return error
        from idoldbg.render.tasks import describe_fault, server_name  # for what went wrong
        from idoldbg.views.faults import read_last_fault

        generation = error.generation % GENERATIONS
        fault = read_last_fault(self.program, self.program.task(HIFFY).index, generation)
        if fault is None:
            return error
        what, failure = f"hiffy was restarted during the call: {describe_fault(fault)}", "restarted"
        server = server_name(fault)
        if server is not None and fault.reason is not None:
            what, failure = describe_reply_fault(server, fault.reason), "reply fault"
        made = error.message.rpartition("; ")[2]
        name = f"{error.operation}: " if error.operation else ""
        found = HiffyFailure(f"{name}{what}; {made}", operation=error.operation, failure=failure)
        found.generation = error.generation
        return found

    def examine(
        self, error: HiffyFailure | LinkTimeout, *, timeout_s: float, recovers: bool
    ) -> bool:
        """Add a post-mortem to an error of a call; return whether hiffy was restarted after it.

        That is tried if `recovers`, where hiffy waits for another task for ever.
        """
        if isinstance(error, HiffyFailure) and error.failure in EXPLAINED:
            return False
        from idoldbg.render.tasks import post_mortem_sentences
        from idoldbg.views.postmortem import read_post_mortem  # walks stacks: brings pyelftools

        found = read_post_mortem(self.program)
        if found is None:
            return False
        is_recovered = False
        if isinstance(error, CallTimeout) and found.is_wedged and recovers:
            found, is_recovered = self._recover(found, timeout_s)
        if isinstance(error, HiffyFailure):
            error.post_mortem = found
        for sentence in post_mortem_sentences(found):
            error.add_note(sentence)
        return is_recovered

    def _recover(self, found: PostMortem, timeout_s: float) -> tuple[PostMortem, bool]:
        """Restart hiffy; return the post-mortem with the outcome, and whether hiffy works again."""
        from idoldbg.call.supervisor import SUPERVISOR, Request, Supervisor  # for what went wrong
        from idoldbg.views.postmortem import Recovery, RecoveryOutcome

        target = self.transport.target
        supervisor = self.program.archive.tasks[SUPERVISOR].name
        outcome, reason = RecoveryOutcome.RESTARTED, ""
        try:
            restart = partial(Supervisor(self.program, target).ask, Request.START, HIFFY)
            use_alone(target, restart)  # else it may come into another's call
            row = read_task(self.program, self.program.task(HIFFY).index)
            if row.generation is not None:
                self.restarts += (row.generation,)
            restart_s = RESTART_S if found.starving_task is None else STARVED_RESTART_S
            self.transport.wait_until_ready(timeout_s=min(restart_s, timeout_s))
        except HiffyFailure as error:
            outcome, reason = RecoveryOutcome.USELESS, error.message
        except IdoldbgError as error:
            outcome, reason = RecoveryOutcome.FAILED, error.message
        found = replace(found, recovery=Recovery(outcome, supervisor, reason))
        return found, outcome is RecoveryOutcome.RESTARTED

    def describe_death(self, task: TaskImage, generation: int) -> str:
        """Return why a task died in a call, and its state now; `generation` is the new one's."""
        from idoldbg.render.tasks import describe_fault  # for what went wrong
        from idoldbg.views.faults import read_fault_before

        row = read_task(self.program, task.index)
        fault = row.fault or read_fault_before(self.program, task.index, generation)
        why = " (nothing in this firmware recorded why)"
        if fault is not None:
            why = f": {describe_fault(fault)}"
        if row.fault is not None:
            return f"{why}; it is still stopped"
        return f"{why}; it was restarted and is now generation {row.generation}"
