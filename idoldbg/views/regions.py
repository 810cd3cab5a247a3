"""Region table of an image, and places: regions, symbols and stacks that addresses lie in.

The table is read from the kernel's ELF file, which is what is flashed: it is right where RAM is
stale, and needs no target. Three layouts have been in use; members are found by name.

- until 2022 `hubris_app_table` (sys/abi/src/lib.rs: `App`): a header with `task_count` and
  `region_count`, then all `RegionDesc`, then all `TaskDesc`, which name regions by index (u8);
- `HUBRIS_TASK_DESCS` and `HUBRIS_REGION_DESCS` (sys/kern/src/startup.rs), still with indices;
- the same, with references instead of indices (sys/kern/src/descs.rs).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from idol.records import dataclass, replace
from idoldbg.build.kept import REGIONS
from idoldbg.build.program import Program
from idoldbg.call.codec import image
from idoldbg.errors import DebugInfoError, IdoldbgError
from idoldbg.model.archive import KERNEL, Archive
from idoldbg.model.regions import Region, RegionKind, RegionMap, StackArea
from idoldbg.model.symbols import Symbol, SymbolKind
from idoldbg.model.types import Array, Struct
from idoldbg.model.values import ArrayValue, PointerValue, Raw, Value, find_number

__all__ = ["Place", "find_place", "is_device", "memories", "peripherals", "read_regions"]

READ, WRITE, EXECUTE, DEVICE, DMA = (1 << bit for bit in range(5))  # RegionAttributes
RIGHTS = READ | WRITE | EXECUTE
PF_X, PF_W, PF_R = 1, 2, 4  # rights of an ELF segment
MAX_REGIONS = 1024  # of an image; Hubris's largest have some 150
NOWHERE = (None, None, None)  # file, line and column
HEADER, TABLE = "abi::App", "hubris_app_table"
TASKS, DESCRIPTORS = "HUBRIS_TASK_DESCS", "HUBRIS_REGION_DESCS"


@dataclass(frozen=True, slots=True)
class Place:
    """Meaning of an address.

    `region` is such as `net RAM`, `net stack`, `kernel flash`, `usart1`. `offset` is in bytes from
    `symbol` where there is one, else from the start of the region; negative below a stack.
    """

    address: int
    region: str | None
    symbol: str | None = None
    offset: int | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None


# Armv7-M B3.1, and Armv8-M B7.1: the system address map.
_DEVICES = ((0x4000_0000, 0x6000_0000), (0xA000_0000, 0x1_0000_0000))


def read_regions(program: Program) -> RegionMap:
    """Return the regions of the build; raise `DebugInfoError` where its kernel has no table."""
    return program.recall(REGIONS, "", lambda: _TableReader(program).read())


def is_device(program: Program, address: int, size: int) -> bool:
    """Return whether any of these bytes are registers, which change when they are read."""
    end = address + size
    if any(low < end and address < high for low, high in _DEVICES):
        return True
    try:
        regions = read_regions(program).regions
    except IdoldbgError:
        return False  # the address map alone must say it
    return any(r.device and r.low < end and address < r.end for r in regions)


def find_place(
    program: Program, address: int, *, task: str | None = None, with_source: bool = False
) -> Place:
    """Describe an address, as `task` sees it where one is given.

    `with_source` looks for the line of what is code, which reads the line tables of its unit.
    Never raises what the build causes: what cannot be found out is None.
    """
    try:
        regions = read_regions(program)
    except IdoldbgError:
        return Place(address, None)
    if task is not None and (below := regions.below_stack(task, address)) is not None:
        return Place(address, f"{task} stack", offset=-below)
    found = regions.at(address)
    own = [r for r in found if task in r.owners] or list(found)
    if not own:
        return _unowned(program.archive, address)
    region = own[0]
    owner = task if task in region.owners and task is not None else region.owners[0]
    name, start = _name(region, owner), region.low
    stack = regions.stack_at(address)
    if stack is not None and stack.owner in region.owners:
        name, start = f"{stack.owner} stack", stack.low
    elif region.kind in (RegionKind.FLASH, RegionKind.RAM):
        symbol = _symbol_at(program, owner, address)
        if symbol is not None:
            is_code = symbol.kind is SymbolKind.FUNCTION
            offset = address - (address & is_code) - symbol.address
            source = _source(program, owner, address) if is_code and with_source else NOWHERE
            return Place(address, name, symbol.path, offset, *source)
    return Place(address, name, offset=address - start)


def _name(region: Region, owner: str) -> str:
    if region.kind is RegionKind.PERIPHERAL:
        return region.name or f"device of {owner}"
    if region.kind is RegionKind.EXTERNAL:
        return region.name or f"external memory of {owner}"
    shared = " and others" if len(region.owners) > 1 else ""
    kinds = {RegionKind.FLASH: "flash", RegionKind.RAM: "RAM", RegionKind.STACK: "stack"}
    return f"{owner}{shared} {kinds[region.kind]}"


def _symbol_at(program: Program, owner: str, address: int) -> Symbol | None:
    try:
        return program.object(owner).symbols.find_at(address)
    except IdoldbgError:
        return None


def _source(
    program: Program, owner: str, address: int
) -> tuple[str | None, int | None, int | None]:
    try:
        frames = program.object(owner).find_frames(address & ~1)
    except IdoldbgError:
        return NOWHERE
    return (frames[0].file, frames[0].line, frames[0].column) if frames else NOWHERE


def _unowned(archive: Archive, address: int) -> Place:
    """Describe an address that no region covers: what `chip.toml` and `memory.toml` know of it."""
    for name, (low, size) in (peripherals(archive) | memories(archive)).items():
        if low <= address < low + size:
            return Place(address, f"{name} (of no task)", offset=address - low)
    return Place(address, None)


def peripherals(archive: Archive) -> dict[str, tuple[int, int]]:
    """Return the chip's peripherals: name to address and size in bytes.

    Those of `chip.toml`; before there was one, of `app.toml`.
    """
    return _extents(archive.chip_description) | _extents(archive.app.get("peripherals"))


def memories(archive: Archive) -> dict[str, tuple[int, int]]:
    """Return the memories of `memory.toml` or, before there was one, of `app.toml`."""
    found = _extents(archive.app.get("outputs"))
    for name, parts in archive.memory_description.items():
        for part in parts if isinstance(parts, list) else ():
            found |= _extents({name: part})
    return found


def _extents(described: Any) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for name, facts in described.items() if isinstance(described, Mapping) else ():
        low = facts.get("address") if isinstance(facts, Mapping) else None
        size = facts.get("size") if isinstance(facts, Mapping) else None
        if isinstance(low, int) and isinstance(size, int):
            found[name] = (low, size)
    return found


class _ExternalRegions:
    """Tells which regions are external: what `extern-regions` in `app.toml` names.

    In 2022 builds had these without `memory.toml`: then those that are used for DMA by a task that
    has any, without a name.
    """

    def __init__(self, archive: Archive) -> None:
        described = archive.app.get("tasks")
        tasks = described if isinstance(described, Mapping) else {}
        self._by_task = {
            name: facts.get("extern-regions") or ()
            for name, facts in tasks.items()
            if isinstance(facts, Mapping)
        }
        wanted = {str(name) for names in self._by_task.values() for name in names}
        self._has_memories = bool(archive.memory_description)
        self._by_address: dict[int, str] = {}
        for name, parts in archive.memory_description.items():
            for part in parts if isinstance(parts, list) and name in wanted else ():
                self._by_address.update((low, name) for low, _ in _extents({name: part}).values())

    def find(self, low: int, owner: str, *, is_dma: bool) -> tuple[bool, str | None]:
        """Return whether a region is external, and its name."""
        if self._has_memories:
            return low in self._by_address, self._by_address.get(low)
        return is_dma and bool(self._by_task.get(owner)), None


class _TableReader:
    """Reads the regions of one build, and merges equal ones of several tasks."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.kernel = program.kernel
        self.external = _ExternalRegions(program.archive)
        self.names = {low: name for name, (low, _) in peripherals(program.archive).items()}
        self.found: dict[tuple[int, int, int], Region] = {}
        self.stacks: list[StackArea] = []

    def error(self, message: str) -> DebugInfoError:
        return DebugInfoError(
            f"kernel: {message}", object=KERNEL, archive=self.program.archive.path
        )

    def read(self) -> RegionMap:
        self.add_kernel()
        descriptors: dict[int, tuple[int, int, int]] = {}
        for task, value, table in self.iter_tasks():
            own = []
            for address in self.region_addresses(value["regions"], table):
                if address not in descriptors:
                    descriptors[address] = self.descriptor(address)
                region = self.add(task, address, *descriptors[address])
                if region is not None:
                    own.append(region)
            self.add_stack(task, find_number(value.get("initial_stack")), own)
        regions = sorted(self.found.values(), key=lambda r: (r.low, r.size, r.owners))
        return RegionMap(tuple(regions), tuple(self.stacks))

    # ---- tasks ----------------------------------------------------------------------------------

    def iter_tasks(self) -> Iterator[tuple[str, Value, int]]:
        """Yield each task's name, its `TaskDesc`, and where the regions of its indices begin."""
        type_, low, table = self.find_table()
        for task in self.program.archive.tasks:
            address = low + task.index * type_.size
            yield task.name, self.decode(type_, address), table

    def find_table(self) -> tuple[Struct, int, int]:
        """Return type and address of the first `TaskDesc`, and the address of the first region."""
        count = len(self.program.archive.tasks)
        for variable in self.kernel.find_variables(TASKS):
            array = variable.type
            if variable.address is None or not isinstance(array, Array):
                continue
            if array.count != count or not isinstance(array.element, Struct):
                raise self.error(
                    f"{TASKS} is for {array.count} tasks, and the build has {count}: are its files "
                    "of different builds?"
                )
            regions = (v.address for v in self.kernel.find_variables(DESCRIPTORS))
            return array.element, variable.address, next((a for a in regions if a is not None), 0)
        symbols = self.kernel.elf.find_symbols(TABLE)
        if not symbols:
            raise self.error(f"it has neither {TASKS} nor {TABLE}: was it stripped?")
        return self.find_old_table(symbols[0].address, count)

    def find_old_table(self, address: int, count: int) -> tuple[Struct, int, int]:
        type_ = self.struct(HEADER)
        header = self.decode(type_, address)
        tasks, regions = (find_number(header.get(f"{n}_count")) for n in ("task", "region"))
        if tasks != count or regions is None or regions > MAX_REGIONS:
            raise self.error(
                f"{TABLE} is for {tasks} tasks and {regions} regions, and the build has {count} "
                "tasks: are its files of different builds?"
            )
        first = address + type_.size
        return self.struct("TaskDesc"), first + regions * self.struct("RegionDesc").size, first

    def region_addresses(self, regions: Value, table: int) -> list[int]:
        """Return the addresses of a task's `RegionDesc`, named by index or by reference."""
        if isinstance(regions, Raw):  # [u8; N]
            size = self.struct("RegionDesc").size
            return [table + index * size for index in regions.data]
        elements = regions.elements if isinstance(regions, ArrayValue) else ()
        addresses = [e.value for e in elements if isinstance(e, PointerValue)]
        if not addresses:
            raise self.error("the members `regions` of its `TaskDesc` are in an unknown layout")
        return addresses

    # ---- regions --------------------------------------------------------------------------------

    def descriptor(self, address: int) -> tuple[int, int, int]:
        """Read address, size and attributes (in bits) of one region."""
        value = self.decode(self.struct("RegionDesc"), address)
        low, size = find_number(value.get("base")), find_number(value.get("size"))
        attributes = value["attributes"]
        bits = find_number(attributes.get("bits") or attributes)  # bitflags 1, and 2
        if low is None or size is None or bits is None or low + size > 1 << 32:
            raise self.error(f"the `RegionDesc` at 0x{address:08x} is in an unknown layout")
        return low, size, bits

    def add(self, owner: str, descriptor: int, low: int, size: int, bits: int) -> Region | None:
        """Note a region of a task; None where it gives no rights, as entries that fill up do."""
        if not bits & RIGHTS or not size:
            return None
        known = self.found.get((low, size, bits))
        if known is not None:
            owners = known.owners if owner in known.owners else (*known.owners, owner)
            region = replace(known, owners=owners)
        else:
            kind, name = self.classify(owner, low, bits)
            region = Region(
                low, size, kind, (owner,), bool(bits & READ), bool(bits & WRITE),
                bool(bits & EXECUTE), bool(bits & DEVICE), bool(bits & DMA), name, descriptor,
            )  # fmt: skip
        self.found[low, size, bits] = region
        return region

    def classify(self, owner: str, low: int, bits: int) -> tuple[RegionKind, str | None]:
        if bits & DEVICE:
            return RegionKind.PERIPHERAL, self.names.get(low)
        is_external, name = self.external.find(low, owner, is_dma=bool(bits & DMA))
        if is_external:
            return RegionKind.EXTERNAL, name
        return (RegionKind.RAM if bits & WRITE else RegionKind.FLASH), None

    def add_stack(self, owner: str, top: int | None, own: list[Region]) -> None:
        """Note a task's stack: it begins where its region does, or those below that touch it.

        As the kernel fills it (sys/kern/src/arch/arm_m.rs: `reinitialize`).
        """
        if not top:
            return
        writable = [r for r in own if r.write and not r.device]
        holds = next((r for r in writable if top - 4 in r), None)
        if holds is None:
            return
        low = holds.low
        while below := next((r for r in writable if r.end == low), None):
            low = below.low
        self.stacks.append(StackArea(owner, low, top))

    def add_kernel(self) -> None:
        """Note the kernel's segments, its bss with its heap, and its stack."""
        marks = {
            name: next((s.address for s in self.kernel.elf.find_symbols(name)), None)
            for name in ("__sbss", "__eheap", "_stack_base", "_stack_start")
        }
        heap, heap_end = marks["__sbss"], marks["__eheap"]
        stack, stack_end = marks["_stack_base"], marks["_stack_start"]
        for segment in self.kernel.elf.segments:
            if segment.type == "PT_LOAD" and segment.memory_size and segment.address != heap:
                kind = RegionKind.RAM if segment.flags & PF_W else RegionKind.FLASH
                self.add_kernels(kind, segment.address, segment.memory_size, segment.flags)
        if heap is not None and heap_end is not None and heap < heap_end:
            self.add_kernels(RegionKind.RAM, heap, heap_end - heap, PF_R | PF_W)
        if stack is not None and stack_end is not None and stack < stack_end:
            self.add_kernels(RegionKind.STACK, stack, stack_end - stack, PF_R | PF_W)
            self.stacks.append(StackArea(KERNEL, stack, stack_end))

    def add_kernels(self, kind: RegionKind, low: int, size: int, rights: int) -> None:
        read, write, execute = (bool(rights & bit) for bit in (PF_R, PF_W, PF_X))
        self.found[low, size, -1] = Region(low, size, kind, (KERNEL,), read, write, execute)

    # ---- the kernel's file ----------------------------------------------------------------------

    def struct(self, name: str) -> Struct:
        for type_ in self.kernel.find_types(name):
            if isinstance(type_, Struct):
                return type_
        raise self.error(f"its debug information has no `{name}`; build with `debug = 2`")

    def decode(self, type_: Struct, address: int) -> Value:
        data = self.kernel.read_memory(address, type_.size)
        if data is None:
            raise self.error(f"its file has nothing at 0x{address:08x}, where a `{type_.name}` is")
        return image.decode(type_, data, address=address)
