"""Programming the emulated STM32 boards as real ones: by pyOCD's flash algorithms, by OpenOCD's."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from idoldbg.cli import run
from idoldbg.model.memory import Segment
from idoldbg.session import TargetOptions, find_build
from idoldbg.target.board_files import load_board
from idoldbg.target.emulated.emu import EmulatedBoard
from tests.bench.bench import Bench
from tests.bench.openocd import ask_openocd
from tests.conftest import ARCHIVES, ROOT
from tests.tools import need_sysfs

Capture = pytest.CaptureFixture[str]
F4 = "stm32f4-discovery"
# probe, board, where to program, and where the sector begins that is erased for it
PLACES = [
    ("stlink-v2-1", F4, 0x0800C000, 0x0800C000),
    ("stlink-v3", "nucleo-g031", 0x0800C000, 0x0800C000),
    ("stlink-v3", "nucleo-h753zi", 0x080FE000, 0x080E0000),  # and on into the second bank
]


def plug(bench: Bench, kind: str, name: str) -> Any:
    """Plug in a probe with a board that runs its demo, or a loop where there is none."""
    if (ARCHIVES / f"{name}.zip").exists():
        return bench.plug(kind, name)
    loop = bytes.fromhex("00100020 09000008 30bf fde7")  # SP, PC; wfi; b .-2
    return bench.plug(kind, EmulatedBoard(load_board(name), [(0x08000000, loop)]))


@pytest.mark.parametrize(("kind", "board", "address", "sector"), PLACES)
def test_openocd_programs_and_verifies(
    bench: Bench, tmp_path: Path, kind: str, board: str, address: int, sector: int
) -> None:
    probe = plug(bench, kind, board)
    size = 16_000
    data = random.Random(board).randbytes(size)
    (tmp_path / "image.bin").write_bytes(data)
    kept = probe.board.read(sector - 2048, 2048)
    found = ask_openocd(
        bench,
        tmp_path,
        [
            "reset init",
            f"flash write_image erase {tmp_path / 'image.bin'} {address:#x}",
            f"verify_image {tmp_path / 'image.bin'} {address:#x}",
            "reset run",
        ],
    )
    assert not any(found.failed), found.log
    assert "checksum mismatch" not in found.log
    assert not [c for c in found.complaints if "extra erase range" not in c]
    assert probe.board.read(address, size) == data
    assert probe.board.read(sector - 2048, 2048) == kept
    written = probe.counts.bytes_written
    assert written < 3 * size + 100_000, "by an algorithm that the core runs, not word by word"


def segments(archive: Path) -> tuple[Segment, ...]:
    return find_build(TargetOptions(archive=str(archive))).archive.flash_segments()


def test_pyocd_programs_an_stm32_by_st_s_algorithm(
    bench: Bench, tmp_path: Path, capsys: Capture
) -> None:
    """pyOCD brings that of the STM32F412; the F407's controller is the same."""
    probe = bench.plug("stlink-v2-1", F4)
    file = (ROOT / "targets" / "boards" / f"{F4}.toml").read_text()
    file = file.replace('"stm32f407vgtx"', '"stm32f412xg"').replace('pack = "STM32F407VGTx"\n', "")
    (tmp_path / "own.toml").write_text(file)
    options = ["-p", probe.spec, "-b", str(tmp_path / "own.toml")]
    archive = ARCHIVES / f"{F4}-no-hiffy.zip"
    assert run([*options, "flash", str(archive)]) == 0, capsys.readouterr().err
    for segment in segments(archive):
        assert probe.board.read(segment.address, len(segment.data)) == segment.data
    assert run([*options, "-a", str(archive), "tasks"]) == 0
    assert "jefe" in capsys.readouterr().out
    assert run([*options, "flash", "--check", str(ARCHIVES / f"{F4}.zip")]) == 1
    assert not probe.device.claims
    assert not probe.board.is_halted


def test_pyocd_programs_both_banks_of_an_stm32h7(bench: Bench) -> None:
    need_sysfs()
    from pyocd.core.helpers import ConnectHelper
    from pyocd.flash.loader import FlashLoader

    probe = plug(bench, "stlink-v3", "nucleo-h753zi")
    data = random.Random(7).randbytes(3000)
    session = ConnectHelper.session_with_chosen_probe(
        unique_id=probe.device.serial,
        options={"target_override": "stm32h743xx", "no_config": True},
    )
    with session:
        loader = FlashLoader(session, chip_erase="sector")
        for address in (0x080E0000, 0x08120000):
            loader.add_data(address, data)
        loader.commit()
    for address in (0x080E0000, 0x08120000):
        assert probe.board.read(address, len(data)) == data
