"""Records what tasks and kernel do with each other: the raw side of a task trace.

Nothing of an image needs to know: system calls are seen at the exception that they are, their
results when the core returns to the caller, everything else as changes of the task table.
"""

from __future__ import annotations

from idoldbg.model.kernel_layout import KernelLayout
from idoldbg.model.trace_records import (
    ENTER,
    FAULT,
    FROM_TABLE,
    HEADER,
    INDEX,
    LOST,
    NO_TASK,
    SYSTEM_CALL,
    RecordKind,
    SysCall,
)
from idoldbg.target.emulated.emu.core import Core
from idoldbg.target.emulated.emu.engine import reg
from idoldbg.target.emulated.emu.nvic import MEM_MANAGE, SV_CALL
from idoldbg.target.emulated.emu.observers import Observer
from idoldbg.target.emulated.emu.tasks import TaskFinder

__all__ = ["TraceRecorder"]

LIMIT = 32 << 20  # bytes that nobody has taken yet
COPIED = 1024  # bytes of a message
LEASE_SIZE, MAX_LEASES = 12, 16  # abi::ULease: attributes, address, length
_EXC_RETURN_PSP = 1 << 2
_NONE = 0xFFFFFFFF


class TraceRecorder(Observer):
    """Writes records into a buffer until `take`; what does not fit is counted, and lost."""

    def __init__(self, core: Core, layout: KernelLayout, *, limit: int = LIMIT) -> None:
        self._core = core
        self._tasks = TaskFinder(core, layout)
        self._limit = limit
        self._out = bytearray()
        self._lost = 0
        self._registers = core.engine.batch([*reg.R[4:12], reg.LR])
        self._pending: dict[int, tuple[int, ...]] = {}
        self._entries: dict[int, bytearray] = {}
        self._is_in_handler = False
        self._running = NO_TASK
        self._begin_in_the_middle()

    def take(self) -> bytes:
        """Return what was recorded since the last time."""
        if self._lost:
            lost, self._lost = self._lost, 0
            self._write(RecordKind.LOST, LOST.pack(min(lost, _NONE)), always=True)
        data = bytes(self._out)
        self._out.clear()
        return data

    # ------------------------------------------------------------------ events

    def entered(self, number: int) -> None:
        if number == SV_CALL:
            *words, link = self._registers.read()
            task = self._tasks.current()
            if link & _EXC_RETURN_PSP and task != NO_TASK:  # else the kernel starts its first task
                self._called(task, words)
                return
        self._is_in_handler = True
        self._write(RecordKind.ENTER, ENTER.pack(number, self._tasks.current()))

    def returned(self) -> None:
        self._look_at_tasks()
        task = self._tasks.current()
        if self._is_in_handler:
            self._is_in_handler = False
            self._write(RecordKind.LEAVE, INDEX.pack(task))
        call = self._pending.pop(task, None)
        if call is not None:
            *words, _ = self._registers.read()
            is_send = call[7] == SysCall.SEND
            reply = self._copy(call[3], min(words[1], call[4])) if is_send else b""
            self._write_call(RecordKind.RESULT, task, words, reply, b"")
        if task != self._running:
            self._running = task
            self._write(RecordKind.SWITCH, INDEX.pack(task))

    def faulted(self, number: int, bits: int) -> None:
        faults = self._core.exceptions.faults
        address = faults.mmfar if number == MEM_MANAGE else faults.bfar
        pc = self._core.engine.read_register(reg.PC) & ~1
        task = NO_TASK if self._core.nvic.active else self._tasks.current()
        self._write(RecordKind.FAULT, FAULT.pack(number, task, pc, bits & _NONE, address & _NONE))

    def reset(self) -> None:
        self._begin_anew(RecordKind.RESET)

    def restored(self) -> None:
        self._begin_anew(RecordKind.RESTORED)
        self._begin_in_the_middle()

    # ------------------------------------------------------------------ details

    def _begin_anew(self, kind: RecordKind) -> None:
        self._pending.clear()
        self._entries.clear()
        self._tasks.forget()
        self._is_in_handler = False
        self._running = NO_TASK
        self._write(kind, b"")

    def _begin_in_the_middle(self) -> None:
        """Write down the state of all tasks, and what those that wait may have asked for."""
        self._look_at_tasks()
        for task, words in self._tasks.saved_registers():
            self._called(task, words, flags=FROM_TABLE)

    def _write(
        self, kind: RecordKind, body: bytes, *, always: bool = False, flags: int = 0
    ) -> None:
        if len(self._out) > self._limit and not always:
            self._lost += 1
            return
        self._out += (
            HEADER.pack(kind, flags, len(body), round(self._core.clock.time_s * 1e9)) + body
        )

    def _write_call(
        self,
        kind: RecordKind,
        task: int,
        words: list[int],
        data: bytes,
        leases: bytes,
        *,
        flags: int = 0,
    ) -> None:
        head = SYSTEM_CALL.pack(task, *words, len(data), len(leases))
        self._write(kind, head + data + leases, flags=flags)

    def _called(self, task: int, words: list[int], *, flags: int = 0) -> None:
        self._pending[task] = tuple(words)
        message, leases = self._copies(words)
        self._write_call(RecordKind.CALL, task, words, message, leases, flags=flags)

    def _copies(self, words: list[int]) -> tuple[bytes, bytes]:
        """Return the message that a system call names, and its table of leases."""
        match words[7]:
            case SysCall.SEND:
                count = min(words[6], MAX_LEASES)
                leases = self._copy(words[5], LEASE_SIZE * count) if count else b""
                return self._copy(words[1], words[2]), leases
            case SysCall.REPLY:
                return self._copy(words[2], words[3]), b""
            case SysCall.PANIC:
                return self._copy(words[0], words[1]), b""
        return b"", b""

    def _copy(self, address: int, size: int) -> bytes:
        return self._core.read_memory(address, min(size, COPIED)) or b""

    def _look_at_tasks(self) -> None:
        """Write down what has changed in the task table, once the kernel has begun."""
        for index, entry in self._tasks.changes(self._entries):
            self._write(RecordKind.TASK, INDEX.pack(index) + entry)
