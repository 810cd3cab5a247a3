"""Dumps in a board's own memory: areas that tests write into emulated RAM, damaged ones too."""

from __future__ import annotations

import json
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import idoldbg
from idoldbg.build.load import open_build, read_dump_file
from idoldbg.build.program import Program
from idoldbg.cli import run
from idoldbg.errors import ArgumentError, DecodeError
from idoldbg.model.memory import MemoryImage, Segment
from idoldbg.session import demo_archive
from idoldbg.views.dump_areas import find_first_area, free_areas, read_areas, read_dump
from tests.idoldbg.build.load.packing import Areas, header, register, task
from tests.idoldbg.build.load.test_humpty import CASES

Capture = pytest.CaptureFixture[str]
ARCHIVE = demo_archive("stm32f4-discovery")
BASE = 0x2001C000  # RAM that no task has
TASK = Segment(0x20003000, random.Random(1).randbytes(1000))
OTHER = Segment(0x20004000, b"stack " * 50)


def program(ram: bytes, base: int = BASE) -> Program:
    archive = open_build(ARCHIVE).archive
    return Program(archive, MemoryImage([*archive.flash_segments(), Segment(base, ram)]))


def filled() -> Areas:
    areas = Areas(BASE, 0x400, 8)
    areas.add([TASK], heads=[task(3, 1234)])
    areas.add([OTHER], contents=3, heads=[task(5, 1300)])
    return areas


def with_areas(path: Path) -> Path:
    """Write the demo's archive with a supervisor that has dump areas."""
    with zipfile.ZipFile(ARCHIVE) as source, zipfile.ZipFile(path, "w") as target:
        target.comment = source.comment
        for name in source.namelist():
            text = source.read(name)
            if name == "app.toml":
                text = text.replace(
                    b'name = "task-jefe"', b'name = "task-jefe"\nextern-regions = ["spare"]'
                )
            if name == "memory.toml":
                text += b'\n[[spare]]\nname = "default"\naddress = 0x%x\nsize = 0x2000\n' % BASE
                text += b"read = true\nwrite = true\nexecute = false\n"
            target.writestr(name, text)
    return path


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_areas_that_humpty_filled(case: dict[str, object]) -> None:
    ram, base = bytes.fromhex(str(case["ram"])), int(str(case["base"]))
    found = read_areas(program(ram, base), base)
    assert found.problem == ""
    assert len(found.dumps) == len(case["dumps"])  # type: ignore[arg-type]
    for dump, expected in zip(found.dumps, case["dumps"], strict=True):  # type: ignore[call-overload]
        assert [dump.task, dump.ticks] == (expected["task"] or [None, None])
        content, problem = read_dump(program(ram, base), dump)
        whole = [Segment(a, bytes.fromhex(h)) for a, h in expected["segments"]]
        if case["complete"] == [False]:
            assert "no room" in problem
            assert content.missing_size > 0
        else:
            assert (problem, content.missing_size) == ("", 0)
            assert list(content.segments) == whole


def test_dumps_and_their_areas() -> None:
    areas = filled()
    found = read_areas(program(areas.ram), BASE)
    first, second = found.dumps
    assert (first.index, first.kind, first.name, first.ticks) == (0, "task", "sensor", 1234)
    assert (second.kind, second.name) == ("region", "victim")
    assert second.index == len(first.areas) > 1
    assert read_dump(program(areas.ram), second)[0].segments == (OTHER,)


def test_a_system_dump_has_all_areas() -> None:
    areas = Areas(BASE, 0x400, 4)
    areas.add([TASK], contents=2, dumper=1, heads=[register(15, 7)])
    claimed = bytearray(areas.ram)
    for index in range(areas.used, 4):
        claimed[index * 0x400 + 16] = 2
    found = read_areas(program(bytes(claimed)), BASE)
    (dump,) = found.dumps
    assert (dump.kind, dump.dumper, len(dump.areas)) == ("system", "external", areas.used)
    assert read_dump(program(bytes(claimed)), dump)[0].registers == {"pc": 7}


@pytest.mark.parametrize(
    ("index", "data", "problem"),
    [
        (1, header(BASE + 0x400, 0x400, next_=BASE), "leads back to 0x2001c000"),
        (0, header(BASE, 0x400, next_=BASE), "leads back to 0x2001c000"),
        (1, header(BASE + 0x400, 0x400, next_=0x30000000), "no memory at 0x30000000"),
        (2, bytes(24), "dump area at 0x2001c800: no dump area is there"),
    ],
)
def test_a_damaged_list_ends_there(index: int, data: bytes, problem: str) -> None:
    areas = Areas(BASE, 0x400, 4)
    areas.blocks[index] = data.ljust(0x400, b"\0")
    found = read_areas(program(areas.ram), BASE)
    assert problem in found.problem
    assert len(found.areas) == max(1, index + (data != bytes(24)))
    with pytest.raises(DecodeError, match="nothing was freed"):
        free_areas(program(areas.ram).memory, found)  # type: ignore[arg-type]


def test_an_endless_list_ends() -> None:
    ram = b"".join(header(BASE + 24 * i, 24, next_=BASE + 24 * (i + 1)) for i in range(5000))
    found = read_areas(program(ram), BASE)
    assert (len(found.areas), found.problem) == (4096, "there are more than 4096 areas")


def test_a_huge_area_is_not_read() -> None:
    ram = header(BASE, 1 << 31, written=1 << 31, contents=1, dumper=2) + task(1, 2)
    found = read_areas(program(ram), BASE)
    with pytest.raises(DecodeError, match="more than any board has"):
        read_dump(program(ram), found.dumps[0])


def test_a_dump_that_is_being_taken_has_nothing_to_read() -> None:
    ram = header(BASE, 0x400, contents=1).ljust(0x400, b"\0")
    (dump,) = read_areas(program(ram), BASE).dumps
    with pytest.raises(DecodeError, match="dump in area 0: it is being taken, or was given up"):
        read_dump(program(ram), dump)


def test_areas_that_change_meanwhile_are_noticed() -> None:
    areas = filled()
    found = read_areas(program(areas.ram), BASE)
    changed = bytearray(areas.ram)
    changed[0x400 + 12 : 0x400 + 16] = struct.pack("<I", 24)
    with pytest.raises(DecodeError, match="dump area at 0x2001c400: it changed"):
        read_dump(program(bytes(changed)), found.dumps[0])


# ---- the command ---------------------------------------------------------------------------------


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], list[str]]:
    """Return what starts commands on a board with these areas, which is a core dump."""
    monkeypatch.chdir(tmp_path)
    archive = with_areas(tmp_path / "build.zip")

    def make(ram: bytes) -> list[str]:
        from idoldbg.build.load.dump_writer import encode_dump

        (tmp_path / "areas.core").write_bytes(
            encode_dump(archive.read_bytes(), [Segment(BASE, ram)], {})
        )
        return ["-p", "dump:areas.core", "dump", "areas"]

    return make


def test_command(
    board: Callable[[bytes], list[str]], capsys: Capture, golden: Callable[[str, str], None]
) -> None:
    areas = board(filled().ram)
    assert run([*areas, "--all"]) == 0
    shown = capsys.readouterr()
    golden("cli/dump-areas.txt", shown.out)
    assert shown.err == ""
    assert run([*areas, "--format", "json"]) == 0
    golden("cli/dump-areas.json", capsys.readouterr().out)
    assert read_dump_file("hubris.core.sensor.0").task == 3
    assert TASK in read_dump_file("hubris.core.sensor.0").segments
    assert OTHER in read_dump_file("hubris.core.victim.region.0").segments
    assert run(["-p", "dump:hubris.core.sensor.0", "list"]) == 0
    capsys.readouterr()
    assert run([*areas, "--extract", "0", "-o", "x.core"]) == 0
    assert Path("x.core").read_bytes() == Path("hubris.core.sensor.0").read_bytes()


def test_a_cut_dump_is_written_and_reported(
    board: Callable[[bytes], list[str]], capsys: Capture
) -> None:
    areas = Areas(BASE, 0x200, 8)
    areas.add([TASK], heads=[task(3, 1)])
    ram = bytearray(areas.ram)
    ram[0x200:0x218] = header(BASE + 0x200, 0x200, next_=BASE + 0x400)  # freed behind it
    assert run([*board(bytes(ram)), "--all", "--format", "json"]) == 1
    shown = capsys.readouterr()
    assert "hubris.core.sensor.0 is not all of the dump: " in shown.err
    assert "bytes are missing: the areas had no room for it" in shown.err
    assert json.loads(shown.out)["dumps"][0]["path"] == "hubris.core.sensor.0"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--extract", "1"], 2, "no dump begins in area 1; there are 0, 2"),
        (["--extract", "0", "--erase"], 2, "goes with neither --all nor --erase"),
        (["-o", "x"], 2, "--output goes with --extract"),
        (["--at", "x"], 2, "--at: `x` is not an address"),
        (["--at", "0x20000000"], 3, "0x20000000"),
        (["--erase"], 4, "its memory cannot be written"),
    ],
)
def test_command_refuses(
    arguments: list[str],
    code: int,
    message: str,
    board: Callable[[bytes], list[str]],
    capsys: Capture,
) -> None:
    assert run([*board(filled().ram), *arguments]) == code
    assert message in capsys.readouterr().err


def test_a_build_without_areas_says_so(capsys: Capture) -> None:
    with pytest.raises(ArgumentError, match="has no dump areas: its supervisor `jefe`"):
        find_first_area(program(b"abcd"))
    assert run(["-p", "emu", "dump", "areas"]) == 2
    assert "--at gives the address" in capsys.readouterr().err


@pytest.mark.parametrize("spec", ["emu", "pyocd:emu"])
def test_a_board_s_areas_are_fetched_and_freed(spec: str, tmp_path: Path) -> None:
    archive = with_areas(tmp_path / "build.zip")
    areas = filled()
    with idoldbg.attach(archive, probe=spec) as dev:
        dev.link.write(BASE, areas.ram)
        found = dev.dump_areas()
        assert found == dev.dump_areas(BASE)
        assert [d.name for d in found.dumps] == ["sensor", "victim"]
        content, problem = read_dump(dev.program, found.dumps[0])
        assert (content.segments, problem) == ((TASK,), "")
        assert dev.link.halted(lambda: free_areas(dev.link, found)) == areas.used
        empty = read_areas(dev.program, BASE)
        assert empty.dumps == ()
        assert [a.address for a in empty.areas] == [a.address for a in found.areas]
        with pytest.raises(DecodeError, match="it changed"):
            free_areas(dev.link, found)


def test_the_agent_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """No image here has an agent: what it does to the areas is done for it."""
    from idoldbg import dumping
    from idoldbg.session import Session

    def ask(session: Session, index: int) -> int:
        areas = Areas(BASE, 0x400, 8)
        areas.add([OTHER], heads=[task(5, 1)])
        areas.add([TASK], heads=[task(index, 2)])
        session.link.write(BASE, areas.ram)
        return 1

    monkeypatch.setattr(dumping, "ask_agent", ask)
    archive = with_areas(tmp_path / "build.zip")
    arguments = ["-a", str(archive), "-p", "emu", "dump", "--agent"]
    path = tmp_path / "x.core"
    assert run([*arguments, "--task", "sensor", "-o", str(path)]) == 0
    assert "task `sensor` at 2 ms" in capsys.readouterr().out
    assert TASK in read_dump_file(path).segments
    assert run(arguments) == 2
    monkeypatch.undo()
    assert run([*arguments, "--task", "sensor"]) == 2
    assert "no interface named `DumpAgent`" in capsys.readouterr().err
