"""Contract of the links, tested on each link."""

from __future__ import annotations

import random

import pytest

from idoldbg.build.load.dump_file import DumpFile
from idoldbg.errors import FaultError, Unsupported
from idoldbg.model.memory import MemoryImage, Segment
from idoldbg.target.dump import DumpLink, RegisterDumpLink
from idoldbg.target.link import Link
from idoldbg.target.trace import Trace

from .conftest import FLASH, FLASH_SIZE, RAM, RAM_SIZE, FakeChip

SIZES = (0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 31, 64)


def test_is_a_link(link: Link) -> None:
    assert isinstance(link, Link)
    assert link.spec and link.description


@pytest.mark.parametrize("offset", range(8))
def test_read_any_size_at_any_alignment(link: Link, offset: int) -> None:
    for size in SIZES:
        expected = bytes(n * 7 & 0xFF for n in range(offset, offset + size))
        assert link.read(FLASH + offset, size) == expected


@pytest.mark.parametrize("offset", range(8))
def test_write_changes_exactly_the_bytes_given(link: Link, chip: FakeChip, offset: int) -> None:
    for size in SIZES:
        chip.memory[RAM][:128] = b"\xaa" * 128
        data = bytes(range(1, size + 1))
        link.write(RAM + 32 + offset, data)
        expected = bytearray(b"\xaa" * 128)
        expected[32 + offset : 32 + offset + size] = data
        assert chip.memory[RAM][:128] == expected


def test_large_blocks_cross_every_boundary(link: Link, chip: FakeChip) -> None:
    data = random.Random(1).randbytes(40_001)
    link.write(RAM + 0x3FD, data)
    assert chip.memory[RAM][0x3FD : 0x3FD + len(data)] == data
    assert link.read(RAM + 0x3FD, len(data)) == data


def test_read_up_to_the_last_byte_of_a_region(link: Link) -> None:
    assert len(link.read(RAM + RAM_SIZE - 5, 5)) == 5
    assert len(link.read(RAM + RAM_SIZE - 1, 1)) == 1


@pytest.mark.parametrize(
    ("address", "size"),
    [
        (0x30000000, 4),
        (0x30000001, 1),
        (0x30000000, 100),
        (RAM + RAM_SIZE - 8, 16),
        (0xFFFFFFF0, 16),
    ],
)
def test_holes_fault_with_an_address_within_the_access(link: Link, address: int, size: int) -> None:
    for access in (lambda: link.read(address, size), lambda: link.write(address, bytes(size))):
        with pytest.raises(FaultError) as caught:
            access()
        assert address <= caught.value.address < address + size
    assert link.read(FLASH, 4) == bytes((0, 7, 14, 21)), "the link works on after a fault"


def test_a_word_is_written_in_one_access(link: Link, chip: FakeChip) -> None:
    link.write(RAM + 8, b"\1\2\3\4")
    assert chip.writes[-1] == (RAM + 8, b"\1\2\3\4")


@pytest.mark.parametrize("size", [1, 2, 4])
def test_a_small_aligned_read_touches_no_neighbour(link: Link, chip: FakeChip, size: int) -> None:
    chip.reads.clear()
    link.read(RAM + 4 + (4 - size), size)
    assert chip.reads == [(RAM + 4 + (4 - size), size)]


def test_time_passes_while_waiting(link: Link, chip: FakeChip) -> None:
    before = link.monotonic()
    ticks = link.read(RAM + 0x100, 4)
    link.wait(0.01)
    assert link.monotonic() - before >= 0.00999
    assert link.read(RAM + 0x100, 4) != ticks


def test_waiting_for_a_halted_core_still_ends(link: Link) -> None:
    """A limit on `monotonic` must be reached even though the board's own time stands still."""
    link.halt()
    before = link.monotonic()
    link.wait(0.01)
    assert link.monotonic() - before >= 0.00999
    link.resume()


def test_registers_of_a_running_core(link: Link, chip: FakeChip) -> None:
    assert link.read_register("r0") == 0x1000
    assert link.read_register("pc") == 0x08000400
    assert not chip.is_halted


def test_halted_leaves_the_core_as_found(link: Link, chip: FakeChip) -> None:
    def look() -> None:
        assert chip.is_halted
        assert link.halted(lambda: link.read_register("sp")) == 0x20001000
        assert chip.is_halted

    link.halted(look)
    assert not chip.is_halted
    link.halt()
    link.halted(lambda: link.read_register("r1"))
    assert chip.is_halted
    link.resume()
    assert not chip.is_halted


def test_unknown_register(link: Link) -> None:
    with pytest.raises(Unsupported):
        link.read_register("r99")


def test_reset_runs_on(link: Link, chip: FakeChip) -> None:
    link.halt()
    link.reset()
    assert chip.resets == 1
    link.wait(0.002)
    assert not chip.is_halted


def test_close_twice(link: Link) -> None:
    link.close()
    link.close()


def dump() -> Trace:
    image = MemoryImage([Segment(RAM, bytes(range(16))), Segment(RAM + 16, b"more")])
    return Trace(
        RegisterDumpLink(
            image, DumpFile(None, (), {"r0": 7, "pc": 0x08000400}, None, None), path="core.0"
        )
    )


def test_dump_reads_memory_and_registers() -> None:
    link = dump()
    assert isinstance(link, Link)
    assert link.spec == "dump:core.0"
    assert link.read(RAM + 14, 4) == b"\x0e\x0fmo"
    assert link.halted(lambda: link.read_register("PC")) == 0x08000400
    with pytest.raises(FaultError):
        link.read(FLASH, 4)


@pytest.mark.parametrize(
    "refused",
    [
        lambda link: link.write(RAM, b"x"),
        lambda link: link.resume(),
        lambda link: link.reset(),
        lambda link: link.wait(1),
        lambda link: link.read_register("r1"),
        lambda link: link.halt(),
        lambda link: Trace(
            DumpLink(MemoryImage([]), DumpFile(None, (), {}, None, None))
        ).read_register("r1"),
    ],
)
def test_a_dump_refuses_all_other_operations(refused: object) -> None:
    with pytest.raises(Unsupported, match="dump"):
        refused(dump())  # type: ignore[operator]  # a lambda of the table


def test_flash_has_the_size_that_the_tests_assume(chip: FakeChip) -> None:
    assert len(chip.memory[FLASH]) == FLASH_SIZE
