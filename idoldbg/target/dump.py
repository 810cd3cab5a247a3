"""A core dump as a link: memory and registers as they were, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from idoldbg.errors import Unsupported
from idoldbg.model.memory import MemoryReader
from idoldbg.target.link import BaseLink

__all__ = ["DumpLink"]


class DumpLink(BaseLink):
    """Reads `memory` (such as a dump's `MemoryImage`); what would change the target is refused.

    `registers` maps lower-case names to 32-bit values; None where the dump recorded none. Time
    stands still.
    """

    def __init__(
        self, memory: MemoryReader, registers: Mapping[str, int] | None = None, *, path: str = ""
    ) -> None:
        super().__init__(f"dump:{path}" if path else "dump", f"core dump {path}".rstrip())
        self._memory = memory
        self._registers = registers

    def read(self, address: int, size: int) -> bytes:
        return self._memory.read(address, size)

    def write(self, address: int, data: bytes) -> None:
        raise self._refusal("write", "its memory cannot be written")

    def read_register(self, name: str) -> int:
        if self._registers is None:
            raise self._refusal("registers", "it holds no registers")
        try:
            return self._registers[name.lower()]
        except KeyError:
            known = " ".join(self._registers)
            raise Unsupported(
                f"{self.spec}: a core dump holds no register `{name}`; it has {known}",
                capability="registers",
                link=self.spec,
            ) from None

    def halt(self) -> None:
        """Do nothing: the core of a dump stands still."""

    def resume(self) -> None:
        raise self._refusal("run", "it does not run")

    def reset(self) -> None:
        raise self._refusal("run", "it cannot be reset")

    def wait(self, seconds: float) -> None:
        raise self._refusal("run", "it does not run, so there is nothing to wait for")

    def monotonic(self) -> float:
        return 0.0

    @contextmanager
    def halted(self) -> Iterator[None]:
        yield

    def _refusal(self, capability: str, why: str) -> Unsupported:
        return Unsupported(
            f"{self.spec} is a core dump: {why}; use a probe (`--probe pyocd`) or the emulated "
            "board (`--probe emu`) for that",
            capability=capability,
            link=self.spec,
        )
