"""The labgrid strategy: from whatever a board is doing to the right image, running."""

from __future__ import annotations

import enum
from typing import Any, ClassVar

import attr
from labgrid.factory import target_factory
from labgrid.step import step
from labgrid.strategy.common import Strategy, StrategyError, never_retry

from idoldbg.errors import MismatchError
from idoldbg.labgrid.driver import IdoldbgDriver

__all__ = ["IdoldbgStrategy", "Status"]


class Status(enum.Enum):
    """State of the board, as far as known."""

    unknown = 0
    off = 1
    flashed = 2
    booted = 3


@target_factory.reg_driver
@attr.s(eq=False)
class IdoldbgStrategy(Strategy):
    """Brings a board to `off`, `flashed` (the archive's image is in flash) or `booted`.

    Without a power driver, `off` only lets go of the board. An image that is there already is not
    flashed again; `flash=False` refuses to flash at all. `booted` resets the board, so that tests
    begin with fresh tasks.
    """

    bindings: ClassVar[dict[str, Any]] = {
        "hubris": IdoldbgDriver,
        "power": {"PowerProtocol", None},
    }
    flash: bool = attr.ib(default=True, validator=attr.validators.instance_of(bool))
    status: Status = attr.ib(default=Status.unknown)

    @never_retry
    @step(args=["status"])
    def transition(self, status: Status | str, *, step: Any) -> None:
        """Bring the board to a status, over those between."""
        status = _status(status)
        if status is Status.unknown:
            raise StrategyError(f"can not transition to {status}")
        if status is self.status:
            step.skip("nothing to do")
            return
        if status is Status.off:
            self._turn_off()
        elif status is Status.flashed:
            self.transition(Status.off)
            self._turn_on()
            self._flash()
        else:
            self.transition(Status.flashed)
            self.hubris.reset()
            self.hubris.wait_until_booted()
        self.status = status

    @never_retry
    @step(args=["status"])
    def force(self, status: Status | str) -> None:
        """Take a status for granted, such as after flashing by hand (`--lg-initial-state`)."""
        status = _status(status)
        if status is Status.unknown:
            raise StrategyError(f"can not force state {status}")
        if status is not Status.off:
            self._turn_on(cycle=False)
        self.status = status

    def _turn_off(self) -> None:
        self.target.deactivate(self.hubris)
        if self.power is not None:
            self.target.activate(self.power)
            self.power.off()

    def _turn_on(self, cycle: bool = True) -> None:
        if self.power is not None:
            self.target.activate(self.power)
            if cycle:
                self.power.on()
        self.target.activate(self.hubris)

    def _flash(self) -> None:
        try:
            self.hubris.check_image()
        except MismatchError:
            if not self.flash:
                raise
            self.hubris.load()
            self.hubris.check_image()


def _status(status: Status | str) -> Status:
    if isinstance(status, Status):
        return status
    try:
        return Status[status]
    except KeyError:
        names = ", ".join(s.name for s in Status)
        raise StrategyError(f"no status `{status}`: there are {names}") from None
