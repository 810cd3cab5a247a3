"""The task table: who runs, who waits for whom, who faulted and why.

Types and meaning are those of Hubris's `kern::task::Task` (sys/kern/src/task.rs) and
`abi::TaskState` (sys/abi/src/lib.rs), read by the names that DWARF gives, so that kernels of
different ages work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from idol.records import dataclass
from idoldbg.build.kept import TASK_TYPE
from idoldbg.build.program import Program
from idoldbg.call.codec import image
from idoldbg.errors import DebugInfoError, DecodeError, FaultError, IdoldbgError
from idoldbg.model.archive import TaskImage
from idoldbg.model.memory import MemoryReader, read_u32
from idoldbg.model.types import Struct
from idoldbg.model.values import to_python
from idoldbg.views.interrupts import task_interrupts

__all__ = [
    "Fault",
    "TaskRow",
    "TaskTable",
    "explain_fault",
    "is_before_tasks",
    "is_halted",
    "read_task",
    "read_tasks",
    "table_address",
    "task_id_words",
    "task_type",
]

DHCSR = 0xE000EDF0  # Debug Halting Control and Status Register: ARMv7-M manual, C1.6.2
S_HALT = 1 << 17
KERNEL_TASK_ID = 0xFFFF
TASK_INDEX_BITS = 10  # abi::TaskId::INDEX_BITS
TASK_INDEX_MASK = (1 << TASK_INDEX_BITS) - 1
PANIC_MESSAGE_LIMIT = 255
BEFORE_TASKS = "[the kernel has not started its tasks]"


@dataclass(frozen=True, slots=True)
class Fault:
    """Fault of a task.

    `kind` is the variant of `abi::FaultInfo`, `words` the same for people, `address` the memory
    address at fault where the kernel recorded one, `panic_message` the text of a panic, `server`
    and `reason` the task and the `abi::ReplyFaultReason` of a reply fault.
    """

    kind: str
    words: str
    address: int | None = None
    panic_message: str | None = None
    server: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One task. `generation` counts its restarts (on most kernels modulo 64).

    `state` says it in words; `scheduler_state` is the variant of `abi::SchedState` (for a faulted
    task: that before the fault), `waits_for` the task whose answer or attention it needs. What
    could not be read is None, with the reason in `state`.
    """

    index: int
    name: str
    generation: int | None
    priority: int | None
    state: str
    scheduler_state: str | None = None
    is_current: bool = False
    fault: Fault | None = None
    waits_for: str | None = None

    @property
    def is_started(self) -> bool:
        """Return whether a task may run: it was started and not stopped."""
        return self.scheduler_state != "Stopped"


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
        early = [TaskRow(task.index, task.name, None, None, BEFORE_TASKS) for task in tasks]
        return TaskTable(0, tuple(early), program.epitaph())  # its clock starts with its tasks
    base = table_address(program)
    blocks = _read_blocks(program, base, size, len(tasks))
    time_ms = program.ticks()
    current = program.find_word("CURRENT_TASK_PTR")
    rows = []
    for task, block in zip(tasks, blocks, strict=True):
        address = base + task.index * size
        if isinstance(block, str):
            rows.append(TaskRow(task.index, task.name, None, None, block))
            continue
        rows.append(_row(program, task, type_, block, address, current == address, time_ms))
    return TaskTable(time_ms, tuple(rows), program.epitaph())


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


def _read_blocks(program: Program, base: int, size: int, count: int) -> list[bytes | str]:
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
            blocks.append(f"[unreadable: {error.message}]")
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
        value = image.decode(type_, block, address=address)
    except DecodeError as error:
        return TaskRow(task.index, task.name, None, None, f"[not a task: {error.message}]")
    fields: dict[str, Any] = to_python(value)
    explain = _Explainer(program, task, fields, is_current, time_ms)
    state, scheduler_state, fault = explain.task_state(fields.get("state"))
    return TaskRow(
        index=task.index,
        name=task.name,
        generation=_number(fields.get("generation")),
        priority=_number(fields.get("priority")),
        state=state,
        scheduler_state=scheduler_state,
        is_current=is_current,
        fault=fault,
        waits_for=_peer(program, fields.get("state")),
    )


def _peer(program: Program, state: Any) -> str | None:
    """Return the task that a healthy one waits for."""
    name, content = _variant(state)
    if name != "Healthy":
        return None
    name, content = _variant(content)
    if name not in ("InSend", "InReply") or not isinstance(content, int):
        return None
    index = content & TASK_INDEX_MASK
    tasks = program.archive.tasks
    return tasks[index].name if index < len(tasks) else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _variant(value: Any) -> tuple[str, Any]:
    """Split what `to_python` makes of an enum into its variant's name and content."""
    if isinstance(value, Mapping) and len(value) == 1:
        ((name, content),) = value.items()
        return str(name), content
    return str(value), None


class _Explainer:
    """Puts one task's state into the words that Hubris's users know from `humility tasks`."""

    def __init__(
        self,
        program: Program,
        task: TaskImage,
        fields: dict[str, Any],
        is_current: bool,
        time_ms: int | None,
    ) -> None:
        self.program = program
        self.task = task
        self.is_current = is_current
        self.time_ms = time_ms
        saved = fields.get("save")
        self.saved: Mapping[str, Any] = saved if isinstance(saved, Mapping) else {}
        timer = fields.get("timer")
        self.timer: Mapping[str, Any] = timer if isinstance(timer, Mapping) else {}
        self.interrupts = task_interrupts(program.archive, task)

    def task_state(self, state: Any) -> tuple[str, str | None, Fault | None]:
        name, content = _variant(state)
        if name == "Healthy":
            return self.scheduler_state(content), _variant(content)[0], None
        if name == "Faulted" and isinstance(content, Mapping):
            original = content.get("original_state")
            message = self.panic_message()
            fault = explain_fault(self.program, content.get("fault"), message)
            words = f"FAULT: {fault.words} (was: {self.scheduler_state(original)})"
            return words, _variant(original)[0], fault
        return f"[unknown state {state!r}]", None, None

    def scheduler_state(self, state: Any) -> str:
        name, content = _variant(state)
        match name:
            case "Stopped":
                return "not started"
            case "Runnable":
                return "RUNNING" if self.is_current else "ready"
            case "InSend" if content == KERNEL_TASK_ID:
                return "HALT: send to kernel"
            case "InSend":
                return f"wait: send to {task_id_words(self.program, content)}"
            case "InReply":
                return f"wait: reply from {task_id_words(self.program, content)}"
            case "InRecv":
                return self.receive(content)
        return f"[unknown state {state!r}]"

    def receive(self, source: Any) -> str:
        """Explain a receive; its notification mask is the third argument."""
        if source == KERNEL_TASK_ID:
            words = ""
        elif source is None:
            words = "recv"
        else:
            words = f"recv({task_id_words(self.program, source)} only)"
        mask = self.argument(2)
        if mask is None:
            unknown = "notif: [its mask is in a register that is not known here]"
            return f"{words}, {unknown}" if words else unknown
        if mask == 0:
            return words or "notif:"
        bits = " ".join(self.notification(bit) for bit in range(32) if mask & (1 << bit))
        return f"{words}, notif: {bits}" if words else f"notif: {bits}"

    def argument(self, index: int) -> int | None:
        """Return a system call's argument from the saved registers: r4 and on, a0 on RISC-V."""
        for first in (f"r{4 + index}", f"a{index}"):
            value = self.saved.get(first)
            if isinstance(value, int):
                return value
        return None

    def notification(self, bit: int) -> str:
        names = self.task.notifications
        name = names[bit] if bit < len(names) else f"bit{bit}"
        causes = [f"irq{n}" for mask, n in self.interrupts if mask == 1 << bit]
        deadline = self.timer.get("deadline")
        if isinstance(deadline, int) and (_number(self.timer.get("to_post")) or 0) & (1 << bit):
            now = self.time_ms
            causes.append(f"T={deadline}" if now is None else f"T{deadline - now:+d}")
        return f"{name}({'/'.join(causes)})" if causes else name

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


def task_id_words(program: Program, number: Any) -> str:
    """Write an `abi::TaskId` as `name/genN`."""
    if not isinstance(number, int):
        return f"[unknown task id {number!r}]"
    index, generation = number & TASK_INDEX_MASK, number >> TASK_INDEX_BITS
    tasks = program.archive.tasks
    name = tasks[index].name if index < len(tasks) else f"unknown#{index}"
    return f"{name}/gen{generation}"


def explain_fault(program: Program, info: Any, panic_message: str | None) -> Fault:
    """Put an `abi::FaultInfo` (as `to_python` writes it) into words."""
    kind, content = _variant(info)
    details = content if isinstance(content, Mapping) else {}
    address = _number(details.get("address"))
    match kind:
        case "DivideByZero":
            return Fault(kind, "divide by zero")
        case "IllegalText":
            return Fault(kind, "jump to non-executable mem")
        case "IllegalInstruction":
            return Fault(kind, "illegal instruction")
        case "InvalidOperation":
            return Fault(kind, f"general fault, cfsr=0x{_number(content) or 0:x}")
        case "StackOverflow":
            return Fault(kind, f"stack overflow; sp=0x{address or 0:x}", address)
        case "Injected":
            return Fault(kind, f"killed by {task_id_words(program, content)}")
        case "MemoryAccess" | "BusError":
            what = "mem fault" if kind == "MemoryAccess" else "bus fault"
            how = "imprecise" if address is None else f"precise: 0x{address:x}"
            where = " in syscall" if details.get("source") == "Kernel" else " in task code"
            return Fault(kind, f"{what} ({how}){where}", address)
        case "SyscallUsage":
            return Fault(kind, f"in syscall: {USAGE_ERRORS.get(str(content), content)}")
        case "Panic":
            if panic_message == "":  # images without panic messages in them
                return Fault(kind, "panic without a message", panic_message="")
            words = " ".join((panic_message or "panic with invalid message").split())
            return Fault(kind, words, panic_message=panic_message)
        case "FromServer" if isinstance(content, Sequence) and len(content) == 2:
            server, reason = task_id_words(program, content[0]), str(content[1])
            words = f"reply fault from {server}: {reason}"
            return Fault(kind, words, server=server.partition("/")[0], reason=reason)
    return Fault(kind, f"[unknown fault {info!r}]")


USAGE_ERRORS: dict[str, str] = {
    "BadSyscallNumber": "undefined syscall number",
    "InvalidSlice": "sent malformed slice to kernel",
    "TaskOutOfRange": "used bogus task index",
    "IllegalTask": "illegal task operation",
    "LeaseOutOfRange": "bad caller lease index",
    "OffsetOutOfRange": "bad caller lease offset",
    "NoIrq": "referred to undefined interrupt",
    "BadKernelMessage": "sent nonsense IPC to kernel",
    "BadReplyFaultReason": "gave an unknown reply fault reason",
    "NotSupervisor": "is not the supervisor",
    "ReplyTooBig": "replied with more than the caller takes",
}
"""`abi::UsageError` in words."""
