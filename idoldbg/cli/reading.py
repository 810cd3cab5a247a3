"""Session of the commands that read a target's state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from idoldbg.build.program import Program
from idoldbg.cli.interrupts import ending_tidily
from idoldbg.cli.options import Settings
from idoldbg.cli.output import say
from idoldbg.session import Session, open_session
from idoldbg.startup import settle
from idoldbg.target.target import Target
from idoldbg.views.source import Caution, Source, read_source

__all__ = ["Reading", "holding", "reading"]


class Reading:
    """Opened session whose notices are printed, and become the cautions of its `source`."""

    def __init__(self) -> None:
        self._cautions: list[Caution] = []
        self.session: Session

    def notify(self, message: str) -> None:
        """Print a notice on standard error and keep it for `source`."""
        say(message)
        self.add("notice", message)

    def add(self, code: str, message: str) -> None:
        """Keep a reason to doubt what was read, for `source`."""
        self._cautions.append(Caution(code, message))

    @property
    def program(self) -> Program:
        """The build, with the target's memory."""
        return self.session.program

    @property
    def target(self) -> Target:
        """The opened target."""
        return self.session.target

    def source(self) -> Source:
        """Read the origin of the answers; after them, for by then all notices have come."""
        target = self.target
        return read_source(
            self.program, target.source, ticks=target.ticks, cautions=tuple(self._cautions)
        )


_held: list[Reading] = []


@contextmanager
def holding(opened: Reading) -> Iterator[None]:
    """Let commands that run within read from this session, instead of opening their own."""
    _held.append(opened)
    try:
        yield
    finally:
        _held.pop()


@contextmanager
def reading(settings: Settings, *, settles: bool = True) -> Iterator[Reading]:
    """Open the session of a command that reads, compare the images, let tasks start.

    Without `settles` a target is read as it is found, and images are not compared.
    """
    if _held:
        yield _held[-1]
        return
    found = Reading()
    with (
        ending_tidily(),
        open_session(settings.target(), notify=found.notify) as session,
    ):
        found.session = session
        if settles:
            settle(session)
        yield found
