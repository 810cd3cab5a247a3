"""The emulated board behind pyOCD's `DebugProbe` interface.

Private, and imported by pyOCD alone (through `plugin`): importing it before pyOCD would make pyOCD
load it half-finished.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from pyocd.board.board import Board as PyocdBoard
from pyocd.board.board_ids import BoardInfo
from pyocd.core import exceptions
from pyocd.core.memory_interface import MemoryInterface
from pyocd.probe.debug_probe import DebugProbe

from idoldbg.errors import FaultError, IdoldbgError, LinkTimeout
from idoldbg.target.emulated.link import Board
from idoldbg.target.emulated.pyocd_probe.boards import OfferedBoard, list_boards
from idoldbg.target.emulated.pyocd_probe.dap import AccessFault, Dap
from idoldbg.target.emulated.pyocd_probe.live import LiveBoard
from idoldbg.target.emulated.pyocd_probe.plugin import BLOCK_ACCESS
from idoldbg.target.emulated.socket import RemoteBoard

__all__ = ["EmulatedProbe"]

T = TypeVar("T")

log = logging.getLogger(__name__)


class EmulatedProbe(DebugProbe):  # type: ignore[misc]  # pyOCD publishes no types
    """One emulated board. Several of these may exist for a board, but one at a time may be open."""

    def __init__(self, offer: OfferedBoard) -> None:
        super().__init__()
        self._offer = offer
        self._live: LiveBoard | None = None
        self._dap: Dap | None = None
        self._protocol: Any = None
        self._block_access = True

    @classmethod
    def get_all_connected_probes(
        cls, unique_id: str | None = None, is_explicit: bool = False
    ) -> list[EmulatedProbe]:
        return [cls(offer) for offer in _offers()]

    @classmethod
    def get_probe_with_id(cls, unique_id: str, is_explicit: bool = False) -> EmulatedProbe | None:
        return next((cls(offer) for offer in _offers() if offer.unique_id == unique_id), None)

    @property
    def vendor_name(self) -> str:
        return "idoldbg"

    @property
    def product_name(self) -> str:
        return f"emulated {self._offer.board_name}"

    @property
    def unique_id(self) -> str:
        return self._offer.unique_id

    @property
    def supported_wire_protocols(self) -> list[Any]:
        return [self.Protocol.DEFAULT, self.Protocol.SWD]

    @property
    def wire_protocol(self) -> Any:
        return self._protocol

    @property
    def is_open(self) -> bool:
        return self._live is not None

    @property
    def capabilities(self) -> set[Any]:
        # The access port comes with each address, so pyOCD need not write DP SELECT.
        return {self.Capability.MANAGED_AP_SELECTION, self.Capability.MANAGED_DPBANKSEL}

    @property
    def associated_board_info(self) -> Any:
        return BoardInfo(name=self._offer.board_name, target="cortex_m", vendor="idoldbg")

    def create_associated_board(self) -> Any:
        return PyocdBoard(self.session, board_info=self.associated_board_info)

    def open(self) -> None:
        if self._live is not None:
            return
        try:
            live = self._offer.start()
        except IdoldbgError as error:
            raise exceptions.ProbeError(f"cannot start {self.unique_id}: {error}") from error
        if live.claimed_by is not None:
            raise exceptions.ProbeError(f"emulated board {self.unique_id} is already in use")
        if self.session is not None:
            self._block_access = bool(self.session.options.get(BLOCK_ACCESS))
        with live.access() as board:
            self._dap = Dap.for_board(board)
        live.claimed_by = self
        self._live = live

    def close(self) -> None:
        if self._live is not None:
            self._live.claimed_by = None
            if isinstance(self._live.board, RemoteBoard):
                self._live.board.close()
        self._live = self._dap = self._protocol = None

    def connect(self, protocol: Any = None) -> None:
        self._opened()
        self._protocol = self.Protocol.SWD

    def disconnect(self) -> None:
        self._protocol = None

    def set_clock(self, frequency: float) -> None:
        """Ignore it: there are no wires."""

    def reset(self) -> None:
        live, _ = self._opened()
        live.hold_reset(True)
        live.hold_reset(False)

    def assert_reset(self, asserted: bool) -> None:
        self._opened()[0].hold_reset(asserted)

    def is_reset_asserted(self) -> bool:
        return self._opened()[0].in_reset

    def read_dp(self, addr: int, now: bool = True) -> Any:
        return _result(self._opened()[1].read_dp(addr), now)

    def write_dp(self, addr: int, data: int) -> None:
        self._opened()[1].write_dp(addr, data)

    def read_ap(self, addr: int, now: bool = True) -> Any:
        with self._access() as (dap, board):
            return _result(dap.read_ap(board, addr >> 24, addr & 0xFC), now)

    def write_ap(self, addr: int, data: int) -> None:
        with self._access() as (dap, board):
            dap.write_ap(board, addr >> 24, addr & 0xFC, data)

    def read_ap_multiple(self, addr: int, count: int = 1, now: bool = True) -> Any:
        with self._access() as (dap, board):
            values = [dap.read_ap(board, addr >> 24, addr & 0xFC) for _ in range(count)]
        return _result(values, now)

    def write_ap_multiple(self, addr: int, values: Sequence[int]) -> None:
        with self._access() as (dap, board):
            for value in values:
                dap.write_ap(board, addr >> 24, addr & 0xFC, value)

    def lock_calls(self, limit_s: float) -> bool:
        """Take the lock for calls through hiffy; return whether it came in time.

        Raises `NotImplementedError` for a board of this process, which has one user.
        """
        live, _ = self._opened()
        if not isinstance(live.board, RemoteBoard):
            raise NotImplementedError
        try:
            with self._access():
                live.board.lock(limit_s)
        except exceptions.ProbeError as error:
            if isinstance(error.__cause__, LinkTimeout):
                return False
            raise
        return True

    def unlock_calls(self) -> None:
        """Give back what `lock_calls` took."""
        live, _ = self._opened()
        if isinstance(live.board, RemoteBoard):
            with self._access():
                live.board.unlock()

    def get_memory_interface_for_ap(self, ap_address: Any) -> BlockAccess | None:
        if not self._block_access or ap_address.nominal_address != 0:
            return None
        return BlockAccess(self)

    def read_block(self, address: int, size: int) -> bytes:
        """Read through the access port in one go."""
        with self._access() as (dap, board):
            dap.check_power()
            return board.read(address, size)

    def read_ranges(self, ap_address: Any, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several ranges through an access port in one go.

        Raises `NotImplementedError` where that is to be done register by register.
        """
        if not self._block_access or ap_address.nominal_address != 0:
            raise NotImplementedError
        with self._access() as (dap, board):
            dap.check_power()
            if isinstance(board, RemoteBoard):
                return board.read_ranges(ranges)
            return [board.read(address, size) for address, size in ranges]

    def write_block(self, address: int, data: bytes) -> None:
        """Write through the access port in one go."""
        with self._access() as (dap, board):
            dap.check_power()
            board.write(address, data)

    def _opened(self) -> tuple[LiveBoard, Dap]:
        if self._live is None or self._dap is None:
            raise exceptions.ProbeError(f"emulated probe {self.unique_id} is not open")
        return self._live, self._dap

    @contextmanager
    def _access(self) -> Iterator[tuple[Dap, Board]]:
        live, dap = self._opened()
        try:
            with live.access() as board:
                yield dap, board
        except (FaultError, AccessFault) as error:
            size = getattr(error, "size", 0) or None
            raise exceptions.TransferFaultError(
                str(error), fault_address=error.address, length=size
            ) from error
        except IdoldbgError as error:
            raise exceptions.ProbeError(f"emulated board {self.unique_id}: {error}") from error


class BlockAccess(MemoryInterface):  # type: ignore[misc]  # pyOCD publishes no types
    """Access port 0 in blocks. The attributes (`csw`) that pyOCD passes along mean nothing here."""

    def __init__(self, probe: EmulatedProbe) -> None:
        self._probe = probe

    def read_memory(
        self, addr: int, transfer_size: int = 32, now: bool = True, **attributes: Any
    ) -> Any:
        data = self._probe.read_block(addr, transfer_size // 8)
        return _result(int.from_bytes(data, "little"), now)

    def write_memory(
        self, addr: int, data: int, transfer_size: int = 32, **attributes: Any
    ) -> None:
        self._probe.write_block(addr, data.to_bytes(transfer_size // 8, "little"))

    def read_memory_block32(self, addr: int, size: int, **attributes: Any) -> list[int]:
        return list(struct.unpack(f"<{size}I", self._probe.read_block(addr, size * 4)))

    def write_memory_block32(self, addr: int, data: Sequence[int], **attributes: Any) -> None:
        self._probe.write_block(addr, struct.pack(f"<{len(data)}I", *data))

    def read_memory_block8(self, addr: int, size: int, **attributes: Any) -> list[int]:
        return list(self._probe.read_block(addr, size))

    def write_memory_block8(self, addr: int, data: Sequence[int], **attributes: Any) -> None:
        self._probe.write_block(addr, bytes(data))


def _offers() -> tuple[OfferedBoard, ...]:
    """List the boards; pyOCD asks every plug-in, also for quite other probes, so never fail."""
    try:
        return list_boards()
    except Exception as error:  # noqa: BLE001 - see above
        log.warning("cannot list emulated boards: %r", error)
        return ()


def _result(value: T, now: bool) -> T | Callable[[], T]:
    return value if now else lambda: value
