"""Programming flash through pyOCD: its own full session, the exact target, its flash algorithm.

This is the one place that uses pyOCD's targets and cores. They halt, reset and write to the chip as
they like, which is what programming needs, and what `idoldbg.target.probe.link` avoids.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

from pyocd.core import exceptions
from pyocd.core.memory_map import FlashRegion, MemoryMap, RamRegion
from pyocd.core.session import Session
from pyocd.flash.file_programmer import FileProgrammer
from pyocd.flash.flash import Flash

from idoldbg.errors import FaultError, FlashError, LinkError, Unsupported
from idoldbg.model.board import Board, MemoryKind
from idoldbg.target.capability import FlashImage, Progress
from idoldbg.target.probe.calls import LocksCalls, calls_locked
from idoldbg.target.probe.errors import Attempt, translated
from idoldbg.target.probe.remote import RemoteProbe
from idoldbg.target.probe.settings import ProbeOptions, session_options
from idoldbg.target.probe.watchdog import NoAnswer, Watchdog

__all__ = ["program"]

FLASH_LIMIT_S = 900.0  # a megabyte through a slow probe takes some minutes
GIVE_UP_LIMIT_S = 10.0  # the page that is being programmed, and what it takes to detach
EMULATED_VENDOR = (
    "idoldbg"  # what idoldbg.target.emulated.pyocd_probe calls the maker of its probes
)
# Chips whose emulation has the flash controller that pyOCD's algorithm drives.
CONTROLLERS = frozenset({"lpc55-flash"})
PAGE_SIZE = 1024


class _DirectFlash(Flash):  # type: ignore[misc]  # pyOCD publishes no types
    """Flash of an emulated board without a model of its controller: it takes what is written."""

    def __init__(self, target: Any) -> None:
        super().__init__(target, None)
        self.page_buffers = [0]

    def init(
        self, operation: Any, address: Any = None, clock: int = 0, reset: bool = False
    ) -> None:
        self.target.halt()

    def uninit(self) -> None:
        pass

    def cleanup(self) -> None:
        pass

    @property
    def is_erase_all_supported(self) -> bool:
        return False

    def erase_sector(self, address: int) -> None:
        size = self.get_sector_info(address).size
        self.target.write_memory_block8(address, [0xFF] * size)

    def program_page(self, address: int, bytes: Sequence[int]) -> None:
        self.target.write_memory_block8(address, list(bytes))  # JSON, to a probe server


def program(
    watchdog: Watchdog,
    driver: Any,
    spec: str,
    image: FlashImage,
    options: ProbeOptions,
    progress: Progress,
) -> None:
    """Program through a probe of pyOCD's that is not open; otherwise as `Flash.flash`."""
    state = _State(progress)
    try:
        with translated(Attempt(spec, "program its flash")):
            watchdog.call(lambda: _program(driver, spec, image, options, state), FLASH_LIMIT_S)
    except KeyboardInterrupt:
        state.is_given_up = True
        with contextlib.suppress(NoAnswer):
            watchdog.call(lambda: None, GIVE_UP_LIMIT_S)  # after the programming, in one thread
        raise
    except (LinkError, FaultError) as error:
        if isinstance(error, Unsupported) or not state.has_begun:
            raise
        raise FlashError(
            f"{error.message}; the flash is partly written, and the board does not run until it is "
            "flashed again",
            state="partly-written",
            link=spec,
        ) from error


class _State:
    """Progress; pyOCD reports erasing and programming as one fraction each, in turn."""

    def __init__(self, progress: Progress) -> None:
        self.has_begun = False
        self.is_given_up = False
        self._progress = progress
        self._phase = "erase"
        self._last = 0.0

    def report(self, fraction: float) -> None:
        if self.is_given_up:
            raise exceptions.FlashFailure("interrupted")
        if fraction < self._last:
            self._phase = "program"
        self._last = fraction
        self._progress(self._phase, fraction)


def _program(
    driver: Any, spec: str, image: FlashImage, options: ProbeOptions, state: _State
) -> None:
    """Run in the watchdog's thread: open, erase, program, reset, close."""
    is_direct = _is_emulated(driver) and not any(
        p.model in CONTROLLERS for p in image.board.chip.peripherals
    )
    chosen = {
        **session_options(options),
        "target_override": "cortex_m" if is_direct else _target(image.board),
        "connect_mode": "under-reset" if image.under_reset else "halt",
        "hide_programming_progress": True,
        "resume_on_disconnect": True,
    }
    try:
        session = Session(driver, auto_open=False, options=chosen)
    except exceptions.TargetSupportError as error:
        raise _no_algorithm(spec, image) from error
    if is_direct:
        session.target.memory_map = _direct_map(image.board)
    stack = contextlib.ExitStack()
    try:
        if isinstance(driver, LocksCalls):  # others may be using the board: not amid their calls
            driver.open()
            stack.enter_context(calls_locked(driver, spec, lambda: state.is_given_up))
        session.open()
        target = session.target
        # From its reset the core is privileged, with no MPU, no interrupt and no watchdog running:
        # pyOCD's algorithm, which runs on it, needs all of that, and a live Hubris has none.
        target.reset_and_halt()
        programmer = FileProgrammer(
            session, state.report, chip_erase="sector", smart_flash=False, keep_unwritten=True
        )
        for segment in image.segments:
            programmer.add_file(io.BytesIO(segment.data), "bin", base_address=segment.address)
        state.has_begun = True
        programmer.commit()
        target.reset()
    except ValueError as error:  # what the programmer raises for addresses outside of flash
        raise LinkError(
            f"{spec}: the build does not fit {_target(image.board)}: {error}"
        ) from error
    finally:
        with contextlib.suppress(Exception):  # what went wrong first is the one to tell of
            stack.close()
        with contextlib.suppress(Exception):
            session.close()
        if session.probe.is_open:
            session.probe.close()


def _is_emulated(driver: Any) -> bool:
    if not isinstance(driver, RemoteProbe):
        return bool(driver.vendor_name == EMULATED_VENDOR)
    driver.open()  # a server tells no names before
    try:
        return bool(driver.vendor_name == EMULATED_VENDOR)
    finally:
        driver.close()


def _target(board: Board) -> str:
    """Return pyOCD's name of the exact target."""
    return board.probe.flash_target or board.probe.pyocd_target


def _no_algorithm(spec: str, image: FlashImage) -> Unsupported:
    pack = image.board.probe.pack
    if pack:
        hint = (
            f"install the pack of its maker once: `pyocd pack update && pyocd pack install {pack}`"
        )
    else:
        hint = "`pyocd list --targets` says what it has; set `flash_target` in the board's file"
    return Unsupported(
        f"{spec}: pyOCD has no flash algorithm for `{_target(image.board)}` ({image.board.name}); "
        f"{hint}. Nothing was changed on the board",
        capability="flash",
        link=spec,
    )


def _direct_map(board: Board) -> Any:
    """Describe the emulated chip's memory to pyOCD, its flash as memory that takes writes."""
    regions: list[Any] = []
    for memory in board.memory():
        for index, start in enumerate((memory.address, *memory.aliases)):
            alias = {"alias": memory.name} if index else {}
            name = memory.name if index == 0 else f"{memory.name}-{index}"
            if memory.kind is MemoryKind.FLASH:
                regions.append(
                    FlashRegion(
                        name=name,
                        start=start,
                        length=memory.size,
                        sector_size=PAGE_SIZE,
                        page_size=PAGE_SIZE,
                        flash_class=_DirectFlash,
                        is_boot_memory=index == 0,
                        **alias,
                    )
                )
            elif memory.kind is MemoryKind.RAM:
                regions.append(RamRegion(name=name, start=start, length=memory.size, **alias))
    return MemoryMap(*regions)
