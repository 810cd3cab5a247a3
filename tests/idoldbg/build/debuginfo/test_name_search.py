"""Entries found by name: by scans of the bytes, and once all names are read, are the same."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from idoldbg.build.debuginfo import ObjectInfo
from idoldbg.build.debuginfo.attributes import DebugSections
from idoldbg.build.debuginfo.dies import DieReader
from idoldbg.build.debuginfo.malformed import Malformed
from idoldbg.build.debuginfo.name_search import NameSearch
from idoldbg.build.load import open_build
from tests.conftest import ARCHIVES

NEVER = 1 << 30
BUILDS = [
    *sorted(ARCHIVES.glob("*.zip")),
    ARCHIVES.parent / "toolchains" / "dwarf-5.zip",
    ARCHIVES.parent / "toolchains" / "rustc-1.85.zip",
]


def read(info: ObjectInfo, damage: int | None = None) -> DieReader:
    """Read an object's entries; at `damage` in `.debug_info` a code that means none stands."""
    data = bytearray(info.section(".debug_info") or b"")
    if damage is not None:
        data[damage] = 0x7F
    sections = (info.section(f".debug_{name}") or b"" for name in NAMES)
    return DieReader(DebugSections(bytes(data), *sections))


NAMES = ("abbrev", "str", "line_str", "str_offsets", "addr")


def all_names(reader: DieReader) -> list[str]:
    search = NameSearch(reader)
    return sorted({name for unit in reader.units for name in search.unit_names(unit)})


def compare(path: Path, sample: int) -> None:
    archive = open_build(path).archive
    for name in archive.object_names:
        info = ObjectInfo(name, archive.object_bytes(name))
        if not info.has_debug_info:
            continue
        reader = read(info)
        names = all_names(reader)
        scanning, reading = NameSearch(reader, NEVER), NameSearch(reader, 0)
        for wanted in random.Random(name).sample(names, min(sample, len(names))):
            found = reading.find(wanted)
            assert found, wanted
            assert found == scanning.find(wanted), wanted
        assert reading.find("no such name") == ()


@pytest.mark.parametrize("path", BUILDS, ids=lambda path: path.stem)
def test_fixtures(path: Path) -> None:
    compare(path, 100)


def test_real_build(real_hubris: Path) -> None:
    compare(real_hubris / "archives" / "build-gimlet-rot-c-image-b.zip", 1000)


def outcome(search: NameSearch, name: str) -> tuple[int, ...] | str:
    try:
        return search.find(name)
    except Malformed as error:
        return str(error)


def test_damaged_unit_hides_no_other() -> None:
    """Names of other units are found, whether or not all names were to be read."""
    archive = open_build(ARCHIVES / "stm32f4-discovery.zip").archive
    info = ObjectInfo("jefe", archive.object_bytes("jefe"))
    whole = read(info)
    reader = read(info, damage=whole.units[-1].first_die)
    found = []
    for name in sorted(NameSearch(whole).unit_names(whole.units[0])):
        found.append(outcome(NameSearch(reader, 0), name))
        assert found[-1] == outcome(NameSearch(reader, NEVER), name)
    assert sum(isinstance(one, tuple) for one in found) > 10
