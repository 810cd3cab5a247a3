"""Dumps as files: what is in one, how two differ, and those that a service processor sends."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import idoldbg
from idoldbg.build.load import open_build, read_dump_file
from idoldbg.build.load.dump_file import DumpFile
from idoldbg.build.load.dump_writer import encode_dump
from idoldbg.cli import run
from idoldbg.model.memory import MemoryImage, Segment
from idoldbg.opening import TargetOptions, open_program
from idoldbg.session import demo_archive
from idoldbg.views.tasks import task_type
from idoldbg.views.variables import iter_statics
from tests.idoldbg.build.load.test_dump_build import OTHERS, crash

Capture = pytest.CaptureFixture[str]
Golden = Callable[[str, str], None]
ARCHIVE = demo_archive("stm32f4-discovery")
COUNTERS = "user_leds/drv_user_leds::idl::__USERLEDS_SERVER_COUNTERS"


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with dumps of a board before and after calls, and with one of a task."""
    folder = tmp_path_factory.mktemp("dumps")
    with idoldbg.attach(probe="emu") as dev:
        dev.tasks()
        dev.dump(folder / "before.core")
        dev.dump(folder / "task.core", task="sensor")
        dev.UserLeds.led_on(index=0)
        dev.dump(folder / "after.core")
    return folder


@pytest.fixture
def folder(dumps: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(dumps)
    return dumps


@pytest.fixture
def cut(folder: Path, tmp_path: Path) -> Path:
    """Return a dump without the RAM of `spi`, and without PSP."""
    dump = read_dump_file(folder / "before.core")
    registers = {name: value for name, value in dump.registers.items() if name != "psp"}
    spi = 0x20003000
    segments = [s for s in dump.segments if not s.address <= spi < s.end]
    assert len(segments) == len(dump.segments) - 1
    path = tmp_path / "cut.core"
    path.write_bytes(encode_dump(ARCHIVE.read_bytes(), segments, registers))
    return path


def as_json(capsys: Capture, *arguments: str, code: int = 0) -> dict[str, object]:
    assert run([*arguments, "--format", "json"]) == code
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


# ---- info ----------------------------------------------------------------------------------------


def test_info(folder: Path, capsys: Capture, golden: Golden) -> None:
    for name in ("before", "task"):
        assert run(["dump", "info", f"{name}.core"]) == 0
    shown = capsys.readouterr()
    golden("cli/dump-info.txt", shown.out)
    assert shown.err == ""
    assert run(["dump", "info", "task.core", "--format", "json"]) == 0
    golden("cli/dump-info.json", capsys.readouterr().out)


def test_info_says_what_is_missing(cut: Path, capsys: Capture) -> None:
    assert run(["dump", "info", str(cut)]) == 0
    shown = capsys.readouterr().out
    assert "registers  22, without psp" in shown
    assert "bytes of hiffy RAM" in shown
    assert shown.endswith("complete   no\n")
    found = as_json(capsys, "dump", "info", str(cut))
    assert found["complete"] is False
    assert found["missing_registers"] == ["psp"]


def test_info_of_a_file_that_is_cut_short(folder: Path, tmp_path: Path, capsys: Capture) -> None:
    data = (folder / "before.core").read_bytes()
    path = tmp_path / "short.core"
    for size in (len(data) - 1000, len(data) - 50_000):
        path.write_bytes(data[:size])
        found = as_json(capsys, "dump", "info", str(path))
        assert found["cut"] == len(data) - size
        assert found["complete"] is False
    path.write_bytes(data[:5000])
    assert run(["dump", "info", str(path)]) == 4
    assert "cut short" in capsys.readouterr().err


def test_info_without_and_with_another_build(folder: Path, tmp_path: Path, capsys: Capture) -> None:
    dump = read_dump_file(folder / "before.core")
    path = str(tmp_path / "bare.core")
    Path(path).write_bytes(encode_dump(None, dump.segments, dump.registers))
    assert run(["dump", "info", path]) == 0
    shown = capsys.readouterr().out
    assert "build      none: give it with --archive" in shown
    assert shown.endswith("complete   no\n")
    assert as_json(capsys, "dump", "info", path, "-a", str(ARCHIVE))["complete"] is True
    found = as_json(capsys, "dump", "info", path, "-a", str(OTHERS[1]))
    assert "is a dump of another build than" in str(found["mismatch"])
    assert found["complete"] is False
    Path(path).write_bytes(encode_dump(None, dump.segments[-1:], {}))
    found = as_json(capsys, "dump", "info", path, "-a", str(ARCHIVE))
    assert "cannot be checked" in str(found["doubt"])


def test_info_refuses_other_files(capsys: Capture) -> None:
    assert run(["dump", "info", str(ARCHIVE)]) == 4
    assert "not a core dump" in capsys.readouterr().err
    assert run(["dump", "info", "/dev/null"]) == 4
    assert run(["-p", "emu", "dump", "info", "x"]) == 2
    assert "has no use for --probe" in capsys.readouterr().err
    assert run(["dump", "-o", "x", "info", "y"]) == 2
    assert "`dump info` takes its own options" in capsys.readouterr().err


# ---- diff ----------------------------------------------------------------------------------------


def changed(dump: DumpFile, changes: dict[int, bytes]) -> list[Segment]:
    """Return a dump's memory with other bytes at some addresses."""
    segments = []
    for segment in dump.segments:
        data = bytearray(segment.data)
        for address, new in changes.items():
            if segment.address <= address < segment.end:
                at = address - segment.address
                data[at : at + len(new)] = new
        segments.append(Segment(segment.address, bytes(data)))
    return segments


def test_diff(folder: Path, capsys: Capture, golden: Golden) -> None:
    """A dump from half a second later, of a board that does less than a real one."""
    dump = read_dump_file(folder / "before.core")
    program = open_program(TargetOptions())
    ticks, table = (program.kernel_address(n) for n in ("TICKS", "HUBRIS_TASK_TABLE_SPACE"))
    (counters,) = (s for s in iter_statics(program) if s.path == COUNTERS)
    row = task_type(program).size
    assert ticks and table and counters.variable.address
    memory = MemoryImage(dump.segments)
    changes = {
        ticks: (502).to_bytes(8, "little"),
        counters.variable.address: b"\7",
        table + 3 * row: memory.read(table + 6 * row, row),
        0x20000100: b"a stack that was used",
    }
    later = encode_dump(ARCHIVE.read_bytes(), changed(dump, changes), {**dump.registers, "pc": 4})
    (folder / "later.core").write_bytes(later)
    assert run(["dump", "diff", "before.core", "later.core"]) == 0
    shown = capsys.readouterr()
    golden("cli/dump-diff.txt", shown.out)
    assert shown.err == ""
    found = as_json(capsys, "dump", "diff", "before.core", "later.core")
    golden("cli/dump-diff.json", json.dumps(found, indent=1, sort_keys=True) + "\n")
    assert found["registers"] == [{"name": "pc", "before": dump.registers["pc"], "after": 4}]
    assert [t["name"] for t in found["tasks"]] == ["sensor"]  # type: ignore[attr-defined]


def test_diff_of_a_board_before_and_after_a_call(folder: Path, capsys: Capture) -> None:
    found = as_json(capsys, "dump", "diff", "before.core", "after.core")
    statics = {s["path"]: s["changes"] for s in found["statics"]}  # type: ignore[attr-defined]
    assert statics[COUNTERS] == [{"part": "led_on.Ok.v.value.__0", "before": 0, "after": 1}]
    assert found["only_before"] == found["only_after"] == []


def test_diff_finds_every_byte_and_no_other(folder: Path, capsys: Capture) -> None:
    before, after = (read_dump_file(folder / f"{name}.core") for name in ("before", "after"))
    expected = {
        a.address + i
        for a, b in zip(before.segments, after.segments, strict=True)
        for i in range(len(a.data))
        if a.data[i] != b.data[i]
    }
    found = as_json(capsys, "dump", "diff", "before.core", "after.core")["memory"]
    covered: set[int] = set()
    for each in found:  # type: ignore[attr-defined]
        covered |= set(range(each["address"], each["address"] + each["size"]))
    assert expected <= covered
    assert sum(each["changed"] for each in found) == len(expected)  # type: ignore[attr-defined]


def test_diff_of_what_one_lacks(folder: Path, cut: Path, capsys: Capture) -> None:
    assert run(["dump", "diff", "before.core", "before.core"]) == 0
    assert "no differences" in capsys.readouterr().out
    assert run(["dump", "diff", "before.core", str(cut)]) == 0
    shown = capsys.readouterr().out
    assert "only in the dump before" in shown
    assert "  psp  0x" in shown


def test_diff_refuses_dumps_of_two_builds(folder: Path, tmp_path: Path, capsys: Capture) -> None:
    other = tmp_path / "other.core"
    flash = open_build(OTHERS[0]).archive.flash_segments()
    other.write_bytes(encode_dump(OTHERS[0].read_bytes(), flash, {}))
    assert run(["dump", "diff", "before.core", str(other)]) == 3
    assert "are dumps of different builds" in capsys.readouterr().err
    bare = tmp_path / "bare.core"
    bare.write_bytes(encode_dump(None, flash, {}))
    assert run(["dump", "diff", "before.core", str(bare)]) == 4
    assert "has no build inside; give it with --archive" in capsys.readouterr().err


# ---- hydrate -------------------------------------------------------------------------------------


def test_hydrate(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    archive = open_build(ARCHIVE).archive
    task = read_dump_file(folder / "task.core")
    ram = [s for s in task.segments if s.address >= 0x20000000]
    monkeypatch.chdir(tmp_path)
    crash(tmp_path / "crash.zip", archive, ram, task_index=3, crash_time=99)
    assert run(["hydrate", "crash.zip", "-a", str(ARCHIVE)]) == 0
    assert capsys.readouterr().out.startswith("hubris.core.sensor.0: task `sensor` at 99 ms, ")
    assert run(["-p", "dump:hubris.core.sensor.0", "tasks"]) == 0
    assert " 3  sensor       0    3  recv" in capsys.readouterr().out
    assert as_json(capsys, "dump", "info", "hubris.core.sensor.0")["complete"] is True
    found = as_json(capsys, "hydrate", "crash.zip", "-a", str(ARCHIVE), "-o", "x.core")
    assert found["task"] == {"index": 3, "name": "sensor"}
    assert Path("x.core").read_bytes() == Path("hubris.core.sensor.0").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["crash.zip"], 2, "give the build of the image with --archive"),
        (["crash.zip", "-a", str(OTHERS[0])], 3, "is a dump of another build"),
        (["bad.zip", "-a", str(ARCHIVE)], 4, "dump.json is not valid JSON"),
        (["crash.zip", "-a", str(ARCHIVE), "-o", "bad.zip"], 4, "bad.zip: exists already"),
        ([str(ARCHIVE), "-a", str(ARCHIVE)], 4, "not a core dump"),
    ],
)
def test_hydrate_refuses(
    arguments: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    monkeypatch.chdir(tmp_path)
    crash(tmp_path / "crash.zip", open_build(ARCHIVE).archive, [Segment(0x20000000, b"abcd")])
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as file:
        file.writestr("dump.json", "{")
    assert run(["hydrate", *arguments]) == code
    assert message in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.zip", "crash.zip"]
