"""Bytes of memory, with the symbols in them."""

from __future__ import annotations

from idol.records import dataclass
from idoldbg.build.program import Program
from idoldbg.errors import ArgumentError, FaultError, IdoldbgError
from idoldbg.model.memory import MemoryReader
from idoldbg.model.symbols import SymbolKind
from idoldbg.views.locations import Location
from idoldbg.views.regions import Place, find_place, is_device, read_regions

__all__ = [
    "WIDTHS",
    "MemoryDump",
    "MemoryWrite",
    "check_access",
    "default_size",
    "read_memory_dump",
]

WIDTHS = (1, 2, 4)  # bytes of one access
DEFAULT_SIZE = 256  # bytes from a mere address
REGISTER_SIZE = 4
MAX_SIZE = 16 << 20  # bytes of one read
BLOCK = 1024  # bytes that are read at once


@dataclass(frozen=True, slots=True)
class MemoryDump:
    """Bytes from `address` on; `wanted` is how many were asked for.

    Where fewer could be read, `problem` says why. `labels` are (address, name) of the symbols that
    begin in them. `pointers` are the meanings of its 32-bit words, if these were asked for.
    """

    address: int
    data: bytes
    wanted: int
    width: int
    place: Place
    labels: tuple[tuple[int, str], ...] = ()
    pointers: tuple[Place, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class MemoryWrite:
    """Bytes from `address` on, before they were written and after."""

    address: int
    before: bytes
    after: bytes
    width: int
    place: Place


def default_size(program: Program, location: Location) -> int:
    """Return how many bytes to read where nobody said: all of what was named.

    From a mere address 256, or to the end of its region; of device registers one.
    """
    if is_device(program, location.address, 1):
        return REGISTER_SIZE
    if location.size is not None:
        return location.size
    try:
        regions = read_regions(program).at(location.address)
    except IdoldbgError:
        regions = ()
    left = max((r.end for r in regions), default=1 << 32) - location.address
    return min(DEFAULT_SIZE, left)


def check_access(
    program: Program, address: int, size: int, width: int, *, allow_device: bool
) -> bool:
    """Return whether an access is one to device registers; raise `ArgumentError` for wrong ones.

    Wrong are such accesses where they are not allowed, and unaligned ones.
    """
    if not 0 < size <= MAX_SIZE or address + size > 1 << 32:
        raise ArgumentError(f"{size} bytes at 0x{address:08x}: give 1 to {MAX_SIZE}", name="LENGTH")
    if address % width or size % width:
        raise ArgumentError(
            f"{size} bytes at 0x{address:08x} are not aligned to {width} bytes: give another "
            "--width", name="--width",
        )  # fmt: skip
    if not is_device(program, address, size):
        return False
    if not allow_device:
        place = find_place(program, address).region or "the address space of devices"
        raise ArgumentError(
            f"0x{address:08x} is in {place}: reading a register can change it, as it takes data "
            "out of a FIFO; give --device for it", name="--device",
        )  # fmt: skip
    return True


def read_memory_dump(
    program: Program,
    address: int,
    size: int,
    *,
    width: int = 1,
    allow_device: bool = False,
    follows: bool = False,
) -> MemoryDump:
    """Read memory as far as it can be; `follows` looks up what the words in it point to.

    Device registers are read one by one, each with an access of `width` bytes. Raises as
    `check_access`, and `FaultError` where nothing could be read.
    """
    is_registers = check_access(program, address, size, width, allow_device=allow_device)
    block = width if is_registers else BLOCK
    data, problem = _read(program.memory, address, size, block, width)
    pointers: tuple[Place, ...] = ()
    if follows:
        ends = range(4, len(data) + 1, 4)
        pointers = tuple(
            find_place(program, int.from_bytes(data[end - 4 : end], "little"), with_source=True)
            for end in ends
        )
    place = find_place(program, address)
    labels = _labels(program, address, address + len(data))
    return MemoryDump(address, data, size, width, place, labels, pointers, problem)


def _read(
    memory: MemoryReader, address: int, size: int, block: int, step: int
) -> tuple[bytes, str]:
    """Read in blocks; of the one that fails, by halves, what can be read before its end."""
    data = b""
    while len(data) < size:
        part = min(block, size - len(data))
        try:
            data += memory.read(address + len(data), part)
        except FaultError as error:
            if part > step:
                block = max(step, part // 2 // step * step)
                continue
            if not data:
                raise
            return data, error.message
    return data, ""


def _labels(program: Program, low: int, end: int) -> tuple[tuple[int, str], ...]:
    found: dict[int, str] = {}
    try:
        regions = read_regions(program).regions
    except IdoldbgError:
        return ()
    owners = {o for r in regions if r.low < end and low < r.end and not r.device for o in r.owners}
    for owner in sorted(owners):
        try:
            symbols = program.object(owner).symbols
        except IdoldbgError:
            continue
        for symbol in symbols:
            is_named = symbol.kind is not SymbolKind.OTHER and symbol.size
            if is_named and low <= symbol.address < end:
                found.setdefault(symbol.address, symbol.path)
    return tuple(sorted(found.items()))
