"""The one wrapper around a link: counts, records, stops early, reports progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

from idol.records import dataclass
from idoldbg.call.hiffy.mailbox import random_tag
from idoldbg.errors import LinkError
from idoldbg.model.memory import (
    Clock,
    Exchanger,
    Exclusive,
    MemoryWriter,
    MultiReader,
    TagSource,
)
from idoldbg.target.capability import Halting, Registers, ResetControl, RunControl, refusal
from idoldbg.target.turns import Turns

if TYPE_CHECKING:
    from idoldbg.target.link import BaseLink
    from idoldbg.target.recording import Recorder

__all__ = ["Trace", "Traffic"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Traffic:
    """Traffic over a link. `polls` are reads too, but not counted in `block_reads`.

    On a real probe each transaction costs a USB round trip or more. A poll is a read that does
    nothing but look again: it directly follows a wait, or repeats the address and size of the
    transaction before it.
    """

    block_reads: int = 0
    block_writes: int = 0
    polls: int = 0
    waits: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    register_reads: int = 0

    @property
    def transactions(self) -> int:
        """Everything that needs an answer from the target's memory."""
        return self.block_reads + self.block_writes + self.polls

    def __sub__(self, earlier: Traffic) -> Traffic:
        """Return what was added since `earlier`."""
        return Traffic(
            **{f.name: getattr(self, f.name) - getattr(earlier, f.name) for f in fields(Traffic)}
        )

    def __str__(self) -> str:
        return (
            f"{self.transactions} transactions ({self.block_reads} reads, {self.block_writes} "
            f"writes, {self.polls} polls), {self.bytes_read} bytes read, "
            f"{self.bytes_written} bytes written"
        )


class Trace:
    """Does what a link does; what it cannot do raises `Unsupported`.

    `traffic` may be read and subtracted at any time. `on_wait` is called before each wait. A wait
    in a turn of `turns` that was given up raises `LinkError`.
    """

    def __init__(self, link: BaseLink, recorder: Recorder | None = None) -> None:
        self._link = link
        self._recorder = recorder
        self.traffic = Traffic()
        self.turns = Turns()
        self.on_wait: Callable[[], None] = lambda: None
        self._last: tuple[str, int, int] = ("", 0, 0)

    @property
    def spec(self) -> str:
        """SPEC that opens this link again, such as `pyocd:0669FF`."""
        return self._link.spec

    @property
    def description(self) -> str:
        """Description of the other end, for people."""
        return self._link.description

    @property
    def notices(self) -> tuple[str, ...]:
        """Notices about this link for the user, one sentence each; often empty."""
        return self._link.notices

    def read(self, address: int, size: int) -> bytes:
        here = ("read", address, size)
        is_poll = self._last[0] == "wait" or self._last == here
        self._last = here
        if is_poll:
            self._add(polls=1, bytes_read=size)
        else:
            self._add(block_reads=1, bytes_read=size)
        return self._do("read", lambda: self._link.read(address, size), address=address, size=size)

    @property
    def reads_at_once(self) -> bool:
        """Whether `read_many` is one transaction; a recording says so where it is not."""
        at_once = isinstance(self._link, MultiReader) and getattr(self._link, "reads_at_once", True)
        return at_once or self._do("one-by-one", lambda: False)

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Read several ranges: one transaction where the link can, else one for each."""
        link = self._link
        if not isinstance(link, MultiReader):
            return [self.read(address, size) for address, size in ranges]
        found = self._do("read-many", lambda: link.read_many(ranges), ranges=ranges)
        count = 1 if getattr(link, "reads_at_once", True) else len(ranges)
        is_poll, self._last = self._last[0] == "wait", ("read", *ranges[0])
        polls = 1 if is_poll else 0
        self._add(block_reads=count - polls, polls=polls, bytes_read=sum(s for _, s in ranges))
        return found

    @property
    def exchanges(self) -> bool:
        """Whether `exchange` is one transaction."""
        return isinstance(self._link, Exchanger) and self._link.exchanges

    def exchange(
        self, writes: Sequence[tuple[int, bytes]], ranges: Sequence[tuple[int, int]]
    ) -> Sequence[bytes]:
        """Make writes, then read ranges, in one transaction."""
        link = self._need(Exchanger)
        self._last = ("read", *ranges[0]) if ranges else ("write", 0, 0)
        size = sum(len(data) for _, data in writes)
        if ranges:
            self._add(block_reads=1, bytes_written=size, bytes_read=sum(s for _, s in ranges))
        else:
            self._add(block_writes=1, bytes_written=size)
        written = [(address, data.hex()) for address, data in writes]
        return self._do(
            "exchange", lambda: link.exchange(writes, ranges), writes=written, ranges=ranges
        )

    def write(self, address: int, data: bytes) -> None:
        self._last = ("write", address, len(data))
        self._add(block_writes=1, bytes_written=len(data))
        writer = self._need(MemoryWriter)
        self._do("write", lambda: writer.write(address, data), address=address, data=data.hex())

    def wait(self, seconds: float) -> None:
        """Wait as the link does; raise `LinkError` where that is not wanted any more."""
        if self.turns.is_given_up:
            raise LinkError("the call was given up", link=self.spec)
        self._last = ("wait", 0, 0)
        self._add(waits=1)
        self.on_wait()
        clock = self._need(Clock)
        self.turns.wait(
            lambda: self._do("wait", lambda: clock.wait(seconds), seconds=seconds),
        )

    def monotonic(self) -> float:
        """Return the link's time in seconds; that of a core dump stands still."""
        link = self._link
        return self._do("time", link.monotonic) if isinstance(link, Clock) else 0.0

    def read_register(self, name: str) -> int:
        self._last = ("register", 0, 0)
        self._add(register_reads=1)
        registers = self._need(Registers)
        return self._do("register", lambda: registers.read_register(name), name=name)

    def halt(self) -> None:
        self._do("halt", self._need(RunControl).halt)

    def resume(self) -> None:
        self._do("resume", self._need(RunControl).resume)

    def reset(self) -> None:
        self._do("reset", self._need(RunControl).reset)

    def reset_with(self, *, halt: bool, line: bool) -> None:
        """Reset as `ResetControl.reset_with`."""
        action = partial(self._need(ResetControl).reset_with, halt=halt, line=line)
        self._do("reset-with", action, halt=halt, line=line)

    def halted(self, action: Callable[[], T]) -> T:
        """Do as `Halting.halted`; the core of a core dump stands still anyway."""
        link = self._link
        return self._within("halted", link.halted if isinstance(link, Halting) else None, action)

    def alone(self, action: Callable[[], T]) -> T:
        """Do as `Exclusive.alone`, where the target has several users."""
        link = self._link
        return self._within(
            "exclusive", link.alone if isinstance(link, Exclusive) else None, action
        )

    def make_tag(self) -> bytes:
        """Return bytes that no other program has, or those of the recording that is replayed."""
        link = self._link
        return self._do("tag", link.make_tag if isinstance(link, TagSource) else random_tag)

    def close(self) -> None:
        """Let go of the target; closing twice is harmless."""
        self._link.close()
        if self._recorder is not None:
            self._recorder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _need(self, capability: type[T]) -> T:
        if not isinstance(self._link, capability):
            raise refusal(self._link, capability)
        return self._link

    def _do(self, operation: str, action: Callable[[], T], **arguments: Any) -> T:
        """Do an operation of the link, and record it with its outcome."""
        if self._recorder is None:
            return action()
        return self._recorder.record(operation, action, arguments)

    def _within(
        self,
        operation: str,
        run: Callable[[Callable[[], T]], T] | None,
        action: Callable[[], T],
    ) -> T:
        """Return what `run` does with `action`; record that it came to it, or why it did not."""
        is_entered = False

        def enter() -> T:
            nonlocal is_entered
            is_entered = True
            self._do(operation, lambda: None)
            return action()

        if run is None:
            return enter()
        try:
            return run(enter)
        except Exception as error:
            if not is_entered:
                self._do(operation, partial(_raise, error))
            raise

    def _add(self, **more: int) -> None:
        now = self.traffic
        self.traffic = Traffic(
            **{f.name: getattr(now, f.name) + more.get(f.name, 0) for f in fields(Traffic)}
        )


def _raise(error: Exception) -> NoReturn:
    raise error
