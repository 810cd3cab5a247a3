"""Checks of a target's health: from one look at it, or two some time apart, to findings.

Each check is a function of one or two observations, and sees nothing else; a new one joins with its
row in `CHECKS`. Findings are data with stable codes: `idoldbg.render.diagnosis` makes sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, Protocol

from idol.records import dataclass, field
from idoldbg.build.program import Program
from idoldbg.errors import IdoldbgError
from idoldbg.model.memory import MemoryReader, read_u32
from idoldbg.views.backtrace import Backtrace, read_backtrace
from idoldbg.views.faults import read_fault_before
from idoldbg.views.stack_use import StackUse, read_stack_use
from idoldbg.views.task_calls import TaskCalls, read_task_calls
from idoldbg.views.tasks import GENERATIONS, Fault, TaskRow, TaskTable, is_before_tasks, read_tasks

__all__ = [
    "CHECKS",
    "Code",
    "Core",
    "Diagnosis",
    "Finding",
    "Observation",
    "Severity",
    "diagnose",
    "observe",
]

HIFFY = "hiffy"
DHCSR = 0xE000EDF0  # Debug Halting Control and Status Register: Armv7-M ARM, C1.6.2
S_LOCKUP = 1 << 19
IPSR = 0x1FF
FAULT_EXCEPTIONS = range(2, 8)  # NMI, HardFault, MemManage, BusFault, UsageFault, SecureFault
LOW_MARGIN = 0.1  # of a stack
SERVER_DEATH = "ServerDeath"  # variant of a client's counters


class Severity(StrEnum):
    """Weight of a finding. Errors make `diagnose` exit with 1."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Code(StrEnum):
    """Kind of a finding; programs go by it."""

    KERNEL_DIED = "kernel-died"
    NOT_BOOTED = "not-booted"
    LOCKUP = "lockup"
    IMAGE_MISMATCH = "image-mismatch"
    CORE_IN_EXCEPTION = "core-in-exception"
    TICKS_STOPPED = "ticks-stopped"
    REBOOTED = "rebooted"
    TASK_FAULTED = "task-faulted"
    TASK_RESTARTING = "task-restarting"
    TASK_RESTARTED = "task-restarted"
    TASK_HELD = "task-held"
    TASK_DEAD = "task-dead"
    WAIT_CYCLE = "wait-cycle"
    PRIORITY_INVERSION = "priority-inversion"
    STARVED = "starved"
    NOTIFICATION_UNSERVED = "notification-unserved"
    STACK_LOW = "stack-low"
    SERVER_DEATHS = "server-deaths"
    CALLS_LOST = "calls-lost"
    HIFFY_STUCK = "hiffy-stuck"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or may be. `facts` are named values that the code calls for.

    `fault` and `stack` are its evidence, where there is some.
    """

    code: Code
    severity: Severity
    task: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    fault: Fault | None = None
    stack: Backtrace | None = None


@dataclass(frozen=True, slots=True)
class Core:
    """State of the processor; None for what could not be read."""

    exception: int | None = None
    is_locked_up: bool | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """One look at a target. `problems` are (what, why) of what could not be read.

    `last_faults` are those of restarted tasks that the supervisor has recorded, by task.
    """

    table: TaskTable | None
    is_before_tasks: bool = False
    core: Core = Core()
    stacks: Mapping[str, Backtrace] = field(default_factory=dict)
    last_faults: Mapping[str, Fault] = field(default_factory=dict)
    stack_use: tuple[StackUse, ...] = ()
    calls: TaskCalls | None = None
    problems: tuple[tuple[str, str], ...] = ()

    @property
    def rows(self) -> tuple[TaskRow, ...]:
        """The tasks, none where the table could not be read."""
        return () if self.table is None else self.table.rows


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Findings, gravest first; `checked` are the subjects that were looked at."""

    findings: tuple[Finding, ...]
    checked: tuple[str, ...]
    waited_ms: int = 0
    tasks: int = 0

    @property
    def has_errors(self) -> bool:
        """Whether anything is wrong for certain."""
        return any(finding.severity is Severity.ERROR for finding in self.findings)


class _Registers(Protocol):
    """Core registers of a target."""

    def read_register(self, name: str) -> int:
        """Return a 32-bit value."""


def observe(program: Program, registers: _Registers | None = None) -> Observation:
    """Look at a target; what cannot be read is a problem of the observation. Never raises."""
    problems: list[tuple[str, str]] = []

    def attempt(what: str, read: Callable[[], Any], otherwise: Any = None) -> Any:
        try:
            return read()
        except IdoldbgError as error:
            problems.append((what, str(error)))
            return otherwise

    early = attempt("kernel", lambda: is_before_tasks(program), False)
    table: TaskTable | None = attempt("task table", lambda: read_tasks(program))
    rows = () if table is None or early else table.rows
    faulted = [row for row in rows if row.fault is not None]
    return Observation(
        table,
        early,
        _read_core(program.memory, registers),
        {row.name: read_backtrace(program, row.index) for row in faulted},
        dict(_last_faults(program, rows)),
        () if early else attempt("stacks", lambda: read_stack_use(program), ()),
        None if early else attempt("call counters", lambda: read_task_calls(program)),
        tuple(problems),
    )


def _read_core(memory: MemoryReader, registers: _Registers | None) -> Core:
    exception = is_locked_up = None
    if registers is not None:
        try:
            exception = registers.read_register("xpsr") & IPSR
        except IdoldbgError:
            pass  # a dump without registers
    try:
        is_locked_up = bool(read_u32(memory, DHCSR) & S_LOCKUP)
    except IdoldbgError:
        pass  # a dump has no debug registers
    return Core(exception, is_locked_up)


def _last_faults(program: Program, rows: Iterable[TaskRow]) -> Iterator[tuple[str, Fault]]:
    for row in rows:
        if row.generation and row.fault is None:
            fault = read_fault_before(program, row.index, row.generation)
            if fault is not None:
                yield row.name, fault


def diagnose(
    first: Observation,
    second: Observation | None = None,
    *,
    waited_ms: int = 0,
    more: Iterable[Finding] = (),
) -> Diagnosis:
    """Return what the checks find in one observation, or two that were `waited_ms` apart.

    `more` are findings of whoever looked at the target.
    """
    found = [*more, *(f for check in CHECKS.values() for f in check(first, second))]
    order = list(Severity)
    found.sort(key=lambda f: order.index(f.severity))
    last = second or first
    return Diagnosis(tuple(found), tuple(CHECKS), waited_ms, len(last.rows))


# -- checks


def _check_kernel(first: Observation, second: Observation | None) -> Iterator[Finding]:
    last = second or first
    if last.core.is_locked_up:
        yield Finding(Code.LOCKUP, Severity.ERROR)
    epitaph = None if last.table is None else last.table.epitaph
    exception = last.core.exception
    if epitaph is not None:
        facts = {"epitaph": epitaph, "exception": exception or None}
        yield Finding(Code.KERNEL_DIED, Severity.ERROR, facts=facts)
    elif exception in FAULT_EXCEPTIONS:
        yield Finding(Code.CORE_IN_EXCEPTION, Severity.ERROR, facts={"exception": exception})
    if last.is_before_tasks:
        yield Finding(Code.NOT_BOOTED, Severity.ERROR)
    unread = [row for row in last.rows if row.problem] if not last.is_before_tasks else []
    if unread:
        facts = {
            "what": ", ".join(row.name for row in unread),
            "why": unread[0].problem.removeprefix("unreadable: "),
        }
        yield Finding(Code.UNREADABLE, Severity.WARNING, facts=facts)
    for what, why in last.problems:
        yield Finding(Code.UNREADABLE, Severity.WARNING, facts={"what": what, "why": why})


def _check_ticks(first: Observation, second: Observation | None) -> Iterator[Finding]:
    before = None if first.table is None else first.table.time_ms
    after = None if second is None or second.table is None else second.table.time_ms
    if before is None or after is None:
        return
    facts = {"before": before, "after": after}
    if after < before:
        yield Finding(Code.REBOOTED, Severity.ERROR, facts=facts)
    elif after == before and not first.is_before_tasks:
        yield Finding(Code.TICKS_STOPPED, Severity.ERROR, facts=facts)


def _check_tasks(first: Observation, second: Observation | None) -> Iterator[Finding]:
    last = second or first
    if last.is_before_tasks:
        return
    was = {row.name: row.generation for row in first.rows}
    is_reset = any(f.code is Code.REBOOTED for f in _check_ticks(first, second))
    for row in last.rows:
        restarts = row.generation or 0
        before = was.get(row.name) or 0
        fault = row.fault or last.last_faults.get(row.name) or first.last_faults.get(row.name)
        stack = last.stacks.get(row.name) or first.stacks.get(row.name)
        facts = {"restarts": restarts}
        if row.fault is not None:
            yield Finding(Code.TASK_FAULTED, Severity.ERROR, row.name, facts, row.fault, stack)
        elif second is not None and not is_reset and (restarts - before) % GENERATIONS:
            facts["seen"] = (restarts - before) % GENERATIONS
            yield Finding(Code.TASK_RESTARTING, Severity.ERROR, row.name, facts, fault, stack)
        elif restarts:
            yield Finding(Code.TASK_RESTARTED, Severity.WARNING, row.name, facts, fault)
        if row.is_held and row.fault is None:
            yield Finding(Code.TASK_HELD, Severity.NOTE, row.name)
        if row.is_dead:
            yield Finding(Code.TASK_DEAD, Severity.WARNING, row.name)


def _check_notifications(first: Observation, second: Observation | None) -> Iterator[Finding]:
    """Find notifications that were posted, and that the task is not waiting for."""
    before = {row.name: row.pending or 0 for row in first.rows}
    for row in (second or first).rows:
        unserved = (row.pending or 0) & (before.get(row.name, 0) if second else -1)
        if unserved and row.fault is None and row.scheduler_state == "InRecv":
            facts = {"bits": unserved}
            yield Finding(Code.NOTIFICATION_UNSERVED, Severity.NOTE, row.name, facts)


def _check_waits(first: Observation, second: Observation | None) -> Iterator[Finding]:
    last = second or first
    rows = {row.name: row for row in last.rows}
    before = {row.name: row.waits_for for row in first.rows}
    in_cycles: set[str] = set()
    for row in last.rows:
        chain = [row.name]
        while (peer := rows[chain[-1]].waits_for) in rows and peer not in chain:
            chain.append(str(peer))
        if peer in chain and row.name not in in_cycles:
            cycle = chain[chain.index(str(peer)) :]
            in_cycles |= set(cycle)
            yield Finding(Code.WAIT_CYCLE, Severity.ERROR, cycle[0], {"tasks": tuple(cycle)})
    for row in last.rows:
        server = rows.get(row.waits_for or "")
        if server is None or server.priority is None or row.priority is None:
            continue
        if server.priority > row.priority:
            facts = {
                "server": server.name,
                "priority": row.priority,
                "server_priority": server.priority,
            }
            yield Finding(Code.PRIORITY_INVERSION, Severity.WARNING, row.name, facts)
        is_stuck = second is not None and before.get(row.name) == row.waits_for
        if row.name == HIFFY and is_stuck and row.name not in in_cycles:
            yield Finding(Code.HIFFY_STUCK, Severity.WARNING, HIFFY, {"server": server.name})


def _check_starved(first: Observation, second: Observation | None) -> Iterator[Finding]:
    """Find tasks that could run in both looks, while one task ran in both."""
    if second is None or first.is_before_tasks:
        return
    running = {row.name: row for row in second.rows if row.is_current}
    were_running = {row.name for row in first.rows if row.is_current}
    ready = {row.name for row in first.rows if _is_ready(row)}
    for row in second.rows:
        for name in running.keys() & were_running:
            runner = running[name]
            if row.name in ready and _is_ready(row) and _is_less(row, runner):
                yield Finding(Code.STARVED, Severity.WARNING, row.name, {"running": name})


def _is_ready(row: TaskRow) -> bool:
    return row.fault is None and row.scheduler_state == "Runnable" and not row.is_current


def _is_less(row: TaskRow, other: TaskRow) -> bool:
    """Return whether a task is less important than another: its number is higher."""
    return (row.priority or 0) > (other.priority or 0)


def _check_stacks(first: Observation, second: Observation | None) -> Iterator[Finding]:
    for use in (second or first).stack_use:
        if use.margin is not None and use.size and use.margin < LOW_MARGIN * use.size:
            facts = {"margin": use.margin, "size": use.size, "declared": use.declared}
            yield Finding(Code.STACK_LOW, Severity.WARNING, use.task, facts)


def _check_calls(first: Observation, second: Observation | None) -> Iterator[Finding]:
    calls = (second or first).calls
    if calls is None:
        return
    for call in calls.calls:
        deaths = sum(n for name, n in call.errors.items() if name.endswith(SERVER_DEATH))
        if deaths:
            facts = {"call": f"{call.interface}.{call.operation}", "deaths": deaths}
            yield Finding(Code.SERVER_DEATHS, Severity.WARNING, call.client, facts)
    restarts = {row.name: row.generation for row in (second or first).rows}
    clients: dict[tuple[str, str], set[str]] = {}
    for call in calls.calls:
        clients.setdefault((call.interface, call.operation), set()).add(call.client)
    for server in calls.servers:
        ends = {server.server} | clients.get((server.interface, server.operation), set())
        if server.calls_sent is None or server.calls_seen is None or any(map(restarts.get, ends)):
            continue  # counters are zeroed with a task's memory
        if server.calls_sent > server.calls_seen + len(ends):  # some may be under way
            facts = {
                "call": f"{server.interface}.{server.operation}",
                "sent": server.calls_sent,
                "seen": server.calls_seen,
            }
            yield Finding(Code.CALLS_LOST, Severity.NOTE, server.server, facts)


_Check = Callable[[Observation, Observation | None], Iterator[Finding]]

CHECKS: dict[str, _Check] = {
    "kernel": _check_kernel,
    "ticks": _check_ticks,
    "tasks": _check_tasks,
    "notifications": _check_notifications,
    "waits": _check_waits,
    "starvation": _check_starved,
    "stacks": _check_stacks,
    "call counters": _check_calls,
}
"""By subject, in the order in which they look."""
