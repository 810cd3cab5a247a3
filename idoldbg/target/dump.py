"""A core dump as a link: memory and registers as they were, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from idoldbg.errors import Unsupported
from idoldbg.model.memory import MemoryReader
from idoldbg.target.link import BaseLink

__all__ = ["DumpLink", "RegisterDumpLink"]


class DumpLink(BaseLink):
    """Reads `memory` (such as a dump's `MemoryImage`)."""

    kind = "core dump"

    def __init__(self, memory: MemoryReader, *, path: str = "") -> None:
        super().__init__(f"dump:{path}" if path else "dump", f"core dump {path}".rstrip())
        self._memory = memory

    def read(self, address: int, size: int) -> bytes:
        return self._memory.read(address, size)


class RegisterDumpLink(DumpLink):
    """One that has `registers` too: lower-case names and 32-bit values."""

    def __init__(
        self, memory: MemoryReader, registers: Mapping[str, int], *, path: str = ""
    ) -> None:
        super().__init__(memory, path=path)
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
