"""Core dumps that we write: read back by ourselves, by readelf, and as the tasks they hold."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from idoldbg.cli import run
from idoldbg.load import open_build
from idoldbg.load.dump_writer import encode_dump
from idoldbg.memory import Segment
from idoldbg.program import Program
from idoldbg.session import TargetOptions, demo_archive, open_session
from idoldbg.views.tasks import read_tasks
from tests.tools import need

ARCHIVE = demo_archive("stm32f4-discovery")
REGISTERS = {"r0": 1, "sp": 0x20001000, "pc": 0x08000100, "xpsr": 0x61000000, "msp": 2, "s31": 3}


@pytest.mark.parametrize("sizes", [(4, 8), (1, 3), (0, 5), ()])
def test_dump_holds_what_went_in(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    segments = [
        Segment(0x20000000 + 0x1000 * i, bytes(range(size))) for i, size in enumerate(sizes)
    ]
    path = tmp_path / "board.core"
    path.write_bytes(encode_dump(ARCHIVE.read_bytes(), segments, {**REGISTERS, "primask": 1}))
    build = open_build(path)
    assert build.is_dump
    assert list(build.dump_segments) == [s for s in segments if s.data]
    assert build.registers == REGISTERS
    assert build.archive.image_id == open_build(ARCHIVE).archive.image_id


def test_dump_of_a_board_shows_the_board_s_tasks(tmp_path: Path) -> None:
    path = tmp_path / "board.core"
    with open_session(TargetOptions(probe="emu")) as session:
        session.settle()
        live = read_tasks(session.program)
        ram = Segment(0x20000000, session.link.read(0x20000000, 0x20000))
    path.write_bytes(encode_dump(ARCHIVE.read_bytes(), [ram], {}))
    build = open_build(path)
    assert read_tasks(Program(build.archive, build.memory)) == live


def test_dump_that_was_cut_short_shows_what_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "board.core"
    with open_session(TargetOptions(probe="emu")) as session:
        session.settle()
        ram = Segment(0x20000000, session.link.read(0x20000000, 0x20000))
    whole = encode_dump(ARCHIVE.read_bytes(), [ram], {})
    end = whole.index(ram.data) + len(ram.data)
    path.write_bytes(whole[: end - 1000])
    assert run(["-p", f"dump:{path}", "tasks"]) == 0
    shown = capsys.readouterr()
    assert "hiffy" in shown.out
    assert "1000 bytes of memory are not in it" in shown.err
    path.write_bytes(whole[: whole.index(ram.data)])
    assert run(["-p", f"dump:{path}", "tasks"]) == 0
    assert "unreadable" in capsys.readouterr().out
    path.write_bytes(whole[:5000])
    assert run(["-p", f"dump:{path}", "tasks"]) == 4
    assert "cut short" in capsys.readouterr().err


def test_dump_is_an_elf_core_for_readelf(tmp_path: Path) -> None:
    path = tmp_path / "board.core"
    path.write_bytes(encode_dump(ARCHIVE.read_bytes(), [Segment(0x20000000, b"abc")], REGISTERS))
    command = [need("readelf", of="binutils"), "--wide", "--headers", "--notes", str(path)]
    out = subprocess.run(command, capture_output=True, text=True, check=True)
    assert out.stderr == ""
    assert "CORE (Core file)" in out.stdout
    assert out.stdout.count("Oxide Computer Company") >= 2
