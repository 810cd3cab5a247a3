"""Devices of several processes on one board: their calls do not mix."""

from __future__ import annotations

import subprocess
import sys

from idoldbg.target.emulated.server import running_board

WORKER = """
import random, sys
import idoldbg
draw = random.Random(int(sys.argv[2]))
with idoldbg.attach(board="stm32f4-discovery", probe=sys.argv[1], timeout_s=60) as device:
    for _ in range(40):
        a, b, data = draw.getrandbits(64), draw.getrandbits(64), draw.randbytes(8)
        assert device.Sensor.multiply(a=a, b=b).value == a * b
        assert device.Sensor.reverse(bytes=data).value == data[::-1]
        assert not device.Spi.exchange.try_(device_index=9, sink=1).is_ok
"""


def test_calls_of_two_processes_do_not_mix() -> None:
    with running_board("shared-device", board="stm32f4-discovery") as board:
        command = [sys.executable, "-c", WORKER, board.spec]
        workers = [
            subprocess.Popen([*command, str(seed)], stderr=subprocess.PIPE, text=True)
            for seed in (1, 2)
        ]
        said = [worker.communicate(timeout=120)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], "\n".join(said)
