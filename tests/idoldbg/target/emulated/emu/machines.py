"""The boards that the tests of the emulator run on, one for each kind of core."""

from __future__ import annotations

from dataclasses import dataclass

from idoldbg.target.board_files import load_board
from idoldbg.target.emulated.emu import EmulatedBoard

from .thumb import Program

RAM = 0x20000000
RESULTS = RAM + 0x400
"""Address of the words that the test programs leave for the test."""
STACK, TASK_STACK = RAM + 0x1000, RAM + 0x1800


@dataclass(frozen=True)
class Machine:
    """A board, and which Cortex-M it has."""

    board: str
    base: int
    core: str

    def program(self) -> Program:
        """Begin a program at the board's flash."""
        program = Program(self.base, STACK)
        program.label("reset")
        return program

    def boot(self, program: Program, **options: object) -> EmulatedBoard:
        """Make a board that runs the program."""
        return EmulatedBoard(load_board(self.board), program.build(), **options)  # type: ignore[arg-type]  # passed on

    @property
    def v6m(self) -> bool:
        return self.core == "v6-M"

    @property
    def v8m(self) -> bool:
        return self.core == "v8-M"

    def __str__(self) -> str:
        return self.core


V6M = Machine("nucleo-g031", 0x08000000, "v6-M")
V7M = Machine("stm32f4-discovery", 0x08000000, "v7-M")
V8M = Machine("lpcxpresso55s69", 0x00000000, "v8-M")
ALL = (V6M, V7M, V8M)


def word(board: EmulatedBoard, index: int) -> int:
    """Return a result word."""
    return int.from_bytes(board.read(RESULTS + 4 * index, 4), "little")


def words(board: EmulatedBoard, count: int) -> list[int]:
    """Return the first result words."""
    return [word(board, i) for i in range(count)]
