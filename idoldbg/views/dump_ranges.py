"""Memory that belongs into a core dump.

The rule is Humility's (humility-core/src/hubris.rs: `dump_segments`): of the whole system all
regions but devices and external memory; of a task its own regions, what nobody can write, and its
entry of the kernel's task table.
"""

from __future__ import annotations

from collections.abc import Iterable

from idoldbg.build.program import Program
from idoldbg.errors import DebugInfoError, FaultError
from idoldbg.model.archive import Archive, TaskImage
from idoldbg.model.board import Board, MemoryKind
from idoldbg.model.regions import Region, RegionKind
from idoldbg.model.snapshot import Range
from idoldbg.views.regions import read_regions
from idoldbg.views.tasks import table_address, task_type

__all__ = ["find_ranges"]

LEFT_OUT = (RegionKind.PERIPHERAL, RegionKind.EXTERNAL)


def find_ranges(
    program: Program,
    task: TaskImage | None = None,
    *,
    board: Board | None = None,
    only_ram: bool = False,
) -> tuple[Range, ...]:
    """Return (address, size) of what to dump, without overlaps: by address, a task's entry last.

    With `only_ram` flash is left out, which the build has too. Where a kernel has no region table,
    a dump of the system has the build's flash, and all RAM as `memory.toml` or the board's chip
    have it; for a dump of a task `DebugInfoError` is raised.
    """
    try:
        found = read_regions(program).regions
        regions = [r for r in found if r.kind not in LEFT_OUT and (r.write or not only_ram)]
    except DebugInfoError:
        if task is not None:
            raise
        ram = _known_ram(program.archive, board)
        flash = [(s.address, len(s.data)) for s in program.archive.flash_segments()]
        return _flatten(ram if only_ram else flash + ram)
    if task is None:
        return _flatten((r.low, r.size) for r in regions)
    owned = (r for r in regions if _belongs_to(r, task.name))
    return (*_flatten((r.low, r.size) for r in owned), _table_entry(program, task.index))


def _belongs_to(region: Region, task: str) -> bool:
    return task in region.owners or not region.write


def _table_entry(program: Program, index: int) -> Range:
    size = task_type(program).size
    return table_address(program) + index * size, size


def _known_ram(archive: Archive, board: Board | None) -> list[Range]:
    ram = []
    for regions in archive.memory_description.values():
        for region in regions if isinstance(regions, list) else []:
            if isinstance(region, dict) and region.get("write") is True:
                address, size = region.get("address"), region.get("size")
                if isinstance(address, int) and isinstance(size, int):
                    ram.append((address, size))
    if not ram and board is not None:
        ram = [(m.address, m.size) for m in board.chip.memory if m.kind is MemoryKind.RAM]
    if not ram:
        raise FaultError("where RAM is cannot be found: name the board", address=0)
    return ram


def _flatten(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Order ranges by address and cut what overlaps; neighbours stay apart."""
    found: list[Range] = []
    end = 0
    for address, size in sorted(ranges, key=lambda r: (r[0], -r[1])):
        start = max(address, end)
        if address + size > start:
            found.append((start, address + size - start))
            end = address + size
    return tuple(found)
