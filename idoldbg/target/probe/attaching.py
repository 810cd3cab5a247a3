"""From a probe that is not open to an access port of its target, and back.

No pyOCD core object is made: attaching writes CTRL/STAT and the access port's registers only, but
for what the user asks for (`settings.ProbeOptions.connect`).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from pyocd.core import exceptions
from pyocd.coresight.ap import MEM_AP, AccessPort, APv1Address, APv2Address
from pyocd.coresight.dap import ADIVersion

from idol.records import dataclass
from idoldbg.target.probe.drivers import at_its_place, let_go, make_session, measure_supply
from idoldbg.target.probe.errors import Unpowered
from idoldbg.target.probe.settings import ProbeOptions, session_options

__all__ = [
    "Connection",
    "close_connection",
    "find_access_port",
    "naming_supply",
    "open_connection",
]

T = TypeVar("T")

AWAKE_LIMIT_S = 3.0
UNPOWERED_V = 1.2  # the least that any of the supported chips runs on is 1.6


@dataclass(frozen=True, slots=True)
class Connection:
    """pyOCD's objects for one attachment; none of them has types."""

    session: Any
    dp: Any
    ap: Any


def open_connection(driver: Any, options: ProbeOptions) -> Connection:
    """Open a probe, and attach to its target; the probe is let go where that fails."""
    session = make_session(driver, session_options(options))
    try:
        with at_its_place(driver):
            session.open(init_board=False)
        dp = session.target.dp
        if options.connect == "under-reset":
            driver.assert_reset(True)
        try:
            with naming_supply(driver):
                ap = _insist(lambda: _attach(dp, options), options)
            _keep_awake(ap, options)
        finally:
            if options.connect == "under-reset":
                driver.assert_reset(False)
        return Connection(session, dp, ap)
    except BaseException:
        with contextlib.suppress(Exception):  # the first failure is the one to tell of
            _close_session(session)
        raise


def _attach(dp: Any, options: ProbeOptions) -> Any:
    dp.connect()
    return find_access_port(dp, options.access_port)


def _insist(attach: Callable[[], T], options: ProbeOptions) -> T:
    """Attach; a core that sleeps, and answers now and then, is asked again and again."""
    end_s = time.monotonic() + (AWAKE_LIMIT_S if options.connect == "awake" else 0.0)
    while True:
        try:
            return attach()
        except exceptions.TransferTimeoutError:
            if time.monotonic() >= end_s:
                raise


def _keep_awake(ap: Any, options: ProbeOptions) -> None:
    """Keep the debug port's clock on while the core sleeps, if that is wanted."""
    if options.connect == "attach" or options.keep_awake is None:
        return
    address, bits = options.keep_awake
    # Without: a chip may want the clock of the register on first. Then accesses say how it is.
    with contextlib.suppress(exceptions.TransferFaultError):
        before = _insist(lambda: ap.read32(address), options)
        if before & bits != bits:
            _insist(lambda: ap.write32(address, before | bits), options)


@contextlib.contextmanager
def naming_supply(driver: Any) -> Iterator[None]:
    """Name the supply that the probe measures, where no target answers without it."""
    try:
        yield
    except exceptions.Error as error:
        volts = measure_supply(driver)
        if volts is not None and volts < UNPOWERED_V:
            raise Unpowered(volts) from error
        raise


def find_access_port(dp: Any, number: int) -> Any:
    """Return the access port to memory of that number, or address on ADIv6."""
    if dp.adi_version is ADIVersion.ADIv6:
        if number < 0x1000:
            raise exceptions.TargetError(
                "its debug port is ADIv6: give the base address of the memory access port instead "
                "of a number"
            )
        address = APv2Address(number)
    else:
        address = APv1Address(number)
    ap = AccessPort.create(dp, address)
    if not isinstance(ap, MEM_AP):
        raise exceptions.TargetError(f"access port {number} gives no access to memory")
    return ap


def close_connection(connection: Connection, power_down: bool) -> None:
    """Detach, and let the probe go."""
    try:
        if power_down:
            connection.dp.disconnect()
    finally:
        _close_session(connection.session)


def _close_session(session: Any) -> None:
    """Close the session and surely its probe: pyOCD leaves it open after a failed `open`."""
    try:
        session.close()
    finally:
        try:
            if session.probe.is_open:
                session.probe.close()
        finally:
            let_go(session.probe)
