"""Messages through hiffy's mailbox in the memory of a target that runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Protocol, TypeVar

from idoldbg.call.hif.results import FunctionResult
from idoldbg.call.hiffy.actions import Machine, drive
from idoldbg.call.hiffy.layout import HiffyLayout
from idoldbg.call.hiffy.mailbox import Mailbox
from idoldbg.call.hiffy.program import (
    HifProgram,
    find_function,
    find_shape,
    measure_room,
    split_batches,
)
from idoldbg.call.hiffy.status import ImageMark
from idoldbg.call.message import Lease, Message, Outcome
from idoldbg.call.transport import Room
from idoldbg.errors import FaultError, MismatchError
from idoldbg.model.memory import Clock, Exclusive, MemoryReader, MemoryWriter

__all__ = ["HIFFY", "HiffyLimits", "HiffyTransport", "LiveTarget", "use_alone"]

HIFFY = "hiffy"

T = TypeVar("T")


class LiveTarget(MemoryReader, MemoryWriter, Clock, Protocol):
    """A target that runs: its memory, and a way to let it go on."""


def use_alone(target: LiveTarget, action: Callable[[], T]) -> T:
    """Return what `action` does while others who use the target make no calls; may be nested."""
    return target.alone(action) if isinstance(target, Exclusive) else action()


class HiffyLimits:
    """Limits of one image's hiffy."""

    def __init__(self, layout: HiffyLayout) -> None:
        self.layout = layout

    def room(self, leases: Sequence[type[Lease]]) -> Room:
        shape = find_shape(leases)
        find_function(self.layout, shape)
        return measure_room(self.layout, shape)

    def split(self, messages: Sequence[Message]) -> tuple[tuple[Message, ...], ...]:
        """Divide messages into programs that fit hiffy's areas."""
        return split_batches(self.layout, messages)


class HiffyTransport:
    """Sends messages through the hiffy of one image on one target.

    `find_marks` returns what tells this build's image from others; each call compares the first.
    `open_mailbox` looks up the image's hiffy, and raises `NotCallable` where it has none. Both are
    asked when it is first needed.
    """

    client = HIFFY

    def __init__(
        self,
        target: LiveTarget,
        find_marks: Callable[[], Sequence[ImageMark]],
        open_mailbox: Callable[[ImageMark | None], Mailbox],
    ) -> None:
        self.target = target
        self._find_marks = find_marks
        self._open_mailbox = open_mailbox
        self._is_image_checked = False

    @cached_property
    def mailbox(self) -> Mailbox:
        """hiffy's mailbox in this image; raises `NotCallable`, `DebugInfoError`."""
        return self._open_mailbox(next(iter(self._marks), None))

    @cached_property
    def _marks(self) -> Sequence[ImageMark]:
        return self._find_marks()

    @property
    def limits(self) -> HiffyLimits:
        return HiffyLimits(self.mailbox.layout)

    def check_image(self) -> None:
        """Compare image id and vector table of the target with the build's, until `forget`."""
        if self._is_image_checked:
            return
        for mark in self._marks:
            try:
                actual = self.target.read(mark.address, len(mark.expected))
            except FaultError as error:
                raise MismatchError(
                    f"the target has no memory at 0x{mark.address:08x}, where this build has its "
                    f"{mark.what}: it is another chip, or locked",
                    expected=mark.expected.hex(),
                    actual="",
                ) from error
            if actual != mark.expected:
                raise mark.mismatch(actual)
        self._is_image_checked = True

    def wait_until_ready(self, *, timeout_s: float) -> None:
        """Let the target run until hiffy waits for work."""
        self._drive(self.mailbox.wait_until_ready(timeout_s=timeout_s))

    def send(self, messages: Sequence[Message], *, timeout_s: float) -> Iterator[Outcome]:
        """Execute one program of hiffy's; a failure leaves all of its messages without outcome."""
        yield from self._drive(self.mailbox.send(messages, timeout_s=timeout_s))

    def run(self, program: HifProgram, *, timeout_s: float) -> tuple[FunctionResult, ...]:
        """Execute a program of other functions than sends; errors as `send`."""
        return self._drive(self.mailbox.run(program, timeout_s=timeout_s))

    def stop_taking_calls(self, halt: Callable[[], None]) -> None:
        """Halt the core, and have hiffy look as if it had not begun; the image is the build's.

        Raises `NotCallable` or `DebugInfoError`, before it is halted, where there is no hiffy.
        """
        ready = self.mailbox.layout.ready
        halt()
        self.target.write(ready, bytes(4))

    def forget(self) -> None:
        self._is_image_checked = False
        if "mailbox" in vars(self):
            self.mailbox.forget()

    def _drive(self, machine: Machine[T]) -> T:
        target = self.target
        return use_alone(target, lambda: drive(machine, target, target, target))
