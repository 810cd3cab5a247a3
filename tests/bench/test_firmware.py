"""The firmware of the probes: any bytes get an answer, or none, and pyOCD's own tools work."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

from tests.bench.bench import Bench
from tests.bench.cmsis_dap import COMMANDS
from tests.bench.probes import KINDS
from tests.bench.stlink import JTAG_NAMES

BOARDS = {"stlink-v2-1": "stm32f4-discovery", "mcu-link": "lpcxpresso55s69"}


def some_packets(kind: str, count: int, *, seed: int) -> list[bytes]:
    """Return packets that begin like commands, and go on at random."""
    chance = random.Random(seed)
    heads = [bytes([0xF2, x]) for x in JTAG_NAMES] + [bytes([x]) for x in range(0xF1, 0xFC)]
    if not kind.startswith("stlink"):
        heads = [bytes([x]) for x in COMMANDS]
    packets = []
    for _ in range(count):
        head = chance.choice([*heads, b""])
        body = bytes(chance.choice((0, 1, 2, 16, chance.randrange(256))) for _ in range(62))
        packets.append((head + body)[: chance.randrange(1, 65)])
    return packets


@pytest.mark.parametrize("kind", KINDS)
def test_no_packet_stops_a_probe(bench: Bench, kind: str) -> None:
    probe = bench.plug(kind, "stm32f4-discovery")
    for packet in some_packets(kind, 1500, seed=12):
        probe.firmware.name(packet)
        answer = probe.firmware.take(packet)
        assert answer is None or isinstance(answer, bytes)
    probe.device.plug()
    found = subprocess.run(
        [sys.executable, "-P", "-m", "pyocd", "list", "--probes"],
        env=bench.env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert probe.device.serial in found.stdout, found.stderr


@pytest.mark.parametrize("kind", BOARDS)
def test_pyocd_s_own_commander(bench: Bench, kind: str) -> None:
    """A whole session of pyOCD: it examines the core, halts, steps, and goes on."""
    probe = bench.plug(kind, BOARDS[kind])
    commands = ["halt", "read32 0xe000ed00", "step", "reg pc", "reset", "go", "status"]
    arguments = [x for command in commands for x in ("-c", command)]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pyocd", "commander", "-t", "cortex_m", *arguments],
        env=bench.env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    cpuid = int.from_bytes(probe.board.read(0xE000ED00, 4), "little")
    assert f"e000ed00:  {cpuid:08x}" in done.stdout
    assert "Running" in done.stdout or "Sleeping" in done.stdout
    assert not probe.board.is_halted
    assert not probe.device.claims
    assert " E " not in done.stderr, done.stderr
    assert "[E]" not in done.stderr
