"""A small chip without a CPU, and each link on it."""

from __future__ import annotations

import itertools
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from idoldbg.errors import FaultError, Unsupported
from idoldbg.target.emulated.client import short_address
from idoldbg.target.emulated.link import EmulatedLink
from idoldbg.target.emulated.server.loop import BoardLoop
from idoldbg.target.emulated.server.operations import SharedBoard
from idoldbg.target.emulated.socket import open_board
from idoldbg.target.link import Link

FLASH, FLASH_SIZE = 0x08000000, 0x10000
RAM, RAM_SIZE = 0x20000000, 0x10000
PPB = range(0xE0000000, 0xE0100000)
AIRCR, CPUID, DHCSR, DCRSR, DCRDR, DEMCR = (
    0xE000ED0C, 0xE000ED00, 0xE000EDF0, 0xE000EDF4, 0xE000EDF8, 0xE000EDFC,
)  # fmt: skip
TICKS = RAM + 0x100  # the "firmware" counts milliseconds here
C_DEBUGEN, C_HALT, S_HALT, S_RESET_ST = 1, 2, 1 << 17, 1 << 25


class FakeChip:
    """Memory, the debug registers that links use, and a counter that runs with virtual time.

    `writes` records every (address, bytes) written from outside; `reads` every (address, size).
    """

    def __init__(self) -> None:
        self.memory = {FLASH: bytearray(FLASH_SIZE), RAM: bytearray(RAM_SIZE)}
        self.memory[FLASH][:] = bytes(n * 7 & 0xFF for n in range(FLASH_SIZE))
        self.time_s = 0.0
        self.is_halted = False
        self.is_locked_up = False
        self.resets = 0
        self.deaf_to_reset = False
        self.registers = {**{f"r{n}": 0x1000 + n for n in range(13)}, "sp": 0x20001000,
                          "lr": 0xFFFFFFFD, "pc": 0x08000400, "xpsr": 0x01000000,
                          "msp": 0x20001000, "psp": 0x20000800}  # fmt: skip
        self.writes: list[tuple[int, bytes]] = []
        self.reads: list[tuple[int, int]] = []
        self.uart_bytes = bytearray()
        self._dhcsr = 0
        self._dcrdr = 0
        self._reset_seen = False
        self._demcr = 0

    def read(self, address: int, size: int) -> bytes:
        self.reads.append((address, size))
        if address in PPB:
            words = b"".join(
                struct.pack("<I", self._read_ppb(at))
                for at in range(address & ~3, address + size, 4)
            )
            return words[address & 3 : (address & 3) + size]
        block, offset = self._find(address, size)
        return bytes(block[offset : offset + size])

    def write(self, address: int, data: bytes) -> None:
        self.writes.append((address, data))
        if address in PPB:
            for (word,), at in zip(struct.iter_unpack("<I", data), itertools.count(address, 4)):
                self._write_ppb(at, word)
            return
        block, offset = self._find(address, len(data))
        block[offset : offset + len(data)] = data

    def read_register(self, name: str) -> int:
        try:
            return self.registers[name]
        except KeyError:
            raise Unsupported(f"no register {name}", capability="registers") from None

    def run(self, seconds: float) -> None:
        if not self.is_halted:
            self.time_s += seconds
            struct.pack_into("<I", self.memory[RAM], TICKS - RAM, int(self.time_s * 1000))

    def halt(self) -> None:
        self.is_halted = True
        self._dhcsr = C_DEBUGEN | C_HALT

    def resume(self) -> None:
        self.is_halted = False
        self._dhcsr &= ~C_HALT

    def reset(self) -> None:
        self.resets += 1
        self._reset_seen = True
        self.is_halted = bool(self._demcr & 1 and self._dhcsr & C_DEBUGEN)

    # What a board's process shows besides.
    lockup = None
    notices = ("a fake chip",)
    leds: ClassVar[dict[str, bool]] = {"red": True}

    @property
    def uart(self) -> dict[str, bytes]:
        return {"console": bytes(self.uart_bytes), "second": b"two"}

    def uart_feed(self, name: str, data: bytes) -> None:
        self.uart_bytes += data

    def flash(self, segments: Sequence[tuple[int, bytes]]) -> None:
        self.memory[FLASH][:] = b"\xff" * FLASH_SIZE
        for address, data in segments:
            self.memory[FLASH][address - FLASH : address - FLASH + len(data)] = data
        self.reset()

    def debug_writes(self) -> list[tuple[int, bytes]]:
        """Return the writes to the private peripheral bus: breakpoints, halts, traces, …"""
        return [(address, data) for address, data in self.writes if address in PPB]

    def _find(self, address: int, size: int) -> tuple[bytearray, int]:
        for base, block in self.memory.items():
            if base <= address < base + len(block):
                if address + size <= base + len(block):
                    return block, address - base
                address, size = base + len(block), address + size - base - len(block)
                break
        raise FaultError(f"no memory at 0x{address:08x}", address=address, size=size)

    def _read_ppb(self, address: int) -> int:
        if address == CPUID:
            return 0x410FC241
        if address == DHCSR:
            value = self._dhcsr | 1 << 16 | (S_HALT if self.is_halted else 0)
            value |= 1 << 19 if self.is_locked_up else 0
            value |= S_RESET_ST if self._reset_seen else 0
            self._reset_seen = False
            return value
        if address == DCRDR:
            return self._dcrdr
        return self._demcr if address == DEMCR else 0

    def _write_ppb(self, address: int, value: int) -> None:
        if address == DHCSR and value >> 16 == 0xA05F:
            self._dhcsr = value & 0xF
            self.is_halted = bool(value & C_DEBUGEN and value & C_HALT)
        elif address == DCRSR and self.is_halted:
            names = [*(f"r{n}" for n in range(13)), "sp", "lr", "pc", "xpsr", "msp", "psp"]
            special = {20: 0x02_00_30_01}
            self._dcrdr = special.get(value) or self.registers[names[value]]
        elif address == DEMCR:
            self._demcr = value
        elif address == AIRCR and value == 0x05FA0004 and not self.deaf_to_reset:
            self.reset()


Open = Callable[..., Link]
LINKS = ("emulated", "socket", "pyocd", "pyocd-registers")


@pytest.fixture
def chip() -> FakeChip:
    return FakeChip()


@pytest.fixture
def probe_id(chip: FakeChip) -> Iterator[str]:
    """The unique id of a probe with the chip behind it."""
    from idoldbg.target.emulated.pyocd_probe.boards import register_board, unregister_board

    unique_id = f"fake-0669FF{os.getpid():06}"  # of this run: locks are seen on all of the host
    register_board(unique_id, lambda: chip, board_name="fake board")
    yield unique_id
    unregister_board(unique_id)


@pytest.fixture(params=LINKS)
def link(request: pytest.FixtureRequest, chip: FakeChip) -> Iterator[Link]:
    """Each kind of link to the chip; `pyocd-registers` goes by DP and AP registers, no blocks."""
    if request.param == "emulated":
        opened: Link = EmulatedLink(chip)
    elif request.param == "socket":
        opened = open_board(str(request.getfixturevalue("served_chip")))
    else:
        unique_id = request.getfixturevalue("probe_id")
        if request.param == "pyocd-registers":
            request.getfixturevalue("no_block_access")
        from idoldbg.target.probe.link import open_probe

        opened = open_probe(unique_id)
    with opened:
        yield opened


@pytest.fixture
def served_chip(chip: FakeChip, tmp_path: Path) -> Iterator[Path]:
    """The path of a socket at which the chip is served, in a thread of this process."""
    with serving(chip, tmp_path / "chip.sock") as path:
        yield path


@contextmanager
def serving(
    chip: FakeChip, path: Path, clock: Callable[[], float] = time.monotonic
) -> Iterator[Path]:
    """Serve a chip at a socket while the block runs."""
    facts = {"name": "chip", "board": "fake", "pid": 0}
    with socket.socket(socket.AF_UNIX) as listener:
        with short_address(path) as address:
            listener.bind(address)
        listener.listen()
        loop = BoardLoop(SharedBoard(chip, lambda: facts), listener, clock=clock)
        thread = threading.Thread(target=loop.run)
        thread.start()
        try:
            yield path
        finally:
            loop.stop()
            thread.join(60)
        assert not thread.is_alive()


@pytest.fixture
def no_block_access(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the emulated probe offer no block access, as a CMSIS-DAP probe does not."""
    import pyocd  # noqa: F401  # before the plug-in's own modules, see there

    from idoldbg.target.emulated.pyocd_probe._probe import EmulatedProbe

    monkeypatch.setattr(EmulatedProbe, "get_memory_interface_for_ap", lambda self, address: None)
