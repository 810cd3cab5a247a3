"""Puts a bench together: boards, probes in front of them, and who can see them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from idoldbg.opening import emulated_board
from tests.bench.bus import Bus
from tests.bench.device import Counts, FaultKind, UsbDevice, UsbFault
from tests.bench.latency import ModelClock
from tests.bench.probes import make_device, make_serial_port
from tests.bench.remote import BusServer, LocalBus
from tests.bench.wires import Ack, Lock, Sleep, SwdFault, Wires

__all__ = ["Ack", "Bench", "FaultKind", "Lock", "Probe", "Sleep", "SwdFault", "UsbFault"]

ROOT = Path(__file__).parents[2]
INJECT = Path(__file__).parent / "inject"
BOARD_IDS = {"stm32f4-discovery": "0830", "nucleo-g031": "0852"}
DBGMCU_CR = {"stm32f4": 0xE0042004, "stm32g0": 0x40015804, "stm32h7": 0x5C001004}


@dataclass
class Probe:
    """A probe on the bench with its board: everything that a test may order or count."""

    device: UsbDevice
    wires: Wires

    @property
    def board(self) -> Any:
        """The emulated board behind the probe."""
        return self.wires.board

    @property
    def firmware(self) -> Any:
        """The probe's firmware: an `StLink` or a `CmsisDap`."""
        return self.device.firmware

    @property
    def spec(self) -> str:
        """The SPEC by which idoldbg opens it."""
        return f"pyocd:{self.device.serial}"

    @property
    def counts(self) -> Counts:
        """Counts of the probe since `clear`."""
        return self.device.counts

    def fail(self, kind: FaultKind, after: int = 0, count: int | None = 1) -> None:
        """Let USB transfers fail, counted from now."""
        self.device.faults.append(UsbFault(kind, after, count))

    def answer(self, ack: Ack, after: int = 0, count: int | None = 1, where: str = "any") -> None:
        """Let SWD transfers be answered so, counted from now."""
        self.wires.faults.append(SwdFault(ack, after, count, where))

    def heal(self) -> None:
        """Take back all that was ordered."""
        self.device.heal()
        self.wires.heal()

    def clear(self) -> None:
        """Count from zero."""
        self.device.clear()
        self.wires.transfers = 0
        self.wires.answers.clear()

    def disturbances(self) -> tuple[int, int, int, bool]:
        """Return what a debugger leaves behind: DHCSR's control bits, DEMCR, resets, halted.

        Read beside the probe; no transfer is counted.
        """
        board = self.board
        dhcsr = int.from_bytes(board.read(0xE000EDF0, 4), "little") & 0xF
        demcr = int.from_bytes(board.read(0xE000EDFC, 4), "little") & ~(1 << 24)  # not the trace's
        return dhcsr, demcr, board.reset_count, board.is_halted


class Bench:
    """Probes on a bus. `with bench.here():` this process sees them; `bench.env` is for others.

    With `is_real` transfers take the time that the model gives them.
    """

    def __init__(self, folder: Path | None = None, *, is_real: bool = False) -> None:
        self._own = None if folder else tempfile.TemporaryDirectory(prefix="bench")
        self.folder = Path(self._own.name) if self._own else (folder or Path())
        self.bus = Bus()
        self.clock = ModelClock(is_real=is_real)
        self.probes: list[Probe] = []
        self._server: BusServer | None = None

    def plug(
        self, kind: str, board: str | Any, *, serial: str | None = None, archive: str | None = None
    ) -> Probe:
        """Plug in a probe of a kind of `probes.KINDS` with a board: its name, or one that runs."""
        made = emulated_board(board, archive) if isinstance(board, str) else board
        wires = Wires(made, self.clock, DBGMCU_CR.get(made.board.chip.name, 0))
        # Of this process alone, as probes are locked on the whole host by their serial numbers.
        # (Not of 12 letters: pyOCD takes those for bytes.)
        name = f"BENCH{len(self.probes)}P{os.getpid():08}" if serial is None else serial
        device = make_device(kind, wires, name, BOARD_IDS.get(made.board.name, ""))
        self._add(device)
        self.probes.append(Probe(device, wires))
        return self.probes[-1]

    def plug_serial_port(self, vendor: int, product: int, name: str) -> UsbDevice:
        """Plug in a device that is not a probe."""
        device = make_serial_port(vendor, product, name, self.clock)
        self._add(device)
        return device

    def _add(self, device: UsbDevice) -> None:
        self.bus.add(device)
        device.on_change = self._write_devices
        self._write_devices()

    def heal(self) -> None:
        """Take back all that was ordered of any probe."""
        for probe in self.probes:
            probe.heal()

    @contextmanager
    def here(self) -> Iterator[None]:
        """Show the probes to pyOCD in this process, and to idoldbg's look at Linux's list."""
        import libusb_package
        import usb.backend.libusb1

        from idoldbg.session import attached_probe
        from idoldbg.target.usb import list_usb_devices
        from tests.bench.backend import Backend

        backend = Backend(LocalBus(self.bus))
        with (
            patch.object(usb.backend.libusb1, "get_backend", lambda find_library=None: backend),
            patch.dict(os.environ, {"IDOLDBG_EMULATED": ""}),
            patch.object(list_usb_devices, "__defaults__", (str(self._devices),)),
            patch.object(attached_probe, "__defaults__", (str(self._devices),)),
        ):
            libusb_package.get_libusb1_backend.cache_clear()
            try:
                yield
            finally:
                libusb_package.get_libusb1_backend.cache_clear()

    @property
    def env(self) -> dict[str, str]:
        """Environment of a child process that sees the probes, and no emulated ones beside them."""
        if self._server is None:
            self._server = BusServer(self.bus, self.folder / "usb")
        path = os.pathsep.join(filter(None, (str(INJECT), os.environ.get("PYTHONPATH"))))
        own = {"IDOLDBG_TEST_USB": str(self._server.path), "PYTHONPATH": path}
        return {**os.environ, **own, "IDOLDBG_EMULATED": ""}

    @property
    def _devices(self) -> Path:
        return self.folder / "usb.devices"

    def _write_devices(self) -> None:
        """Write what Linux lists of USB devices: those that are plugged in."""
        for number, device in enumerate(self.bus.devices):
            folder, identity = self._devices / f"1-{number + 1}", device.identity
            shutil.rmtree(folder, ignore_errors=True)
            if not device.plugged:
                continue
            folder.mkdir(parents=True)
            (folder / "idVendor").write_text(f"{identity.vendor:04x}\n")
            (folder / "idProduct").write_text(f"{identity.product:04x}\n")
            (folder / "product").write_text(f"{identity.names[1]}\n")
            (folder / "serial").write_text(f"{device.serial}\n")

    def close(self) -> None:
        """End the server and the boards."""
        if self._server is not None:
            self._server.close()
        for board in {id(p.board): p.board for p in self.probes}.values():
            board.close()
        if self._own is not None:
            self._own.cleanup()

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
