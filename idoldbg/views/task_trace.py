"""Events between tasks and kernel, from the raw records of an emulated board.

System calls and their numbers are those of Hubris's `sys/abi` and `doc/syscalls.adoc`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum

from idol.records import dataclass, field
from idoldbg.build.program import Program
from idoldbg.call.codec import image
from idoldbg.model.archive import TaskImage
from idoldbg.model.kernel_layout import KernelLayout
from idoldbg.model.trace_records import (
    NO_TASK,
    Record,
    RecordKind,
    SysCall,
    read_records,
)
from idoldbg.model.values import EnumValue, Value, find_number
from idoldbg.views.idol_messages import IdolMessages, LentMemory, MessageName, Outcome, Result
from idoldbg.views.interrupts import EXCEPTIONS, interrupt_names
from idoldbg.views.kernel_layout import find_kernel_layout
from idoldbg.views.tasks import (
    KERNEL_TASK_ID,
    TASK_INDEX_MASK,
    Fault,
    read_fault,
    task_type,
)

__all__ = [
    "EventKind",
    "IdolCall",
    "TaskEvent",
    "TaskTracer",
    "exception_name",
    "matches",
    "trace_events",
]

KERNEL_NAME = "kernel"
_FIRST_INTERRUPT = 16


class EventKind(StrEnum):
    """Kinds of events."""

    CALL = "call"
    NOTIFICATION = "notification"
    POST = "post"
    TIMER = "timer"
    BORROW = "borrow"
    INTERRUPT = "interrupt"
    FAULT = "fault"
    RESTART = "restart"
    SWITCH = "switch"
    SYSCALL = "syscall"
    RESET = "reset"
    RESTORED = "restored"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class IdolCall:
    """A message from one task to another, and its answer.

    `arguments` is None where the message could not be decoded; `problem` says why. The server took
    it at `received_ns` and answered at `replied_ns`, None where it did not.
    """

    server: str
    message: MessageName
    arguments: tuple[tuple[str, Value], ...] | None
    leases: tuple[LentMemory, ...]
    result: Result
    received_ns: int | None = None
    replied_ns: int | None = None
    data: bytes = field(default=b"", repr=False)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class TaskEvent:
    """One event. `task` is whose it is: of a call the client, of a switch the task that goes on.

    `time_ns` is the board's time when it began, `end_ns` when it was over. `peer` is the other task
    (of a switch the one before), `name` what the kind says: an interrupt, a system call, the names
    of notifications; `number` is its number: bits, the deadline in ticks, a generation, bytes.
    """

    kind: EventKind
    time_ns: int
    end_ns: int
    task: str | None
    peer: str | None = None
    name: str = ""
    number: int | None = None
    call: IdolCall | None = None
    fault: Fault | None = None
    address: int | None = None


@dataclass(frozen=True, slots=True)
class _Open:
    """A message that has no answer yet."""

    record: Record
    server: int | None  # None for the kernel


class _Task:
    """State of one task, as far as it is known."""

    def __init__(self, task: TaskImage) -> None:
        self.image = task
        self.state: Value | None = None
        self.generation: int | None = None
        self.sent: _Open | None = None
        self.received_ns: int | None = None
        self.replied_ns: int | None = None
        self.asked: Record | None = None
        self.panic = ""


class TaskTracer:
    """Turns records into events, in the order in which these are over."""

    def __init__(self, program: Program, layout: KernelLayout | None = None) -> None:
        self._program = program
        self._layout = find_kernel_layout(program) if layout is None else layout
        self._messages = IdolMessages(program)
        self._type = task_type(program)
        self._tasks = [_Task(task) for task in program.archive.tasks]
        self._interrupts = interrupt_names(program.archive)
        self._running: int | None = None
        self._handlers: list[Record] = []
        self._fault: Record | None = None
        self._now = 0
        self._events: list[TaskEvent] = []

    def feed(self, data: bytes) -> list[TaskEvent]:
        """Return the events that whole records complete; raise `DecodeError`."""
        for record in read_records(data):
            self._now = record.time_ns
            self._take(record)
        return self._taken()

    def finish(self) -> list[TaskEvent]:
        """Return what is not over: calls without an answer."""
        for index, task in enumerate(self._tasks):
            if task.sent is not None:
                self._end_call(index, Result(Outcome.OPEN), self._now)
        return self._taken()

    def _taken(self) -> list[TaskEvent]:
        events, self._events = self._events, []
        return events

    def _take(self, record: Record) -> None:
        match record.kind:
            case RecordKind.CALL:
                self._called(record)
            case RecordKind.RESULT:
                self._returned(record)
            case RecordKind.SWITCH:
                self._switched(record)
            case RecordKind.ENTER:
                self._leave_handlers(record)
                self._handlers.append(record)
            case RecordKind.LEAVE:
                self._leave_handlers(record)
            case RecordKind.TASK:
                self._changed(record)
            case RecordKind.FAULT:
                self._fault = record
                if record.task == NO_TASK:
                    name, pc = exception_name(record.number), record.registers[0]
                    self._add(EventKind.FAULT, record, task=KERNEL_NAME, name=name, address=pc)
            case RecordKind.RESET | RecordKind.RESTORED:
                self._begin_anew(record)
            case RecordKind.LOST:
                self._add(EventKind.LOST, record, number=record.number)

    # ------------------------------------------------------------------ system calls

    def _called(self, record: Record) -> None:
        task = self._known(record.task)
        if task is None or len(record.registers) != 8:
            return
        if record.from_table and not _waits(task.state):
            return  # its registers hold other things
        task.asked = record
        if record.from_table and record.registers[7] != SysCall.SEND:
            return  # all else is over but for its result
        first, second = record.registers[:2]
        match record.registers[7]:
            case SysCall.SEND:
                server = first >> 16 & 0xFFFF
                index = None if server == KERNEL_TASK_ID else server & TASK_INDEX_MASK
                task.sent = _Open(record, index)
                task.received_ns = task.replied_ns = None
            case SysCall.REPLY | SysCall.REPLY_FAULT:
                client = self._known(first & TASK_INDEX_MASK)
                if client is not None and client.sent is not None:
                    client.replied_ns = record.time_ns
            case SysCall.SET_TIMER:
                deadline = record.registers[1] | record.registers[2] << 32
                self._add(EventKind.TIMER, record, task=task.image.name,
                          name=_bits(task.image, record.registers[3]),
                          number=deadline if first else None)  # fmt: skip
            case SysCall.POST:
                peer = self._known(first & TASK_INDEX_MASK)
                name = hex(second) if peer is None else _bits(peer.image, second)
                self._add(EventKind.POST, record, task=task.image.name,
                          peer=self._name(first & TASK_INDEX_MASK), name=name,
                          number=second)  # fmt: skip
            case SysCall.PANIC:
                task.panic = record.data.decode(errors="replace")

    def _returned(self, record: Record) -> None:
        task = self._known(record.task)
        asked = None if task is None else task.asked
        if task is None or asked is None or len(record.registers) != 8:
            return
        task.asked = None
        call, registers = asked.registers[7], record.registers
        match call:
            case SysCall.SEND:
                open_ = task.sent
                if open_ is not None:
                    code = open_.record.registers[0] & 0xFFFF
                    result = self._messages.result(open_.server, code, registers[0], record.data)
                    self._end_call(record.task, result, record.time_ns)
            case SysCall.RECV if registers[1] == KERNEL_TASK_ID:
                self._add(EventKind.NOTIFICATION, record, task=task.image.name,
                          name=_bits(task.image, registers[2]), number=registers[2])  # fmt: skip
            case SysCall.RECV:
                client = self._known(registers[1] & TASK_INDEX_MASK)
                if client is not None and client.sent is not None:
                    client.received_ns = record.time_ns
            case SysCall.BORROW_READ | SysCall.BORROW_WRITE:
                name = "read" if call == SysCall.BORROW_READ else "write"
                self._add(EventKind.BORROW, record, task=task.image.name, name=name,
                          peer=self._name(asked.registers[0] & TASK_INDEX_MASK),
                          number=registers[1] if not registers[0] else 0,
                          since=asked.time_ns)  # fmt: skip
            case SysCall.REPLY | SysCall.SET_TIMER | SysCall.POST | SysCall.REPLY_FAULT:
                pass  # seen when they were made
            case _:
                self._add(EventKind.SYSCALL, record, task=task.image.name,
                          name=_system_call(call), since=asked.time_ns)  # fmt: skip

    def _end_call(self, client: int, result: Result, time_ns: int) -> None:
        task = self._tasks[client]
        open_, task.sent = task.sent, None
        if open_ is None:
            return
        record, server = open_.record, open_.server
        code = record.registers[0] & 0xFFFF
        arguments, problem = self._messages.arguments(server, code, record.data)
        size = record.registers[2]
        if len(record.data) < size:
            arguments, problem = None, f"only {len(record.data)} of its {size} bytes were kept"
        call = IdolCall(
            server=KERNEL_NAME if server is None else self._name(server),
            message=self._messages.name(server, code),
            arguments=arguments,
            leases=self._messages.leases(server, code, record.leases),
            result=result,
            received_ns=task.received_ns,
            replied_ns=task.replied_ns,
            data=record.data,
            problem=problem,
        )
        self._events.append(
            TaskEvent(
                EventKind.CALL, record.time_ns, time_ns, task.image.name, call.server, call=call
            )
        )

    # ------------------------------------------------------------------ the rest

    def _switched(self, record: Record) -> None:
        before, self._running = self._running, record.task
        peer = None if before is None else self._name(before)
        self._add(EventKind.SWITCH, record, task=self._name(record.task), peer=peer)

    def _leave_handlers(self, record: Record) -> None:
        """End the handlers that ran until now; of several in a row each ends where one begins."""
        for handler in self._handlers:
            name = self._interrupts.get(handler.number - _FIRST_INTERRUPT)
            task = None if handler.task == NO_TASK else self._name(handler.task)
            self._add(EventKind.INTERRUPT, record, task=task,
                      name=name or exception_name(handler.number), number=handler.number,
                      since=handler.time_ns)  # fmt: skip
        self._handlers.clear()

    def _changed(self, record: Record) -> None:
        task = self._known(record.task)
        if task is None or len(record.data) != self._layout.watched_size:
            return
        entry = self._entry(record.data)
        state, number = entry.get("state"), find_number(entry.get("generation"))
        before, task.state = task.state, state
        generation, task.generation = task.generation, number
        if generation is not None and number is not None and number != generation:
            if task.sent is not None:
                self._end_call(record.task, Result(Outcome.RESTARTED), record.time_ns)
            task.asked = None
            self._add(EventKind.RESTART, record, task=task.image.name, number=number)
        if isinstance(state, EnumValue) and state.variant == "Faulted":
            is_new = not isinstance(before, EnumValue) or before.variant != "Faulted"
            if before is not None and is_new:
                self._faulted(task, state, record)

    def _faulted(self, task: _Task, state: EnumValue, record: Record) -> None:
        panic, task.panic = task.panic or None, ""
        fault = read_fault(self._program, state.get("fault"), panic, task.image.name)
        seen, self._fault = self._fault, None
        is_its = seen is not None and seen.task == record.task
        self._add(EventKind.FAULT, record, task=task.image.name, fault=fault,
                  address=seen.registers[0] if seen is not None and is_its else None)  # fmt: skip

    def _entry(self, data: bytes) -> Mapping[str, Value]:
        block = bytearray(self._layout.entry_size)
        at = 0
        for offset, size in self._layout.watched:
            block[offset : offset + size] = data[at : at + size]
            at += size
        return {
            m.name: image.decode(m.type, bytes(block[m.offset : m.offset + m.type.size]))
            for m in self._type.members
            if m.name in ("state", "generation")
        }

    def _begin_anew(self, record: Record) -> None:
        is_reset = record.kind is RecordKind.RESET
        for index, task in enumerate(self._tasks):
            if task.sent is not None:
                self._end_call(index, Result(Outcome.OPEN), record.time_ns)
        self._tasks = [_Task(task.image) for task in self._tasks]
        self._running = None
        self._handlers.clear()
        self._add(EventKind.RESET if is_reset else EventKind.RESTORED, record, task=None)

    def _known(self, index: int) -> _Task | None:
        return self._tasks[index] if index < len(self._tasks) else None

    def _name(self, index: int) -> str:
        task = self._known(index)
        return f"unknown#{index}" if task is None else task.image.name

    def _add(
        self,
        kind: EventKind,
        record: Record,
        *,
        task: str | None = None,
        peer: str | None = None,
        name: str = "",
        number: int | None = None,
        fault: Fault | None = None,
        address: int | None = None,
        since: int | None = None,
    ) -> None:
        began = record.time_ns if since is None else since
        self._events.append(
            TaskEvent(kind, began, record.time_ns, task, peer, name, number, None, fault, address)
        )


def trace_events(program: Program, data: bytes) -> tuple[TaskEvent, ...]:
    """Return the events of a whole recording, in the order in which they began.

    Raises `DecodeError` for what is not a recording, `DebugInfoError` where the kernel's debug
    information does not describe its tasks.
    """
    tracer = TaskTracer(program)
    events = [*tracer.feed(data), *tracer.finish()]
    return tuple(sorted(events, key=lambda event: (event.time_ns, event.end_ns)))


def matches(
    event: TaskEvent, tasks: Collection[str], interfaces: Iterable[str], kinds: Collection[str]
) -> bool:
    """Return whether an event is of these tasks, interfaces and kinds; empty means all.

    An interface is `Name` or `Name.operation`, and lets calls through alone.
    """
    if kinds and event.kind not in kinds:
        return False
    if tasks and event.task not in tasks and event.peer not in tasks:
        return event.task is None and event.kind not in (EventKind.INTERRUPT, EventKind.SWITCH)
    wanted = tuple(interfaces)
    if not wanted:
        return True
    if event.call is None:
        return False
    return event.call.message.interface in wanted or event.call.message.full in wanted


def exception_name(number: int) -> str:
    """Return the name of an exception; interrupts are `irq` and their number."""
    return EXCEPTIONS.get(number, f"irq{number - _FIRST_INTERRUPT}" if number >= 16 else "")


def _waits(state: Value | None) -> bool:
    """Return whether a task of this state is in a system call."""
    if not isinstance(state, EnumValue) or state.variant != "Healthy":
        return False
    inner = state.get(0)
    return isinstance(inner, EnumValue) and inner.variant in ("InSend", "InReply", "InRecv")


def _system_call(number: int) -> str:
    return SysCall(number).name.lower() if number in list(SysCall) else f"#{number}"


def _bits(task: TaskImage, bits: int) -> str:
    """Return the names of notification bits."""
    names = task.notifications
    found = [b for b in range(32) if bits >> b & 1]
    return " ".join(names[b] if b < len(names) else f"bit{b}" for b in found)
