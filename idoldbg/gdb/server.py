"""pyOCD's gdb server in this process, for a target that is given back as it was found.

Unlike `idoldbg.target.probe.link` this makes pyOCD's core objects, which is what a debugger needs:
attaching switches debugging on in the core, clears its breakpoint and watchpoint units and turns
ITM off. It neither halts nor resets; the first gdb that connects halts the core.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pyocd.core import exceptions
from pyocd.core.memory_map import DeviceRegion, MemoryMap, RamRegion, RomRegion
from pyocd.core.session import Session
from pyocd.core.target import Target
from pyocd.coresight.cortex_m import CortexM
from pyocd.gdbserver import GDBServer

from idol.records import dataclass
from idoldbg.build.program import Program
from idoldbg.errors import LinkError
from idoldbg.gdb.rtos._provider import HubrisThreads
from idoldbg.model.memory import Segment
from idoldbg.target.open import Notify, ignore
from idoldbg.target.probe.errors import Attempt, translated
from idoldbg.target.probe.settings import ProbeOptions, session_options
from idoldbg.target.probe.watchdog import Watchdog

__all__ = ["Found", "HubrisServer", "Serving", "serving"]

STOP_LIMIT_S = 10.0
MOST_NOTES = 20
MOST_FAILURES = 5  # of the probe, in a row
ALIGNMENT = 32  # of regions that gdb hears of
# Armv7-M ARM B3.1; there is memory among it, and gaps, of which the bus tells.
AREAS = (
    (0x00000000, 0x40000000, RamRegion),
    (0x40000000, 0x60000000, DeviceRegion),
    (0x60000000, 0xA0000000, RamRegion),
    (0xA0000000, 0x100000000, DeviceRegion),
)


@dataclass(frozen=True, slots=True)
class Found:
    """State in which the target was found; `demcr` is its Debug Exception and Monitor Control."""

    is_halted: bool
    demcr: int


class HubrisServer(GDBServer):  # type: ignore[misc]  # pyOCD publishes no types
    """A server that knows the tasks before gdb first asks what stopped.

    pyOCD's own looks for them later, so that gdb begins with a thread that does not exist.
    """

    def __init__(self, session: Any, core: int, program: Program, *, stays_halted: bool) -> None:
        self._program = program
        self._stays_halted = stays_halted
        self._is_leaving = False
        self._failures = 0
        self.lost = ""
        """Why there is no target any more, "" while there is."""
        self.did_init_thread_providers = False
        super().__init__(session, core)

    def stop_reason_query(self, client: Any) -> Any:
        self._find_threads()
        return super().stop_reason_query(client)

    def init_thread_providers(self, client: Any) -> Any:
        self._find_threads()
        return self.create_rsp_packet(b"OK")

    def notify_client_detached(self, client: Any) -> None:
        """Note that a gdb has left; after the last one pyOCD would let the core run."""
        with self.lock:
            self._is_leaving = self._stays_halted
            try:
                super().notify_client_detached(client)
            finally:
                self._is_leaving = False

    def _resume_target(self) -> None:
        if not self._is_leaving:
            super()._resume_target()

    def _read_and_process_target_state(self, client: Any = None) -> None:
        """Look whether the core runs; end the server where the probe is gone.

        pyOCD asks for ever, a hundred times a second, unless it is the target that does not answer.
        """
        try:
            super()._read_and_process_target_state(client)
            self._failures = 0
        except exceptions.TransferError:
            raise
        except Exception as error:
            self._failures += 1
            if self._failures < MOST_FAILURES:
                raise
            self.lost = str(error) or type(error).__name__
            self.shutdown_event.set()

    def _find_threads(self) -> None:
        if not self.did_init_thread_providers:
            threads = HubrisThreads(self.target)
            threads.use(self._program)
            self.thread_provider = threads
            self.did_init_thread_providers = True


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that runs. `why_ended` returns "" while it does."""

    port: int
    why_ended: Callable[[], str]


@contextmanager
def serving(
    spec: str,
    make_driver: Callable[[], Any],
    options: ProbeOptions,
    program: Program,
    found: Found,
    *,
    port: int = 0,
    halt: bool = False,
    notify: Notify = ignore,
) -> Iterator[Serving]:
    """Serve the target of a probe that nobody has open, on a port of this host (0: any free one).

    With `halt` the core is halted from the beginning, and stays so at the end. Otherwise it is left
    as it was `found`. `notify` gets what pyOCD and the look-up of tasks complain of, each once.
    Raises `LinkError`.
    """
    watchdog = Watchdog("idoldbg gdb server")
    attempt = Attempt(spec, "serve it to gdb")
    try:
        with translated(attempt), _port_errors(spec, port):
            served = watchdog.call(
                lambda: _Served(make_driver(), options, program, port, halt or found.is_halted),
                options.connect_limit_s,
            )
        try:
            with _logging_to(notify):
                yield Serving(served.port, served.why_ended)
        finally:
            with translated(Attempt(spec, "let go of the target")):
                watchdog.call(lambda: served.end(found), STOP_LIMIT_S)
    finally:
        watchdog.stop()


@contextmanager
def _port_errors(spec: str, port: int) -> Iterator[None]:
    try:
        yield
    except _PortTaken as error:
        raise LinkError(
            f"cannot serve on port {port}: {error}; give another one, or 0 for any", link=spec
        ) from error


class _Notes(logging.Handler):
    """Passes warnings and errors on, each once."""

    def __init__(self, notify: Notify) -> None:
        super().__init__(logging.WARNING)
        self._notify = notify
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message not in self._said and len(self._said) < MOST_NOTES:
            self._said.add(message)
            self._notify(message)


@contextmanager
def _logging_to(notify: Notify) -> Iterator[None]:
    handler = _Notes(notify)
    loggers = [logging.getLogger(name) for name in ("pyocd", "idoldbg.gdb")]
    before = [logger.propagate for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, propagate in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.propagate = propagate


class _PortTaken(Exception):
    """The port cannot be listened on."""


class _Served:
    """Session and server; all of this runs in the watchdog's thread."""

    def __init__(
        self, driver: Any, options: ProbeOptions, program: Program, port: int, stays_halted: bool
    ) -> None:
        self._stays_halted = stays_halted
        chosen = {
            **session_options(options),
            "resume_on_disconnect": False,  # `end` does
            "gdbserver_port": port,
            "persist": True,
            "serve_local_only": True,
            "stdio_mode": "off",
            "soft_bkpt_as_hard": False,
        }
        self._session = Session(driver, auto_open=False, options=chosen)
        self._server: Any = None
        try:
            self._session.target.memory_map = _memory_map(program.archive.flash_segments())
            self._session.open()
            self._core = self._choose_core(options.access_port)
            if stays_halted:
                self._core.halt()
            try:
                self._server = HubrisServer(
                    self._session, self._core.core_number, program, stays_halted=stays_halted
                )
            except OSError as error:
                raise _PortTaken(error.strerror or str(error)) from error
        except BaseException:
            with contextlib.suppress(Exception):  # the first failure is the one to tell of
                self._close()
            raise
        self._server.start()
        self.port: int = self._server.port

    def why_ended(self) -> str:
        if self._server.is_alive():
            return ""
        return self._server.lost or "it does not answer"

    def _choose_core(self, access_port: int) -> Any:
        """Return the core behind the board's access port, else the first."""
        cores = [c for c in self._session.target.cores.values() if isinstance(c, CortexM)]
        if not cores:
            raise exceptions.TargetError("no Cortex-M core was found behind its access ports")
        behind = [c for c in cores if c.ap.address.nominal_address == access_port]
        return (behind or cores)[0]

    def end(self, found: Found) -> None:
        """End the server, leave the core as it was found, and let go of the probe."""
        is_lost = bool(self.why_ended())
        try:
            self._server.stop(wait=True)
            self._restore(found)
        except Exception:
            if not is_lost:  # then there is nothing left to put right
                raise
        finally:
            with contextlib.suppress(*((Exception,) if is_lost else ())):
                self._close()

    def _restore(self, found: Found) -> None:
        core = self._core
        core.bp_manager.remove_all_breakpoints()
        if core.dwt is not None:
            core.dwt.remove_all_watchpoints()
        if self._stays_halted:
            core.halt()
            core.write32(CortexM.DEMCR, found.demcr)
            return
        core.write32(CortexM.DEMCR, found.demcr)
        if core.get_state() is Target.State.HALTED:
            core.resume()
        core.write32(CortexM.DHCSR, CortexM.DBGKEY)
        core.flush()
        self._session.board.uninit()
        self._session.target.dp.disconnect()

    def _close(self) -> None:
        try:
            self._session.close()
        finally:
            if self._session.probe.is_open:
                self._session.probe.close()


def _memory_map(flash: tuple[Segment, ...]) -> Any:
    """Return pyOCD's map of a Cortex-M with the image as read-only memory.

    So gdb puts hardware breakpoints there, and does not write what only flashing can.
    """
    regions = []
    for start, end, kind in AREAS:
        at = start
        for first, last in _merged(flash):
            if start <= first < last <= end:
                if at < first:
                    regions.append(kind(start=at, length=first - at))
                regions.append(RomRegion(start=first, length=last - first))
                at = last
        if at < end:
            regions.append(kind(start=at, length=end - at))
    return MemoryMap(*regions)


def _merged(flash: tuple[Segment, ...]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for segment in flash:
        start, end = segment.address & -ALIGNMENT, -(-segment.end // ALIGNMENT) * ALIGNMENT
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
