"""Core dumps that we write: read back by ourselves, by readelf, and as the tasks they hold."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from idoldbg.build.debuginfo.elf import ElfFile
from idoldbg.build.load import open_build
from idoldbg.build.load.dump_writer import encode_dump
from idoldbg.build.program import Program
from idoldbg.cli import run
from idoldbg.errors import EncodeError
from idoldbg.model.memory import Segment
from idoldbg.pytest_plugin.evidence import write_dump
from idoldbg.session import TargetOptions, demo_archive, open_session
from idoldbg.startup import settle
from idoldbg.views.tasks import read_tasks
from tests.tools import need

ARCHIVE = demo_archive("stm32f4-discovery")
REGISTERS = {"r0": 1, "sp": 0x20001000, "pc": 0x08000100, "xpsr": 0x61000000, "msp": 2, "s31": 3}


@pytest.mark.parametrize("sizes", [(4, 8), (1, 3), (0, 5), ()])
def test_a_dump_holds_all_that_was_written(tmp_path: Path, sizes: tuple[int, ...]) -> None:
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


# DCRSR's numbers, as humility reads them: r0 to r12, sp, lr, pc, xPSR, MSP, PSP, and the word of
# special registers (humility, `humility-arch-arm/src/lib.rs`). It refuses a dump that lacks one.
HUMILITY_NUMBERS = [*range(19), 20]


def register_pairs(path: Path) -> list[tuple[int, int]]:
    """Return what is in the register note; there is none for no registers."""
    notes = ElfFile("core", path.read_bytes()).iter_notes()
    found = [n.data for n in notes if n.type == 0x1DE00002]
    assert len(found) <= 1
    return list(struct.iter_unpack("<II", b"".join(found)))


def test_special_registers_are_one_word(tmp_path: Path) -> None:
    path = tmp_path / "board.core"
    special = {"primask": 0x01, "basepri": 0x40, "faultmask": 0x00, "control": 0x03}
    path.write_bytes(encode_dump(ARCHIVE.read_bytes(), [], {**REGISTERS, **special, "psp": 9}))
    pairs = register_pairs(path)
    assert (20, 0x03004001) in pairs
    assert {17: 2, 18: 9}.items() <= dict(pairs).items()
    assert pairs == sorted(pairs)
    registers = open_build(path).registers or {}
    assert {name: registers[name] for name in special} == special
    # Armv6-M has PRIMASK and CONTROL alone.
    path.write_bytes(encode_dump(ARCHIVE.read_bytes(), [], {"primask": 1, "control": 2}))
    assert register_pairs(path) == [(20, 0x02000001)]
    path.write_bytes(encode_dump(ARCHIVE.read_bytes(), [], {"primask": 1}))
    assert register_pairs(path) == []  # CONTROL is not 0 where it could not be read


@pytest.mark.parametrize("board", ["stm32f4-discovery", "nucleo-g031", "lpcxpresso55s69"])
@pytest.mark.parametrize("spec", ["emu", "pyocd:emu"])
def test_dump_of_a_board_has_the_registers_that_humility_wants(
    tmp_path: Path, board: str, spec: str
) -> None:
    path = tmp_path / "board.core"
    with open_session(TargetOptions(board=board, probe=spec)) as session:
        settle(session)
        session.link.halt()
        write_dump(path, session.program, session.link)
        live = {name: session.link.read_register(name) for name in ("control", "psp", "msp", "pc")}
    pairs = register_pairs(path)
    assert [number for number, _ in pairs] == HUMILITY_NUMBERS
    registers = dict(pairs)
    assert registers[20] >> 24 == live["control"] & 0xFF
    assert (registers[15], registers[17], registers[18]) == (live["pc"], live["msp"], live["psp"])
    assert live["control"] & 1, "a task runs unprivileged"


def test_dump_of_a_task(tmp_path: Path) -> None:
    path = tmp_path / "task.core"
    memory = [Segment(0x20000000, b"abcd")]
    path.write_bytes(encode_dump(ARCHIVE.read_bytes(), memory, REGISTERS, task=(3, 1 << 40)))
    notes = list(ElfFile("core", path.read_bytes()).iter_notes())
    assert [n.type for n in notes] == [0x1DE00003, 0x1DE00001]
    assert notes[0].data.hex() == "dada0300" + "00000000" + (1 << 40).to_bytes(8, "little").hex()
    build = open_build(path)
    assert (build.task, build.task_name, build.ticks) == (3, "sensor", 1 << 40)
    assert (build.registers, list(build.dump_segments)) == ({}, memory)


def test_more_segments_than_readers_take_are_refused() -> None:
    with pytest.raises(EncodeError, match="9000 pieces of memory"):
        encode_dump(None, [Segment(8 * i, b"abcd") for i in range(9000)], {})


def test_dump_of_a_board_shows_the_board_s_tasks(tmp_path: Path) -> None:
    path = tmp_path / "board.core"
    with open_session(TargetOptions(probe="emu")) as session:
        settle(session)
        live = read_tasks(session.program)
        ram = Segment(0x20000000, session.link.read(0x20000000, 0x20000))
    path.write_bytes(encode_dump(ARCHIVE.read_bytes(), [ram], {}))
    build = open_build(path)
    assert read_tasks(Program(build.archive, build.memory)) == live


def test_a_truncated_dump_shows_its_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "board.core"
    with open_session(TargetOptions(probe="emu")) as session:
        settle(session)
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
