"""SWD wires in front of an emulated board: acknowledgements, posted reads, the target's states.

`Dap` answers at once and always; here a transfer may be refused, garbled, or not answered. Arm
Debug Interface ADIv5.2 (IHI 0031E): B4.2 (responses), B4.3.4 (line reset), B2.2 (sticky flags).
"""

from __future__ import annotations

import enum
import threading
from dataclasses import dataclass, field
from typing import Any

from idoldbg.target.emulated.pyocd_probe.dap import AccessFault, Dap
from idoldbg.target.emulated.pyocd_probe.live import LiveBoard
from tests.bench.latency import ModelClock

__all__ = ["ABORT", "CTRL_STAT", "RDBUFF", "SELECT", "Ack", "Lock", "Sleep", "SwdFault", "Wires"]

ABORT = DPIDR = 0x0
CTRL_STAT = 0x4
SELECT = RESEND = 0x8
RDBUFF = 0xC
DRW, IDR = 0x0C, 0xFC
DATA_REGISTERS = (0x0C, 0x10, 0x14, 0x18, 0x1C)  # DRW, BD0 to BD3
HIGH = 0xFFFFFFFF  # what a host reads from a line that nobody drives
BITS_PER_TRANSFER = 50  # 8 request, 3 acknowledgement, 33 data, turnarounds, idle
FLASH = range(0x0800_0000, 0x0820_0000)
PPB = 0xE  # the private peripheral bus, by an address's highest digit
MAILBOX_PORT, MAILBOX_IDR = 2, 0x002A0000  # LPC55S6x (UM11126), 51.6


class Ack(enum.Enum):
    """Answers to one transfer. PARITY is an OK, then data whose parity is wrong."""

    OK = 1
    WAIT = 2
    FAULT = 4
    NONE = 7
    PARITY = 9


class Sleep(enum.Enum):
    """Access through the debug port while the core sleeps."""

    HARMLESS = "the debug clock goes on"
    SHUT = "no access is answered while the core sleeps"
    TICKS = "an access stalls until the core wakes up for a moment"


class Lock(enum.Enum):
    """Ways in which a chip keeps debuggers out."""

    OPEN = "open"
    RDP1 = "STM32, read protection level 1: flash is closed"
    MAILBOX = "LPC55, the access port is shut until its mailbox lets one in"


@dataclass
class SwdFault:
    """Answer `count` transfers (None: all) with `ack`, after `after` ones of `where`."""

    ack: Ack
    after: int = 0
    count: int | None = 1
    where: str = "any"  # or "ap", "read", "write"

    def __post_init__(self) -> None:
        assert self.where in ("any", "ap", "read", "write"), self.where

    def strikes(self, *, is_ap: bool, is_read: bool) -> bool:
        """Count a transfer; return whether it is one of those to be answered so."""
        kinds = {"any": True, "ap": is_ap, "read": is_read, "write": not is_read}
        if not kinds[self.where] or self.count == 0:
            return False
        if self.after > 0:
            self.after -= 1
            return False
        if self.count is not None:
            self.count -= 1
        return True


@dataclass
class Wires:
    """The debug port of a board, as its two wires and its nRESET show it.

    Attributes may be set at any time, by a test; `lock` is held during each transfer.
    """

    board: Any  # an EmulatedBoard
    clock: ModelClock
    dbgmcu: int = 0  # address of DBGMCU_CR, whose lowest bits keep the debug clock on; 0: none
    faults: list[SwdFault] = field(default_factory=list)
    powered: bool = True
    sleep: Sleep = Sleep.HARMLESS
    protection: Lock = Lock.OPEN
    transfers: int = 0
    answers: dict[Ack, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.live = LiveBoard(self.board, self.clock)
        self.dap = Dap.for_board(self.board)
        self.lock = threading.RLock()
        self.nreset_held = False  # by somebody else than the probe
        self.hz = 1_000_000
        self._posted = 0
        self._needs_dpidr = True  # only a read of DPIDR is heard after a line reset
        self._needs_line_reset = True
        self._probe_holds_reset = False
        self._woke_at_ms = -1

    # ------------------------------------------------------------------ the target's states

    def power_cycle(self) -> None:
        """Switch the target's supply off and on: debug port, core and peripherals begin anew."""
        with self.lock:
            self.powered = True
            self.dap.power_on_reset()
            self._needs_line_reset = True
            with self.live.access() as board:
                if self.dbgmcu:
                    board.write(self.dbgmcu, bytes(4))
                board.reset()

    def hold_nreset(self, held: bool) -> None:
        """Let something on the board hold nRESET low, or let go of it."""
        with self.lock:
            self.nreset_held = held
            self._drive()

    def heal(self) -> None:
        """Take back all that was ordered, and let the firmware go on."""
        with self.lock:
            self.faults.clear()
            self.sleep, self.protection, self.powered = Sleep.HARMLESS, Lock.OPEN, True
            self.hold_nreset(False)

    # ------------------------------------------------------------------ what probes do

    def drive_nreset(self, low: bool) -> None:
        """Drive nRESET as the probe does."""
        with self.lock:
            self._probe_holds_reset = low
            self._drive()

    @property
    def in_reset(self) -> bool:
        """Whether nRESET is low, whoever holds it."""
        return self.nreset_held or self._probe_holds_reset

    def _drive(self) -> None:
        if self.live.in_reset != self.in_reset:
            self.live.hold_reset(self.in_reset)

    def line_reset(self) -> None:
        """Take 50 or more clocks with the data line high."""
        with self.lock:
            self.clock.advance(60 / self.hz)
            self.dap.line_reset()
            self._needs_dpidr = True
            self._needs_line_reset = False

    def read(self, is_ap: bool, register: int) -> tuple[Ack, int]:
        """Read a register by A[3:2]; of an access port the value is that of the read before."""
        return self._transfer(is_ap, True, register, 0)

    def write(self, is_ap: bool, register: int, value: int) -> Ack:
        """Write a register by A[3:2]."""
        return self._transfer(is_ap, False, register, value)[0]

    def _transfer(self, is_ap: bool, is_read: bool, register: int, value: int) -> tuple[Ack, int]:
        with self.lock:
            self.transfers += 1
            self.clock.advance(BITS_PER_TRANSFER / self.hz)
            ack, data = self._answer(is_ap, is_read, register, value)
            self.answers[ack] = self.answers.get(ack, 0) + 1
            return ack, data

    def _answer(self, is_ap: bool, is_read: bool, register: int, value: int) -> tuple[Ack, int]:
        if not self.powered or self._needs_line_reset:
            return Ack.NONE, HIGH
        ordered = self._ordered(is_ap, is_read)
        if ordered not in (None, Ack.PARITY):
            return ordered, HIGH if ordered is Ack.NONE else 0
        if self._needs_dpidr:
            if is_ap or not is_read or register != DPIDR:
                return Ack.NONE, HIGH
            self._needs_dpidr = False
        answer = self._port_answer if is_ap else self._debug_port_answer
        ack, data = answer(is_read, register, value)
        return (Ack.PARITY, data) if ordered and ack is Ack.OK else (ack, data)

    def _ordered(self, is_ap: bool, is_read: bool) -> Ack | None:
        struck = [f for f in self.faults if f.strikes(is_ap=is_ap, is_read=is_read)]
        return struck[0].ack if struck else None

    def _debug_port_answer(self, is_read: bool, register: int, value: int) -> tuple[Ack, int]:
        always = (DPIDR, CTRL_STAT) if is_read else (ABORT,)
        if self.dap.has_failed and register not in always:
            return Ack.FAULT, 0
        if not is_read:
            self.dap.write_dp(register, value)
            return Ack.OK, 0
        if register in (RESEND, RDBUFF):
            return Ack.OK, self._posted
        return Ack.OK, self.dap.read_dp(register)

    def _port_answer(self, is_read: bool, register: int, value: int) -> tuple[Ack, int]:
        if self.dap.has_failed:
            return Ack.FAULT, 0
        if self._is_stalled():
            return Ack.WAIT, 0
        port, register = self.dap.select >> 24, self.dap.select & 0xF0 | register
        before, found = self._posted, 0
        try:
            with self.live.access() as board:
                self._check_access(port, register)
                if is_read:
                    is_mailbox = self.protection is Lock.MAILBOX and port == MAILBOX_PORT
                    found = self.dap.read_ap(board, port, register)
                    found = MAILBOX_IDR if is_mailbox and register == IDR else found
                else:
                    self.dap.write_ap(board, port, register, value)
        except AccessFault:
            # It is acknowledged before the bus has answered: the next transfer is told.
            self.dap.fail_access()
        if is_read:
            self._posted = found
        return Ack.OK, before

    def _check_access(self, port: int, register: int) -> None:
        """Raise `AccessFault` where the state of the target refuses an access."""
        if port != 0:
            return
        address = self.dap.address & ~0xF | register & 0xC if register != DRW else self.dap.address
        is_data = register in DATA_REGISTERS
        if self.protection is Lock.MAILBOX:
            raise AccessFault("the access port is shut")
        if is_data and self.protection is Lock.RDP1 and address in FLASH:
            raise AccessFault("flash is protected", address)
        if is_data and self.in_reset and address >> 28 != PPB:
            raise AccessFault("the bus is in reset", address)

    def _is_stalled(self) -> bool:
        if self.sleep is Sleep.HARMLESS:
            return False
        with self.live.access() as board:
            if self.dbgmcu and int.from_bytes(board.read(self.dbgmcu, 4), "little") & 7:
                return False
            if board.is_halted or not self.board.is_sleeping:
                return False
            if self.sleep is Sleep.SHUT:
                return True
            now_ms = int(board.time_s * 1000)  # Hubris's tick
            has_woken, self._woke_at_ms = now_ms != self._woke_at_ms, now_ms
            return not has_woken
