"""Records which code was executed, and which messages tasks were sent: the raw side of coverage.

Unicorn tells of a block of code when it translates it, not when it executes it: once, so that a
program runs as fast as before. A block that is translated is executed next. Where an instruction in
it faults, the rest of the block was not; it is then translated anew, and counts as a whole once it
was seen to be left at its end.
"""

from __future__ import annotations

from idoldbg.model.coverage_records import BlockRecord, MessageRecord, encode_record
from idoldbg.model.kernel_layout import KernelLayout
from idoldbg.model.trace_records import NO_TASK, SysCall
from idoldbg.target.emulated.emu.core import Core
from idoldbg.target.emulated.emu.engine import reg
from idoldbg.target.emulated.emu.nvic import SV_CALL
from idoldbg.target.emulated.emu.observers import Observer
from idoldbg.target.emulated.emu.tasks import TaskFinder

__all__ = ["CoverageRecorder"]

_EXC_RETURN_PSP = 1 << 2
_MESSAGES = (SysCall.SEND, SysCall.REPLY)
_INDEX, _KERNEL = 0x3FF, 0xFFFF
MESSAGES = 1 << 14
LOOKS = 8
"""Faults of one block after which all code is translated anew: that takes 20 ms each time."""
ERROR_BYTES = 64


class CoverageRecorder(Observer):
    """Keeps blocks and messages until `take`; each is told once."""

    wants_blocks = True

    def __init__(self, core: Core, layout: KernelLayout | None) -> None:
        self._core = core
        self._tasks = None if layout is None else TaskFinder(core, layout)
        self._call = core.engine.batch([reg.R[11], reg.LR])
        self._registers = core.engine.batch(reg.R[4:8])
        self._open: dict[int, int] = {}
        self._faulted: dict[int, int] = {}
        self._faults: dict[int, int] = {}
        self._known: set[BlockRecord] = set()
        self._messages: set[MessageRecord] = set()
        self._sent: dict[int, tuple[int, int]] = {}
        self._new: list[BlockRecord | MessageRecord] = []

    def take(self) -> bytes:
        """Return what is new since the last time."""
        for start, size in self._open.items():
            faulted_at = self._faulted.get(start)
            # The instruction that faulted was begun: it counts by its first halfword.
            self._block(start, size if faulted_at is None else faulted_at + 2 - start)
        self._open = {start: self._open[start] for start in self._faulted if start in self._open}
        lines = [encode_record(each) for each in self._new]
        self._new.clear()
        return b"".join(lines)

    def _block(self, start: int, size: int) -> None:
        record = BlockRecord(start, size)
        if size > 0 and record not in self._known:
            self._known.add(record)
            self._new.append(record)

    # ------------------------------------------------------------------ code

    def translated(self, address: int, size: int, previous: tuple[int, int] | None) -> None:
        if previous is not None:  # the last one that was executed to its end
            self._open.pop(previous[0], None)
            self._faulted.pop(previous[0], None)
            self._block(*previous)
        self._open[address] = size

    def faulted(self, number: int, bits: int) -> None:
        pc = self._core.engine.read_register(reg.PC) & ~1
        for start in self._containing(pc):
            self._faulted.setdefault(start, pc)
            self._faults[start] = self._faults.get(start, 0) + 1
            if self.next_look is None and self._faults[start] <= LOOKS:
                self.next_look = self._core.clock.cycles
                self._core.observers.update()

    def _containing(self, pc: int) -> list[int]:
        return [start for start, size in self._open.items() if start <= pc < start + size]

    def look(self) -> None:
        """Have code translated anew, so that the rest of a block that faulted is seen."""
        self.next_look = None
        self._core.engine.flush_code()

    # ------------------------------------------------------------------ messages

    def entered(self, number: int) -> None:
        if number != SV_CALL or self._tasks is None:
            return
        number, link = self._call.read()
        if number not in _MESSAGES or not link & _EXC_RETURN_PSP:
            return
        words = self._registers.read()
        if number == SysCall.SEND:
            task = self._tasks.current()
            if task != NO_TASK:
                self._sent[task] = (words[0] >> 16 & 0xFFFF, words[0] & 0xFFFF)
        else:
            server = self._tasks.current()
            sent = self._sent.get(words[0] & _INDEX)
            if sent is not None and sent[0] != _KERNEL and sent[0] & _INDEX == server:
                self._answered(server, sent[1], words)

    def _answered(self, server: int, code: int, words: list[int]) -> None:
        response, data = words[1], b""
        if response:
            data = self._core.read_memory(words[2], min(words[3], ERROR_BYTES)) or b""
        record = MessageRecord(server, code, response, data)
        if record not in self._messages and len(self._messages) < MESSAGES:
            self._messages.add(record)
            self._new.append(record)

    def reset(self) -> None:
        self._sent.clear()
        if self._tasks is not None:
            self._tasks.forget()

    def restored(self) -> None:
        self.reset()
