"""Stack use of each task: depth, margin, filling.

The kernel fills a stack with 0xBADDCAFE when it starts a task (sys/kern/src/arch/arm_m.rs:
`reinitialize`), so that the words that are still there were never written. That is a lower bound:
a function may reserve memory that it does not write, which shows as a hole of filling above the
deepest word written. Kernels before October 2024 do not fill a stack that is all of its region
(hubris#1876).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from idol.records import dataclass
from idoldbg.build.program import Program
from idoldbg.call.codec import image
from idoldbg.errors import DecodeError, FaultError
from idoldbg.model.archive import TaskImage
from idoldbg.model.regions import RegionMap, StackArea
from idoldbg.model.values import Value, find_number
from idoldbg.views.regions import read_regions
from idoldbg.views.tasks import BEFORE_TASKS, is_before_tasks, read_blocks, table_address, task_type

__all__ = ["StackUse", "read_stack_use"]

FILL = bytes.fromhex("fecaddba")
HOLE = re.compile(b"(?:" + re.escape(FILL) + b"){8,}")  # 32 bytes: fewer may be data
SIGN = FILL * 2  # a word alone may be data
MAX_SIZE = 1 << 20  # bytes of a stack; Hubris's largest have 16 KiB
UNFILLED = "unknown: its kernel does not fill a stack that is all of its region, or all is used"
NOT_READ = "this is the build alone: give a target or a core dump for depths and margins"


@dataclass(frozen=True, slots=True)
class StackUse:
    """The stack of one task, in bytes.

    `touched` is how deep it was written since the task was last started, at least; `margin` is what
    is left; `current` is how deep it is now, None for a task that runs. `declared` is the
    `stacksize` of `app.toml`. `holes` are (address, size) of filling above the deepest word. What
    is not known is None, and `problem` says why.
    """

    task: str
    base: int
    size: int
    declared: int | None = None
    restarts: int | None = None
    current: int | None = None
    touched: int | None = None
    margin: int | None = None
    is_filled: bool | None = None
    holes: tuple[tuple[int, int], ...] = ()
    problem: str = ""


def read_stack_use(
    program: Program, tasks: Sequence[str] = (), *, has_target: bool = True
) -> tuple[StackUse, ...]:
    """Read the stacks of these tasks, or of all; raise `NotFound`, or as `read_regions`.

    Without `has_target` only sizes are known.
    """
    wanted = [program.task(name) for name in tasks] or list(program.archive.tasks)
    regions = read_regions(program)
    reader = _Reader(program, regions) if has_target else None
    return tuple(_use(program, regions, task, reader) for task in wanted)


def _use(program: Program, regions: RegionMap, task: TaskImage, reader: _Reader | None) -> StackUse:
    declared = task.stack_size
    if declared is None:
        default = program.archive.app.get("stacksize")
        declared = default if isinstance(default, int) else None
    stack = regions.stack_of(task.name)
    if stack is None:
        return StackUse(task.name, 0, 0, declared, problem="no region holds its stack")
    if reader is None:
        return StackUse(task.name, stack.low, stack.size, declared, problem=NOT_READ)
    return reader.read(task, stack, declared)


class _Reader:
    """Reads stacks, and how deep they are now from the task table."""

    def __init__(self, program: Program, regions: RegionMap) -> None:
        self.program = program
        self.regions = regions
        self.type = task_type(program)
        self.is_early = is_before_tasks(program)
        self.base = table_address(program)
        self.blocks = read_blocks(program)
        self.running = program.find_word("CURRENT_TASK_PTR")

    def read(self, task: TaskImage, stack: StackArea, declared: int | None) -> StackUse:
        restarts, current = self.read_entry(task, stack)
        common = (task.name, stack.low, stack.size, declared, restarts, current)
        if self.is_early:
            return StackUse(*common, problem=BEFORE_TASKS)
        if stack.size > MAX_SIZE:
            return StackUse(*common, problem=f"larger than any stack: {stack.size} bytes")
        try:
            data = self.program.memory.read(stack.low, stack.size)
        except FaultError as error:
            return StackUse(*common, problem=f"unreadable: {error.message}")
        margin = _filled(data)
        if not margin and SIGN not in data and self.is_whole_region(stack):
            return StackUse(*common, is_filled=False, problem=UNFILLED)
        holes = tuple(
            (stack.low + m.start(), m.end() - m.start())
            for m in HOLE.finditer(data, margin)
            if m.start() % 4 == 0
        )
        return StackUse(*common, stack.size - margin, margin, True, holes)

    def is_whole_region(self, stack: StackArea) -> bool:
        return any(r.low == stack.low and r.end == stack.high for r in self.regions.of(stack.owner))

    def read_entry(self, task: TaskImage, stack: StackArea) -> tuple[int | None, int | None]:
        """Return how often a task was restarted, and how deep its stack is."""
        block = self.blocks[task.index]
        if isinstance(block, str):
            return None, None
        try:
            entry = image.decode(self.type, block)
            generation = find_number(entry.get("generation"))
        except DecodeError:
            return None, None
        if self.running == self.base + task.index * self.type.size:
            return generation, None
        pointer = _stack_pointer(entry)
        # What never ran has none.
        return generation, stack.high - pointer if pointer and pointer <= stack.high else None


def _filled(data: bytes) -> int:
    """Return how many bytes from the bottom are filling."""
    size = 0
    while data.startswith(FILL, size):
        size += len(FILL)
    return size


def _stack_pointer(entry: Value) -> int | None:
    """Return the stack pointer that a task has on its return: `psp`, `sp` on RISC-V."""
    saved = entry.get("save")
    if saved is None:
        return None
    found = saved.get("psp")
    return find_number(saved.get("sp") if found is None else found)
