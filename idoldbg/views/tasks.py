"""The task table: who runs, who waits for whom, who faulted and why.

Types and meaning are those of Hubris's `kern::task::Task` (sys/kern/src/task.rs) and
`abi::TaskState` (sys/abi/src/lib.rs), read by the names that DWARF gives, so that kernels of
different ages work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from idol.records import dataclass, replace
from idoldbg.build.kept import TASK_TYPE
from idoldbg.build.program import Program
from idoldbg.call.codec import image
from idoldbg.errors import DebugInfoError, DecodeError, FaultError, IdoldbgError
from idoldbg.model.archive import TaskImage
from idoldbg.model.memory import MemoryReader, read_u32
from idoldbg.model.types import Struct
from idoldbg.model.values import EnumValue, Value, find_number, format_value
from idoldbg.views.holds import read_holds
from idoldbg.views.interrupts import task_interrupts

if TYPE_CHECKING:
    from idoldbg.views.regions import Place

__all__ = [
    "GENERATIONS",
    "Fault",
    "Notification",
    "SchedulerState",
    "TaskRef",
    "TaskRow",
    "TaskTable",
    "Timer",
    "current_task",
    "read_fault",
    "is_before_tasks",
    "is_halted",
    "read_blocks",
    "read_task",
    "read_tasks",
    "table_address",
    "task_type",
]

DHCSR = 0xE000EDF0  # Debug Halting Control and Status Register: ARMv7-M manual, C1.6.2
S_HALT = 1 << 17
KERNEL_TASK_ID = 0xFFFF
TASK_INDEX_BITS = 10  # abi::TaskId::INDEX_BITS
TASK_INDEX_MASK = (1 << TASK_INDEX_BITS) - 1
GENERATIONS = 64  # abi::TaskId has six bits for them
PANIC_MESSAGE_LIMIT = 255
BEFORE_TASKS = "the kernel has not started its tasks"


@dataclass(frozen=True, slots=True)
class TaskRef:
    """A task as an `abi::TaskId` names it; `name` is None where the build has no such task."""

    number: int
    name: str | None

    @property
    def index(self) -> int:
        """Its place in the task table."""
        return self.number & TASK_INDEX_MASK

    @property
    def generation(self) -> int:
        """Incarnation of the task."""
        return self.number >> TASK_INDEX_BITS

    @property
    def is_kernel(self) -> bool:
        """Whether it is the kernel itself, not a task."""
        return self.number == KERNEL_TASK_ID


@dataclass(frozen=True, slots=True)
class Fault:
    """Fault of a task.

    `kind` is the variant of `abi::FaultInfo`, `address` the memory address at fault where the
    kernel recorded one, `in_syscall` tells a memory fault of the kernel on the task's behalf.
    `panic_message` is the text of a panic, `peer` the task that killed this one or sent the reply
    fault, `reason` its `abi::ReplyFaultReason`, `usage` the `abi::UsageError` of a system call,
    `cfsr` the fault status register of a general fault, `place` the meaning of `address` to the
    task. `unknown` is the value as it was read where its kind is none of those that are known here.
    """

    kind: str
    address: int | None = None
    panic_message: str | None = None
    peer: TaskRef | None = None
    reason: str | None = None
    usage: str | None = None
    cfsr: int | None = None
    in_syscall: bool = False
    unknown: Value | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Notification:
    """One notification that a task waits for, with what may post it.

    `irqs` are interrupt numbers; `deadline` is when the task's timer posts it, in ticks, and
    `ticks_left` how long that is from now.
    """

    name: str
    irqs: tuple[int, ...] = ()
    deadline: int | None = None
    ticks_left: int | None = None


@dataclass(frozen=True, slots=True)
class SchedulerState:
    """State of a task for the scheduler: `kind` is the variant of `abi::SchedState`.

    `peer` is the task that it sends to, awaits a reply of, or receives from alone.
    `notifications` end its receive, and `mask` has their bits; None where the register that holds
    their mask is not known.
    `unknown` is the value as it was read where its kind is none of those that are known here.
    """

    kind: str
    peer: TaskRef | None = None
    notifications: tuple[Notification, ...] | None = ()
    unknown: Value | None = None
    mask: int | None = None


@dataclass(frozen=True, slots=True)
class Timer:
    """A task's timer: when it posts the notifications `bits`, in ticks, and how long from now."""

    deadline: int | None
    in_ticks: int | None
    bits: int


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One task. `generation` counts its restarts (on most kernels modulo 64).

    `restarts` is their number where the kernel keeps it whole, `pending` the notifications that are
    posted and not taken. `is_held` is whether the supervisor leaves it alone when it faults
    (`idoldbg.views.holds`).

    `scheduler` is what it does (for a faulted task: did before the fault). What could not be read
    is None; `problem` says why there is no state.
    """

    index: int
    name: str
    generation: int | None
    priority: int | None
    scheduler: SchedulerState | None = None
    is_current: bool = False
    fault: Fault | None = None
    problem: str = ""
    restarts: int | None = None
    pending: int | None = None
    timer: Timer | None = None
    is_held: bool | None = None

    @property
    def is_dead(self) -> bool:
        """Return whether it waits for what nothing sends: notifications of an empty mask."""
        state = self.scheduler
        if state is None or self.fault is not None or state.kind != "InRecv":
            return False
        return state.peer is not None and state.peer.is_kernel and state.mask == 0

    @property
    def scheduler_state(self) -> str | None:
        """The variant of `abi::SchedState`."""
        return None if self.scheduler is None else self.scheduler.kind

    @property
    def is_started(self) -> bool:
        """Return whether a task may run: it was started and not stopped."""
        return self.scheduler_state != "Stopped"

    @property
    def waits_for(self) -> str | None:
        """The task whose answer or attention a healthy one needs."""
        if self.fault is not None or self.scheduler_state not in ("InSend", "InReply"):
            return None
        peer = None if self.scheduler is None else self.scheduler.peer
        return None if peer is None else peer.name


@dataclass(frozen=True, slots=True)
class TaskTable:
    """All tasks at (nearly) one moment; `time_ms` is the kernel's uptime in ticks."""

    time_ms: int | None
    rows: tuple[TaskRow, ...]
    epitaph: str | None = None


def read_tasks(program: Program) -> TaskTable:
    """Read the whole table with one block read where the target allows it."""
    type_ = task_type(program)
    size = type_.size
    tasks = program.archive.tasks
    if is_before_tasks(program):
        early = [TaskRow(task.index, task.name, None, None, problem=BEFORE_TASKS) for task in tasks]
        return TaskTable(0, tuple(early), program.epitaph())  # its clock starts with its tasks
    base = table_address(program)
    blocks = read_blocks(program)
    time_ms = program.ticks()
    current = program.find_word("CURRENT_TASK_PTR")
    rows: list[TaskRow] = []
    for task, block in zip(tasks, blocks, strict=True):
        address = base + task.index * size
        if isinstance(block, str):
            rows.append(TaskRow(task.index, task.name, None, None, problem=block))
            continue
        rows.append(_row(program, task, type_, block, address, current == address, time_ms))
    held = zip(rows, read_holds(program), strict=True)
    return TaskTable(time_ms, tuple(replace(r, is_held=h) for r, h in held), program.epitaph())


def current_task(program: Program) -> str | None:
    """Return the task that has the core, or had it before the kernel came; None if not known."""
    address = program.find_word("CURRENT_TASK_PTR")
    if address is None:
        return None
    index, rest = divmod(address - table_address(program), task_type(program).size)
    tasks = program.archive.tasks
    return tasks[index].name if not rest and 0 <= index < len(tasks) else None


def is_before_tasks(program: Program) -> bool:
    """Return whether the kernel has run no task yet: its empty table would read as faults.

    False where the kernel does not say, or its word cannot be read.
    """
    return program.find_word("CURRENT_TASK_PTR") == 0


def is_halted(memory: MemoryReader) -> bool:
    """Return whether a debugger has stopped the core; False where that cannot be read."""
    try:
        return bool(read_u32(memory, DHCSR) & S_HALT)
    except IdoldbgError:
        return False


def read_task(program: Program, index: int) -> TaskRow:
    """Read one row."""
    type_ = task_type(program)
    address = table_address(program) + index * type_.size
    block = program.memory.read(address, type_.size)
    return _row(program, program.archive.tasks[index], type_, block, address, False, None)


def task_type(program: Program) -> Struct:
    """Return the type of one entry of the table."""
    return program.recall(TASK_TYPE, "", lambda: _find_task_type(program))


def _find_task_type(program: Program) -> Struct:
    for type_ in program.kernel.find_types("kern::task::Task"):
        if isinstance(type_, Struct):
            return type_
    processor = program.archive.other_processor
    why = f"it is for {processor}" if processor else "was it stripped? Build with `debug = 2`"
    raise DebugInfoError(
        f"the kernel's debug information has no `kern::task::Task`; {why}",
        object="kernel",
        archive=program.archive.path,
    )


def table_address(program: Program) -> int:
    """Return where the table lies: a static of its own, or what older kernels point to."""
    address = program.kernel_address("HUBRIS_TASK_TABLE_SPACE")
    if address is None:
        address = program.find_word("TASK_TABLE_BASE")
    pointer = program.kernel_address("TASK_TABLE_BASE")
    if address is None and pointer is not None:
        raise FaultError(
            f"where the task table is cannot be read: the memory at 0x{pointer:08x} "
            "(TASK_TABLE_BASE) is not there, as in dumps that were not taken whole",
            address=pointer,
            size=4,
        )
    if address is None:
        raise DebugInfoError(
            "the kernel has no HUBRIS_TASK_TABLE_SPACE",
            object="kernel",
            archive=program.archive.path,
        )
    return address


def read_blocks(program: Program) -> list[bytes | str]:
    """Read the table's entries, each a `kern::task::Task` or the reason why it cannot be read."""
    base, size, count = (
        table_address(program),
        task_type(program).size,
        len(program.archive.tasks),
    )
    try:
        data = program.memory.read(base, size * count)
        return [data[i * size : (i + 1) * size] for i in range(count)]
    except FaultError:
        pass  # a dump of one task has its own entry alone: look entry by entry
    blocks: list[bytes | str] = []
    for index in range(count):
        try:
            blocks.append(program.memory.read(base + index * size, size))
        except FaultError as error:
            blocks.append(f"unreadable: {error.message}")
    return blocks


def _row(
    program: Program,
    task: TaskImage,
    type_: Struct,
    block: bytes,
    address: int,
    is_current: bool,
    time_ms: int | None,
) -> TaskRow:
    try:
        entry = image.decode(type_, block, address=address)
        reader = _EntryReader(program, task, entry, time_ms)
        scheduler, fault, problem = reader.read_state()
        timer = reader.timer()
    except DecodeError as error:
        problem = f"not a task: {error.message}"
        return TaskRow(task.index, task.name, None, None, problem=problem)
    names = ("generation", "priority", "notifications")
    generation, priority, pending = (find_number(entry.get(name)) for name in names)
    is_counted = any(m.name == "generation" and m.type.size >= 4 for m in type_.members)
    return TaskRow(
        task.index, task.name, generation, priority, scheduler, is_current, fault, problem,
        generation if is_counted else None, pending, timer,
    )  # fmt: skip


def _variant(value: Value | None) -> str | None:
    return value.variant if isinstance(value, EnumValue) else None


class _EntryReader:
    """Reads what one entry of the table, a `kern::task::Task`, says of its task."""

    def __init__(
        self, program: Program, task: TaskImage, entry: Value, time_ms: int | None
    ) -> None:
        self.program = program
        self.task = task
        self.entry = entry
        self.time_ms = time_ms
        self.interrupts = task_interrupts(program.archive, task)

    def read_state(self) -> tuple[SchedulerState | None, Fault | None, str]:
        """Return what the task does, why it was stopped, and why neither is known."""
        state = self.entry.get("state")
        match state:
            case EnumValue(variant="Healthy"):
                return self.scheduler_state(state.get(0)), None, ""
            case EnumValue(variant="Faulted"):
                message = self.panic_message()
                fault = read_fault(self.program, state.get("fault"), message, self.task.name)
                return self.scheduler_state(state.get("original_state")), fault, ""
        shown = "none" if state is None else format_value(state)
        return None, None, f"unknown state {shown}"

    def scheduler_state(self, state: Value | None) -> SchedulerState:
        match state:
            case EnumValue(variant="Stopped" | "Runnable" as kind):
                return SchedulerState(kind)
            case EnumValue(variant="InSend" | "InReply" as kind):
                return SchedulerState(kind, _task_ref(self.program, state.get(0)))
            case EnumValue(variant="InRecv" as kind):
                peer = _task_ref(self.program, state.get(0))
                return SchedulerState(kind, peer, self.notifications(), mask=self.argument(2))
        return SchedulerState(_variant(state) or "unknown", unknown=state)

    def notifications(self) -> tuple[Notification, ...] | None:
        """Return what a receive waits for: its notification mask is the third argument."""
        mask = self.argument(2)
        if mask is None:
            return None
        return tuple(self.notification(bit) for bit in range(32) if mask & (1 << bit))

    def argument(self, index: int) -> int | None:
        """Return a system call's argument from the saved registers: r4 and on, a0 on RISC-V."""
        saved = self.entry.get("save")
        for register in (f"r{4 + index}", f"a{index}"):
            value = None if saved is None else find_number(saved.get(register))
            if value is not None:
                return value
        return None

    def notification(self, bit: int) -> Notification:
        names = self.task.notifications
        name = names[bit] if bit < len(names) else f"bit{bit}"
        irqs = tuple(n for mask, n in self.interrupts if mask == 1 << bit)
        timer = self.entry.get("timer")
        deadline = None if timer is None else find_number(timer.get("deadline"))
        posted = None if timer is None else find_number(timer.get("to_post"))
        if deadline is None or not (posted or 0) & (1 << bit):
            return Notification(name, irqs)
        left = None if self.time_ms is None else deadline - self.time_ms
        return Notification(name, irqs, deadline, left)

    def timer(self) -> Timer | None:
        timer = self.entry.get("timer")
        if timer is None:
            return None
        deadline, bits = find_number(timer.get("deadline")), find_number(timer.get("to_post"))
        left = None if deadline is None or self.time_ms is None else deadline - self.time_ms
        return Timer(deadline, left, bits or 0)

    def panic_message(self) -> str | None:
        """Read the message of a panic: its address and size are the first two arguments."""
        address, size = self.argument(0), self.argument(1)
        if address is None or size is None:
            return None
        try:
            data = self.program.memory.read(address, min(size, PANIC_MESSAGE_LIMIT))
            return data.decode()
        except (FaultError, UnicodeDecodeError):
            return None


def _task_ref(program: Program, value: Value | None) -> TaskRef | None:
    number = find_number(value)
    if number is None:
        return None
    index, tasks = number & TASK_INDEX_MASK, program.archive.tasks
    return TaskRef(number, tasks[index].name if index < len(tasks) else None)


def read_fault(program: Program, info: Value | None, panic_message: str | None, task: str) -> Fault:
    """Read an `abi::FaultInfo` of `task`; `panic_message` is what it left of a panic, if any."""
    fault = _read_fault(program, info, panic_message)
    if fault.address is None:
        return fault
    from idoldbg.views.regions import find_place  # few tasks fault at an address

    return replace(fault, place=find_place(program, fault.address, task=task))


def _read_fault(program: Program, info: Value | None, panic_message: str | None) -> Fault:
    match info:
        case EnumValue(variant="DivideByZero" | "IllegalText" | "IllegalInstruction" as kind):
            return Fault(kind)
        case EnumValue(variant="InvalidOperation" as kind):
            return Fault(kind, cfsr=find_number(info.get(0)))
        case EnumValue(variant="StackOverflow" as kind):
            return Fault(kind, find_number(info.get("address")))
        case EnumValue(variant="Injected" as kind):
            return Fault(kind, peer=_task_ref(program, info.get(0)))
        case EnumValue(variant="MemoryAccess" | "BusError" as kind):
            in_syscall = _variant(info.get("source")) == "Kernel"
            return Fault(kind, find_number(info.get("address")), in_syscall=in_syscall)
        case EnumValue(variant="SyscallUsage" as kind):
            return Fault(kind, usage=_variant(info.get(0)))
        case EnumValue(variant="Panic" as kind):
            return Fault(kind, panic_message=panic_message)
        case EnumValue(variant="FromServer" as kind) if reason := _variant(info.get(1)):
            return Fault(kind, peer=_task_ref(program, info.get(0)), reason=reason)
    return Fault(_variant(info) or "unknown", unknown=info)
