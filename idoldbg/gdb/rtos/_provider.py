"""Hubris's tasks behind pyOCD's `ThreadProvider` interface.

Private, and imported by pyOCD alone (through `plugin`): importing it before pyOCD would make pyOCD
load it half-finished. What reads a build is imported when a gdb server wants it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pyocd.core import exceptions
from pyocd.core.target import Target
from pyocd.coresight.cortex_m_core_registers import CortexMCoreRegisterInfo
from pyocd.debug.context import DebugContext
from pyocd.rtos.provider import TargetThread, ThreadProvider

from idol.printable import one_line
from idoldbg.errors import FaultError, IdoldbgError
from idoldbg.gdb.rtos.plugin import ARCHIVE

if TYPE_CHECKING:
    from idoldbg.build.program import Program
    from idoldbg.gdb.threads import Thread
    from idoldbg.views.tasks import TaskRow

__all__ = ["HubrisThreads"]

ENVIRONMENT = ("IDOLDBG_ARCHIVE", "HUMILITY_ARCHIVE")
KERNEL_WORD = "CURRENT_TASK_PTR"
CORE = ("xpsr", "control", "sp", "lr", "pc", "msp", "psp", *(f"r{i}" for i in range(13)))
FLOATS = (*(f"s{i}" for i in range(16)), "fpscr")
THREAD_OWN = frozenset((*CORE, *FLOATS, *(f"s{i}" for i in range(16, 32)))) - {"control", "msp"}

log = logging.getLogger(__name__)


class Memory:
    """The target's memory as pyOCD's context shows it: breakpoints are not seen, caches used."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def read(self, address: int, size: int) -> bytes:
        """Read as `MemoryReader.read`."""
        try:
            return bytes(self._context.read_memory_block8(address, size))
        except exceptions.TransferError as error:
            raise FaultError(
                f"cannot read {size} bytes at 0x{address:08x}: {error}", address=address, size=size
            ) from error


class HubrisThreads(ThreadProvider):  # type: ignore[misc]  # pyOCD publishes no types
    """Shows tasks as threads as long as the target runs the image of the archive.

    The list is read anew after the core has run, and stays as it was while it runs. `is_enabled`
    and what follows from it never raise what the target or the build cause: gdb drops a server
    whose stop reply fails.
    """

    def __init__(self, target: Any) -> None:
        super().__init__(target)
        self._program: Program | None = None
        self._token: int | None = None
        self._threads: dict[int, HubrisThread] = {}
        self._complained = ""

    def init(self, symbolProvider: Any) -> bool:  # noqa: N803 - pyOCD's name
        """Open the archive; return False where there is none, or the target runs another image."""
        path = self._archive_path()
        if not path:
            if symbolProvider.get_symbol_value(KERNEL_WORD) is not None:
                log.warning(
                    "this looks like Hubris: give its build for tasks as threads, with "
                    "`-O %s=build.zip` or %s", ARCHIVE, ENVIRONMENT[0],
                )  # fmt: skip
            return False
        try:
            self.use(self._open(path))
        except (IdoldbgError, OSError) as error:
            log.error("no threads of Hubris: %s", one_line(str(error)))  # noqa: TRY400 - no bug
            return False
        return self._has_image()

    def use(self, program: Program) -> None:
        """Show the tasks of a build that is open already; its memory becomes the target's."""
        program.memory = Memory(self._target_context)
        self._program = program

    def _archive_path(self) -> str:
        given = self._target.session.options.get(ARCHIVE)
        found = (given, *(os.environ.get(name) for name in ENVIRONMENT))
        return next((path for path in found if path), "")

    def _open(self, path: str) -> Program:
        from idoldbg.opening import TargetOptions, open_program

        return open_program(TargetOptions(archive=path))

    def _has_image(self) -> bool:
        """Return whether the target has the image of the archive; log once where it has not."""
        assert self._program is not None
        wanted, address = self._program.archive.image_id, self._program.archive.image_id_address
        if wanted is None or address is None:
            return True  # of before Hubris had ids
        try:
            found = self._program.memory.read(address, len(wanted))
        except FaultError as error:
            return self._complain(f"the image id cannot be read: {error.message}")
        if found != wanted:
            return self._complain(
                f"the target runs another image (id {found.hex()}) than "
                f"{self._program.archive.path} ({wanted.hex()})"
            )
        return True

    def _complain(self, why: str) -> bool:
        if why != self._complained:
            self._complained = why
            log.error("no threads of Hubris: %s", one_line(why))
        return False

    def invalidate(self) -> None:
        """Forget all threads: after a reset, and after flashing."""
        self._token, self._threads = None, {}

    def _build_thread_list(self) -> None:
        from idoldbg.gdb.threads import is_in_tasks, read_threads
        from idoldbg.views.tasks import read_tasks

        self._threads = {}
        program = self._program
        if program is None or not self._has_image():
            return
        live = self._live()
        if not is_in_tasks(program, live):
            return
        rows = {row.index: row for row in read_tasks(program).rows}
        for thread in read_threads(program, live):
            row = None if thread.index is None else rows.get(thread.index)
            context = self._context_of(program, thread, row, live)
            self._threads[thread.number] = HubrisThread(thread, context)

    def _live(self) -> dict[str, int]:
        values = self._target_context.read_core_registers_raw(list(CORE))
        return dict(zip(CORE, values, strict=True))

    def _context_of(
        self, program: Program, thread: Thread, row: TaskRow | None, live: dict[str, int]
    ) -> Any:
        if thread.index is None or thread.is_current:
            return self._target_context
        is_below = row is not None and row.is_current  # a handler has interrupted it
        return TaskContext(self._target_context, program, row, thread.index, live, is_below)

    def update_threads(self) -> None:
        """Read the threads again if the core has run since."""
        token = self._target.run_token
        if token == self._token:
            return
        try:
            if self._target.get_state() is not Target.State.HALTED:
                return
            self._build_thread_list()
            self._token = token
        except (IdoldbgError, exceptions.Error) as error:
            self._complain(str(error))
            self._threads = {}

    def get_threads(self) -> list[HubrisThread]:
        """Return all threads, none where they are not known."""
        self.update_threads()
        return list(self._threads.values())

    def get_thread(self, threadId: int) -> HubrisThread | None:  # noqa: N803 - pyOCD's name
        """Return a thread by its number."""
        self.update_threads()
        return self._threads.get(threadId)

    @property
    def is_enabled(self) -> bool:
        """Whether tasks run: before they do, gdb sees one thread."""
        self.update_threads()
        return bool(self._threads)

    @property
    def current_thread(self) -> HubrisThread | None:
        """The thread that has the core: a task, or the kernel's in a handler."""
        self.update_threads()
        return next((t for t in self._threads.values() if t.is_current), None)

    def is_valid_thread_id(self, threadId: int) -> bool:  # noqa: N803 - pyOCD's name
        """Return whether there is a thread of that number."""
        self.update_threads()
        return threadId in self._threads

    def get_current_thread_id(self) -> int | None:
        """Return the number of the thread that has the core."""
        current = self.current_thread
        return None if current is None else current.unique_id

    def get_actual_current_thread_id(self) -> int | None:
        """Return the number of the kernel's current task, also in a handler."""
        self.update_threads()
        for thread in self._threads.values():
            if thread.is_current_task:
                return thread.unique_id
        return self.get_current_thread_id()


class HubrisThread(TargetThread):  # type: ignore[misc]  # pyOCD publishes no types
    """One task, or the kernel's handler."""

    def __init__(self, thread: Thread, context: Any) -> None:
        super().__init__()
        self._thread = thread
        self._context = context

    @property
    def unique_id(self) -> int:
        return self._thread.number

    @property
    def name(self) -> str:
        return self._thread.name

    @property
    def description(self) -> str:
        return self._thread.description

    @property
    def is_current(self) -> bool:
        return self._thread.is_current

    @property
    def is_current_task(self) -> bool:
        """Whether the kernel last gave the core to this task."""
        below = isinstance(self._context, TaskContext) and self._context.is_below
        return (self._thread.is_current and self._thread.index is not None) or below

    @property
    def context(self) -> Any:
        return self._context


class TaskContext(DebugContext):  # type: ignore[misc]  # pyOCD publishes no types
    """A task that does not have the core: its registers are in the task table and on its stack.

    They are read at the first look. The kernel's invariants hang on them, so none can be written.
    """

    def __init__(
        self,
        parent: Any,
        program: Program,
        row: TaskRow | None,
        index: int,
        live: dict[str, int],
        is_below: bool,
    ) -> None:
        super().__init__(parent)
        self.is_below = is_below
        self._program = program
        self._row = row
        self._index = index
        self._live = live
        self._registers: dict[str, int] | None = None

    def read_core_registers_raw(self, reg_list: Sequence[str | int]) -> list[int | None]:
        """Return registers, None for those that are not known.

        By name all must be known, for that is how stop replies are made: raises
        `CoreRegisterAccessError`.
        """
        values = [self._read(CortexMCoreRegisterInfo.get(each).name) for each in reg_list]
        if None in values and all(isinstance(each, str) for each in reg_list):
            raise exceptions.CoreRegisterAccessError("not known of this task")
        return values

    def write_core_registers_raw(
        self, reg_list: Sequence[str | int], data_list: Sequence[int]
    ) -> None:
        raise exceptions.CoreRegisterAccessError(
            "registers of a task that does not have the core cannot be written"
        )

    def _read(self, name: str) -> int | None:
        if name[0] == "d" and name[1:].isdecimal():
            low, high = (self._own.get(f"s{2 * int(name[1:]) + i}") for i in (0, 1))
            return None if low is None or high is None else low | high << 32
        if name in THREAD_OWN:
            return self._own.get(name)
        value: int = self._parent.read_core_registers_raw([name])[0]  # those of the core
        return value

    @property
    def _own(self) -> dict[str, int]:
        if self._registers is None:
            from idoldbg.gdb.threads import read_thread_registers

            live = self._live if self.is_below else {}
            if live and self._core.has_fpu:
                floats = self._parent.read_core_registers_raw(list(FLOATS))
                live = {**live, **dict(zip(FLOATS, floats, strict=True))}
            try:
                self._registers = read_thread_registers(self._program, self._row, self._index, live)
            except IdoldbgError as error:
                log.warning("registers of a task cannot be read: %s", one_line(str(error)))
                self._registers = {}
        return self._registers
