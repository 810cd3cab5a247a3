"""A debug port with one memory access port, register by register, in front of a memory.

Spec: Arm Debug Interface ADIv5.2 (IHI 0031E), chapters B2 (DP), C1 and C2 (MEM-AP). The
identification registers are those of the processors' technical reference manuals.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from idol.records import dataclass
from idoldbg.errors import FaultError

__all__ = ["AccessFault", "Dap", "Memory"]

CPUID = 0xE000ED00

# DP registers, by their address on the wire
DP_ABORT = DP_DPIDR = 0x0
DP_CTRL_STAT = 0x4
DP_SELECT = 0x8
DP_RDBUFF = 0xC

ABORT_STKERRCLR = 1 << 2
STICKYERR = 1 << 5
CDBGPWRUPREQ, CDBGPWRUPACK = 1 << 28, 1 << 29
CSYSPWRUPREQ, CSYSPWRUPACK = 1 << 30, 1 << 31
CTRL_STAT_KEPT = CDBGPWRUPREQ | CSYSPWRUPREQ | 0xF00  # and MASKLANE

# MEM-AP registers
AP_CSW = 0x00
AP_TAR = 0x04
AP_DRW = 0x0C
AP_BD = range(0x10, 0x20, 4)
AP_CFG = 0xF4  # no large data, no large addresses, little endian: reads as zero
AP_BASE = 0xF8
AP_IDR = 0xFC

CSW_SIZE = 0x7
CSW_ADDRINC = 0x30
CSW_ADDRINC_SINGLE = 0x10
CSW_ADDRINC_PACKED = 0x20
CSW_DEVICEEN = 1 << 6
CSW_SDEVICEEN = 1 << 23
CSW_KEPT = 0x7F000000 | CSW_ADDRINC  # protection and security attributes, increment
WIDTHS = {0: 1, 1: 2, 2: 4}

ROM_TABLE = 0xE00FF000  # the core's
CHIP_ROM_TABLE = 0xF0000000  # where a chip with a Cortex-M0+ may have its own before it
CIDR1, CLASS_ROM_TABLE = 0xFF4, 0x10
BASE_PRESENT = 0x3


class Memory(Protocol):
    """Memory as the access port sees it."""

    def read(self, address: int, size: int) -> bytes: ...

    def write(self, address: int, data: bytes) -> None: ...


class AccessFault(Exception):
    """The debug port answers FAULT. `address` is where the bus failed, None if it was not asked."""

    def __init__(self, message: str, address: int | None = None) -> None:
        super().__init__(message)
        self.address = address


@dataclass(frozen=True, slots=True)
class Identity:
    """Identification of a processor's debug port and access port."""

    dpidr: int
    ap_idr: int
    wrap: int  # bytes after which the address increment wraps
    csw: int  # bits that always read as one
    packs: bool = False  # bytes and halfwords of a whole word in one access of DRW


# By CPUID.PartNo. Another part is taken for a Cortex-M4.
CORTEX_M4 = Identity(0x2BA01477, 0x24770011, 0x1000, CSW_DEVICEEN, packs=True)
IDENTITIES = {
    0xC60: Identity(0x0BC11477, 0x04770031, 0x400, CSW_DEVICEEN),  # Cortex-M0+
    0xC24: CORTEX_M4,
    0xC27: Identity(0x6BA02477, 0x84770001, 0x400, CSW_DEVICEEN),  # Cortex-M7
    0xD21: Identity(0x6BA02477, 0x84770001, 0x400, CSW_DEVICEEN | CSW_SDEVICEEN),  # Cortex-M33
}


class Dap:
    """The registers of a debug port and its access port 0.

    Once an access has faulted, STICKYERR makes all further accesses through the access port fault,
    until ABORT clears it.
    """

    def __init__(self, cpuid: int, rom_table: int = ROM_TABLE) -> None:
        self.identity = IDENTITIES.get(cpuid >> 4 & 0xFFF, CORTEX_M4)
        self._rom_table = rom_table
        self._control = 0
        self._select = 0
        self._sticky = False
        self._read_buffer = 0
        self._csw = 2
        self._tar = 0

    def power_on_reset(self) -> None:
        """Forget everything, as when the target's supply went off and came back."""
        self._control = self._select = self._read_buffer = self._tar = 0
        self._sticky = False
        self._csw = 2

    def line_reset(self) -> None:
        """Take a line reset of the wires: SELECT is zero then."""
        self._select = 0

    def fail_access(self) -> None:
        """Set STICKYERR, as an access that the bus refuses does."""
        self._sticky = True

    @property
    def has_failed(self) -> bool:
        """Whether STICKYERR is set."""
        return self._sticky

    @property
    def select(self) -> int:
        """The register SELECT."""
        return self._select

    @property
    def address(self) -> int:
        """The register TAR of access port 0."""
        return self._tar

    @classmethod
    def for_board(cls, board: Memory) -> Dap:
        """Make the debug port of a board; raise what reading from it raises."""
        cpuid = int.from_bytes(board.read(CPUID, 4), "little")
        try:
            has_own = board.read(CHIP_ROM_TABLE + CIDR1, 4)[0] == CLASS_ROM_TABLE
        except FaultError:
            has_own = False
        return cls(cpuid, CHIP_ROM_TABLE if has_own else ROM_TABLE)

    @property
    def is_powered(self) -> bool:
        """Whether debug and system power were asked for."""
        wanted = CDBGPWRUPREQ | CSYSPWRUPREQ
        return self._control & wanted == wanted

    def read_dp(self, register: int) -> int:
        """Read a debug port register by its address on the wire."""
        if register == DP_DPIDR:
            return self.identity.dpidr
        if register == DP_CTRL_STAT and self._select & 0xF == 0:
            acknowledged = (self._control & (CDBGPWRUPREQ | CSYSPWRUPREQ)) << 1
            return self._control | acknowledged | (STICKYERR if self._sticky else 0)
        if register == DP_RDBUFF:
            return self._read_buffer
        return 0

    def write_dp(self, register: int, value: int) -> None:
        """Write a debug port register by its address on the wire."""
        if register == DP_ABORT and value & ABORT_STKERRCLR:
            self._sticky = False
        elif register == DP_CTRL_STAT and self._select & 0xF == 0:
            self._control = value & CTRL_STAT_KEPT
        elif register == DP_SELECT:
            self._select = value

    def check_power(self) -> None:
        """Raise `AccessFault` where an access port would not answer."""
        if not self.is_powered:
            raise AccessFault("debug power is off")
        if self._sticky:
            raise AccessFault("an earlier access faulted and STICKYERR was not cleared")

    def read_ap(self, memory: Memory, port: int, register: int) -> int:
        """Read an access port register. Ports other than 0 do not exist and read as zero."""
        self.check_power()
        value = self._read_port(memory, register) if port == 0 else 0
        self._read_buffer = value
        return value

    def write_ap(self, memory: Memory, port: int, register: int, value: int) -> None:
        """Write an access port register."""
        self.check_power()
        if port != 0:
            return
        if register == AP_CSW:
            # An unsupported size reads back as a supported one: that is how sizes are found out.
            size = value & CSW_SIZE if value & CSW_SIZE in WIDTHS else 2
            if value & CSW_ADDRINC not in self._increments:
                value &= ~CSW_ADDRINC
            self._csw = value & CSW_KEPT | size
        elif register == AP_TAR:
            self._tar = value & 0xFFFFFFFF
        elif register == AP_DRW:
            self._write_data(memory, value)
        elif register in AP_BD:
            self._write(memory, self._tar & ~0xF | register & 0xC, value & 0xFFFFFFFF, 4)

    def _read_port(self, memory: Memory, register: int) -> int:
        constants = {
            AP_IDR: self.identity.ap_idr,
            AP_BASE: self._rom_table | BASE_PRESENT,
            AP_CFG: 0,
        }
        if register in constants:
            return constants[register]
        if register == AP_CSW:
            return self._csw | self.identity.csw
        if register == AP_TAR:
            return self._tar
        if register == AP_DRW:
            return self._read_data(memory)
        if register in AP_BD:
            return self._read(memory, self._tar & ~0xF | register & 0xC, 4)
        return 0

    @property
    def _increments(self) -> tuple[int, ...]:
        packed = (CSW_ADDRINC_PACKED,) if self.identity.packs else ()
        return (0, CSW_ADDRINC_SINGLE, *packed)

    def _lanes(self) -> Iterator[tuple[int, int]]:
        """Go through the transfers of one access of DRW: width and shift; TAR moves behind each."""
        width = WIDTHS[self._csw & CSW_SIZE]
        is_packed = self._csw & CSW_ADDRINC == CSW_ADDRINC_PACKED
        for _ in range(4 // width if is_packed else 1):
            yield width, 8 * (self._tar & 3 & -width)
            self._increment(width)

    def _read_data(self, memory: Memory) -> int:
        value = 0
        for width, shift in self._lanes():
            value |= self._read(memory, self._tar, width) << shift
        return value

    def _write_data(self, memory: Memory, value: int) -> None:
        for width, shift in self._lanes():
            self._write(memory, self._tar, value >> shift & (1 << 8 * width) - 1, width)

    def _increment(self, width: int) -> None:
        if self._csw & CSW_ADDRINC:
            wrap = self.identity.wrap - 1
            self._tar = self._tar & ~wrap | (self._tar + width) & wrap

    def _read(self, memory: Memory, address: int, width: int) -> int:
        try:
            return int.from_bytes(memory.read(address & -width, width), "little")
        except FaultError as error:
            self._sticky = True
            raise AccessFault(error.message, error.address) from error

    def _write(self, memory: Memory, address: int, value: int, width: int) -> None:
        try:
            memory.write(address & -width, value.to_bytes(width, "little"))
        except FaultError as error:
            self._sticky = True
            raise AccessFault(error.message, error.address) from error
