"""Every kind of fault of the bench, at transfers all over a command, over four kinds of probe.

A command that a fault strikes ends well or with exit code 3 or 4, without a traceback; nothing is
claimed afterwards, the next command works, and the board is as it was. With IDOLDBG_SWEEP=1 the
fault is at each transfer; else at one that differs from fault to fault.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from idoldbg.cli import run
from tests.bench.bench import Ack, Bench, FaultKind, Probe
from tests.conftest import ARCHIVES

BOARDS = {
    "stlink-v2-1": "stm32f4-discovery",
    "stlink-v3": "nucleo-g031",
    "mcu-link": "lpcxpresso55s69",
    "daplink-hid": "lpcxpresso55s69",
}
COMMANDS = {"tasks": ("tasks",), "call": ("call", "Sensor.temperature")}
FAULTS: tuple[FaultKind | Ack, ...] = (
    *FaultKind,
    *(Ack.WAIT, Ack.FAULT, Ack.NONE, Ack.PARITY),
)
IS_WHOLE = bool(os.environ.get("IDOLDBG_SWEEP"))


class Swept:
    """A probe with a board, and how many transfers each command takes."""

    def __init__(self, bench: Bench, probe: Probe, board: str) -> None:
        self.bench, self.probe = bench, probe
        self.options = ["-p", probe.spec, "-a", str(ARCHIVES / f"{board}.zip")]
        self.usb: dict[str, int] = {}
        self.swd: dict[str, int] = {}
        for name in COMMANDS:
            self.run(name)
            probe.clear()
            assert self.run(name) == 0
            self.usb[name], self.swd[name] = probe.counts.transfers, probe.wires.transfers
        self.before = probe.disturbances()

    def run(self, name: str) -> int:
        """Run a command in this process."""
        return run([*self.options, *COMMANDS[name]])


@pytest.fixture(scope="module", params=BOARDS)
def swept(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Swept]:
    with Bench(tmp_path_factory.mktemp("bench")) as bench, bench.here():
        board = BOARDS[request.param]
        yield Swept(bench, bench.plug(request.param, board), board)


def places(count: int, number: int) -> range:
    """Return the transfers at which to strike: all, or one that is another for each number."""
    return range(count) if IS_WHOLE else range(number * 7919 % count, count, count)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_fault_anywhere(
    swept: Swept, capsys: pytest.CaptureFixture[str], name: str, fault: FaultKind | Ack
) -> None:
    probe, number = swept.probe, FAULTS.index(fault) + 3 * list(COMMANDS).index(name) + 1
    is_usb = isinstance(fault, FaultKind)
    for after in places((swept.usb if is_usb else swept.swd)[name], number):
        where = f"{name}: {fault.name} after {after} transfers"
        if isinstance(fault, FaultKind):
            probe.fail(fault, after)
        else:
            probe.answer(fault, after)
        code = swept.run(name)
        message = capsys.readouterr().err
        assert code in (0, 3, 4), f"{where}: {code}: {message}"
        assert "Traceback" not in message, where
        assert bool(message.strip()) or code == 0, where
        assert not probe.device.claims, where
        assert not swept.bench.bus.users, where
        probe.heal()
        if not probe.device.plugged or probe.device.hung:
            probe.device.plug()
        assert swept.run(name) == 0, f"{where}: the next: {capsys.readouterr().err}"
        assert probe.disturbances() == swept.before, where
