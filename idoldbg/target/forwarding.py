"""A link around another link; the base of those that watch what crosses it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Self

from idoldbg.model.memory import Exclusive
from idoldbg.target.link import Link

__all__ = ["ForwardingLink"]


class ForwardingLink:
    """Does what `inner` does."""

    def __init__(self, inner: Link) -> None:
        self.inner = inner

    @property
    def spec(self) -> str:
        return self.inner.spec

    @property
    def description(self) -> str:
        return self.inner.description

    @property
    def notices(self) -> tuple[str, ...]:
        return self.inner.notices

    def read(self, address: int, size: int) -> bytes:
        return self.inner.read(address, size)

    def write(self, address: int, data: bytes) -> None:
        self.inner.write(address, data)

    def wait(self, seconds: float) -> None:
        self.inner.wait(seconds)

    def monotonic(self) -> float:
        return self.inner.monotonic()

    def read_register(self, name: str) -> int:
        return self.inner.read_register(name)

    def halt(self) -> None:
        self.inner.halt()

    def resume(self) -> None:
        self.inner.resume()

    def reset(self) -> None:
        self.inner.reset()

    def halted(self) -> AbstractContextManager[None]:
        return self.inner.halted()

    def exclusive(self) -> AbstractContextManager[None]:
        return self.inner.exclusive() if isinstance(self.inner, Exclusive) else nullcontext()

    def close(self) -> None:
        self.inner.close()

    def __enter__(self) -> Self:
        self.inner.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.inner.__exit__(kind, error, traceback)
