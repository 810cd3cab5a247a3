"""The direct link and the pyOCD link, side by side on the same running Hubris image."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pyocd  # noqa: F401  # before the modules of the plug-in, see there
import pytest

from idoldbg.build.load import open_build
from idoldbg.call.calls import prepare_call
from idoldbg.call.opener import open_caller
from idoldbg.errors import FaultError, LinkError
from idoldbg.session import TargetOptions, emulated_board, open_program, open_session
from idoldbg.target.emulated.emu import EmulatedBoard
from idoldbg.target.emulated.link import EmulatedLink
from idoldbg.target.emulated.pyocd_probe import live
from idoldbg.target.emulated.pyocd_probe._probe import EmulatedProbe
from idoldbg.target.emulated.pyocd_probe.boards import register_board, unregister_board
from idoldbg.target.link import BaseLink, Link
from idoldbg.target.probe.link import open_probe
from idoldbg.target.recording import Recorder
from idoldbg.target.replay import ReplayLink
from idoldbg.target.trace import Trace

ROOT = Path(__file__).resolve().parents[3]
IMAGES = ROOT / "fixtures" / "archives"
BOARDS = sorted(
    {path.stem for path in IMAGES.glob("*.zip")}
    & {path.stem for path in (ROOT / "targets" / "boards").glob("*.toml")}
)
BOOT_S = 0.05
REGISTERS = [*(f"r{n}" for n in range(13)), "sp", "lr", "pc", "xpsr", "msp", "psp",
             "control", "primask"]  # fmt: skip


@pytest.fixture(scope="module", params=BOARDS)
def board(request: pytest.FixtureRequest) -> Iterator[EmulatedBoard]:
    board = emulated_board(request.param)
    board.run(BOOT_S)
    register_board("agreement", lambda: board, board_name=request.param)
    yield board
    unregister_board("agreement")
    board.close()


@pytest.fixture
def links(board: EmulatedBoard) -> Iterator[tuple[Link, Link]]:
    with EmulatedLink(board) as direct, open_probe("agreement") as probe:
        yield direct, probe


def outcome(link: Link, address: int, size: int) -> bytes | str:
    try:
        return link.read(address, size)
    except FaultError as error:
        return "fault in the range" if address <= error.address < address + size else "elsewhere"


def test_there_is_an_image_of_each_core() -> None:
    assert {"stm32f4-discovery", "lpcxpresso55s69", "nucleo-g031"} <= set(BOARDS)


def test_flash_is_the_archives(board: EmulatedBoard, links: tuple[Link, Link]) -> None:
    archive = open_build(str(IMAGES / f"{board.board.name}.zip")).archive
    for segment in archive.flash_segments():
        for link in links:
            assert link.read(segment.address, len(segment.data)) == segment.data


def test_reads_agree_everywhere(board: EmulatedBoard, links: tuple[Link, Link]) -> None:
    """Memory, the edges of memory, and holes, at any alignment."""
    direct, probe = links
    rng = random.Random(2)

    def compare() -> None:
        for region in board.board.memory():
            for _ in range(60):
                edge = rng.choice((region.address, region.end, region.address + region.size // 2))
                address = max(0, edge + rng.randrange(-40, 40))
                size = rng.choice((1, 2, 3, 4, 5, 8, 13, 64))
                assert outcome(probe, address, size) == outcome(direct, address, size)

    direct.halted(compare)


def test_writes_agree(board: EmulatedBoard, links: tuple[Link, Link]) -> None:
    """Each link reads what the other writes, at the end of RAM, which no task uses."""
    rng = random.Random(3)
    ram = next(m for m in board.board.memory() if m.address == 0x20000000)

    def write_and_read() -> None:
        keep = links[0].read(ram.end - 256, 256)
        for _ in range(60):
            writer, reader = rng.sample(links, 2)
            size = rng.randrange(1, 70)
            address = ram.end - 256 + rng.randrange(256 - size)
            data = rng.randbytes(size)
            writer.write(address, data)
            assert reader.read(address, size) == data
        links[1].write(ram.end - 256, keep)
        assert links[0].read(ram.end - 256, 256) == keep

    links[0].halted(write_and_read)


def test_registers_agree(links: tuple[Link, Link]) -> None:
    direct, probe = links

    def compare() -> None:
        for name in REGISTERS:
            assert probe.read_register(name) == direct.read_register(name), name

    probe.halted(compare)


def test_both_run_the_board(
    board: EmulatedBoard, links: tuple[Link, Link], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "WALL_LIMIT_S", 60.0)  # or a busy machine catches up in part
    for link in links:
        before = board.time_s
        link.wait(0.01)
        link.read(0x20000000, 4)
        assert board.time_s - before > 0.009
        assert not board.is_halted
        assert board.lockup is None


def test_both_reset_the_board(board: EmulatedBoard, links: tuple[Link, Link]) -> None:
    for link in links:
        before = board.reset_count
        link.reset()
        assert board.reset_count == before + 1
        link.wait(BOOT_S)
        assert board.lockup is None


def test_a_call_through_a_probe_replays_without_it(
    board: EmulatedBoard, links: tuple[Link, Link], tmp_path: Path
) -> None:
    program = open_program(TargetOptions(board=board.board.name))
    arguments = {"device_index": "0", "source": "hex:9f000000", "sink": "4"}
    call = prepare_call(program.operation("Spi.exchange"), arguments)
    probe, path = links[1], tmp_path / "recorded"
    assert isinstance(probe, BaseLink)
    recorder = Recorder(str(path), probe, archive="", timeout_s=60)
    reply = open_caller(program, Trace(probe, recorder), timeout_s=60).call(call)
    recorder.close()
    assert reply.leases["sink"] == bytes.fromhex("ffef4018")
    with path.open() as lines:
        assert open_caller(program, Trace(ReplayLink(lines)), timeout_s=60).call(call) == reply
        assert not list(lines)


def test_board_files_set_the_debug_clock_and_the_access_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "targets" / "boards" / "stm32f4-discovery.toml").read_text()
    mine = tmp_path / "mine.toml"
    speeds: list[float] = []
    monkeypatch.setattr(EmulatedProbe, "set_clock", lambda self, hz: speeds.append(hz))
    archive = str(IMAGES / "stm32f4-discovery.zip")
    mine.write_text(text.replace("[probe]", "[probe]\nspeed_hz = 400_000"))
    options = TargetOptions(archive=archive, board=str(mine), probe="pyocd:emu")
    open_session(options).close()
    assert speeds == [400_000]
    mine.write_text(text.replace("[probe]", "[probe]\naccess_port = 1"))
    with pytest.raises(LinkError, match="AP address"):
        open_session(options)
