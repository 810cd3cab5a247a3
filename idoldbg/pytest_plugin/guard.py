"""Holds tasks at their fault until evidence is taken: the stack of a fault, not of the restart.

Hubris's jefe restarts a task as soon as it has faulted, and its stack is gone. While a test runs,
jefe is asked to hold all tasks that are not meant to die. A held task is looked at where a call
waits for it, and at the end of the test; then it is let go of, and its clients go on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from idoldbg.call.supervisor import SUPERVISOR, Request, Supervisor, find_control
from idoldbg.errors import IdoldbgError, LinkError
from idoldbg.session import Session
from idoldbg.target.capability import RunControl
from idoldbg.views.tasks import read_tasks

__all__ = ["FaultGuard"]

INTERVAL_S = 0.05  # of the target's time, between two looks while a call waits


class FaultGuard:
    """The tasks of one target that are held; `on_fault` gets the names of those that faulted.

    It is called once for each, before the task is let go of. Does nothing on an image whose
    supervisor takes no requests.
    """

    def __init__(
        self, session: Session, supervisor: Supervisor, on_fault: Callable[[tuple[str, ...]], None]
    ) -> None:
        self._session = session
        self._supervisor = supervisor
        self._on_fault = on_fault
        self._held: set[str] = set()
        runs = session.target.can(RunControl)  # core dumps do not
        self._can_hold = runs and find_control(session.program) is not None
        self._is_busy = False
        self._next_s = 0.0
        self._served = 0  # requests, as the supervisor counts them from its start

    @property
    def held(self) -> frozenset[str]:
        """The tasks that are held at their next fault."""
        return frozenset(self._held)

    def hold_all_but(self, free: Collection[str]) -> None:
        """Hold every task but the supervisor and those that may die; raises what the link raises.

        What a reset of the board has let go of is held again.
        """
        if not self._can_hold:
            return
        if self._supervisor.served() < self._served:
            self._held.clear()
        names = {task.name for task in self._session.program.archive.tasks[SUPERVISOR + 1 :]}
        wanted = names - set(free)
        for name in sorted(self._held - wanted):
            self._ask(Request.RELEASE, name)
        for name in sorted(wanted - self._held):
            self._ask(Request.HOLD, name)

    def forget(self, held: Collection[str] = ()) -> None:
        """Take note that a reset has let go of all tasks but `held`."""
        self._held = set(held)
        self._served = 0

    def start(self) -> None:
        """Look at the held tasks from now on whenever a call waits."""
        self._next_s = self._session.link.monotonic() + INTERVAL_S
        self._session.link.on_wait = self._look_now_and_then

    def stop(self) -> None:
        """Leave waiting calls alone."""
        self._session.link.on_wait = lambda: None

    def look(self) -> None:
        """Have what has faulted looked at, and let it go on; raises what the link raises."""
        if self._is_busy or not self._held:
            return
        self._is_busy = True  # to ask the supervisor is to wait
        try:
            rows = read_tasks(self._session.program).rows
            faulted = tuple(r.name for r in rows if r.fault is not None and r.name in self._held)
            if faulted:
                self._on_fault(faulted)
                for name in faulted:
                    self._ask(Request.RELEASE, name)
                    self._ask(Request.HOLD, name)
        finally:
            self._is_busy = False

    def release_all(self) -> None:
        """Let the supervisor restart tasks again; never raises, the board may be gone."""
        self.stop()
        for name in sorted(self._held):
            try:
                self._ask(Request.RELEASE, name)
            except LinkError:
                return
            except IdoldbgError:
                continue

    def _ask(self, request: Request, name: str) -> None:
        self._supervisor.ask(request, name)
        self._served = self._supervisor.served()
        if request is Request.HOLD:
            self._held.add(name)
        else:
            self._held.discard(name)

    def _look_now_and_then(self) -> None:
        now_s = self._session.link.monotonic()
        if now_s < self._next_s or self._is_busy:
            return
        self._next_s = now_s + INTERVAL_S
        try:
            self.look()
        except IdoldbgError:  # the call that waits finds out by itself what is wrong
            self.stop()
