"""Real core dumps that a developer has at hand (`IDOLDBG_REAL`), all of them.

Those that Humility's tests expect to fail are named so.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from idol.records import replace
from idoldbg.build.load import open_build, read_dump_file
from idoldbg.build.program import Program
from idoldbg.cli.dump_files import open_dump_file
from idoldbg.cli.options import Settings
from idoldbg.dumping import take_snapshot, write_snapshot
from idoldbg.errors import FaultError, IdoldbgError
from idoldbg.model.regions import RegionKind
from idoldbg.session import TargetOptions, open_session
from idoldbg.views.dump_areas import find_first_area
from idoldbg.views.dump_ranges import find_ranges
from idoldbg.views.regions import read_regions

FAILING = ".fails"


@pytest.fixture
def cores(real_hubris: Path) -> list[Path]:
    found = sorted((real_hubris / "cores").glob("hubris.core.*"))
    assert found
    return found


def readable(cores: list[Path]) -> Iterator[Path]:
    return (path for path in cores if not path.name.endswith(FAILING))


def test_damaged_ones_are_refused(cores: list[Path]) -> None:
    for path in cores:
        if path.name.endswith(FAILING):
            with pytest.raises(IdoldbgError) as caught:
                open_build(path)
            assert path.name in str(caught.value)


def test_a_dump_of_a_dump_is_the_same_file(cores: list[Path], tmp_path: Path) -> None:
    """Humility wrote them from 2020 on; so what we write is what it does, byte by byte.

    Others are of RISC-V, with a note of no registers, which is left out, or were cut short: their
    last segment is then as long as what is there.
    """
    copy = tmp_path / "copy.core"
    others = set()
    for path in readable(cores):
        options = TargetOptions(probe=f"dump:{path}", use_cache=False)
        with open_session(options) as session:
            write_snapshot(take_snapshot(session), session.program.archive, copy)
            is_arm = not session.program.archive.other_processor
        is_whole = not read_dump_file(path).missing_size
        if copy.read_bytes() != path.read_bytes():
            others.add(path.name)
            assert not is_arm or not is_whole, path.name
            assert read_dump_file(copy) == replace(read_dump_file(path), missing_size=0)
        copy.unlink()
    assert len(others) <= 5


def cover(ranges: list[tuple[int, int]]) -> set[int]:
    return {at for low, size in ranges for at in range(low // 4, (low + size + 3) // 4)}


def test_our_ranges_contain_those_of_humility(cores: list[Path]) -> None:
    """In 2020 it also read devices."""
    for path in readable(cores):
        build = open_build(path)
        program = Program(build.archive, build.memory)
        devices = cover([(r.low, r.size) for r in read_regions(program).regions if r.device])
        there = cover([(s.address, len(s.data)) for s in build.dump_segments])
        assert not there - devices - cover(list(find_ranges(program))), path.name


def test_every_task_can_be_dumped_from_a_dump(cores: list[Path], tmp_path: Path) -> None:
    """Its table entry is what a task's state is read from; four dumps do not have the table."""
    copy = tmp_path / "copy.core"
    refused = set()
    for path in readable(cores):
        options = TargetOptions(probe=f"dump:{path}", use_cache=False)
        with open_session(options) as session:
            tasks = session.program.archive.tasks
            task = tasks[len(path.name) % len(tasks)]
            try:
                snapshot = take_snapshot(session, task.name)
            except FaultError:
                refused.add(path.name)
                continue
            write_snapshot(snapshot, session.program.archive, copy)
        build = open_build(copy)
        assert (build.task, build.task_name) == (task.index, task.name)
        assert build.registers == {}
        copy.unlink()
    assert all(name.startswith("hubris.core.ouray.") for name in refused)
    assert len(refused) <= 4


def test_info_of_every_dump(cores: list[Path]) -> None:
    """Something is there of each, and what is missing is known."""
    for path in readable(cores):
        info = open_dump_file(Settings(no_cache=True), str(path)).info()
        assert info.build is not None, path.name
        assert (info.mismatch, info.unknown, info.task) == ("", "", None), path.name
        assert info.size > 0
        assert bool(info.cut) == (path.name == "hubris.core.kiowa.17"), path.name


def test_first_area_is_the_first_external_region_of_the_supervisor(cores: list[Path]) -> None:
    """As `app.toml` and `memory.toml` have it, and as the kernel's region table does."""
    (path,) = (p for p in cores if p.name == "hubris.core.new-compiler")
    build = open_build(path)
    program = Program(build.archive, build.memory)
    regions = [r for r in read_regions(program).of("jefe") if r.kind is RegionKind.EXTERNAL]
    assert find_first_area(program) == regions[0].low == 0x30010000
