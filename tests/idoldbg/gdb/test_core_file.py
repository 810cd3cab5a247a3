"""Cores for gdb: read back by pyelftools, and by gdb itself in test_gdb.py."""

from __future__ import annotations

import io
import struct

import pytest
from elftools.elf.elffile import ELFFile

from idoldbg.gdb.core_file import CoreThread, encode_core
from idoldbg.model.memory import Segment

THREADS = (
    CoreThread(23, {f"r{i}": 0x10 + i for i in range(13)} | {"sp": 1, "lr": 2, "pc": 3, "xpsr": 4}),
    CoreThread(16, {"pc": 8, "sp": 9, "s0": 0x3F800000, "s31": 7, "fpscr": 0x55}),
)
SEGMENTS = (Segment(0x08000000, b"flash"), Segment(0x20000000, bytes(range(8))), Segment(9, b""))


def read(data: bytes) -> tuple[list[tuple[str, object, bytes]], list[tuple[int, bytes]]]:
    elf = ELFFile(io.BytesIO(data))
    assert (elf["e_type"], elf["e_machine"]) == ("ET_CORE", "EM_ARM")
    notes, loads = [], []
    for segment in elf.iter_segments():
        if segment["p_type"] == "PT_LOAD":
            loads.append((segment["p_vaddr"], segment.data()))
        else:
            raw, at = segment.data(), 0
            while at < len(raw):
                name, size, kind = struct.unpack_from("<III", raw, at)
                start = at + 12 + name + -name % 4
                notes.append(
                    (raw[at + 12 : at + 11 + name].decode(), kind, raw[start : start + size])
                )
                at = start + size + -size % 4
    return notes, loads


@pytest.mark.parametrize("has_floats", [False, True])
def test_memory_and_threads_are_read_back(has_floats: bool) -> None:
    notes, loads = read(encode_core(THREADS, SEGMENTS, has_floats=has_floats))
    assert loads == [(s.address, s.data) for s in SEGMENTS if s.data]
    kinds = [(owner, kind) for owner, kind, _ in notes]
    one = [("CORE", 1), ("LINUX", 0x400)] if has_floats else [("CORE", 1)]
    assert kinds == [("GDB", 0xFF000000), *one, *one]
    first, second = (content for _, kind, content in notes if kind == 1)
    assert len(first) == 148
    assert struct.unpack_from("<I", first, 24) == (23,)
    assert struct.unpack_from("<17I", first, 72) == (*range(0x10, 0x1D), 1, 2, 3, 4)
    assert struct.unpack_from("<17I", second, 72) == (*[0] * 13, 9, 0, 8, 0)
    if has_floats:
        floats = next(c for _, kind, c in reversed(notes) if kind == 0x400)
        assert len(floats) == 260
        assert struct.unpack_from("<I", floats, 0) == (0x3F800000,)
        assert struct.unpack_from("<I", floats, 4 * 31) == (7,)
        assert struct.unpack_from("<I", floats, 256) == (0x55,)


def test_the_description_has_floats_only_where_the_core_does() -> None:
    for has_floats in (False, True):
        notes, _ = read(encode_core(THREADS, SEGMENTS, has_floats=has_floats))
        assert (b"org.gnu.gdb.arm.vfp" in notes[0][2]) is has_floats
        assert b"org.gnu.gdb.arm.m-profile" in notes[0][2]
