"""Files as links: a core dump, memory and registers as they were, or the flash of a build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idoldbg.errors import FaultError, Unsupported
from idoldbg.model.memory import MemoryReader
from idoldbg.target.link import BaseLink

if TYPE_CHECKING:
    from idoldbg.build.load.dump_file import DumpFile

__all__ = ["ArchiveLink", "DumpLink", "RegisterDumpLink"]


class DumpLink(BaseLink):
    """Reads `memory`: that of a core dump, over the flash of its build.

    `task` is the name of the task that it is a dump of, "" for a dump of the whole system.
    """

    kind = "core dump"
    source = "dump"

    def __init__(
        self, memory: MemoryReader, dump: DumpFile, *, path: str = "", task: str = ""
    ) -> None:
        super().__init__(f"dump:{path}" if path else "dump", f"core dump {path}".rstrip())
        self._memory = memory
        self.dump = dump
        self._task = task
        if dump.task is not None:
            self.source = "task-dump"
            self.ticks = dump.ticks

    def read(self, address: int, size: int) -> bytes:
        try:
            return self._memory.read(address, size)
        except FaultError as error:
            if not self._task:
                raise
            raise FaultError(
                f"0x{error.address:08x} is not in the dump: it is one of task `{self._task}` alone",
                address=error.address,
                size=error.size,
            ) from None


class RegisterDumpLink(DumpLink):
    """One that has registers too: lower-case names and 32-bit values."""

    def read_register(self, name: str) -> int:
        try:
            return self.dump.registers[name.lower()]
        except KeyError:
            known = " ".join(self.dump.registers)
            raise Unsupported(
                f"{self.spec}: a core dump has no register `{name}`: it has {known}",
                capability="registers",
                link=self.spec,
            ) from None


class ArchiveLink(BaseLink):
    """Reads the flash of a build; a build has no RAM."""

    kind = "build without a target"
    source = "archive"

    def __init__(self, flash: MemoryReader, *, path: str) -> None:
        super().__init__("archive", f"the flash of {path}")
        self._flash = flash

    def read(self, address: int, size: int) -> bytes:
        try:
            return self._flash.read(address, size)
        except FaultError as error:
            raise FaultError(
                f"0x{address:08x} is not in the build's flash, and a build has no RAM: name a "
                "target, such as `--probe pyocd`, or a core dump",
                address=error.address,
                size=error.size,
            ) from None
