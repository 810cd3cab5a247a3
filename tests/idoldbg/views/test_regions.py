"""The region table in each layout that kernels have had, and what addresses mean."""

from __future__ import annotations

import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from idoldbg.build.program import Program
from idoldbg.errors import DebugInfoError
from idoldbg.model.regions import RegionKind, RegionMap, StackArea
from idoldbg.model.symbols import Symbol, SymbolKind, Variable
from idoldbg.model.types import Array, Member, Pointer, Scalar, ScalarKind, Struct, Type
from idoldbg.opening import TargetOptions, open_program
from idoldbg.views.regions import Place, find_place, peripherals, read_regions

U8, U32 = Scalar("u8", 1, ScalarKind.UNSIGNED), Scalar("u32", 4, ScalarKind.UNSIGNED)


def make(name: str, *members: tuple[str, Type]) -> Struct:
    found, at = [], 0
    for member, type_ in members:
        found.append(Member(member, at, type_))
        at += type_.size
    return Struct(name, at, tuple(found))


BITS1 = make("RegionAttributes", ("bits", U32))
BITS2 = make("RegionAttributes", ("__0", U32))
R, RW, RX, RWD, RWM = 1, 3, 5, 11, 19
# base, size, attributes; the first gives no access and fills up tables
DESCRIPTORS = [
    (0, 32, 0),
    (0x8000, 0x1000, RX),
    (0x9000, 0x20, RX),
    (0x2000_1000, 0x400, RW),
    (0x2000_1400, 0x100, RW),
    (0x2000_2000, 0x800, RW),
    (0x2000_2000, 0x200, R),  # equal base, other size and rights
    (0x4000_0000, 0x400, RWD),
    (0x3000_0000, 0x1000, RWM),
]
TASKS = [  # indices of regions, initial stack pointer
    ([1, 3, 4, 7, 0, 0, 0, 0], 0x2000_1480),  # a stack over two regions
    ([2, 5, 7, 8, 0, 0, 0, 0], 0x2000_2200),
    ([1, 6, 0, 0, 0, 0, 0, 0], 0),
]
TABLE = 0x100
APP: dict[str, Any] = {
    "tasks": {"net": {}, "jefe": {"extern-regions": ["sram1"]}, "idle": {}},
}
SRAM = {"sram1": [{"name": "default", "address": 0x3000_0000, "size": 0x1000}]}
UART = {"usart1": {"address": 0x4000_0000, "size": 0x400}}


class Kernel:
    """Symbols, types and bytes of a kernel whose table has one of the layouts."""

    def __init__(
        self, attributes: Struct, regions: Type, extra: tuple[tuple[str, Type], ...], *, old: bool
    ) -> None:
        self.region = make(
            "RegionDesc", *extra, ("base", U32), ("size", U32), ("attributes", attributes)
        )
        self.task = make("TaskDesc", ("regions", regions), ("initial_stack", U32))
        self.header = make("abi::App", ("magic", U32), ("task_count", U32), ("region_count", U32))
        first = TABLE + self.header.size * old
        tasks = first + len(DESCRIPTORS) * self.region.size
        data = struct.pack("<III", 0, len(TASKS), len(DESCRIPTORS)) if old else b""
        skip = bytes(self.region.members[-3].offset)
        data += b"".join(skip + struct.pack("<III", *d) for d in DESCRIPTORS)
        for indices, stack in TASKS:
            if regions.name == "[u8; 8]":
                data += bytes(indices)
            else:
                data += struct.pack("<8I", *(first + i * self.region.size for i in indices))
            data += struct.pack("<I", stack)
        self.data = data
        self.old = old
        self.addresses = {"HUBRIS_TASK_DESCS": tasks, "HUBRIS_REGION_DESCS": first}
        marks = {"__sbss": 0x2000_0404, "__eheap": 0x2000_0800, "_stack_base": 0x2000_0000,
                 "_stack_start": 0x2000_0400}  # fmt: skip
        if old:
            marks["hubris_app_table"] = TABLE
        segment = SimpleNamespace(type="PT_LOAD", address=0, memory_size=0x800, flags=5)
        self.elf = SimpleNamespace(
            segments=(segment,),
            find_symbols=lambda name: (
                (Symbol(name, marks[name], 0, SymbolKind.OTHER, True, ""),) if name in marks else ()
            ),
        )
        self.count = len(TASKS)

    def find_types(self, name: str) -> tuple[Type, ...]:
        return tuple(t for t in (self.region, self.task, self.header) if t.name == name)

    def find_variables(self, name: str) -> tuple[Variable, ...]:
        if self.old:
            return ()
        type_ = Array(f"[{self.task.name}]", self.task, self.count)
        return (Variable(name, name, name, self.addresses[name], 0, type_, 0),)

    def read_memory(self, address: int, size: int) -> bytes | None:
        data = self.data[address - TABLE : address - TABLE + size]
        return data if len(data) == size else None


INDICES = Array("[u8; 8]", U8, 8)
REFERENCES = Array("[&RegionDesc; 8]", Pointer("&RegionDesc", 4, "RegionDesc"), 8)
LAYOUTS: dict[str, Callable[[], Kernel]] = {
    "app table": lambda: Kernel(BITS1, INDICES, (), old=True),
    "indices": lambda: Kernel(BITS1, INDICES, (), old=False),
    "references": lambda: Kernel(BITS2, REFERENCES, (("arch_data", U32),), old=False),
}


def program_of(kernel: Kernel, memories: dict[str, Any] = SRAM) -> Program:
    tasks = [SimpleNamespace(name=name, index=i) for i, name in enumerate(APP["tasks"])]
    archive = SimpleNamespace(
        path="build.zip", tasks=tasks, app=APP, chip_description=UART, memory_description=memories
    )
    found: Any = SimpleNamespace(
        archive=archive, kernel=kernel, recall=lambda kind, argument, find: find()
    )
    return found  # type: ignore[no-any-return]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_give_the_same_regions(layout: str) -> None:
    found = read_regions(program_of(LAYOUTS[layout]()))
    rows = [(r.low, r.size, str(r.kind), r.owners, r.name) for r in found.regions]
    assert rows == [
        (0x0, 0x800, "flash", ("kernel",), None),
        (0x8000, 0x1000, "flash", ("net", "idle"), None),
        (0x9000, 0x20, "flash", ("jefe",), None),
        (0x2000_0000, 0x400, "stack", ("kernel",), None),
        (0x2000_0404, 0x3FC, "ram", ("kernel",), None),
        (0x2000_1000, 0x400, "ram", ("net",), None),
        (0x2000_1400, 0x100, "ram", ("net",), None),
        (0x2000_2000, 0x200, "flash", ("idle",), None),
        (0x2000_2000, 0x800, "ram", ("jefe",), None),
        (0x3000_0000, 0x1000, "external", ("jefe",), "sram1"),
        (0x4000_0000, 0x400, "peripheral", ("net", "jefe"), "usart1"),
    ]
    assert found.stacks == (
        StackArea("kernel", 0x2000_0000, 0x2000_0400),
        StackArea("net", 0x2000_1000, 0x2000_1480),
        StackArea("jefe", 0x2000_2000, 0x2000_2200),
    )
    assert [r.size for r in found.at(0x2000_2100)] == [0x200, 0x800]
    assert [r.low for r in found.of("idle")] == [0x8000, 0x2000_2000]


def test_external_regions_of_builds_without_memory_toml() -> None:
    """2022: what a task with `extern-regions` uses for DMA, without a name."""
    found = read_regions(program_of(LAYOUTS["indices"](), {}))
    (region,) = (r for r in found.regions if r.kind is RegionKind.EXTERNAL)
    assert (region.low, region.owners, region.name) == (0x3000_0000, ("jefe",), None)


def damage(**changes: Any) -> Kernel:
    kernel = LAYOUTS["indices"]()
    for name, value in changes.items():
        setattr(kernel, name, value)
    return kernel


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (damage(count=4), "HUBRIS_TASK_DESCS is for 4 tasks, and the build has 3"),
        (damage(data=b""), "its file has nothing at 0x00000"),
        (damage(task=make("TaskDesc", ("regions", U32), ("initial_stack", U32))), "unknown layout"),
        (damage(region=make("Gone")), "its debug information has no `RegionDesc`"),
        (damage(region=make("RegionDesc", ("size", U32), ("attributes", BITS1))), "unknown layout"),
        (damage(old=True), "it has neither HUBRIS_TASK_DESCS nor hubris_app_table"),
    ],
)
def test_malformed_region_tables_are_refused(kernel: Kernel, message: str) -> None:
    with pytest.raises(DebugInfoError, match=r"^kernel: ") as caught:
        read_regions(program_of(kernel))
    assert message in str(caught.value)
    assert find_place(program_of(kernel), 0x8000) == Place(0x8000, None)


@pytest.fixture(scope="module")
def demo() -> Program:
    return open_program(TargetOptions(board="stm32f4-discovery"))


@pytest.mark.parametrize(
    ("address", "task", "region", "symbol", "offset"),
    [
        (0x2000_1004, None, "jefe stack", None, 4),
        (0x2000_1404, None, "jefe RAM", "JEFE_LAST_FAULT", 4),
        (0x2000_17FC, None, "jefe RAM", None, 0x7FC),
        (0x0800_81D1, None, "jefe flash", "task_jefe::uart::send", 20),
        (0x2000_0810, None, "kernel RAM", "kern::fail::KERNEL_EPITAPH", 8),
        (0x2000_0010, None, "kernel stack", None, 0x10),
        (0x4000_0004, None, "tim2", None, 4),
        (0x4008_0004, "sleeper", "hole", None, 4),
        (0x2000_7000, None, "ram (of no task)", None, 0x7000),
        (0x3000_0000, None, None, None, None),
        (0x2000_4FFC, "victim", "victim stack", None, -4),
        (0x2000_4FFC, None, "user_leds RAM", None, 0x7FC),
        (0x2000_3FFF, "victim", "hiffy RAM", None, 0x1FFF),  # 4 KiB and a byte below its stack
    ],
)
def test_places(
    demo: Program,
    address: int,
    task: str | None,
    region: str | None,
    symbol: str | None,
    offset: int | None,
) -> None:
    assert find_place(demo, address, task=task) == Place(address, region, symbol, offset)


def test_accessible_regions_are_not_below_the_stack() -> None:
    """An overflow into data that the linker put below a stack looks like an access to it."""
    regions = read_regions(program_of(LAYOUTS["references"]()))
    stacks = (StackArea("net", 0x2000_1400, 0x2000_1480),)
    assert RegionMap(regions.regions, stacks).below_stack("net", 0x2000_13FC) is None
    assert regions.below_stack("net", 0x2000_0FFC) == 4


def test_peripherals_of_hostile_descriptions() -> None:
    archive: Any = SimpleNamespace(
        chip_description={"a": {"address": 1, "size": 2}, "b": 3, "c": {"address": "x", "size": 1}},
        app={"peripherals": ["d"]},
    )
    assert peripherals(archive) == {"a": (1, 2)}


def test_code_has_its_line(demo: Program) -> None:
    found = find_place(demo, 0x0800_DE77, with_source=True)
    assert (found.symbol, found.offset) == ("userlib::syscall::sys_recv", 0x22)
    assert (found.file, found.line) == ("/firmware/sys/userlib/src/syscall.rs", 74)
    assert find_place(demo, 0x0800_DE77).file is None
    assert find_place(demo, 0x2000_1404, with_source=True).file is None
