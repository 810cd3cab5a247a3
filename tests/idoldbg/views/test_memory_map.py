"""Maps: overlaps, gaps, what is used of each region, whole memories; files that are damaged."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from idoldbg.build.program import Program
from idoldbg.errors import DebugInfoError
from idoldbg.model.regions import Region, RegionKind, RegionMap, StackArea
from idoldbg.views.memory_map import Gap, Memory, read_memory_map

FLASH, RAM = 0x0800_0000, 0x2000_0000


def region(low: int, size: int, kind: RegionKind, *owners: str) -> Region:
    return Region(low, size, kind, owners, True, kind is not RegionKind.FLASH, False)


REGIONS = RegionMap(
    (
        region(FLASH, 0x100, RegionKind.FLASH, "kernel"),
        region(FLASH + 0x200, 0x100, RegionKind.FLASH, "net"),
        region(FLASH + 0x300, 0x100, RegionKind.FLASH, "bad"),
        region(RAM, 0x400, RegionKind.RAM, "net"),
        region(RAM, 0x100, RegionKind.RAM, "bad"),
        region(RAM + 0x80, 0x10, RegionKind.RAM, "net", "bad"),
        region(RAM + 0x1000, 0x100, RegionKind.EXTERNAL, "net"),
        region(0x4000_0000, 0x400, RegionKind.PERIPHERAL, "net"),
    ),
    (StackArea("net", RAM, RAM + 0x80),),
)


def segment(address: int, size: int, *, load: int | None = None, file: int | None = None) -> Any:
    return SimpleNamespace(
        type="PT_LOAD",
        address=address,
        memory_size=size,
        load_address=address if load is None else load,
        file_size=size if file is None else file,
    )


SEGMENTS = {
    "net": [segment(FLASH + 0x200, 0x40), segment(RAM + 0x60, 0x60, load=FLASH + 0x240, file=8)]
}


def find_object(name: str) -> Any:
    if name not in SEGMENTS:
        raise DebugInfoError("damaged", object=name)
    return SimpleNamespace(elf=SimpleNamespace(segments=SEGMENTS[name]))


@pytest.fixture
def program() -> Program:
    sizes = {"flash": (FLASH, 0x1000), "ram": (RAM, 0x800)}
    archive = SimpleNamespace(
        tasks=[SimpleNamespace(name="net"), SimpleNamespace(name="bad")],
        app={},
        memory_description={
            name: [{"address": low, "size": size}] for name, (low, size) in sizes.items()
        },
        prefetch=lambda names: None,
    )
    found: Any = SimpleNamespace(
        archive=archive,
        object=find_object,
        task=lambda name: name,
        recall=lambda kind, argument, find: REGIONS if kind.name == "regions" else find(),
    )
    return found  # type: ignore[no-any-return]


def test_use_overlaps_and_gaps(program: Program) -> None:
    found = read_memory_map(program)
    rows = [(r.region.low, r.region.size, r.used, r.waste, len(r.overlaps)) for r in found.rows]
    assert rows == [
        (FLASH, 0x100, 0x100, 0, 0),
        (FLASH + 0x200, 0x100, 0x48, 0xB8, 0),  # code, and what is copied to RAM
        (FLASH + 0x300, 0x100, None, None, 0),
        (RAM, 0x400, 0xC0, 0x340, 2),  # the stack and the data above, which begin in it
        (RAM, 0x100, None, None, 2),
        (RAM + 0x80, 0x10, None, None, 2),
        (RAM + 0x1000, 0x100, None, None, 0),
        (0x4000_0000, 0x400, None, None, 0),
    ]
    assert found.gaps == (Gap(FLASH + 0x100, 0x100),)
    assert found.memories == (
        Memory("flash", FLASH, 0x1000, 0x300, 0x248),
        Memory("ram", RAM, 0x800, 0x400, 0x1D0),
    )


def test_one_owner(program: Program) -> None:
    found = read_memory_map(program, "bad")
    assert [(r.region.low, r.region.size) for r in found.rows] == [
        (FLASH + 0x300, 0x100),
        (RAM, 0x100),
        (RAM + 0x80, 0x10),
    ]
    assert found.gaps == found.stacks == ()
