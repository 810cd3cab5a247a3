"""Transports that carry messages to tasks: hiffy's mailbox, or another.

A transport is two files: itself (hiffy's is `idoldbg.call.hiffy.transport`) and the target that
opens it (`idoldbg.call.opener: TransportSource`). It needs no memory of the target; what is read
there after a failure is `idoldbg.call.forensics`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from idol.records import dataclass
from idoldbg.call.message import Lease, Message, Outcome

__all__ = ["Limits", "Room", "Transport"]


@dataclass(frozen=True, slots=True)
class Room:
    """The most bytes that a message with certain leases can have.

    `payload` is for the arguments, `reply` for the reply and what the server writes to a lease
    together, `lent` for what the server reads from one.
    """

    payload: int
    reply: int
    lent: int


class Limits(Protocol):
    """Limits of a transport; checked before anything is sent."""

    def room(self, leases: Sequence[type[Lease]]) -> Room:
        """Return the room beside leases of these kinds, in the operation's order.

        Raises `NotCallable` for leases that it cannot lend.
        """

    def split(self, messages: Sequence[Message]) -> Sequence[Sequence[Message]]:
        """Divide messages into groups for `Transport.send`, in order.

        Raises `LimitExceeded`, with the figures, or `NotCallable` for one that cannot be sent.
        """


class Transport(Protocol):
    """Sends messages to the tasks of one image on one target."""

    @property
    def client(self) -> str:
        """The task that sends them there, whose name an `allowed-callers` of app.toml must hold."""

    @property
    def limits(self) -> Limits:
        """Limits of the transport; raises `NotCallable` where the image does not support it."""

    def check_image(self) -> None:
        """Compare the image on the target with the build; raise `MismatchError`.

        May believe an earlier comparison until `forget`.
        """

    def wait_until_ready(self, *, timeout_s: float) -> None:
        """Let the target run until messages can be sent; raise `HiffyFailure` after `timeout_s`."""

    def send(self, messages: Sequence[Message], *, timeout_s: float) -> Iterator[Outcome]:
        """Send a group of `Limits.split`; yield what became of each, in order.

        Any other group is refused as by `split`, before anything is sent. `timeout_s` bounds the
        wait for readiness and that for the outcomes, each. Raises `HiffyFailure` for messages
        without an outcome: those after the last one yielded. Its `may_have_run` is False where
        surely none of them was received; its `failure` is "not ready" where sending them once more
        may help, "reset" where all that is known of the target is in doubt. `MismatchError` means
        that the target runs another image.
        """

    def forget(self) -> None:
        """Look at everything on the target again: it was reset, flashed, or used by others."""
