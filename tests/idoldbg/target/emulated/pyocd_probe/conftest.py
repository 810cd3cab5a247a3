"""Emulated boards that run a few instructions, as probes and as ELF files."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from idoldbg.target.board_files import load_board
from idoldbg.target.emulated.emu import EmulatedBoard
from idoldbg.target.emulated.pyocd_probe.boards import register_board, unregister_board

RAM = 0x20000000
COUNTER = RAM + 0x200
LOOP = 0x104  # offset of the first instruction of the loop
BOARDS = {"stm32f4-discovery": 0x08000000, "lpcxpresso55s69": 0, "nucleo-g031": 0x08000000}


def image(flash: int) -> bytes:
    """A vector table, and code for any Cortex-M that counts in a word of RAM for ever."""
    vectors = [RAM + 0x1000, flash + 0x101, *[flash + 0x10F] * 14]
    code = struct.pack(
        "<8HI",
        0x4803,  # 100  ldr r0, [pc, #12]  the literal at 110
        0x2100,  # 102  movs r1, #0
        0x3101,  # 104  adds r1, #1
        0x6001,  # 106  str r1, [r0]
        0xBF00,  # 108  nop
        0xE7FB,  # 10a  b 104
        0xBF00,  # 10c  nop
        0xE7FE,  # 10e  b .   every exception ends here
        COUNTER,
    )
    return struct.pack("<16I", *vectors).ljust(0x100, b"\xff") + code


def elf(flash: int) -> bytes:
    """The image as the smallest executable: one program header, no sections."""
    data = image(flash)
    header = struct.pack(
        "<16sHHIIIIIHHHHHH",
        b"\x7fELF\x01\x01\x01", 2, 40, 1, flash + 0x101, 52, 0, 0x05000200, 52, 32, 1, 0, 0, 0,
    )  # fmt: skip
    segment = struct.pack("<8I", 1, 84, flash, flash, len(data), len(data), 5, 4)
    return header + segment + data


@dataclass(frozen=True, slots=True)
class ProbedBoard:
    """A board that counts, the start of its flash, and the id of its probe."""

    board: EmulatedBoard
    flash: int
    unique_id: str


@pytest.fixture(params=BOARDS)
def probed(request: pytest.FixtureRequest) -> Iterator[ProbedBoard]:
    flash = BOARDS[request.param]
    board = EmulatedBoard(load_board(request.param), [(flash, image(flash))])
    unique_id = f"test-{request.param}"
    register_board(unique_id, lambda: board, board_name=request.param)
    yield ProbedBoard(board, flash, unique_id)
    unregister_board(unique_id)
    board.close()


@pytest.fixture
def elf_file(tmp_path: Path) -> Path:
    """The counting program for stm32f4-discovery as a file."""
    path = tmp_path / "counter.elf"
    path.write_bytes(elf(BOARDS["stm32f4-discovery"]))
    return path
