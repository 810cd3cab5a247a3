"""Frames of functions in assembly: against the walk's own rule, readelf, and damaged files."""

from __future__ import annotations

import random
import re
import struct
import subprocess
from pathlib import Path

import pytest

from idoldbg.build.debuginfo.elf import ElfFile
from idoldbg.build.debuginfo.for_debuggers import copy_for_debugger
from idoldbg.build.debuginfo.frames import FrameRules, find_stub_row
from idoldbg.build.debuginfo.stub_frames import debug_frame_with_stubs
from idoldbg.build.load import open_build
from idoldbg.errors import DebugInfoError
from idoldbg.model.symbols import Symbol
from idoldbg.session import demo_archive
from tests.tools import need

BOARDS = ("stm32f4-discovery", "lpcxpresso55s69", "nucleo-g031")
SVC = 0xDF


def task_file(board: str, task: str = "spi") -> bytes:
    return open_build(str(demo_archive(board))).archive.object_bytes(task)


def stub_of(elf: ElfFile) -> tuple[Symbol, bytes]:
    """Return the function that makes system calls, and its code."""
    symbol = next(s for s in elf.read_symbols() if "syscall_stub" in s.name)
    text = elf.find_section(".text")
    assert text is not None
    start = symbol.address - text.address
    return symbol, elf.section_data(text)[start : start + symbol.size]


@pytest.mark.parametrize("board", BOARDS)
def test_behind_a_system_call_the_frame_is_the_one_that_stacks_are_walked_by(board: str) -> None:
    elf = ElfFile("spi", task_file(board))
    symbol, code = stub_of(elf)
    data = debug_frame_with_stubs(elf)
    assert data is not None
    behind = next(at for at in range(2, len(code), 2) if code[at - 1] == SVC)
    row = FrameRules(data).find_row(symbol.address + behind)
    assert row == find_stub_row(code[:behind])
    old = elf.find_section(".debug_frame")
    assert old is not None
    assert FrameRules(elf.section_data(old)).find_row(symbol.address + behind) != row


@pytest.mark.parametrize("board", BOARDS)
def test_other_frames_are_as_they_were(board: str) -> None:
    elf = ElfFile("spi", task_file(board))
    symbol, _ = stub_of(elf)
    section = elf.find_section(".debug_frame")
    assert section is not None
    before = FrameRules(elf.section_data(section))
    after = FrameRules(debug_frame_with_stubs(elf) or b"")
    changed = []
    for each in elf.read_symbols():
        for address in range(each.address, each.address + each.size, 2):
            if each.section == ".text" and after.find_row(address) != before.find_row(address):
                changed.append(each.name)
    assert set(changed) <= {"_start", symbol.name}
    assert symbol.name in changed


def test_readelf_sees_every_step_of_a_stub_of_armv6m(tmp_path: Path) -> None:
    """It pushes r8 to r11 from low registers, and pops them there: nothing is lost in between."""
    readelf = need("readelf", of="binutils")
    path = tmp_path / "spi.elf"
    path.write_bytes(copy_for_debugger("spi", task_file("nucleo-g031")))
    shown = subprocess.run(
        [readelf, "--debug-dump=frames-interp", path], capture_output=True, text=True, check=True
    )
    assert shown.stderr == ""
    last = shown.stdout.strip().split("\n\n")[-1].splitlines()
    assert re.search(r"FDE", last[0])
    columns = last[1].split()
    rows = [dict(zip(columns, line.split(), strict=True)) for line in last[2:]]
    assert [row["CFA"] for row in rows[:3]] == ["r13+0", "r13+24", "r13+40"]
    assert rows[2]["r8"] == "c-40"
    popped = rows[3]
    assert (popped["r8"], popped["r11"]) == ("r4", "r7"), "in low registers by now"
    assert [row["ra"] for row in rows[1:]] == ["c-4"] * len(rows[1:])


def test_the_start_of_a_task_was_called_by_nobody(tmp_path: Path) -> None:
    readelf = need("readelf", of="binutils")
    path = tmp_path / "spi.elf"
    path.write_bytes(copy_for_debugger("spi", task_file("stm32f4-discovery")))
    shown = subprocess.run(
        [readelf, "--debug-dump=frames-interp", path], capture_output=True, text=True, check=True
    ).stdout
    start = next(
        s.address for s in ElfFile("", path.read_bytes()).read_symbols() if s.name == "_start"
    )
    rows = re.findall(rf"^{start:08x} r13\+0 +(\S+)", shown, re.MULTILINE)
    assert rows == ["u"]


@pytest.mark.parametrize("seed", range(40))
def test_damage_gives_a_file_or_an_error(seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(task_file("stm32f4-discovery"))
    section = ElfFile("spi", bytes(data)).find_section(".debug_frame")
    assert section is not None
    for _ in range(rng.randrange(1, 60)):
        at = (
            section.offset + rng.randrange(section.size)
            if rng.random() < 0.8
            else (rng.randrange(len(data)))
        )
        data[at] = rng.randrange(256)
    try:
        copy = copy_for_debugger("spi", bytes(data))
    except DebugInfoError:
        return
    assert len(copy) >= len(data)


def test_a_section_that_goes_in_circles_or_is_cut_ends() -> None:
    data = bytearray(task_file("stm32f4-discovery"))
    section = ElfFile("spi", bytes(data)).find_section(".debug_frame")
    assert section is not None
    for length in (0, 1, 3, 0xFFFFFFFF, 0x7FFFFFFF):
        struct.pack_into("<I", data, section.offset, length)
        assert copy_for_debugger("spi", bytes(data))
