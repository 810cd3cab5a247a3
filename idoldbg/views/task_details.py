"""Tasks with their stacks, registers, stack use, and entries in the task table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from idol.records import dataclass
from idoldbg.build.program import Program
from idoldbg.call.codec import image
from idoldbg.errors import DecodeError, FaultError, IdoldbgError
from idoldbg.model.values import Value
from idoldbg.views.backtrace import Backtrace, read_backtrace, runs_task
from idoldbg.views.core_registers import IPSR
from idoldbg.views.saved import FLOATS, GENERAL, read_task_registers
from idoldbg.views.stack_use import StackUse, read_stack_use
from idoldbg.views.tasks import TaskRow, TaskTable, read_tasks, table_address, task_type

__all__ = ["TaskDetail", "TaskReport", "TaskParts", "read_task_report"]


ELSEWHERE = "the core is in other code than this task's: these are of when it last stopped"
STALE = "the core's registers are not known: these are of when it last stopped"


@dataclass(frozen=True, slots=True)
class TaskParts:
    """Parts of each task to read, besides its row of the table."""

    stack: bool = False
    registers: bool = False
    value: bool = False
    use: bool = False
    guess: bool = False


@dataclass(frozen=True, slots=True)
class TaskDetail:
    """One task; what was not asked for is None.

    A register is None where it is not known, and `register_problem` says why. `value` is the
    `kern::task::Task` at `address`.
    """

    row: TaskRow
    stack: Backtrace | None = None
    registers: Mapping[str, int | None] | None = None
    register_problem: str = ""
    use: StackUse | None = None
    value: Value | None = None
    address: int | None = None


@dataclass(frozen=True, slots=True)
class TaskReport:
    """Tasks, and the state of the core.

    `exception` is the number of the exception that is handled, 0 in a task, None where the core's
    registers are not known. `running` is the task that has the core.
    """

    table: TaskTable
    details: tuple[TaskDetail, ...]
    exception: int | None = None
    running: str | None = None

    @property
    def faulted(self) -> tuple[str, ...]:
        """The tasks that are stopped by a fault."""
        return tuple(d.row.name for d in self.details if d.row.fault is not None)


def read_task_report(
    program: Program,
    names: Sequence[str] = (),
    wanted: TaskParts = TaskParts(),  # noqa: B008  frozen
    live: Mapping[str, int] | None = None,
) -> TaskReport:
    """Read tasks by name, all of them without names; raise `NotFound` for an unknown one.

    `live` are the registers of a halted core, None or empty where they are not known.
    """
    known = [program.task(name).name for name in names]
    table = read_tasks(program)
    rows = [row for row in table.rows if not known or row.name in known]
    uses: Mapping[str, StackUse] = {}
    if wanted.use:
        uses = {use.task: use for use in read_stack_use(program, known)}
    details = [_detail(program, row, wanted, uses.get(row.name), live or {}) for row in rows]
    running = next((row.name for row in table.rows if row.is_current), None)
    exception = live.get("xpsr", 0) & IPSR if live else None
    return TaskReport(table, tuple(details), exception, running)


def _detail(
    program: Program,
    row: TaskRow,
    wanted: TaskParts,
    use: StackUse | None,
    live: Mapping[str, int],
) -> TaskDetail:
    own = live if row.is_current else {}
    in_other_code = own and not own.get("xpsr", 0) & IPSR and not runs_task(program, row.name, own)
    stack = value = registers = None
    address, problem = None, ""
    if wanted.stack:
        stack = read_backtrace(program, row.index, own, guess=wanted.guess)
    if wanted.registers:
        registers, problem = _registers(program, row.index, {} if in_other_code else own)
        if in_other_code and not problem:
            problem = ELSEWHERE
        elif row.is_current and not own and row.scheduler_state == "Runnable" and not row.fault:
            problem = problem or STALE
    if wanted.value:
        address, value = _value(program, row.index)
    return TaskDetail(row, stack, registers, problem, use, value, address)


def _registers(
    program: Program, index: int, live: Mapping[str, int]
) -> tuple[dict[str, int | None], str]:
    try:
        found, problem = read_task_registers(program, index, live)
    except IdoldbgError as error:
        found, problem = {}, error.message
    has_floats = any(name in found for name in FLOATS)
    names = (*GENERAL, *FLOATS, "fpscr") if has_floats else GENERAL
    return {name: found.get(name) for name in names}, problem


def _value(program: Program, index: int) -> tuple[int | None, Value | None]:
    type_ = task_type(program)
    address = table_address(program) + index * type_.size
    try:
        data = program.memory.read(address, type_.size)
        return address, image.decode(type_, data, address=address)
    except (FaultError, DecodeError):
        return address, None  # the row says so
