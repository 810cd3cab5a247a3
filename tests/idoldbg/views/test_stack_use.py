"""Depths of stacks: filling, holes, stacks that no kernel filled, damaged tables."""

from __future__ import annotations

import pytest

from idoldbg.build.program import Program
from idoldbg.errors import NotFound
from idoldbg.model.memory import MemoryImage, Segment
from idoldbg.opening import TargetOptions, open_program
from idoldbg.views.stack_use import FILL, StackUse, read_stack_use
from idoldbg.views.tasks import BEFORE_TASKS, task_type

RAM, SIZE = 0x2000_0000, 0x2_0000
VICTIM, IDLE = 0x2000_5000, 0x2000_6000  # 1024 bytes in a region of 2048; 256 in one of 256


@pytest.fixture(scope="module")
def demo() -> Program:
    return open_program(TargetOptions(board="stm32f4-discovery"))


def use(demo: Program, task: str, stack: dict[int, bytes], *, booted: bool = True) -> StackUse:
    """Read the stack of a task in a RAM of zeros with these bytes."""
    ram = bytearray(SIZE)
    table = demo.kernel_address("HUBRIS_TASK_TABLE_SPACE") or 0
    current = (demo.kernel_address("CURRENT_TASK_PTR") or 0) - RAM
    ram[current : current + 4] = (table + 1 * task_type(demo).size).to_bytes(4, "little") * booted
    if not booted:
        ram[current : current + 4] = bytes(4)
    for address, data in stack.items():
        ram[address - RAM : address - RAM + len(data)] = data
    segments = [*demo.archive.flash_segments(), Segment(RAM, bytes(ram[:SIZE]))]
    program = Program(demo.archive, MemoryImage(segments))
    return read_stack_use(program, [task])[0]


@pytest.mark.parametrize(
    ("task", "stack", "touched", "margin", "holes"),
    [
        ("victim", {VICTIM: FILL * 200}, 224, 800, ()),
        ("victim", {VICTIM: FILL * 256}, 0, 1024, ()),
        ("victim", {VICTIM: b"x" + FILL * 200}, 1024, 0, ()),  # used up, whatever follows
        ("victim", {}, 1024, 0, ()),  # not filled, and not all of its region: used up
        ("victim", {VICTIM: FILL * 100 + b"\1\0\0\0" + FILL * 8}, 624, 400, ((VICTIM + 404, 32),)),
        ("victim", {VICTIM: FILL * 100 + b"\1\0\0\0" + FILL * 7}, 624, 400, ()),  # may be data
        ("victim", {VICTIM: FILL * 100 + b"\1" + FILL * 20}, 624, 400, ()),  # not aligned
        ("idle", {IDLE: FILL * 40}, 96, 160, ()),
        ("idle", {IDLE: b"\1\0\0\0" + FILL * 20}, 256, 0, ((IDLE + 4, 80),)),
    ],
)
def test_depths(
    demo: Program,
    task: str,
    stack: dict[int, bytes],
    touched: int,
    margin: int,
    holes: tuple[tuple[int, int], ...],
) -> None:
    found = use(demo, task, stack)
    assert (found.touched, found.margin, found.holes) == (touched, margin, holes)
    assert (found.is_filled, found.problem) == (True, "")


def test_a_stack_that_no_kernel_filled_is_unknown(demo: Program) -> None:
    """Before October 2024 a stack that is all of its region is not filled (hubris#1876)."""
    found = use(demo, "idle", {IDLE: FILL})  # a word alone may be data
    assert (found.touched, found.margin, found.is_filled) == (252, 4, True)
    found = use(demo, "idle", {IDLE + 8: FILL})
    assert (found.touched, found.margin, found.is_filled) == (None, None, False)
    assert found.problem.startswith("unknown: its kernel does not fill")


def test_before_tasks_nothing_is_known(demo: Program) -> None:
    found = use(demo, "victim", {}, booted=False)
    assert (found.size, found.touched, found.problem) == (1024, None, BEFORE_TASKS)


def test_a_build_alone_has_sizes(demo: Program) -> None:
    found = {each.task: each for each in read_stack_use(demo, has_target=False)}
    assert (found["sensor"].base, found["sensor"].size) == (0x2000_4000, 1536)
    assert (found["sensor"].declared, found["sensor"].touched) == (1536, None)
    with pytest.raises(NotFound, match="did you mean `victim`"):
        read_stack_use(demo, ["victin"], has_target=False)


def test_memory_that_is_not_there_is_a_problem_of_its_task(demo: Program) -> None:
    """As in the dump of one task."""
    flash = MemoryImage(demo.archive.flash_segments())
    (found,) = read_stack_use(Program(demo.archive, flash), ["victim"])
    assert found.margin is None
    assert found.problem.startswith("unreadable: no memory at 0x20005000")
