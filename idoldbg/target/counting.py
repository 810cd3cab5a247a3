"""Counts what crosses a link. On a real probe each transaction costs a USB round trip or more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields

from idol.records import dataclass
from idoldbg.model.memory import MultiReader
from idoldbg.target.forwarding import ForwardingLink
from idoldbg.target.link import Link

__all__ = ["CountingLink", "Traffic"]


@dataclass(frozen=True, slots=True)
class Traffic:
    """What crossed a link. `polls` are reads as well, but are not counted in `block_reads`.

    A poll is a read that does nothing but look again: it directly follows a wait, or repeats the
    address and size of the transaction before it.
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


class CountingLink(ForwardingLink):
    """A link around another that counts; `traffic` may be read and subtracted at any time.

    `on_wait` is called before each wait.
    """

    def __init__(self, inner: Link) -> None:
        super().__init__(inner)
        self.traffic = Traffic()
        self.on_wait: Callable[[], None] = lambda: None
        self._last: tuple[str, int, int] = ("", 0, 0)

    def read(self, address: int, size: int) -> bytes:
        here = ("read", address, size)
        is_poll = self._last[0] == "wait" or self._last == here
        self._last = here
        if is_poll:
            self._add(polls=1, bytes_read=size)
        else:
            self._add(block_reads=1, bytes_read=size)
        return self.inner.read(address, size)

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Read several ranges: one transaction where the link can, else one for each."""
        inner = self.inner
        if not isinstance(inner, MultiReader):
            return [self.read(address, size) for address, size in ranges]
        found = inner.read_many(ranges)
        count = 1 if getattr(inner, "reads_at_once", True) else len(ranges)
        is_poll, self._last = self._last[0] == "wait", ("read", *ranges[0])
        polls = 1 if is_poll else 0
        self._add(block_reads=count - polls, polls=polls, bytes_read=sum(s for _, s in ranges))
        return found

    def write(self, address: int, data: bytes) -> None:
        self._last = ("write", address, len(data))
        self._add(block_writes=1, bytes_written=len(data))
        self.inner.write(address, data)

    def wait(self, seconds: float) -> None:
        self._last = ("wait", 0, 0)
        self._add(waits=1)
        self.on_wait()
        self.inner.wait(seconds)

    def read_register(self, name: str) -> int:
        self._last = ("register", 0, 0)
        self._add(register_reads=1)
        return self.inner.read_register(name)

    def _add(self, **more: int) -> None:
        now = self.traffic
        self.traffic = Traffic(
            **{f.name: getattr(now, f.name) + more.get(f.name, 0) for f in fields(Traffic)}
        )
