"""Looks at the core at a steady pace of board time: the raw side of a profile."""

from __future__ import annotations

from idoldbg.errors import ArgumentError
from idoldbg.model.kernel_layout import KernelLayout
from idoldbg.model.sample_records import CHUNK, NEW, PIECE, USE
from idoldbg.model.trace_records import NO_TASK
from idoldbg.target.emulated.emu.core import Core
from idoldbg.target.emulated.emu.engine import reg
from idoldbg.target.emulated.emu.observers import Observer
from idoldbg.target.emulated.emu.tasks import TaskFinder

__all__ = ["Sampler"]

STACK, PIECE_SIZE = 16384, 512  # bytes of a stack, and of the pieces that are kept once
LIMIT = 64 << 20  # bytes that nobody has taken yet
FASTEST_HZ = 1_000_000
_MAX_WEIGHT = 0xFFFFFFFF


class Sampler(Observer):
    """Takes samples until `take`; beyond a limit of memory it takes no more."""

    def __init__(self, core: Core, layout: KernelLayout | None, rate_hz: float) -> None:
        if not 0 < rate_hz <= FASTEST_HZ:
            raise ArgumentError(f"a rate is more than 0 and at most {FASTEST_HZ} samples a second")
        self._core = core
        self._rate_hz = rate_hz
        self._tasks = None if layout is None else TaskFinder(core, layout)
        self._batch = core.engine.batch([*reg.R, reg.SP, reg.LR, reg.PC, reg.XPSR])
        self._known: dict[tuple[object, ...], int] = {}
        self._pieces: dict[bytes, int] = {}
        self._out = bytearray()
        self._last: tuple[int, int, int] | None = None
        self.next_look = core.clock.cycles + self._interval()

    def take(self) -> bytes:
        """Return the samples since the last time."""
        self._flush()
        data = bytes(self._out)
        self._out.clear()
        return data

    def _interval(self) -> int:
        return max(1, round(self._core.clock.hz / self._rate_hz))

    def look(self) -> None:
        now, interval = self._core.clock.cycles, self._interval()
        due = now if self.next_look is None else self.next_look
        is_asleep = self._core.sleeping
        count = (now - due) // interval + 1 if is_asleep else 1
        self.next_look = due + count * interval if is_asleep else now + interval
        if not self._core.debug.halted and self._core.lockup is None:
            self._sample(is_asleep, min(count, _MAX_WEIGHT))

    def reset(self) -> None:
        self._begin_anew()

    def restored(self) -> None:
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.next_look = self._core.clock.cycles + self._interval()
        if self._tasks is not None:
            self._tasks.forget()

    def _sample(self, is_asleep: bool, weight: int) -> None:
        *registers, status = self._batch.read()
        exception = status & 0x1FF
        registers[15] &= ~1
        task = NO_TASK if self._tasks is None else self._tasks.current()
        pieces = self._stack(registers[13])
        key = (is_asleep, exception, task, *registers, pieces)
        index = self._known.get(key)
        if index is None:
            if len(self._out) > LIMIT:
                return
            index = self._known[key] = len(self._known)
            self._flush()
            self._out += NEW.pack(1, is_asleep, exception, task, *registers, len(pieces))
            self._out += b"".join(map(PIECE.pack, pieces))
        if self._last is not None and self._last[0] == index:
            self._last = (index, min(self._last[1] + weight, _MAX_WEIGHT), self._last[2])
            return
        self._flush()
        self._last = (index, weight, round(self._core.clock.time_s * 1e9))

    def _flush(self) -> None:
        if self._last is not None:
            self._out += USE.pack(2, *self._last)
            self._last = None

    def _stack(self, sp: int) -> tuple[int, ...]:
        """Return the pieces of what is on a stack; older ones are mostly known already."""
        memory = self._core.find_memory(sp)
        if memory is None:
            return ()
        offset, end = sp - memory.address, min(sp - memory.address + STACK, len(memory.data))
        found = []
        while offset < end:
            upto = min((offset // PIECE_SIZE + 1) * PIECE_SIZE, end)
            piece = bytes(memory.data[offset:upto])
            number = self._pieces.get(piece)
            if number is None:
                number = self._pieces[piece] = len(self._pieces)
                self._out += CHUNK.pack(3, len(piece)) + piece
            found.append(number)
            offset = upto
        return tuple(found)
