"""A debug probe as a link, through pyOCD, without disturbing the target.

Only the debug port and one memory access port are used: no pyOCD core object is made, so attaching
writes nothing but CTRL/STAT and the access port's own registers, never DHCSR, DEMCR, breakpoint or
trace units. pyOCD's target type is always `cortex_m`; configuration files and user scripts of pyOCD
are ignored.

Importing this module imports pyocd (about 0.3 s), so it is imported only when a probe is asked for.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Self, TypeVar

from pyocd.core import exceptions
from pyocd.probe.debug_probe import DebugProbe

from idoldbg.errors import FaultError, FlashError, IdoldbgError, LinkError, ProbeNotFound
from idoldbg.target.capability import FlashImage, Identity, Progress
from idoldbg.target.host_lock import HostLock
from idoldbg.target.link_lock import lock_link
from idoldbg.target.probe.access import ProbeMemory
from idoldbg.target.probe.attaching import (
    Connection,
    close_connection,
    find_access_port,
    naming_supply,
    open_connection,
)
from idoldbg.target.probe.calls import CallLock
from idoldbg.target.probe.core_debug import CoreDebug
from idoldbg.target.probe.drivers import FAST_KINDS
from idoldbg.target.probe.errors import GONE, Attempt, translated
from idoldbg.target.probe.probes import (
    FoundProbe,
    ProbeInfo,
    ProbeListing,
    choose_probe,
    find_probes,
    guess_board,
    list_probes,
    lock_probe,
)
from idoldbg.target.probe.remote import RemoteProbe
from idoldbg.target.probe.settings import FAST_LIMIT_S, ProbeOptions
from idoldbg.target.probe.watchdog import NoAnswer, Watchdog

__all__ = [
    "ProbeInfo",
    "ProbeListing",
    "ProbeOptions",
    "PyocdLink",
    "list_probes",
    "open_driver",
    "open_probe",
    "open_server",
]

T = TypeVar("T")

CLOSE_LIMIT_S = 5.0
LONGEST_S = 90.0
AGAIN_S = 3.0  # what another attempt should have left
RESET_LIMIT_S = 5.0

# pyOCD logs what it also raises; without a handler Python would print that on stderr.
for _name in ("pyocd", "pylink", "usb", "libusb_package", "cmsis_pack_manager"):
    logging.getLogger(_name).addHandler(logging.NullHandler())


def open_probe(
    unique_id: str | None = None, options: ProbeOptions | None = None, *, attaches: bool = True
) -> PyocdLink:
    """Attach through a local probe; `unique_id` is matched as `choose_probe` says.

    Without `attaches` the target is left alone until it is flashed. Raises `ProbeNotFound`, or
    `LinkError` when no target answers after a few attempts.
    """
    chosen_options = options or ProbeOptions()
    watchdog = Watchdog("idoldbg probe")
    spec = f"pyocd:{unique_id}" if unique_id else "pyocd"
    try:
        with translated(Attempt(spec, "look for probes")):
            found, notices = watchdog.call(find_probes, chosen_options.connect_limit_s)
        chosen = choose_probe(found, unique_id, notices)
        lock = lock_probe(chosen.info, chosen_options.wait_s, chosen_options.on_wait)
    except BaseException:
        watchdog.stop()
        raise
    info, fresh = chosen.info, [chosen.driver]

    def find_driver(_limit_s: float) -> Any:
        # A probe that was opened in vain is not opened twice: it may have come back as another
        # USB device, and a failed `open` leaves pyOCD's object in an unknown state.
        if fresh:
            return fresh.pop()
        return choose_probe(find_probes()[0], info.unique_id).driver

    spec, description = f"pyocd:{info.unique_id}", f"{info.description} ({info.unique_id})"
    link = PyocdLink(spec, description, find_driver, chosen_options, watchdog, lock, info)
    return link.connect() if attaches else link


def open_driver(
    spec: str, make_driver: Callable[[], Any], options: ProbeOptions, *, attaches: bool = True
) -> PyocdLink:
    """Attach through a probe object that pyOCD need not look for; otherwise as `open_probe`."""
    driver = make_driver()
    link = PyocdLink(
        spec,
        f"{driver.description} ({driver.unique_id})",
        lambda _: make_driver(),
        options,
        Watchdog("idoldbg probe"),
    )
    return link.connect() if attaches else link


def open_server(
    host: str, port: int, options: ProbeOptions | None = None, *, attaches: bool = True
) -> PyocdLink:
    """Attach through a pyOCD probe server (`pyocd server`), which has no authentication.

    One client per server: when one closes, the debug port loses power for the others too. Processes
    of this user on this host are kept apart by a lock. `attaches` is that of `open_probe`.
    """
    chosen_options = options or ProbeOptions()
    spec = f"remote:{host}:{port}"
    lock = lock_link(spec, spec, chosen_options.wait_s, chosen_options.on_wait)
    link = PyocdLink(
        spec,
        f"probe server {host}:{port}",
        partial(RemoteProbe, host, port),
        chosen_options,
        Watchdog("idoldbg probe"),
        lock,
    )
    return link.connect() if attaches else link


class PyocdLink(ProbeMemory):
    """A `Link` through pyOCD; made by `open_probe` and its like.

    `find_driver` returns pyOCD's object for the probe, which waits so many seconds for an answer.

    Memory is that of `ProbeMemory`.
    """

    kind = "debug probe"
    source = "probe"

    def __init__(
        self,
        spec: str,
        description: str,
        find_driver: Callable[[float], Any],
        options: ProbeOptions,
        watchdog: Watchdog,
        lock: HostLock | None = None,
        info: ProbeInfo | None = None,
    ) -> None:
        super().__init__(spec, description)
        self._lock = lock
        self._info = info
        self._find_driver = find_driver
        self._options = options
        self._watchdog = watchdog
        self._connection: Connection | None = None
        self._leave_halted = False
        self._is_broken = False  # the probe failed, and must be opened anew
        self._core = CoreDebug(self, self.wait, self.monotonic, link=spec)
        self._calls = CallLock(
            spec, lambda attempt, action: self._do(attempt, lambda ap: action(ap.dp.probe))
        )

    def connect(self) -> Self:
        """Attach, in a few attempts with growing pauses between them."""
        try:
            self._connect()
        except BaseException:
            self._watchdog.stop()
            self._unlock()
            raise
        return self

    def _connect(self) -> None:
        is_fast = self._info is not None and self._info.kind in FAST_KINDS
        end_s = time.monotonic() + (FAST_LIMIT_S if is_fast else LONGEST_S)
        pause_s = 0.2
        for attempts_left in reversed(range(self._options.attempts)):
            try:
                with translated(Attempt(self.spec, "attach")):
                    self._open(end_s - time.monotonic())
                self._look_at_core()
                return
            except LinkError as error:
                hopeless = isinstance(error, ProbeNotFound) or isinstance(
                    error.__cause__, (NoAnswer, exceptions.TargetSupportError)
                )
                if hopeless or attempts_left == 0 or time.monotonic() + pause_s + AGAIN_S > end_s:
                    raise
            time.sleep(pause_s)
            pause_s *= 2

    def _open(self, limit_s: float) -> None:
        """Find the probe, open it and the target; within that time."""
        self._connection = self._watchdog.call(
            # A server's silence is noticed before the watchdog, which says less of it.
            lambda: open_connection(self._find_driver(self._options.limit_s / 2), self._options),
            max(0.1, min(limit_s, self._options.connect_limit_s)),
        )
        self._is_broken = False

    def read_register(self, name: str) -> int:
        return self._core.halted(lambda: self._core.read_register(name))

    def halt(self) -> None:
        self._core.halt()
        self._leave_halted = True

    def resume(self) -> None:
        self._core.resume()
        self._leave_halted = False

    def halted(self, action: Callable[[], T]) -> T:
        return self._core.halted(action)

    def alone(self, action: Callable[[], T]) -> T:
        """Keep others from making calls meanwhile, where an emulated board has several users."""
        return self._calls.hold(action)

    def reset(self) -> None:
        """Reset by SYSRESETREQ, or by the nRESET line where that has no effect; then run."""
        self.reset_with(halt=False, line=False)

    def reset_with(self, *, halt: bool, line: bool) -> None:
        """Reset by the nRESET line if `line`, else by SYSRESETREQ (and by the line if that fails).

        A chip that loses its debug registers in a reset by the line cannot be caught by `halt`; it
        is halted as soon as it answers then, a few instructions later.
        """
        try:
            self._reset_with(halt=halt, line=line)
        except LinkError as error:
            if halt:
                error.add_note(
                    "the core may be left halted, or halt at its next reset: `idoldbg resume` or "
                    "`idoldbg reset` once the probe answers, or switch the board off and on"
                )
            raise
        self._leave_halted = halt

    def _reset_with(self, *, halt: bool, line: bool) -> None:
        if halt:
            self._core.catch_reset(True)
        if line or not self._reset_by_request():
            attempt = Attempt(self.spec, "reset the target")
            self._do(attempt, lambda ap: ap.dp.reset())
            if not self._came_back():
                tried = (
                    "the reset line had no" if line else "neither SYSRESETREQ nor the line had an"
                )
                raise attempt.fail(
                    f"{tried} effect", "check that the probe's reset line is connected"
                )
        if halt:
            if not self._core.await_halt():
                self._core.halt()
            self._core.catch_reset(False)
        elif self._core.is_halted():
            self._core.resume()

    def _reset_by_request(self) -> bool:
        # The chip may be gone before it acknowledges; whether there was a reset is asked for next.
        try:
            self._core.request_reset()
        except FaultError:
            pass
        except LinkError as error:
            if GONE in error.message:
                raise
        return self._came_back()

    @property
    def is_atomic(self) -> bool:
        return False

    def identify(self) -> Identity | None:
        """Ask the probe what board it is part of."""
        if self._info is None:
            return None
        connection, info = self._connection, self._info

        def ask() -> ProbeInfo:
            find = self._find_driver
            driver = connection.session.probe if connection else find(self._options.limit_s)
            return guess_board(FoundProbe(info, driver))

        with translated(Attempt(self.spec, "ask the probe for its board")):
            found = self._watchdog.call(ask, self._options.connect_limit_s)
        board = found.board_guess or found.target_guess
        if board is None:
            return None
        description = f"probe {info.unique_id} is part of a"
        return Identity(description, board, found.target_guess)

    def flash(self, image: FlashImage, progress: Progress) -> None:
        """Let go of the target, program it through pyOCD's full session, and attach again."""
        from idoldbg.target.probe.flash import program  # pyOCD's targets and flash algorithms

        self._detach()
        with translated(Attempt(self.spec, "look for the probe")):
            driver = self._watchdog.call(
                lambda: self._find_driver(self._options.limit_s), self._options.connect_limit_s
            )
        program(self._watchdog, driver, self.spec, image, self._options, progress)
        try:
            self.connect()
        except IdoldbgError as error:
            raise FlashError(
                f"{error}; the image was programmed, but could not be verified",
                state="unverified",
                link=self.spec,
            ) from error

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def monotonic(self) -> float:
        return time.monotonic()

    def close(self) -> None:
        """Switch debug power off and release the probe.

        A core that `halt` stopped stays halted, and powered for debugging.
        """
        try:
            self._detach()
        finally:
            self._watchdog.stop()
            self._unlock()

    def _detach(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        power_down = not self._leave_halted
        # A probe that is gone has let go already.
        with contextlib.suppress(IdoldbgError), translated(Attempt(self.spec, "detach")):
            self._watchdog.call(lambda: close_connection(connection, power_down), CLOSE_LIMIT_S)

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def _look_at_core(self) -> None:
        """Leave a notice where calls would wait in vain."""
        try:
            standstill = self._core.explain_standstill()
        except (LinkError, FaultError):
            return  # the first access that someone needs will say it better
        self.notices = (standstill,) if standstill else ()

    def _came_back(self) -> bool:
        """Wait for the core to come out of reset, attaching anew where the debug port was lost."""
        end = time.monotonic() + RESET_LIMIT_S
        while True:
            try:
                return self._core.await_reset()
            except (LinkError, FaultError) as error:
                if time.monotonic() >= end or GONE in error.message:
                    raise
            time.sleep(0.05)
            with contextlib.suppress(LinkError, FaultError):
                self._do(Attempt(self.spec, "attach after the reset"), lambda ap: self._reattach())

    def _do(
        self,
        attempt: Attempt,
        action: Callable[[Any], T],
        *,
        again: bool = False,
        retry: Callable[[Any], T | None] | None = None,
    ) -> T:
        """Run `action` on the access port under the watchdog; repeat it once if `again`.

        `retry` is another way to its result after a garbled answer, or returns None.
        """
        second = action if again else retry

        def job() -> T:
            try:
                if not self._is_attached():
                    self._reattach()
                return action(self._ap())
            except exceptions.TransferFaultError:
                raise
            except exceptions.TransferError:
                if second is None:
                    raise
                self._reattach()
                result = second(self._ap())
                if result is None:
                    raise
                return result

        with translated(attempt):
            if self._connection is None:
                raise attempt.fail("the link is closed")
            if self._is_broken:
                self._reopen()
            try:
                return self._watchdog.call(job, self._options.limit_s)
            except exceptions.TransferError:
                raise
            except Exception:
                self._is_broken = True
                raise

    def _reopen(self) -> None:
        """Open the probe anew after it failed, as when an answer came too late."""
        connection = self._connection
        assert connection is not None  # `_do` looked
        self._watchdog.call(lambda: close_connection(connection, False), CLOSE_LIMIT_S)
        self._open(FAST_LIMIT_S)

    def _is_attached(self) -> bool:
        """Return whether the last `_reattach` left the probe speaking to the debug port."""
        connection = self._connection
        return connection is not None and connection.dp.probe.wire_protocol is not None

    def _ap(self) -> Any:
        assert self._connection is not None  # `_do` looked
        return self._connection.ap

    def _reattach(self) -> None:
        """Reset the debug wires and power up again; within a watched call.

        The access port is made anew because pyOCD caches its CSW, which a power loss changes.
        """
        assert self._connection is not None  # `_do` looked
        session, dp = self._connection.session, self._connection.dp
        if DebugProbe.Capability.SWJ_SEQUENCE not in dp.probe.capabilities:
            # `dp.connect` leaves a connected probe as it is; an ST-Link then never speaks to a
            # debug port that has lost its power.
            dp.probe.disconnect()
        with naming_supply(dp.probe):
            dp.connect()
        self._connection = Connection(session, dp, find_access_port(dp, self._options.access_port))
