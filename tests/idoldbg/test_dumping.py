"""Core dumps of boards: whole ones and of one task, by every kind of link."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import idoldbg
from idol.records import replace
from idoldbg.build.load import open_build, read_dump_file
from idoldbg.build.program import Program
from idoldbg.cli import run
from idoldbg.dumping import REGISTERS, read_snapshot, take_snapshot, write_snapshot
from idoldbg.errors import FaultError, NotFound
from idoldbg.model.memory import MemoryImage, Segment
from idoldbg.model.regions import RegionKind
from idoldbg.model.snapshot import Snapshot
from idoldbg.session import Session, TargetOptions, demo_archive, open_session
from idoldbg.startup import settle
from idoldbg.views.dump_ranges import find_ranges
from idoldbg.views.regions import read_regions
from idoldbg.views.tasks import read_tasks

Capture = pytest.CaptureFixture[str]
ARCHIVE = demo_archive("stm32f4-discovery")


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with open_session(TargetOptions(probe="emu")) as session:
        settle(session)
        yield session


@pytest.mark.parametrize("board", ["stm32f4-discovery", "nucleo-g031", "lpcxpresso55s69"])
@pytest.mark.parametrize("spec", ["emu", "pyocd:emu"])
def test_dump_has_every_region_and_the_board_runs_on(board: str, spec: str, tmp_path: Path) -> None:
    path = tmp_path / "board.core"
    with open_session(TargetOptions(board=board, probe=spec)) as session:
        settle(session)
        before = session.program.ticks()
        written = write_snapshot(take_snapshot(session), session.program.archive, path)
        session.link.wait(0.05)
        assert (session.program.ticks() or 0) > (before or 0)
        regions = read_regions(session.program).regions
    dump = open_build(path)
    assert written.snapshot.gaps == ()
    assert set(dump.registers or {}) == set(REGISTERS)
    there = MemoryImage(dump.dump_segments)
    for region in regions:
        if region.kind not in (RegionKind.PERIPHERAL, RegionKind.EXTERNAL):
            assert len(there.read(region.low, region.size)) == region.size
    segments = dump.dump_segments
    assert all(a.end <= b.address for a, b in pairwise(segments))
    flash = MemoryImage(segments)
    for each in dump.archive.flash_segments():
        assert flash.read(each.address, 4) == each.data[:4]


def test_dump_of_a_task_has_its_memory_and_no_other_s(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "task.core"
    snapshot = take_snapshot(session, "sensor")
    write_snapshot(snapshot, session.program.archive, path)
    dump = open_build(path)
    assert (dump.task_name, dump.ticks) == ("sensor", session.program.ticks())
    there = MemoryImage(dump.dump_segments)
    for region in read_regions(session.program).regions:
        if region.kind is RegionKind.PERIPHERAL:
            continue
        if "sensor" in region.owners or not region.write:
            assert there.read(region.low, region.size)
        else:
            with pytest.raises(FaultError):
                there.read(region.low, 4)
    live, (row,) = (
        read_tasks(session.program),
        [r for r in read_tasks(Program(dump.archive, dump.memory)).rows if r.scheduler],
    )
    assert row == replace(live.rows[3], is_held=None)  # which the supervisor knows
    # The task table's entry is the last segment, as Humility has it.
    assert dump.dump_segments[-1].address < dump.dump_segments[-2].address


def test_dumps_of_dumps(session: Session, tmp_path: Path) -> None:
    whole, task, again = (tmp_path / name for name in ("whole", "task", "again"))
    archive = session.program.archive
    write_snapshot(take_snapshot(session), archive, whole)
    write_snapshot(take_snapshot(session, "sensor"), archive, task)
    with open_session(TargetOptions(probe=f"dump:{whole}")) as dump:
        write_snapshot(take_snapshot(dump), dump.program.archive, again)
        assert again.read_bytes() == whole.read_bytes()
        again.unlink()
        write_snapshot(take_snapshot(dump, "sensor"), dump.program.archive, again)
        assert read_dump_file(again).segments == read_dump_file(task).segments
    with open_session(TargetOptions(probe=f"dump:{task}")) as dump:
        again.unlink()
        write_snapshot(take_snapshot(dump, "sensor"), dump.program.archive, again)
        assert again.read_bytes() == task.read_bytes()


def test_a_running_task_is_waited_for_or_reported(session: Session) -> None:
    assert take_snapshot(session, "idle").cautions == (
        "`idle` was running: its registers in the dump are those of when it last was not; take a "
        "dump of the whole system to have them",
    )
    assert take_snapshot(session, "jefe").cautions == ()


class Holes:
    """A link with memory that cannot be read."""

    def __init__(self, session: Session, *holes: tuple[int, int]) -> None:
        self.link, self.holes = session.link, holes

    def read(self, address: int, size: int) -> bytes:
        for low, end in self.holes:
            if address < end and low < address + size:
                raise FaultError(f"a hole at 0x{low:08x}", address=low)
        return self.link.read(address, size)

    def __getattr__(self, name: str) -> object:
        return getattr(self.link, name)


def test_unreadable_parts_are_left_out_and_reported(session: Session) -> None:
    whole = take_snapshot(session)
    ram = next(s for s in whole.segments if s.address >= 0x20000000 and len(s.data) >= 0x1000)
    holes = Holes(session, (ram.address + 0x500, ram.address + 0x501))
    cut = read_snapshot(session.program, holes)  # type: ignore[arg-type]
    assert cut.gaps == ((ram.address + 0x400, 0x400),)
    assert cut.size == whole.size - 0x400
    with pytest.raises(FaultError, match="no RAM could be read: a hole at 0x20000000"):
        read_snapshot(session.program, Holes(session, (0x20000000, 0x40000000)))  # type: ignore[arg-type]


def test_progress_ends_at_all_of_it(session: Session) -> None:
    calls: list[tuple[float, float, str]] = []
    snapshot = take_snapshot(session, progress=lambda *call: calls.append(call))
    assert calls[-1] == (snapshot.size >> 10, snapshot.size >> 10, "KiB")
    assert [done for done, _, _ in calls] == sorted(done for done, _, _ in calls)


def test_without_a_region_table_the_build_s_memory_is_dumped(session: Session) -> None:
    archive = open_build(ARCHIVE.parent / "stm32f4-discovery.zip").archive
    program = Program(archive, session.link)
    assert find_ranges(program)
    stripped = Program(open_build(ARCHIVE).archive, session.link)
    object.__setattr__(stripped.archive, "kernel_member", "elf/task/idle")
    low, size = find_ranges(stripped)[-1]
    assert (low, size) == (0x20000000, 0x20000)


# ---- files ---------------------------------------------------------------------------------------


def test_the_first_free_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hubris.core.1").symlink_to("nowhere")
    archive = open_build(ARCHIVE).archive
    system = Snapshot((Segment(0x20000000, b"abcd"),), {"pc": 1})
    task = Snapshot(system.segments, {}, task=4, ticks=7)
    assert [write_snapshot(s, archive).path for s in (system, system, task, task)] == [
        "hubris.core.0",
        "hubris.core.2",
        "hubris.core.user_leds.0",
        "hubris.core.user_leds.1",
    ]
    unknown = Snapshot(system.segments, {}, task=99, ticks=7)
    assert write_snapshot(unknown, archive).path == "hubris.core.99.0"


def test_a_task_s_name_is_not_used_as_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    archive = open_build(ARCHIVE).archive
    object.__setattr__(archive.tasks[2], "name", "../../x\n" + "y" * 500)
    written = write_snapshot(Snapshot((), {}, task=2, ticks=0), archive)
    assert written.path == ("hubris.core." + "______x_" + "y" * 92 + ".0")


def test_a_device_dumps_itself(tmp_path: Path) -> None:
    with idoldbg.attach(probe="emu") as dev:
        dev.tasks()
        written = dev.dump(tmp_path / "a.core")
        assert dev.dump(tmp_path / "b.core", task="sensor").task == "sensor"
        with pytest.raises(FileExistsError, match="overwrite nothing"):
            dev.dump(tmp_path / "a.core")
        with pytest.raises(NotFound, match="did you mean `sensor`"):
            dev.dump(task="sensr")
    with idoldbg.attach(probe=f"dump:{tmp_path}/a.core") as dump:
        assert [row.name for row in dump.tasks().rows][3] == "sensor"
    assert written.path == str(tmp_path / "a.core")
    with idoldbg.attach(probe=f"dump:{tmp_path}/b.core") as dump:
        assert dump.tasks().time_ms == dump.source().ticks != None  # noqa: E711
        assert dump.source().link == "task-dump"


# ---- the command ---------------------------------------------------------------------------------


def test_command(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    golden: Callable[[str, str], None],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["-p", "emu", "dump"]) == 0
    assert run(["-p", "dump:hubris.core.0", "dump", "--task", "sensor", "-o", "sensor.core"]) == 0
    assert run(["-p", "dump:sensor.core", "tasks"]) == 0
    shown = capsys.readouterr()
    golden("cli/dump.txt", shown.out)
    assert shown.err == "note: this emulated board was started for the dump\n"
    assert run(["-p", "dump:sensor.core", "dump", "--format", "json"]) == 0
    text = capsys.readouterr().out
    golden("cli/dump.json", text)
    assert json.loads(text)["path"] == "hubris.core.sensor.0"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("tasks", 0),
        ("counters", 3),
        ("readvar user_leds/drv_user_leds::idl::__USERLEDS_SERVER_COUNTERS", 3),
        ("readmem 0x20000800 4", 3),
        ("call Jefe.get_state", 3),
    ],
)
def test_commands_say_what_the_dump_of_a_task_lacks(
    command: str, code: int, session: Session, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "task.core"
    write_snapshot(take_snapshot(session, "sensor"), session.program.archive, path)
    assert run(["-p", f"dump:{path}", *command.split()]) == code
    shown = capsys.readouterr()
    assert "is not in the dump: it is one of task `sensor` alone" in shown.out + shown.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-o", "taken"], 4, "taken: exists already, and dumps overwrite nothing"),
        (["-o", "none/x"], 4, "none: no such directory"),
        (["--task", "sensr"], 2, "did you mean `sensor`?"),
        (["-p", "archive"], 3, "no RAM could be read"),
    ],
)
def test_command_refuses(
    arguments: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_bytes(b"mine")
    assert run(["-p", "emu", "dump", *arguments]) == code
    assert message in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]
    assert (tmp_path / "taken").read_bytes() == b"mine"
