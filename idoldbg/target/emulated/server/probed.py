"""A real board behind a probe, kept attached for any number of clients.

A failure of the link lets go of the probe, and the next request attaches anew: so a board survives
that its probe is unplugged, or its supply switched off and on. What clients had asked to be held
still is not held any more then, and they are told.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

from idoldbg.errors import FaultError, IdoldbgError, LinkError, Unsupported
from idoldbg.target.capability import Registers, ResetCheck, ResetControl, RunControl
from idoldbg.target.emulated.protocol import BoardOperation, Header
from idoldbg.target.emulated.server.loop import BoardLoop
from idoldbg.target.emulated.server.operations import NO_IMAGE, NamedImage, SharedBoard, StatusFacts
from idoldbg.target.target import Target

__all__ = ["ProbedBoard", "ProbedLoop", "SharedProbe"]

T = TypeVar("T")

DHCSR, S_HALT = 0xE000EDF0, 1 << 17
PAUSE_S = 1.0  # between attempts to attach: what each may cost all clients is seconds

log = logging.getLogger(__name__)


class ProbedBoard:
    """A board as `SharedBoard` sees it, through a link that is opened again when it was lost.

    `open_target` attaches; the first time it is called at once, and its errors are raised.
    """

    lockup: str | None = None

    def __init__(
        self, open_target: Callable[[], Target], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._open, self._clock = open_target, clock
        self._begin_s = clock()
        self.losses = 0
        """How often the link was lost."""
        self.problem = ""
        """Why there is no link, "" while there is one."""
        self._tried_s = self._begin_s
        self.is_halted = False
        """Whether the core stood still when it was looked at last."""
        self.on_attached: Callable[[], None] = lambda: None
        self._target: Target | None = open_target()

    @property
    def time_s(self) -> float:
        """Seconds since the board was attached to first."""
        return self._clock() - self._begin_s

    @property
    def notices(self) -> tuple[str, ...]:
        """Notices of the link, and that there is none."""
        if self._target is None:
            return (f"the probe is lost: {self.problem}",)
        return self._target.notices

    @property
    def leds(self) -> dict[str, bool]:
        """Lights of an emulated board; none here."""
        return {}

    @property
    def uart(self) -> dict[str, bytes]:
        """Serial ports of an emulated board; none here."""
        return {}

    @property
    def instruments(self) -> NoReturn:
        """Instruments of an emulated board; none here."""
        raise self._unsupported("instruments", "only an emulated one has instruments")

    def uart_feed(self, name: str, data: bytes) -> None:
        raise self._unsupported("uart", "its serial ports are not seen here")

    def flash(self, segments: Sequence[tuple[int, bytes]]) -> None:
        raise self._unsupported("flash", "stop it, and flash through its probe")

    def read(self, address: int, size: int) -> bytes:
        return self._do(lambda target: target.memory.read(address, size))

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Read several ranges, at once where the link can."""
        return self._do(lambda target: target.memory.read_many(ranges))

    def write(self, address: int, data: bytes) -> None:
        self._do(lambda target: target.memory.write(address, data))

    def read_register(self, name: str) -> int:
        return self._do(lambda target: target.need(Registers).read_register(name))

    def run(self, seconds: float) -> None:
        """Do nothing: a real board needs nobody for its time to pass."""

    def look(self) -> bool:
        """Return whether the core stands still now; False where that cannot be read."""
        try:
            word = self.read(DHCSR, 4)
        except (LinkError, FaultError):
            self.is_halted = False
        else:
            self.is_halted = bool(int.from_bytes(word, "little") & S_HALT)
        return self.is_halted

    def halt(self) -> None:
        self._do(lambda target: target.need(RunControl).halt())
        self.is_halted = True

    def resume(self) -> None:
        self._do(lambda target: target.need(RunControl).resume())
        self.is_halted = False

    def reset(self) -> None:
        self.reset_with(halt=False, line=False)

    def reset_with(self, *, halt: bool, line: bool) -> None:
        """Reset as `ResetControl.reset_with`."""
        self._do(lambda target: target.need(ResetControl).reset_with(halt=halt, line=line))
        self.is_halted = halt

    def refusal_of_reset(self, *, line: bool) -> str:
        """Return why the link cannot reset so, "" where it can, or is lost."""
        target = self._target
        if target is None or not target.can(ResetCheck):
            return ""
        try:
            target.need(ResetCheck).check_reset(line=line)
        except Unsupported as error:
            return error.message
        except LinkError as error:
            self._lose(error)
        return ""

    def close(self) -> None:
        """Let go of the probe."""
        target, self._target = self._target, None
        if target is not None:
            target.close()

    def _do(self, action: Callable[[Target], T]) -> T:
        """Return what `action` does; attach first where the link was lost."""
        target = self._target or self._attach()
        try:
            return action(target)
        except Unsupported:
            raise
        except LinkError as error:
            self._lose(error)
            raise

    def _attach(self) -> Target:
        since_s = self._clock() - self._tried_s
        if since_s < PAUSE_S:
            raise LinkError(f"the probe is lost, and is tried again in a second: {self.problem}")
        self._tried_s = self._clock()
        try:
            self._target = target = self._open()
        except IdoldbgError as error:
            self.problem = error.message
            raise LinkError(f"the probe is lost: {error.message}") from error
        log.info("attached again")
        self.problem = ""
        self.on_attached()
        return target

    def _lose(self, error: LinkError) -> None:
        log.warning("the link is lost: %s", error.message)
        self.losses += 1
        self.problem = error.message
        self._tried_s = self._clock()
        try:
            self.close()
        except IdoldbgError as second:
            log.warning("closing it: %s", second.message)

    def _unsupported(self, capability: str, why: str) -> Unsupported:
        return Unsupported(f"a board behind a probe: {why}", capability=capability)


class SharedProbe(SharedBoard):
    """A board behind a probe that several clients use: what it knows of flash is what it was told.

    A client that held the core when the probe was lost may read nothing more before it lets go.
    """

    board: ProbedBoard

    def __init__(
        self, board: ProbedBoard, facts: StatusFacts, image: NamedImage = NO_IMAGE
    ) -> None:
        super().__init__(board, facts, image)
        self._held_since: dict[object, int] = {}
        self._is_stranded = False
        """Whether the core may stand still because of a hold that was lost."""
        board.on_attached = self._attached

    def read_all(self, operations: Sequence[BoardOperation]) -> Sequence[bytes]:
        ranges = [(o.values["address"], o.values["size"]) for o in operations]
        if len(ranges) == 1 or not all(size for _, size in ranges):
            return [self.board.read(*each) for each in ranges]
        return self.board.read_many(ranges)

    def look_at_image(self) -> None:
        """Leave the flash alone: to read all of it takes a second."""

    def check(self, client: object, operation: BoardOperation) -> None:
        """Refuse what a client asks for of a core that it believes to be held."""
        since = self._held_since.get(client)
        if since is None or since == self.board.losses or operation.name in ("release", "status"):
            return
        raise LinkError(
            "the probe was lost while the core was held still, and others may have let it run "
            "since; try again"
        )

    def _name_image(self, image: NamedImage) -> None:
        raise Unsupported(
            "a board behind a probe: start it anew with the build that it runs",
            capability="flash",
        )

    def _hold(self, client: object) -> None:
        if not self._holds:
            self._halted_by_user = self.board.look()
            if not self._halted_by_user:
                self.board.halt()
            self._is_stranded = False
        self._holds[client] = self._holds.get(client, 0) + 1
        self._held_since.setdefault(client, self.board.losses)

    def _release(self, client: object, count: int) -> None:
        left = self._holds.get(client, 0) - count
        if left > 0:
            self._holds[client] = left
            return
        had = self._holds.pop(client, 0)
        is_lost = self._held_since.pop(client, self.board.losses) != self.board.losses
        if not had or self._holds or self._halted_by_user:
            return
        if is_lost:
            self._is_stranded = True
            if not self.board.problem:
                self._attached()
            return
        self._is_stranded = True  # until the core runs
        self.board.resume()
        self._is_stranded = False

    def _attached(self) -> None:
        """Let a core run that stands still because of us alone."""
        if (self._is_stranded or self._holds) and not self._halted_by_user:
            self._is_stranded = False
            if self.board.look():
                self.board.resume()

    def leave(self, client: object) -> None:
        try:
            super().leave(client)
        except LinkError as error:  # the core may stand still: it is let run when it is back
            log.warning("letting go of what a client held: %s", error.message)

    def _reset(self, *, halt: bool, line: bool) -> None:
        self._halted_by_user = halt
        self.board.reset_with(halt=halt or bool(self._holds), line=line)

    def _status(self) -> Header:
        self.board.look()
        refusals = {
            "no_reset": self.board.refusal_of_reset(line=False),
            "no_line": self.board.refusal_of_reset(line=True),
        }
        return {**super()._status(), "problem": self.board.problem, **refusals}


class ProbedLoop(BoardLoop):
    """The loop of a real board, whose time is the host's: who waits is woken when it is over."""

    def _patience_s(self) -> float | None:
        board, now = self._shared.board, self._clock()
        ends = [(e.wait_until_s or 0.0) - board.time_s for _, e in self._waiting()]
        ends += [client.wait_ends_real_s - now for client in self._lock_queue]
        return max(0.0, min(ends)) if ends else None

    def _run_slice(self) -> None:
        board = self._shared.board
        for client, execution in self._waiting():
            if client.execution is not execution:
                continue  # dropped while another one was served
            if board.time_s >= (execution.wait_until_s or 0.0):
                execution.end_wait(board.time_s)
                self._advance(client)

    def _catch_up(self, pause_s: float) -> None:
        """Nothing is owed."""
