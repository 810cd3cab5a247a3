"""Duration of a suite that waits for its target, on 1, 2, 4, 8 boards.

The boards are those of one pyOCD server each, where the target's time is the wall's. The suite is
shared out as `pytest -n` does it: whoever is done takes the next test.
"""

from __future__ import annotations

import contextlib
import threading
import time

import idoldbg
from idoldbg.device import Device
from idoldbg.target.emulated.server import running_board

__all__ = ["bench_scaling"]

BOARD = "stm32f4-discovery"
MOST = 8
TESTS, TARGET_S = 16, 1.5


def bench_scaling(_repeat: int) -> None:
    """Print the time on each number of boards, and how many times faster than on one that is."""
    print(f"a suite of {TESTS} tests with {TARGET_S:g} s of target time each, shared out")
    alone_s = 0.0
    with contextlib.ExitStack() as stack:
        devices = []
        for index in range(MOST):
            board = stack.enter_context(
                running_board(f"bench-scaling-{index}", board=BOARD, pyocd_port=0)
            )
            spec = f"remote:127.0.0.1:{board.pyocd_port}"
            device = stack.enter_context(idoldbg.attach(board=BOARD, probe=spec, timeout_s=30))
            device.UserLeds.led_off(index=0)
            devices.append(device)
        count = 1
        while count <= MOST:
            took_s = _share(devices[:count])
            alone_s = alone_s or took_s
            print(f"  {count} boards {took_s:12.2f} s {alone_s / took_s:8.2f} × one board")
            count *= 2


def _share(devices: list[Device]) -> float:
    left = threading.Semaphore(TESTS)

    def work(device: Device) -> None:
        while left.acquire(blocking=False):
            device.UserLeds.led_blink(index=0)
            device.wait(TARGET_S)
            device.UserLeds.led_off(index=0)

    threads = [threading.Thread(target=work, args=(device,)) for device in devices]
    begin_s = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begin_s
