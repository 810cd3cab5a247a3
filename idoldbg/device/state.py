"""Methods of a device that read the state of its target, as views."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from idoldbg import startup
from idoldbg.build.program import Program
from idoldbg.device.core import Core, in_turn
from idoldbg.device.memory import MemoryAccess
from idoldbg.device.shown import shown
from idoldbg.device.statics import StaticsReader
from idoldbg.render import registers, text
from idoldbg.session import Session
from idoldbg.target.halting import no_registers, with_registers
from idoldbg.views.backtrace import Backtrace, read_backtrace
from idoldbg.views.core_registers import RegisterReport, read_registers
from idoldbg.views.source import Source, read_source
from idoldbg.views.tasks import TaskTable, current_task, read_tasks

if TYPE_CHECKING:
    from idoldbg.model.snapshot import Written
    from idoldbg.views.dump_areas import DumpAreas

__all__ = ["StateReader"]


class StateReader(StaticsReader, MemoryAccess):
    """Views of a target's state; each is read while no other thread makes a call."""

    _core: Core

    @property
    def session(self) -> Session:
        """Underlying session: build, link, and calls written as strings."""
        return self._core.session

    @property
    def program(self) -> Program:
        """The build, with the target's memory."""
        return self._core.program

    @in_turn
    def source(self) -> Source:
        """Read where answers come from: link, build, the kernel's time."""
        target = self.session.target
        return read_source(self.program, target.source, ticks=target.ticks)

    @in_turn
    def registers(self, task: str | None = None) -> RegisterReport:
        """Read the core's registers or, with `task`, that task's, with the meaning of each value.

        The core is halted meanwhile. Raises `Unsupported` where the target has none.
        """
        startup.settle(self.session)

        def read(live: Mapping[str, int]) -> RegisterReport:
            if not live and task is None:
                raise no_registers(self.session.target)
            own = live if task in (None, current_task(self.program)) else {}
            return read_registers(self.program, own, task=task, floats=True)

        report = with_registers(self.session.target, read, floats=True)
        return shown(report, registers.text)

    @in_turn
    def backtrace(self, task: str) -> Backtrace:
        """Read the stack of a task; raise `NotFound` for an unknown one."""
        startup.settle(self.session)
        index = self.program.task(task).index

        def read(live: Mapping[str, int]) -> Backtrace:
            own = live if current_task(self.program) == task else {}
            return read_backtrace(self.program, index, own)

        return with_registers(self.session.target, read)

    @in_turn
    def tasks(self) -> TaskTable:
        """Read the task table, once a target that just began to run has started its tasks."""
        startup.settle(self.session)
        return shown(read_tasks(self.program), text.tasks)

    @in_turn
    def dump(self, path: str | os.PathLike[str] | None = None, task: str | None = None) -> Written:
        """Write a core dump of the target, or of one task, to a new file; it runs on afterwards.

        By default that is the first free one of `hubris.core.N`, or of `hubris.core.TASK.N`. Raises
        `FileExistsError` where there is something at `path`, `NotFound` for an unknown task.
        """
        from idoldbg import dumping  # few programs take dumps

        dumping.check_path(path)
        startup.check_image(self.session)
        snapshot = dumping.take_snapshot(self.session, task)
        return dumping.write_snapshot(snapshot, self.program.archive, path)

    @in_turn
    def dump_areas(self, first: int | None = None) -> DumpAreas:
        """Read which dumps wait in the target's memory; `first` is the address of the first area.

        `idoldbg.views.dump_areas.read_dump` fetches one. Raises `ArgumentError` for builds without
        areas, `DecodeError` where there are none.
        """
        from idoldbg.views import dump_areas  # few programs ask

        startup.check_image(self.session)
        if first is None:
            first = dump_areas.find_first_area(self.program)
        return dump_areas.read_areas(self.program, first)
