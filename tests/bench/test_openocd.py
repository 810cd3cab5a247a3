"""OpenOCD's own driver on the emulated ST-Links: a second opinion about probe, wires and core."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.bench import Bench
from tests.bench.openocd import ask_openocd
from tests.conftest import ARCHIVES

PLACES = [("stlink-v2-1", "stm32f4-discovery"), ("stlink-v3", "nucleo-g031")]
place = pytest.mark.parametrize(("kind", "board"), PLACES)
RAM = 0x20001000


def hexes(answer: str) -> list[int]:
    """Return the numbers of an answer of `read_memory`, `mdw` or `reg`."""
    return [int(x, 16) for x in answer.split(":")[-1].split("|")[0].split()]


@place
def test_memory_is_what_the_board_has(bench: Bench, tmp_path: Path, kind: str, board: str) -> None:
    probe = bench.plug(kind, board)
    flash = probe.board.read(0x08000000, 2100)
    found = ask_openocd(
        bench,
        tmp_path,
        [
            "halt",
            "read_memory 0x08000000 8 2100",
            f"mww {RAM:#x} 0xdeadbeef 4",
            f"mwb {RAM + 1:#x} 0x12",
            f"mwh {RAM + 6:#x} 0x3456",
            f"write_memory {RAM + 9:#x} 8 {{1 2 3 4 5 6 7}}",
            f"read_memory {RAM:#x} 8 16",
            f"read_memory {RAM + 2:#x} 16 3",
            f"read_memory {RAM:#x} 32 4",
            "mdw 0x90000000",
            f"read_memory {RAM:#x} 32 1",
            "resume",
        ],
    )
    assert [n for n, failed in enumerate(found.failed) if failed] == [9], found.log
    assert bytes(hexes(found.answers[1])) == flash
    right = bytes.fromhex("ef12adde efbe5634 ef010203 04050607")
    assert bytes(hexes(found.answers[6])) == right
    assert hexes(found.answers[7]) == [0xDEAD, 0xBEEF, 0x3456]
    words = [int.from_bytes(right[n : n + 4], "little") for n in range(0, 16, 4)]
    assert hexes(found.answers[8]) == words
    assert hexes(found.answers[10]) == words[:1], "the port recovers from a fault"
    assert probe.board.read(RAM, 16) == right
    assert probe.counts.commands["READWRITEMISC_OUT"], "it uses the probe's queues"
    assert found.complaints == ["Error: Failed to read memory at 0x90000000"]
    assert not probe.device.claims


@place
def test_run_control(bench: Bench, tmp_path: Path, kind: str, board: str) -> None:
    probe = bench.plug(kind, board)
    start = int.from_bytes(probe.board.read(0x08000004, 4), "little") & ~1
    found = ask_openocd(
        bench,
        tmp_path,
        [
            "halt",
            "capture {reg pc}",
            "step",
            "capture {reg pc}",
            "reset halt",
            "capture {reg pc}",
            "capture {reg msp}",
            f"bp {start + 2:#x} 2 hw",
            "resume",
            "wait_halt 1000",
            "capture {reg pc}",
            "rbp all",
            "reset run",
            "sleep 50",
            "halt",
            "capture {reg pc}",
            "resume",
        ],
    )
    assert not any(found.failed), found.log
    assert found.complaints == []
    (idle,), (stepped,) = hexes(found.answers[1]), hexes(found.answers[3])
    assert 0 < abs(stepped - idle) <= 4
    assert hexes(found.answers[5]) == [start]
    assert hexes(found.answers[6]) == [int.from_bytes(probe.board.read(0x08000000, 4), "little")]
    assert hexes(found.answers[10]) == [start + 2]
    assert hexes(found.answers[15]) == [idle], "the firmware came up again, and is idle"
    assert not probe.board.is_halted


def test_a_probe_in_use_is_refused(bench: Bench, tmp_path: Path) -> None:
    bench.plug("stlink-v2-1", "stm32f4-discovery").device.claims[0] = 999
    with pytest.raises(AssertionError, match="already used"):
        ask_openocd(bench, tmp_path, ["halt"])


def test_openocd_and_idoldbg_take_turns(bench: Bench, tmp_path: Path) -> None:
    probe = bench.plug("stlink-v2-1", "stm32f4-discovery")
    archive = str(ARCHIVES / "stm32f4-discovery.zip")
    command = ["idoldbg", "-p", "pyocd", "-a", archive, "call", "Sensor.get", "--id", "0"]
    for _ in range(2):
        assert not any(ask_openocd(bench, tmp_path, ["halt", "resume"]).failed)
        done = subprocess.run(
            [sys.executable, "-P", "-m", *command],
            env=bench.env,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stdout == "Sensor.get() => 21.5\n", done.stderr
    assert not probe.device.claims


@place
def test_watchpoints(bench: Bench, tmp_path: Path, kind: str, board: str) -> None:
    probe = bench.plug(kind, board)
    target, size, start = probe.board, 0x2000, 0x20000000
    target.run(0.01)
    before = target.read(start, size)
    target.run(0.01)
    after = target.read(start, size)
    address = start + (next(n for n in range(size) if before[n] != after[n]) & ~3)
    found = ask_openocd(
        bench,
        tmp_path,
        [
            "halt",
            f"wp {address:#x} 4 w",
            "resume",
            "wait_halt 2000",
            f"rwp {address:#x}",
            "resume",
            "sleep 50",
            "poll",
        ],
    )
    assert not any(found.failed), found.log
    assert "halted due to watchpoint" in found.log
    assert not target.is_halted
    count = 2 if board == "nucleo-g031" else 4
    assert f"{count} watchpoints" in found.log
