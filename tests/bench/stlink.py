"""The firmware of an ST-Link: 16-byte commands, their data, and answers.

ST publishes no description; this is what pyOCD (`pyocd/probe/stlink`) and OpenOCD
(`src/jtag/drivers/stlink_usb.c`) send and expect. Not modelled: JTAG, SWO, and whatever an ST-Link
does to a core's debug registers on its own.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.wires import ABORT, CTRL_STAT, RDBUFF, SELECT, Ack, Wires

__all__ = ["StLink"]

GET_VERSION, JTAG_COMMAND, DFU, SWIM = 0xF1, 0xF2, 0xF3, 0xF4
GET_MODE, GET_VOLTAGE, GET_VERSION_EXT = 0xF5, 0xF7, 0xFB
NAMES = {
    GET_VERSION: "GET_VERSION",
    DFU: "DFU",
    SWIM: "SWIM",
    GET_MODE: "GET_CURRENT_MODE",
    GET_VOLTAGE: "GET_TARGET_VOLTAGE",
    GET_VERSION_EXT: "GET_VERSION_EXT",
}
JTAG_NAMES = {
    0x07: "READMEM_32BIT",
    0x08: "WRITEMEM_32BIT",
    0x0C: "READMEM_8BIT",
    0x0D: "WRITEMEM_8BIT",
    0x21: "EXIT",
    0x30: "ENTER2",
    0x31: "READ_IDCODES",
    0x3C: "DRIVE_NRST",
    0x3E: "GETLASTRWSTATUS2",
    0x43: "SWD_SET_FREQ",
    0x45: "READ_DAP_REG",
    0x46: "WRITE_DAP_REG",
    0x47: "READMEM_16BIT",
    0x48: "WRITEMEM_16BIT",
    0x4B: "INIT_AP",
    0x4C: "CLOSE_AP_DBG",
    0x51: "READWRITEMISC_OUT",
    0x52: "READWRITEMISC_IN",
    0x56: "GET_BOARD_IDENTIFIERS",
    0x61: "SET_COM_FREQ",
    0x62: "GET_COM_FREQ",
    0x63: "SWITCH_STLINK_FREQ",
}
READS, WRITES = {0x07: 4, 0x0C: 1, 0x47: 2}, {0x08: 4, 0x0D: 1, 0x48: 2}
DP_PORT = 0xFFFF
# SWD_SET_FREQ's delay: Hz; and what a V3 offers, in kHz
V2_HZ = {0: 4_600_000, 1: 1_800_000, 2: 1_200_000, 3: 950_000, 5: 650_000, 7: 480_000}
V2_HZ |= {9: 400_000, 10: 360_000, 15: 240_000, 25: 150_000, 31: 125_000, 40: 100_000}
V3_KHZ = (24_000, 8_000, 3_300, 1_000, 200, 50, 5)
POWER_UP, POWERED = 0x5000_0000, 0xA000_0000
CLEAR_ERRORS = 0x1E
CSW_USUAL, CSW_SINGLE = 0x2300_0000, 0x10
SIZES = {1: 0, 2: 1, 4: 2}
COMMAND_SIZE = 16
PAGE = 0x400  # up to which every access port increments its address
WAITS = 100  # how often it asks again; a guess
VREFINT_COUNTS = 1500


QUEUE_FIRMWARE = {2: 32, 3: 2}  # the first that has queues (OpenOCD: STLINK_F_HAS_RW_MISC)
QUEUE_LIMIT = {2: 64, 3: 1227}
QUEUE_ADDRESS, QUEUE_WRITE, QUEUE_READ, QUEUE_PORT = 1, 2, 3, 5


class Status(enum.IntEnum):
    """The first two bytes of an answer."""

    OK = 0x80
    UNKNOWN_ERROR = 0x01
    NO_DEVICE = 0x05
    IDCODE_ERROR = 0x09
    ALIGNMENT_ERROR = 0x0A
    POWER_ERROR = 0x0B
    CONF_CHANGED = 0x40
    UNKNOWN_COMMAND = 0x42


AP_STATUS = {Ack.OK: 0x80, Ack.WAIT: 0x10, Ack.FAULT: 0x11, Ack.NONE: 0x12, Ack.PARITY: 0x13}
DP_STATUS = {Ack.OK: 0x80, Ack.WAIT: 0x14, Ack.FAULT: 0x15, Ack.NONE: 0x16, Ack.PARITY: 0x17}


class Mode(enum.IntEnum):
    """The mode that GET_CURRENT_MODE answers."""

    DFU = 0
    MASS_STORAGE = 1
    DEBUG = 2
    SWIM = 3


class _Refused(Exception):
    """A transfer was not acknowledged with OK."""

    def __init__(self, ack: Ack) -> None:
        self.ack = ack


@dataclass(frozen=True)
class _MemoryCommand:
    address: int
    size: int
    width: int
    port: int
    csw: int


class StLink:
    """A probe's firmware. `jtag_version` and `volts` may be set by tests."""

    def __init__(
        self, wires: Wires, *, hardware: int, jtag_version: int, product: int, board_id: str = ""
    ) -> None:
        self.wires = wires
        self.hardware, self.jtag_version = hardware, jtag_version
        self.product, self.board_id = product, board_id
        self.volts = 3.3
        self._largest_8bit = 64 if hardware < 3 else 512
        self.restart()

    def restart(self) -> None:
        self.mode = Mode.MASS_STORAGE
        self.last: tuple[int, int] = (Status.OK, 0)
        self._expected: _MemoryCommand | None = None
        self._queued = 0  # items that the host announced
        self._found = b""  # what became of a queue
        self.wires.hz = 1_800_000 if self.hardware < 3 else 1_000_000

    def forget(self) -> None:
        self._expected, self._queued = None, 0

    def name(self, data: bytes) -> str:
        if self._expected is not None or self._queued:
            return ""  # data, counted with its command
        data = data.ljust(COMMAND_SIZE, b"\0")
        if data[0] == JTAG_COMMAND:
            return JTAG_NAMES.get(data[1], f"JTAG command 0x{data[1]:02x}")
        return NAMES.get(data[0], f"command 0x{data[0]:02x}")

    def take(self, data: bytes) -> bytes | None:
        if self._expected is not None:
            command, self._expected = self._expected, None
            self._write_memory(command, data[: command.size])
            return None
        if self._queued:
            self._do_queue(data)
            return None
        data = data.ljust(COMMAND_SIZE, b"\0")
        if data[0] != JTAG_COMMAND:
            return self._common(data)
        return self._debug(data)

    # ------------------------------------------------------------------ the probe itself

    def _common(self, data: bytes) -> bytes | None:
        kind = data[0]
        ids = struct.pack("<HH", 0x0483, self.product)
        if kind == GET_VERSION:
            # A V3 says its versions in GET_VERSION_EXT only.
            versions = self.jtag_version << 6 | 27 if self.hardware < 3 else 0
            return struct.pack(">H", self.hardware << 12 | versions) + ids
        if kind == GET_VERSION_EXT:
            return bytes([self.hardware, 1, self.jtag_version, 2, 1, 0, 0, 0]) + ids
        if kind == GET_MODE:
            return bytes([self.mode, 0])
        if kind == GET_VOLTAGE:
            volts = self.volts if self.wires.powered else 0.0
            return struct.pack("<II", VREFINT_COUNTS, round(volts * VREFINT_COUNTS / 2.4))
        if kind in (DFU, SWIM):
            self.mode = Mode.MASS_STORAGE
            return None
        return bytes(2)

    def _debug(self, data: bytes) -> bytes | None:
        kind = data[1]
        if kind == 0x21:
            self.mode = Mode.MASS_STORAGE
            return None
        method = ALWAYS.get(kind)
        if method is not None:
            return method(self, data)
        if kind in WRITES:
            self._expected = _memory_command(data, WRITES[kind])
            return None
        if kind in READS:
            return self._read_memory(_memory_command(data, READS[kind]))
        method = ATTACHED.get(kind)
        if kind in QUEUE_COMMANDS and self.jtag_version < QUEUE_FIRMWARE[self.hardware]:
            method = None
        if method is None:
            return _status(Status.UNKNOWN_COMMAND)
        if self.mode is Mode.DEBUG:
            return method(self, data)
        return _status(Status.NO_DEVICE).ljust(ANSWER_SIZES.get(kind, 2), b"\0")

    def _set_v2_clock(self, data: bytes) -> bytes:
        self.wires.hz = V2_HZ.get(data[2], min(V2_HZ.values()))
        return _status(Status.OK)

    def _set_v3_clock(self, data: bytes) -> bytes:
        (wanted,) = struct.unpack_from("<I", data, 4)
        khz = next((k for k in V3_KHZ if k <= wanted), V3_KHZ[-1])
        self.wires.hz = khz * 1000
        return struct.pack("<HHI", Status.OK, 0, khz)

    def _get_v3_clocks(self, data: bytes) -> bytes:
        head = struct.pack("<HHII", Status.OK, 0, self.wires.hz // 1000, len(V3_KHZ))
        return head + struct.pack(f"<{len(V3_KHZ)}I", *V3_KHZ).ljust(40, b"\0")

    def _switch_clock(self, data: bytes) -> bytes:
        return struct.pack("<HHI", Status.CONF_CHANGED, 0, 0)

    def _board_identifiers(self, data: bytes) -> bytes:
        return (_status(Status.OK) + self.board_id.encode()).ljust(128, b"\0")

    def _drive_reset(self, data: bytes) -> bytes:
        low, _, pulse = range(3)
        if data[2] in (low, pulse):
            self.wires.drive_nreset(True)
        if data[2] != low:
            self.wires.drive_nreset(False)
        return _status(Status.OK)

    # ------------------------------------------------------------------ registers

    def _enter(self, data: bytes) -> bytes:
        """Find the debug port and give it power."""
        try:
            self.wires.line_reset()
            self._read(False, 0)
            self._write(False, ABORT, CLEAR_ERRORS)
            self._write(False, SELECT, 0)
            self._write(False, CTRL_STAT, POWER_UP)
            state = self._read(False, CTRL_STAT)
        except _Refused:
            return _status(Status.IDCODE_ERROR)
        if state & POWERED != POWERED:
            return _status(Status.POWER_ERROR)
        self.mode = Mode.DEBUG
        return _status(Status.OK)

    def _read_idcodes(self, data: bytes) -> bytes:
        try:
            return struct.pack("<HHII", Status.OK, 0, self._read(False, 0), 0)
        except _Refused:
            return struct.pack("<HHII", Status.IDCODE_ERROR, 0, 0, 0)

    def _last_status(self, data: bytes) -> bytes:
        status, address = self.last
        return struct.pack("<HHII", status, 0, address, 0)

    def _nothing(self, data: bytes) -> bytes:
        return _status(Status.OK)

    def _read_register(self, data: bytes) -> bytes:
        port, register = struct.unpack_from("<HH", data, 2)
        try:
            if port == DP_PORT:
                return struct.pack("<HHI", Status.OK, 0, self._read(False, register & 0xC))
            self._select(port, register)
            self._read(True, register & 0xC)
            return struct.pack("<HHI", Status.OK, 0, self._read(False, RDBUFF))
        except _Refused as refused:
            names = DP_STATUS if port == DP_PORT else AP_STATUS
            return struct.pack("<HHI", names[refused.ack], 0, 0)

    def _write_register(self, data: bytes) -> bytes:
        port, register, value = struct.unpack_from("<HHI", data, 2)
        try:
            if port == DP_PORT:
                self._write(False, register & 0xC, value)
            else:
                self._select(port, register)
                self._write(True, register & 0xC, value)
                self._read(False, RDBUFF)  # tells whether it succeeded
        except _Refused as refused:
            return _status((DP_STATUS if port == DP_PORT else AP_STATUS)[refused.ack])
        return _status(Status.OK)

    def _read(self, is_ap: bool, register: int) -> int:
        for _ in range(WAITS):
            ack, value = self.wires.read(is_ap, register)
            if ack is not Ack.WAIT:
                break
        if ack is not Ack.OK:
            raise _Refused(ack)
        return value

    def _write(self, is_ap: bool, register: int, value: int) -> None:
        for _ in range(WAITS):
            ack = self.wires.write(is_ap, register, value)
            if ack is not Ack.WAIT:
                break
        if ack is not Ack.OK:
            raise _Refused(ack)

    def _select(self, port: int, register: int) -> None:
        self._write(False, SELECT, port << 24 | register & 0xF0)

    # ------------------------------------------------------------------ queues

    def _announce_queue(self, data: bytes) -> None:
        (count,) = struct.unpack_from("<I", data, 2)
        self._queued = count if count <= QUEUE_LIMIT[self.hardware] else 0

    def _do_queue(self, data: bytes) -> None:
        """Do single accesses, each with a status; a kind for each item, then a word for each."""
        count, self._queued = self._queued, 0
        start = -(-count // 4) * 4
        data = data.ljust(start + 4 * count, b"\0")
        values = struct.unpack_from(f"<{count}I", data, start)
        port = address = 0
        words, states = [], []
        for kind, value in zip(data[:count], values, strict=True):
            word, status = 0, int(Status.OK)
            if kind == QUEUE_PORT:
                port = value
            elif kind == QUEUE_ADDRESS:
                address = value
            elif kind == QUEUE_WRITE:
                command = _MemoryCommand(address, 4, 4, port, CSW_USUAL)
                self._write_memory(command, struct.pack("<I", value))
                status = self.last[0]
            elif kind == QUEUE_READ:
                command = _MemoryCommand(value, 4, 4, port, CSW_USUAL)
                word = int.from_bytes(self._read_memory(command), "little")
                status = self.last[0]
            else:
                status = Status.UNKNOWN_COMMAND
            words.append(word)
            states.append(status)
        self._found = struct.pack(f"<{2 * count}I", *words, *states)

    def _answer_queue(self, data: bytes) -> bytes:
        return self._found

    # ------------------------------------------------------------------ memory

    def _begin(self, command: _MemoryCommand) -> bool:
        """Prepare the access port; return False, with the status set, for what is refused."""
        if self.mode is not Mode.DEBUG:
            self.last = (Status.NO_DEVICE, command.address)
            return False
        if command.address % command.width or command.size % command.width:
            self.last = (Status.ALIGNMENT_ERROR, command.address)
            return False
        if command.width == 1 and command.size > self._largest_8bit:
            self.last = (Status.UNKNOWN_ERROR, command.address)
            return False
        self.last = (Status.OK, 0)
        return True

    def _each(self, command: _MemoryCommand, access: Callable[[int], None]) -> None:
        """Go through the addresses; the access port is told where each page begins."""
        at, end = command.address, command.address + command.size
        try:
            self._select(command.port, 0)
            self._write(True, 0x0, command.csw | CSW_SINGLE | SIZES[command.width])
            for at in range(command.address, end, command.width):
                if at == command.address or at % PAGE == 0:
                    self._write(True, 0x4, at)
                access(at)
        except _Refused as refused:
            self.last = (AP_STATUS[refused.ack], at)

    def _read_memory(self, command: _MemoryCommand) -> bytes:
        found = bytearray()

        def take(word: int, at: int) -> None:
            found.extend((word >> 8 * (at & 3)).to_bytes(4, "little")[: command.width])

        def access(at: int) -> None:
            # Each read brings the value of the one before, but for the first of a page.
            word = self._read(True, 0xC)
            last = at + command.width >= command.address + command.size
            if at != command.address and at % PAGE:
                take(word, at - command.width)
            if last or (at + command.width) % PAGE == 0:
                take(self._read(False, RDBUFF), at)

        if self._begin(command):
            self._each(command, access)
        return bytes(found).ljust(command.size, b"\0")

    def _write_memory(self, command: _MemoryCommand, data: bytes) -> None:
        def access(at: int) -> None:
            part = data[at - command.address :][: command.width]
            self._write(True, 0xC, int.from_bytes(part, "little") << 8 * (at & 3))
            if at + command.width >= command.address + command.size:
                self._read(False, RDBUFF)

        if self._begin(command):
            self._each(command, access)


def _status(status: int) -> bytes:
    return struct.pack("<H", status)


def _memory_command(data: bytes, width: int) -> _MemoryCommand:
    address, size, port = struct.unpack_from("<IHB", data, 2)
    csw = int.from_bytes(data[9:12], "little") << 8
    return _MemoryCommand(address, size, width, port, csw & ~0x3F or CSW_USUAL)


QUEUE_COMMANDS = (0x51, 0x52)
ANSWER_SIZES = {0x31: 12, 0x3E: 12, 0x45: 8}
# What is answered in every mode, and what needs a target.
ALWAYS: dict[int, Callable[[StLink, bytes], bytes | None]] = {
    0x30: StLink._enter,
    0x3C: StLink._drive_reset,
    0x43: StLink._set_v2_clock,
    0x56: StLink._board_identifiers,
    0x61: StLink._set_v3_clock,
    0x62: StLink._get_v3_clocks,
    0x63: StLink._switch_clock,
}
ATTACHED: dict[int, Callable[[StLink, bytes], bytes | None]] = {
    0x31: StLink._read_idcodes,
    0x3E: StLink._last_status,
    0x45: StLink._read_register,
    0x46: StLink._write_register,
    0x4B: StLink._nothing,
    0x4C: StLink._nothing,
    0x51: StLink._announce_queue,
    0x52: StLink._answer_queue,
}
