"""Looks at a target twice for a diagnosis, and catches the fault of tasks that keep restarting."""

from __future__ import annotations

from collections.abc import Iterator

from idol.records import replace
from idoldbg.call.supervisor import Request, Supervisor, find_control
from idoldbg.errors import IdoldbgError, LinkTimeout, MismatchError
from idoldbg.session import Session
from idoldbg.startup import settle
from idoldbg.target.capability import Registers, RunControl
from idoldbg.views.backtrace import read_backtrace
from idoldbg.views.diagnosis import (
    Code,
    Diagnosis,
    Finding,
    Severity,
    diagnose,
    observe,
)

__all__ = ["examine"]

HOLD_LIMIT_S = 1.0
STEP_S = 0.05  # between two chances for others to say how far the wait is


def examine(session: Session, *, seconds: float = 1.0, keep_held: bool = False) -> Diagnosis:
    """Look at a target, let it run for `seconds` of its own clock, look again.

    A task that restarts meanwhile is held at its next fault, to see its stack, and let go of again
    unless `keep_held`. A core dump is looked at once. Raises what the link raises.
    """
    try:
        settle(session)
    except MismatchError as error:  # whatever else is read means nothing
        facts = {"why": str(error)}
        mismatch = Finding(Code.IMAGE_MISMATCH, Severity.ERROR, facts=facts)
        return Diagnosis((mismatch,), ("image",))
    except LinkTimeout as error:  # firmware that is never idle: what keeps it busy is asked
        session.notify(str(error))
    target, program = session.target, session.program
    registers = target.need(Registers) if target.can(Registers) else None
    first = observe(program, registers)
    if not target.can(RunControl) or seconds == 0:
        return diagnose(first)
    try:
        _wait(session, seconds)
    except LinkTimeout as error:
        session.notify(str(error))
    second = observe(program, registers)
    result = diagnose(first, second, waited_ms=round(seconds * 1000))
    caught = list(_catch(session, result, keep_held=keep_held))
    return _with_stacks(result, caught)


def _wait(session: Session, seconds: float) -> None:
    end_s = session.link.monotonic() + seconds
    while (left_s := end_s - session.link.monotonic()) > 0:
        session.link.wait(min(STEP_S, left_s))


def _catch(session: Session, result: Diagnosis, *, keep_held: bool) -> Iterator[Finding]:
    """Hold tasks that keep restarting at their next fault, and look at their stacks there."""
    program = session.program
    restarting = [f.task for f in result.findings if f.code is Code.TASK_RESTARTING and f.task]
    if not restarting or find_control(program) is None:
        return
    supervisor = Supervisor(program, session.link)
    for task in restarting:
        try:
            held = supervisor.hold_until_fault(task, timeout_s=HOLD_LIMIT_S)
            stack = read_backtrace(program, held.after.index)
            yield Finding(Code.TASK_RESTARTING, Severity.ERROR, task, {}, held.after.fault, stack)
        except IdoldbgError:
            pass  # it did not fault again, or cannot be held: what was seen stands
        finally:
            if not keep_held:
                _release(supervisor, task)


def _release(supervisor: Supervisor, task: str) -> None:
    try:
        supervisor.ask(Request.RELEASE, task)
    except IdoldbgError as error:
        error.add_note(f"task `{task}` may still be held")
        raise


def _with_stacks(result: Diagnosis, caught: list[Finding]) -> Diagnosis:
    by_task = {finding.task: finding for finding in caught}
    findings = tuple(
        replace(f, fault=by_task[f.task].fault, stack=by_task[f.task].stack)
        if f.code is Code.TASK_RESTARTING and f.task in by_task
        else f
        for f in result.findings
    )
    return replace(result, findings=findings)
