"""Addresses to functions and lines: against llvm-symbolizer, on whole builds; and damaged input."""

from __future__ import annotations

import json
import random
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from idoldbg.build.debuginfo import ObjectInfo
from idoldbg.build.debuginfo.line_table import read_line_table
from idoldbg.build.debuginfo.lines import read_aranges
from idoldbg.build.debuginfo.malformed import Malformed
from idoldbg.build.load import open_build
from idoldbg.errors import DebugInfoError
from idoldbg.model.symbols import SymbolKind, demangle
from tests.tools import need

FIXTURES = Path(__file__).parents[4] / "fixtures"
#: DWARF 4 and 5, rustc of 2022 to 2025, and units without code, whose addresses linkers wrote.
BUILDS = {
    "archives/stm32f4-discovery.zip": 4,
    "toolchains/dwarf-5.zip": 4,
    "toolchains/rustc-1.85.zip": 4,
}
#: DWARF 2 (assembler) and 4, rustc of 2020 to 2025.
REAL = ("kiowa.0", "ouray.20", "chilly.0", "new-sensors", "v6", "new-compiler")
Frame = tuple[str | None, str | None, int | None, int | None]


def symbolize(elf: Path, addresses: list[int]) -> list[list[Frame]]:
    """Return llvm-symbolizer's frames at each address."""
    tool = need("llvm-symbolizer", of="llvm")
    options = ["--inlining", "--functions=linkage", "--no-demangle", "--output-style=JSON"]
    output = subprocess.run(
        [tool, *options, f"--obj={elf}"],
        input="".join(f"0x{address:x}\n" for address in addresses),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    answers = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [
        [
            (
                demangle(frame["FunctionName"]) or None,
                frame["FileName"] or None,
                frame["Line"] or None,
                frame["Column"] or None,
            )
            for frame in answer.get("Symbol", [])
        ]
        for answer in answers
    ]


def compare(info: ObjectInfo, data: bytes, step: int, folder: Path) -> int:
    """Compare all functions of an object; return how many addresses had lines."""
    elf = folder / "object.elf"
    elf.write_bytes(data)
    functions = [s for s in info.symbols if s.kind is SymbolKind.FUNCTION and s.section]
    addresses = sorted({a for s in functions for a in range(s.address, s.address + s.size, step)})
    names: dict[int, set[str]] = {}
    for symbol in info.symbols:
        names.setdefault(symbol.address & ~1, set()).add(symbol.path)
    count = 0
    for address, theirs in zip(addresses, symbolize(elf, addresses), strict=True):
        ours = [(f.function, f.file, f.line, f.column) for f in info.find_frames(address)]
        if not ours:  # it has the symbol's name and the symbol's file then, and no line
            assert [f[2] for f in theirs] == [None], hex(address)
            continue
        count += 1
        assert ours[:-1] == theirs[:-1], hex(address)
        assert ours[-1][1:] == theirs[-1][1:], hex(address)
        # The outermost has its name from the symbol there, of which there may be several.
        symbol = info.symbols.find_function_at(address)
        assert symbol is not None
        if ours[-1][0] != theirs[-1][0]:
            assert theirs[-1][0] in names[symbol.address], hex(address)
    return count


@pytest.mark.parametrize("path", BUILDS)
def test_frames_agree_with_llvm(path: str, tmp_path: Path) -> None:
    build = open_build(FIXTURES / path)
    for name in ("kernel", *(task.name for task in build.archive.tasks)):
        data = build.archive.object_bytes(name)
        assert compare(ObjectInfo(name, data), data, 30, tmp_path) or name == "idle"


@pytest.mark.parametrize("name", REAL)
def test_frames_of_real_builds_agree_with_llvm(
    name: str, real_hubris: Path, tmp_path: Path
) -> None:
    path = real_hubris / "cores" / f"hubris.core.{name}"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    build = open_build(path)
    for task in ("kernel", *(task.name for task in build.archive.tasks)):
        data = build.archive.object_bytes(task)
        assert compare(ObjectInfo(task, data), data, 30, tmp_path)


# ---- line programs, by hand ----------------------------------------------------------------------

SPECIAL = 13 + 14 + 5 + 1  # with line_base -5 and line_range 14: address + 2, line + 1


def header(version: int, tables: bytes, program: bytes) -> bytes:
    body = struct.pack("<BBbBB", 2, 1, -5, 14, 13)
    if version >= 4:
        body = body[:1] + b"\x01" + body[1:]
    body += bytes([0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1]) + tables
    sizes = b"\x04\x00" if version >= 5 else b""
    head = struct.pack("<H", version) + sizes + struct.pack("<I", len(body))
    whole = head + body + program
    return struct.pack("<I", len(whole)) + whole


OLD_TABLES = b"src\0/abs\0\0" + b"main.rs\0\1\0\0" + b"lib.rs\0\2\0\0" + b"top.rs\0\0\0\0" + b"\0"
NEW_TABLES = (
    b"\x01\x01\x08\x03/build\0src\0/abs\0"  # a directory is a string
    b"\x02\x01\x08\x02\x0b\x04x.rs\0\0main.rs\0\1lib.rs\0\2top.rs\0\0"  # a file: and a byte
)
PROGRAM = (
    b"\0\5\2" + struct.pack("<I", 0x8000100)  # set_address
    + b"\x03\x09\x05\x07\x01"  # line 10, column 7; a row
    + bytes([SPECIAL]) + b"\x04\x02\x09\x10\x00\x01"  # line 11; file 2, 16 bytes on, a row
    + b"\x04\x03\x02\x02\x08\x0c\x05\x01"  # file 3; an operand, 5, is skipped
    + b"\x02\x04\0\1\1"  # end_sequence
    + b"\0\5\2" + struct.pack("<I", 0) + b"\x01\x02\x7f\0\1\1"  # left out by the linker
)  # fmt: skip


def no_string(form: int, offset: int) -> str:
    raise AssertionError(f"form {form} at {offset}")


@pytest.mark.parametrize("version", [2, 3, 4, 5])
def test_rows_of_all_versions(version: int) -> None:
    tables = NEW_TABLES if version >= 5 else OLD_TABLES
    table = read_line_table(header(version, tables, PROGRAM), 0, no_string)
    assert table.find_row(0x80000FF) is None
    assert table.find_row(0x8000100) == (1, 10, 7)
    assert table.find_row(0x8000101) == (1, 10, 7)
    assert table.find_row(0x8000102) == (1, 11, 7)
    assert table.find_row(0x8000112) == (2, 11, 7)
    end = 0x8000112 + 4 + 34 + 8
    assert table.find_row(end - 1) is not None
    assert table.find_row(end) is None
    assert table.find_row(0) is None
    paths = [table.find_file(index, "/build") for index in range(5)]
    first = "/build/x.rs" if version >= 5 else None
    assert paths == [first, "/build/src/main.rs", "/abs/lib.rs", "/build/top.rs", None]


@pytest.mark.parametrize("version", [2, 3, 4, 5])
def test_programs_that_are_cut_short(version: int) -> None:
    whole = header(version, NEW_TABLES if version >= 5 else OLD_TABLES, PROGRAM)
    for size in range(len(whole)):
        with pytest.raises(Malformed):
            read_line_table(whole[:size], 0, no_string)


@pytest.mark.parametrize(
    "tables",
    [
        b"\0\xff\xff\xff\xff\x7f\0\0",  # directories that take no bytes, of which there are many
        b"\x01\x01\x08\xff\xff\xff\xff\x7f/\0",
        b"\x01\x01\x7f\x01",  # an unknown form
    ],
)
def test_counts_of_version_5_that_lie(tables: bytes) -> None:
    with pytest.raises(Malformed):
        read_line_table(header(5, tables, b""), 0, no_string)


def test_programs_that_go_backwards() -> None:
    place = b"\0\5\2" + struct.pack("<I", 0x8000100) + b"\x01"
    back = b"\0\5\2" + struct.pack("<I", 0x8000000) + b"\x01"
    with pytest.raises(Malformed, match="backwards"):
        read_line_table(header(4, OLD_TABLES, place + back + b"\0\1\1"), 0, no_string)


def test_aranges_end_where_they_make_no_sense() -> None:
    table = struct.pack("<IHIBB4x4I", 28, 2, 0x40, 4, 0, 0x100, 0x10, 0, 0)
    assert list(read_aranges(table)) == [(0x100, 0x110, 0x40)]
    assert list(read_aranges(table + b"\xff" * 20)) == [(0x100, 0x110, 0x40)]
    assert list(read_aranges(table[:-1])) == []


# ---- damaged objects -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["toolchains/dwarf-5.zip", "toolchains/rustc-1.85.zip"])
def test_damaged_sections_give_frames_or_an_error(path: str) -> None:
    data = open_build(FIXTURES / path).archive.object_bytes("victim")
    whole = ObjectInfo("victim", data)
    functions = [s for s in whole.symbols if s.kind is SymbolKind.FUNCTION and s.size]
    addresses = [s.address + s.size // 2 for s in functions]
    sections = (".debug_line", ".debug_aranges", ".debug_ranges", ".debug_rnglists", ".debug_info")
    generator = random.Random(11)
    outcomes: dict[bool, int] = {True: 0, False: 0}
    for _ in range(60):
        damaged = bytearray(data)
        found = [s for n in sections if (s := whole.elf.find_section(n)) is not None]
        section: Any = generator.choice(found)
        for _ in range(generator.choice((1, 3, 30))):
            at = section.offset + generator.randrange(section.size)
            damaged[at] = generator.choice((0, 1, 0x7F, 0x80, 0xFF))
        info = ObjectInfo("victim", bytes(damaged))
        start = time.process_time()
        try:
            for address in addresses:
                info.find_frames(address)
            outcomes[True] += 1
        except DebugInfoError as error:
            assert str(error).startswith("victim: ")
            outcomes[False] += 1
        assert time.process_time() - start < 20
    assert all(outcomes.values())
