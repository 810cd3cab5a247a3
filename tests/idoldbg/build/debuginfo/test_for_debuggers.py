"""Files for gdb hold nothing that it would run, and open nothing else."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from idoldbg.build.debuginfo.elf import ElfFile
from idoldbg.build.debuginfo.for_debuggers import LEFT_OUT, copy_for_debugger
from idoldbg.build.load import open_build
from idoldbg.errors import DebugInfoError
from idoldbg.session import demo_archive
from tests.tools import need

SCRIPT = b"\x04gdb.inlined-script\nopen('PATH', 'w').write('ran')\n\0"


def with_section(data: bytes, name: str, content: bytes) -> bytes:
    """Return an ELF file with another section, behind all others."""
    at, count, names = (
        struct.unpack_from(kind, data, offset)[0]
        for kind, offset in (("<I", 0x20), ("<H", 0x30), ("<H", 0x32))
    )
    headers = bytearray(data[at : at + 40 * count])
    strings_at, size = struct.unpack_from("<II", headers, 40 * names + 16)
    strings = data[strings_at : strings_at + size] + name.encode() + b"\0"
    out = bytearray(data)
    struct.pack_into("<II", headers, 40 * names + 16, len(out), len(strings))
    out += strings
    headers += struct.pack("<10I", size, 1, 0, 0, len(out), len(content), 0, 0, 1, 0)
    out += content
    out += bytes(-len(out) % 4)
    struct.pack_into("<I", out, 0x20, len(out))
    struct.pack_into("<H", out, 0x30, count + 1)
    return bytes(out + headers)


def kernel() -> bytes:
    return open_build(str(demo_archive("stm32f4-discovery"))).archive.object_bytes("kernel")


@pytest.mark.parametrize("name", sorted(LEFT_OUT))
def test_sections_that_gdb_acts_on_are_left_out(name: str) -> None:
    planted = with_section(kernel(), name, SCRIPT)
    assert ElfFile("kernel", planted).find_section(name) is not None
    section = ElfFile("kernel", copy_for_debugger("kernel", planted)).sections[-1]
    assert (section.name, section.type, section.size) == (name, "SHT_NULL", 0)


def test_gdb_runs_a_script_of_the_original_and_none_of_the_copy(tmp_path: Path) -> None:
    gdb = need("gdb-multiarch", of="gdb-multiarch")
    mark = tmp_path / "ran"
    planted = with_section(
        kernel(), ".debug_gdb_scripts", SCRIPT.replace(b"PATH", str(mark).encode())
    )
    for data, expected in ((planted, True), (copy_for_debugger("kernel", planted), False)):
        path = tmp_path / "kernel.elf"
        path.write_bytes(data)
        trusting = ["-iex", "set auto-load safe-path /"]
        subprocess.run([gdb, "-nx", "--batch", *trusting, path], capture_output=True, check=True)
        assert mark.exists() is expected
        mark.unlink(missing_ok=True)


def test_other_files_are_refused() -> None:
    with pytest.raises(DebugInfoError, match="kernel: not an ELF file"):
        copy_for_debugger("kernel", b"#!/bin/sh\n")
