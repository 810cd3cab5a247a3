"""Damaged builds: a result or a documented error, soon, in bounded memory, nothing written.

`benchmarks/fuzz_build.py` does the same 200,000 times.
"""

from __future__ import annotations

import resource
from collections import Counter
from pathlib import Path

import pytest

from idoldbg.load import open_build
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


def test_the_whole_build_is_read_to_the_end(tmp_path: Path) -> None:
    """What is damaged below is otherwise fine, so that there is something to damage."""
    dump = tmp_path / "dump"
    for version in (4, 5):
        whole = mutations.archive(builds.parts(version))
        segment = mutations.Segment(builds.RAM, builds.memory())
        dump.write_bytes(mutations.encode_dump(whole, [segment], {}))
        assert use_build(open_build(dump), USES) == set()


def test_damaged_builds(tmp_path: Path) -> None:
    fuzzer = Fuzzer(tmp_path)
    fuzzer.make_index()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kinds: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    for number in range(CASES):
        outcome = fuzzer.run(number)
        assert outcome.seconds < TIME_LIMIT_S, number
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
