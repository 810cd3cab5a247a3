"""Damaged builds: a result or a documented error, soon, in bounded memory, nothing written.

`benchmarks/fuzz_build.py` does the same 200,000 times.
"""

from __future__ import annotations

import resource
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from idoldbg.build.cache import Cache
from idoldbg.build.debuginfo import ObjectInfo
from idoldbg.build.debuginfo import constants as dw
from idoldbg.build.index import Results
from idoldbg.build.load import open_build
from idoldbg.build.load.recorded_archive import BUILD
from idoldbg.build.program import Program
from idoldbg.errors import DebugInfoError
from idoldbg.model.types import Opaque
from tests.idoldbg.conftest import Writer, make_elf
from tests.idoldbg.hostile import builds, mutations
from tests.idoldbg.hostile.examine import (
    MEMORY_LIMIT,
    TIME_LIMIT_S,
    USES,
    Fuzzer,
    use_build,
    watch_writes,
)

CASES = 250
PATIENCE_S = 15 * TIME_LIMIT_S  # tests run on slower machines than the fuzzer does


def test_the_whole_build_is_read_to_the_end(tmp_path: Path) -> None:
    """The undamaged builds are fine, so that there is something to damage."""
    dump = tmp_path / "dump"
    for version in (4, 5):
        whole = mutations.archive(builds.parts(version))
        segments = [
            mutations.Segment(builds.TABLES, builds.tables()),
            mutations.Segment(builds.RAM, builds.memory()),
        ]
        dump.write_bytes(mutations.encode_dump(whole, segments, {}))
        assert use_build(open_build(dump), USES) == set()


def test_damaged_builds(tmp_path: Path) -> None:
    fuzzer = Fuzzer(tmp_path)
    fuzzer.make_index()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kinds: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    for number in range(CASES):
        outcome = fuzzer.run(number)
        assert outcome.seconds < PATIENCE_S, number
        kinds[outcome.kind] += 1
        ends[outcome.end] += 1
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < MEMORY_LIMIT
    assert set(kinds) == {*mutations.KINDS, "index"}
    # Neither is everything refused at the door, nor is nothing damaged.
    assert ends["result"] > CASES / 10
    assert ends["ArchiveError"] > CASES / 20
    assert ends["DebugInfoError"] > CASES / 40


def test_writes_are_noticed(tmp_path: Path) -> None:
    inside = tmp_path / "cache"
    with watch_writes(inside) as found:
        inside.mkdir()
        (inside / "a").write_text("")
        (tmp_path / "b").write_text("")
        (tmp_path / "b").unlink()
        (inside / "a").read_text()
    assert [line.split()[0] for line in found] == ["open", "os.remove"]


@pytest.mark.parametrize("name", ["bomb", "deep"])
def test_types_that_hold_one_another_many_times(name: str, tmp_path: Path) -> None:
    """Each type holds the one before it twice: no answer may take 2 ** 60 steps."""
    path = tmp_path / "build.zip"
    for seed in range(3):
        unit = mutations.bomb_of_types(mutations.Random(f"{name} {seed}"))
        demo = builds.encode_object(unit, interface=builds.INTERFACE)
        path.write_bytes(mutations.archive({**builds.parts(), "elf/task/demo": demo}))
        use_build(open_build(path), USES)


def test_numbers_of_impossible_size() -> None:
    """The mask of a number of 4 GB would be as large."""
    entries = builds.Entries()
    huge = entries.base("huge", 0xFFFF_FFFF, dw.DW_ATE_unsigned)
    held = entries.struct("Held", 4)
    entries.enum("Chosen", 8, huge, ("A", held), ("B", held))
    entries.c_enum("Plain", huge, "A")
    entries.top[-1].attributes = [
        a for a in entries.top[-1].attributes if a[0] != dw.DW_AT_byte_size
    ]
    info = ObjectInfo("test", builds.encode_object(entries.unit()))
    for name in ("Chosen", "Plain"):
        (found,) = info.find_types(name)
        assert isinstance(found, Opaque)
        assert "larger than any number" in found.reason


def test_types_with_two_to_the_sixtieth_parts(tmp_path: Path) -> None:
    entries = builds.Entries()
    last = entries.base("u8", 0, dw.DW_ATE_unsigned)
    for level in range(60):
        last = entries.struct(f"demo_api::T{level}", 0, ("a", 0, last), ("b", 0, last))
    entries.struct("demo_api::Block", 0, ("a", 0, last))
    path = tmp_path / "build.zip"
    demo = builds.encode_object(entries.unit(), interface=builds.INTERFACE)
    path.write_bytes(mutations.archive({**builds.parts(), "elf/task/demo": demo}))
    started = time.process_time()
    use_build(open_build(path), USES)
    assert time.process_time() - started < PATIENCE_S


def test_the_index_may_not_move_tasks(tmp_path: Path) -> None:
    """A task's index is its place in the kernel's table."""
    cache = Cache(tmp_path / "cache")
    path = tmp_path / "build.zip"
    path.write_bytes(mutations.archive(builds.parts()))
    build = open_build(path, cache=cache)
    assert [task.index for task in build.archive.tasks] == [0, 1]
    results = build.results
    assert results is not None
    tasks = tuple(replace(task, index=7) for task in build.archive.tasks)
    known = results.recall(BUILD, "", lambda: ())
    forged = Results(None, b"0" * 16)
    forged.recall(BUILD, "", lambda: (*known[:2], tasks, known[3]))
    again = Results(forged.to_bytes(b"0" * 16), b"0" * 16)
    assert not again.knows(BUILD, "")
    assert "in the place of another" in again.damage


def test_malformed_data_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or each of a hundred questions would take as long as the first."""
    sections = Writer(4).sections([builds.server()])
    info = ObjectInfo("test", make_elf({**sections, ".debug_info": sections[".debug_info"][:-1]}))
    opened = []
    monkeypatch.setattr(info, "_open", lambda open_=info._open: opened.append(1) or open_())
    for _ in range(3):
        with pytest.raises(DebugInfoError, match="cut short"):
            info.find_types("Block")
    assert len(opened) == 1


def test_an_interface_of_more_operations_than_any(tmp_path: Path) -> None:
    one = '(reply: Simple("u8"), idempotent: true)'
    operations = ", ".join(f'"op{number}": {one}' for number in range(2000))
    text = f'Interface(name: "Demo", ops: {{{operations}}})'
    path = tmp_path / "build.zip"
    demo = builds.encode_object(builds.server(), interface=text)
    path.write_bytes(mutations.archive({**builds.parts(), "elf/task/demo": demo}))
    build = open_build(path)
    program = Program(build.archive, build)
    assert program.servers == ()
    ((task, why),) = program.unreadable_interfaces
    assert (task, "2000 operations" in why) == ("demo", True)
