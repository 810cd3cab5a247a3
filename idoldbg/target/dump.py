"""Files as links: a core dump, memory and registers as they were, or the flash of a build."""

from __future__ import annotations

from collections.abc import Mapping

from idoldbg.errors import FaultError, Unsupported
from idoldbg.model.memory import MemoryReader
from idoldbg.target.link import BaseLink

__all__ = ["ArchiveLink", "DumpLink", "RegisterDumpLink"]


class DumpLink(BaseLink):
    """Reads `memory` (such as a dump's `MemoryImage`).

    `ticks` is set for the dump of a single task: the kernel's time when it was taken.
    """

    kind = "core dump"
    source = "dump"

    def __init__(self, memory: MemoryReader, *, path: str = "", ticks: int | None = None) -> None:
        super().__init__(f"dump:{path}" if path else "dump", f"core dump {path}".rstrip())
        self._memory = memory
        if ticks is not None:
            self.source = "task-dump"
            self.ticks = ticks

    def read(self, address: int, size: int) -> bytes:
        return self._memory.read(address, size)


class RegisterDumpLink(DumpLink):
    """One that has `registers` too: lower-case names and 32-bit values."""

    def __init__(
        self,
        memory: MemoryReader,
        registers: Mapping[str, int],
        *,
        path: str = "",
        ticks: int | None = None,
    ) -> None:
        super().__init__(memory, path=path, ticks=ticks)
        self._registers = registers

    def read_register(self, name: str) -> int:
        try:
            return self._registers[name.lower()]
        except KeyError:
            known = " ".join(self._registers)
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
