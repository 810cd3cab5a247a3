"""Faults of benches, as a user meets them: the true reason, nothing left claimed, and the next
command works."""

from __future__ import annotations

import time

import pytest

from idoldbg.cli import run
from idoldbg.errors import LinkError
from idoldbg.session import TargetOptions, open_session
from idoldbg.target.probe.probes import find_probes
from tests.bench.bench import Ack, Bench, FaultKind, Lock, Probe, Sleep
from tests.conftest import ARCHIVES, wait_until

Capture = pytest.CaptureFixture[str]
F4, G0, LPC = "stm32f4-discovery", "nucleo-g031", "lpcxpresso55s69"
BOARDS = {"stlink-v2-1": F4, "stlink-v3": G0, "mcu-link": LPC, "daplink-hid": LPC}
ST_LINKS = ("stlink-v2-1", "stlink-v3")
LIMIT_S = 10.0
RAM = 0x20000000


class Desk:
    """A probe with a board, used with commands in this process."""

    def __init__(self, bench: Bench, kind: str, serial: str | None = None) -> None:
        self.bench, self.board = bench, BOARDS[kind]
        self.probe: Probe = bench.plug(kind, self.board, serial=serial)
        self.before = self.probe.disturbances()

    def tasks(self, *options: str, spec: str = "") -> int:
        """Run `tasks`; it is quick, and claims nothing afterwards."""
        began = time.monotonic()
        archive = str(ARCHIVES / f"{self.board}.zip")
        code = run(["-p", spec or self.probe.spec, "-a", archive, *options, "tasks"])
        assert time.monotonic() - began < LIMIT_S
        if self.probe.device.waits_for_real:  # a thread that was given up ends with the process
            wait_until(lambda: not self.probe.device.claims, "the probe is let go", 30)
        assert not self.probe.device.claims
        assert not self.bench.bus.users
        return code

    def works_again(self) -> None:
        """After the fault the next command works, and the board is as it was."""
        self.probe.heal()
        assert self.tasks() == 0
        assert self.probe.disturbances() == self.before


@pytest.fixture(params=BOARDS)
def desk(request: pytest.FixtureRequest, bench: Bench) -> Desk:
    return Desk(bench, request.param)


@pytest.mark.parametrize("kind", [FaultKind.TIMEOUT, FaultKind.STALL, FaultKind.IO])
@pytest.mark.parametrize("after", [0, 1, 4])
def test_one_fault_while_opening_is_not_called_in_use(
    desk: Desk, capsys: Capture, kind: FaultKind, after: int
) -> None:
    desk.probe.fail(kind, after)
    code = desk.tasks()
    assert code in (0, 3, 4)
    assert "in use" not in capsys.readouterr().err
    desk.works_again()


def test_an_old_st_link_says_that_it_is_old(bench: Bench, capsys: Capture) -> None:
    desk = Desk(bench, "stlink-v2-1")
    now, desk.probe.firmware.jtag_version = desk.probe.firmware.jtag_version, 20
    assert desk.tasks() == 4
    message = capsys.readouterr().err
    assert "firmware is too old" in message
    assert "in use" not in message
    desk.probe.firmware.jtag_version = now
    desk.works_again()


def test_a_session_outlives_a_power_cycle(desk: Desk) -> None:
    archive = str(ARCHIVES / f"{desk.board}.zip")
    with open_session(TargetOptions(archive=archive, probe=desk.probe.spec)) as session:
        session.link.read(RAM, 16)
        desk.probe.wires.powered = False
        with pytest.raises(LinkError):
            session.link.read(RAM, 16)
        desk.probe.wires.power_cycle()
        desk.probe.wires.powered = True
        assert session.link.read(RAM, 16) == desk.probe.board.read(RAM, 16)


def test_a_session_outlives_a_late_answer(desk: Desk) -> None:
    archive = str(ARCHIVES / f"{desk.board}.zip")
    with open_session(TargetOptions(archive=archive, probe=desk.probe.spec)) as session:
        session.link.read(RAM, 16)
        desk.probe.fail(FaultKind.LATE)
        try:
            found = session.link.read(RAM + 32, 16)
        except LinkError:
            found = session.link.read(RAM + 32, 16)
        assert found == desk.probe.board.read(RAM + 32, 16)


def test_no_permission_names_udev(desk: Desk, capsys: Capture) -> None:
    desk.probe.device.denied = True
    assert desk.tasks() == 4
    message = capsys.readouterr().err
    assert "no permission" in message
    assert "udev" in message
    desk.probe.device.denied = False
    desk.works_again()


def test_a_target_without_supply(desk: Desk, capsys: Capture) -> None:
    desk.probe.wires.powered = False
    desk.probe.firmware.volts = 0.0
    assert desk.tasks() == 4
    message = capsys.readouterr().err
    assert "no target answers" in message or "does not answer" in message
    assert "power" in message or "supply" in message
    if desk.board != LPC:
        assert "0.0 V" in message
    desk.probe.wires.powered = True
    desk.probe.firmware.volts = 3.3
    desk.works_again()


def test_a_sleeping_core_is_named_with_remedies(desk: Desk, capsys: Capture) -> None:
    desk.probe.answer(Ack.WAIT, count=None, where="ap")
    assert desk.tasks() in (3, 4)
    message = capsys.readouterr().err
    assert "asleep" in message
    assert "insomniac" in message
    assert "--connect awake" in message
    desk.works_again()


def test_a_hang_takes_no_longer_than_other_faults(desk: Desk, capsys: Capture) -> None:
    desk.probe.device.waits_for_real = True
    desk.probe.fail(FaultKind.HANG, 6)
    assert desk.tasks() in (3, 4)
    assert "answer" in capsys.readouterr().err
    desk.probe.heal()
    desk.probe.device.plug()
    desk.works_again()


@pytest.mark.parametrize("kind", BOARDS)
def test_twins_differ_by_their_places(bench: Bench, kind: str) -> None:
    one, two = Desk(bench, kind, "SAME1"), Desk(bench, kind, "SAME1")
    ids = [p.info.unique_id for p in find_probes()[0] if not p.info.is_emulated]
    assert len(set(ids)) == 2
    assert all(found.startswith("SAME1@") for found in ids)
    used = []
    for found in ids:
        one.probe.clear()
        two.probe.clear()
        assert one.tasks(spec=f"pyocd:{found}") == 0
        counts = [desk.probe.wires.transfers for desk in (one, two)]
        used.append(counts.index(max(counts)))
        assert min(counts) == 0
    assert sorted(used) == [0, 1]
    assert one.tasks(spec="pyocd:SAME1") == 4


@pytest.mark.parametrize("kind", ST_LINKS)
def test_an_st_link_without_serial_number_hides_no_other(bench: Bench, kind: str) -> None:
    nameless, other = Desk(bench, kind, ""), Desk(bench, kind)
    infos = [p.info for p in find_probes()[0] if not p.info.is_emulated]
    assert len(infos) == 2
    assert other.tasks() == 0
    (found,) = [info.unique_id for info in infos if info.unique_id.startswith("@")]
    assert nameless.tasks(spec=f"pyocd:{found}") == 0


@pytest.mark.parametrize("kind", ["stlink-v2-1", "mcu-link"])
def test_speed_and_connect_are_options(bench: Bench, kind: str) -> None:
    desk = Desk(bench, kind)
    assert desk.tasks("--speed", "100000") == 0
    assert desk.tasks("--connect", "awake") == 0
    assert desk.probe.disturbances() == desk.before
    assert desk.tasks("--connect", "sideways") == 2
    assert desk.tasks("--speed", "0") == 2
    resets = desk.probe.board.reset_count
    assert desk.tasks("--connect", "under-reset") == 0
    assert desk.probe.board.reset_count > resets


def test_a_protected_chip_and_a_held_reset_are_link_errors(desk: Desk, capsys: Capture) -> None:
    desk.probe.wires.protection = Lock.MAILBOX if desk.board == LPC else Lock.RDP1
    assert desk.tasks() in (0, 3, 4)
    desk.probe.wires.protection = Lock.OPEN
    desk.works_again()
    assert "Traceback" not in capsys.readouterr().err


def test_a_sleep_that_shuts_the_debug_port(desk: Desk, capsys: Capture) -> None:
    desk.probe.wires.sleep = Sleep.SHUT
    code = desk.tasks()
    assert code in (0, 3, 4)
    if code:
        assert "asleep" in capsys.readouterr().err
    desk.probe.wires.sleep = Sleep.HARMLESS
    desk.works_again()


def test_a_reset_that_is_cut_off_says_how_the_core_may_be_left(
    bench: Bench, capsys: Capture
) -> None:
    """After how many transfers the core is to halt depends on how often hiffy is looked at."""
    archive = str(ARCHIVES / "stm32f4-discovery.zip")
    said = []
    for after in (78, 90, 102, 114, 130):
        probe = bench.plug("stlink-v2-1", "stm32f4-discovery", serial=f"CUT{after}")
        probe.fail(FaultKind.UNPLUG, after)
        code = run(["-p", probe.spec, "-a", archive, "reset", "--halt"])
        error = capsys.readouterr().err
        assert code == (4 if error else 0)
        assert not error or "the probe is gone" in error
        said.append("the core may be left halted, or halt at its next reset" in error)
    assert any(said)
