"""After a call without an answer: who waits for whom, and where the last of them stands.

Reads only. A post-mortem adds what it can find out and never hides the failure itself: whatever
cannot be read is left out.
"""

from __future__ import annotations

from enum import Enum

from idol.records import dataclass
from idoldbg.build.program import Program
from idoldbg.errors import IdoldbgError
from idoldbg.views.backtrace import Backtrace, read_backtrace
from idoldbg.views.tasks import TaskRow, is_halted, read_tasks

__all__ = ["PostMortem", "Recovery", "RecoveryOutcome", "read_post_mortem"]

HIFFY = "hiffy"


class RecoveryOutcome(Enum):
    """Outcome of an attempt to restart hiffy."""

    RESTARTED = "restarted"
    USELESS = "useless"  # restarted, and still not ready
    FAILED = "failed"  # not restarted: it stays stuck until the board is reset


@dataclass(frozen=True, slots=True)
class Recovery:
    """Attempt to restart hiffy through the task `supervisor`; `reason` is why it did not help."""

    outcome: RecoveryOutcome
    supervisor: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PostMortem:
    """Reason why hiffy does not answer, as far as the target's memory tells.

    `waits` are hiffy and whoever it waits for, each waiting for the next. `running` is the task
    that had the processor; `backtrace` says where the last of `waits` stands or, where that could
    run, who runs instead. `recovery` is None where hiffy was left as it was.
    """

    waits: tuple[TaskRow, ...]
    running: TaskRow | None = None
    backtrace: Backtrace | None = None
    epitaph: str | None = None
    is_halted: bool = False
    is_circular: bool = False
    recovery: Recovery | None = None

    @property
    def is_wedged(self) -> bool:
        """Whether hiffy waits for another task, which nothing but its restart ends for certain."""
        return len(self.waits) > 1 and not self.is_halted

    @property
    def starving_task(self) -> TaskRow | None:
        """The task that has the processor, and keeps it from hiffy, also from a restarted one."""
        current = next((r for r in (*self.waits, self.running) if r and r.is_current), None)
        priorities = [row.priority for row in (current, *self.waits[:1]) if row is not None]
        match priorities:
            case [int(its), int(hiffys)] if its < hiffys:  # 0 is the most important
                return current
        return None


def read_post_mortem(program: Program) -> PostMortem | None:
    """Follow the waits from hiffy on; None where the task table cannot be read."""
    try:
        table = read_tasks(program)
    except IdoldbgError:
        return None
    rows = {row.name: row for row in table.rows}
    row = rows.get(HIFFY)
    waits: list[TaskRow] = []
    while row is not None and row not in waits:
        waits.append(row)
        row = None if row.waits_for is None else rows.get(row.waits_for)
    running = next((r for r in table.rows if r.is_current), None)
    last = waits[-1] if waits else None
    if last is not None and last.scheduler_state == "Runnable" and last.fault is None:
        last = running  # it could go on, but another has the processor
    else:
        running = None
    trace = None if last is None or last.name == HIFFY else read_backtrace(program, last.index)
    return PostMortem(
        tuple(waits), running, trace, table.epitaph, is_halted(program.memory), row is not None
    )
