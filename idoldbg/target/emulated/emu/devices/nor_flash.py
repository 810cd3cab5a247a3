"""A SPI NOR flash memory, of the W25Q kind (Winbond W25Q128JV data sheet, revision F, chapter 8).

Commands: 9Fh JEDEC id, 90h and ABh ids and release from power-down, 03h read, 0Bh fast read, 06h
and 04h write enable and disable, 05h, 35h and 15h status, 01h write status, 02h page program (wraps
within a page of 256 bytes), 20h, 52h, D8h, C7h and 60h erases, B9h power-down, 66h and 99h reset,
4Bh unique id. Program and erase take effect when they begin, and keep the device busy (WIP) for
their typical time. While busy only the status can be read.
"""

from __future__ import annotations

from collections.abc import Callable

from idoldbg.target.emulated.emu.devices.spi_bus import SpiPeer

__all__ = ["NorFlash"]

_PAGE, _SECTOR = 256, 4096
_IDLE = 0xFF
_NOTHING = 0x00  # no command: what a busy or sleeping device makes of one
_UNIQUE_ID = b"idoldbg\0"
_WIP, _WEL = 1, 2
_ERASES = {0x20: (4 << 10, 45e-3), 0x52: (32 << 10, 120e-3), 0xD8: (64 << 10, 150e-3)}
_CHIP_ERASE_S, _PROGRAM_S, _STATUS_S = 40.0, 0.7e-3, 10e-3
_STATUS_COMMANDS = {0x05: 0, 0x35: 1, 0x15: 2}
_WRITABLE_STATUS = (0xFC, 0x7B)


class NorFlash(SpiPeer):
    """The memory. `now_s` tells virtual seconds; `contents` are its first bytes."""

    STATE = (
        "_sectors",
        "_status",
        "_write_enabled",
        "_busy_until",
        "_powered_down",
        "_reset_enabled",
        "_command",
        "_position",
        "_header",
        "_page",
    )

    def __init__(
        self, jedec_id: int, size: int, now_s: Callable[[], float], contents: bytes = b""
    ) -> None:
        self._id = jedec_id.to_bytes(3, "big")
        self._now_s = now_s
        self.size = size
        self._sectors: dict[int, bytearray] = {}  # those that are not erased
        for start in range(0, min(len(contents), size), _SECTOR):
            sector = contents[start : start + _SECTOR]
            self._sectors[start // _SECTOR] = bytearray(sector.ljust(_SECTOR, b"\xff"))
        self._status = [0, 0, 0]
        self._write_enabled = False
        self._busy_until = 0.0
        self._powered_down = False
        self._reset_enabled = False
        self._command: int | None = None
        self._position = 0  # bytes after the command
        self._header = bytearray()  # the first four of them
        self._page: dict[int, int] = {}  # offset in the page -> byte to program

    @property
    def busy(self) -> bool:
        """Whether a program or erase is going on (WIP)."""
        return self._now_s() < self._busy_until

    def contents(self) -> bytes:
        """Return the whole memory."""
        erased = b"\xff" * _SECTOR
        count = self.size // _SECTOR
        return b"".join(bytes(self._sectors.get(i, erased)) for i in range(count))

    # ------------------------------------------------------------------ the wire

    def select(self) -> None:
        self._command = None

    def deselect(self) -> None:
        command, self._command = self._command, None
        if command is not None:
            self._finish(command)

    def exchange(self, value: int) -> int:
        if self._command is None:
            self._begin(value)
            return _IDLE
        answer = self._answer(self._command, self._position)
        if self._position < 4:
            self._header.append(value)
        if self._command == 0x02 and self._position >= 3:
            self._page[(self._address() + self._position - 3) % _PAGE] = value
        self._position += 1
        return answer

    def _begin(self, command: int) -> None:
        if self._powered_down:
            accepted = command == 0xAB
        else:
            accepted = not self.busy or command in _STATUS_COMMANDS
        self._command = command if accepted else _NOTHING
        self._position = 0
        self._header.clear()
        self._page.clear()

    def _address(self) -> int:
        return int.from_bytes(self._header[:3], "big") % self.size

    def _answer(self, command: int, at: int) -> int:
        """Return what is driven while the byte number `at` after the command comes in."""
        if command == 0x9F:
            return self._id[at % 3]
        if command in _STATUS_COMMANDS:
            return self._read_status(_STATUS_COMMANDS[command])
        if command == 0x03 and at >= 3:
            return self._read(self._address() + at - 3)
        if command == 0x0B and at >= 4:
            return self._read(self._address() + at - 4)
        if command == 0x90 and at >= 3:
            return (self._id[0], self._id[2] - 1)[(at - 3 + self._address()) % 2]
        if command == 0xAB and at >= 3:
            return self._id[2] - 1
        if command == 0x4B and at >= 4:
            return _UNIQUE_ID[(at - 4) % len(_UNIQUE_ID)]
        return _IDLE

    def _read(self, address: int) -> int:
        index, offset = divmod(address % self.size, _SECTOR)
        sector = self._sectors.get(index)
        return 0xFF if sector is None else sector[offset]

    def _read_status(self, index: int) -> int:
        if index:
            return self._status[index]
        return self._status[0] | (_WIP if self.busy else 0) | (_WEL if self._write_enabled else 0)

    # ------------------------------------------------------------------ what commands do

    def _finish(self, command: int) -> None:
        """Do what a command does once its chip select goes high."""
        if command == 0x06:
            self._write_enabled = True
        elif command == 0x04:
            self._write_enabled = False
        elif command == 0xB9:
            self._powered_down = True
        elif command == 0xAB:
            self._powered_down = False
        elif command == 0x99 and self._reset_enabled:
            self._write_enabled = False
        elif self._write_enabled:
            self._finish_write(command)
        self._reset_enabled = command == 0x66

    def _finish_write(self, command: int) -> None:
        if command == 0x02 and self._page:
            self._program()
            self._start(_PROGRAM_S)
        elif command in _ERASES and self._position == 3:
            size, duration = _ERASES[command]
            size = min(size, self.size)
            start = self._address() & -size
            for index in range(start // _SECTOR, (start + size) // _SECTOR):
                self._sectors.pop(index, None)
            self._start(duration)
        elif command in (0xC7, 0x60) and not self._position:
            self._sectors.clear()
            self._start(_CHIP_ERASE_S)
        elif command == 0x01 and self._position:
            for index, value in enumerate(self._header[:2]):
                self._status[index] = value & _WRITABLE_STATUS[index]
            self._start(_STATUS_S)

    def _program(self) -> None:
        """Clear the bits of one page that are 0 in the data."""
        index, offset = divmod(self._address() & -_PAGE, _SECTOR)
        sector = self._sectors.setdefault(index, bytearray(b"\xff" * _SECTOR))
        for at, value in self._page.items():
            sector[offset + at] &= value

    def _start(self, duration_s: float) -> None:
        self._busy_until = self._now_s() + duration_s
        self._write_enabled = False
