"""The bench itself: what it shows, what it counts, what it lets fail, and what it leaves."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time

import pytest
import usb.core

from idoldbg.session import TargetOptions, open_session
from idoldbg.target.emulated.pyocd_probe.dap import CPUID
from idoldbg.target.probe.probes import find_probes
from idoldbg.target.usb import list_usb_devices
from tests.bench.bench import Ack, Bench, FaultKind, Lock, Probe, Sleep
from tests.bench.device import UsbError
from tests.bench.latency import ModelClock
from tests.bench.probes import KINDS
from tests.conftest import ARCHIVES, ROOT, wait_until

F4 = "stm32f4-discovery"
BOARDS = {"stlink-v2": F4, "stlink-v2-1": F4, "stlink-v3": "nucleo-g031"}
IDLE = (0, 0, 1, False)  # nothing set, one reset, not halted


def find(**wanted: int) -> list[usb.core.Device]:
    import libusb_package

    return list(libusb_package.find(find_all=True, **wanted))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_attaches_and_leaves_nothing(bench: Bench, kind: str) -> None:
    board = BOARDS.get(kind, "lpcxpresso55s69")
    probe = bench.plug(kind, board)
    assert probe.disturbances() == IDLE
    with open_session(TargetOptions(board=board, probe=probe.spec)) as session:
        cpuid = int.from_bytes(session.link.read(CPUID, 4), "little")
        assert cpuid == int.from_bytes(probe.board.read(CPUID, 4), "little")
        start = 0x2F0 if board.startswith("lpc") else 0x080002F0
        assert session.link.read(start + 1, 7000) == probe.board.read(start + 1, 7000)
        assert probe.device.claims
    assert probe.disturbances() == IDLE
    assert not probe.device.claims
    assert not bench.bus.users
    assert probe.counts.round_trips > 10
    assert probe.counts.writes >= probe.counts.reads


def test_a_child_process_sees_the_probes_and_only_those(bench: Bench) -> None:
    bench.plug("stlink-v2-1", F4, serial="066BFF")
    bench.plug("mcu-link", "lpcxpresso55s69", serial="LPC")
    arguments = [sys.executable, "-P", "-m", "idoldbg", "probes", "--format", "json"]
    done = subprocess.run(arguments, env=bench.env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"unique_id"') == 2
    assert "066BFF" in done.stdout
    assert F4 in done.stdout, "an ST-Link tells its board"
    without = [sys.executable, "-P", "-m", "idoldbg", "tasks"]
    env = {**bench.env, "IDOLDBG_ARCHIVE": str(ARCHIVES / "lpcxpresso55s69.zip")}
    two = subprocess.run(without, env=env, capture_output=True, text=True, timeout=60)
    assert two.returncode == 4, "it finds the probes by itself, and must be told which"
    assert "066BFF" in two.stderr


def test_a_process_that_is_killed_lets_go(bench: Bench) -> None:
    probe = bench.plug("mcu-link", "lpcxpresso55s69")
    code = (
        "import idoldbg, time; board = idoldbg.attach(board='lpcxpresso55s69', probe='pyocd');"
        "print(1, flush=True); time.sleep(99)"
    )
    arguments = [sys.executable, "-c", code]
    with subprocess.Popen(arguments, env=bench.env, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"1\n"
        assert probe.device.claims
        (device,) = find(idVendor=0x1FC9)
        with pytest.raises(usb.core.USBError) as caught:
            usb.util.claim_interface(device, 0)
        assert caught.value.errno == errno.EBUSY
        usb.util.dispose_resources(device)
        os.kill(child.pid, signal.SIGKILL)
        child.wait(10)
        wait_until(lambda: not probe.device.claims, "the claim ends with the process")
    assert not bench.bus.users


def ask(probe: Probe, command: bytes = bytes([0xF5]) + bytes(15)) -> bytes:
    """Make one round trip beneath pyUSB."""
    probe.device.write(command, 1.0)
    return probe.device.read(64, 0.05)


ERRNOS = {
    FaultKind.UNPLUG: errno.ENODEV,
    FaultKind.TIMEOUT: errno.ETIMEDOUT,
    FaultKind.LATE: errno.ETIMEDOUT,
    FaultKind.STALL: errno.EPIPE,
    FaultKind.IO: errno.EIO,
    FaultKind.HANG: errno.ETIMEDOUT,
}


@pytest.mark.parametrize("after", range(4))
@pytest.mark.parametrize("kind", FaultKind)
def test_a_usb_fault_strikes_once_and_where_it_was_ordered(
    bench: Bench, kind: FaultKind, after: int
) -> None:
    probe = bench.plug("stlink-v2-1", F4)
    right = ask(probe)
    probe.fail(kind, after)
    for _ in range(after // 2):
        assert ask(probe) == right
    if kind in ERRNOS:
        with pytest.raises(UsbError) as caught:
            ask(probe)
        assert caught.value.errno == ERRNOS[kind]
    else:
        assert ask(probe) != right
    if kind in (FaultKind.UNPLUG, FaultKind.HANG):
        with pytest.raises(UsbError):
            ask(probe)
    if kind is FaultKind.LATE:
        assert probe.device.read(64, 0.05) == right, "the answer comes late"
    probe.heal()
    assert ask(probe) == right


def test_an_unplugged_probe_has_to_be_opened_again(bench: Bench) -> None:
    probe = bench.plug("stlink-v2-1", F4)
    (device,) = find(idVendor=0x0483)
    usb.util.claim_interface(device, 0)
    probe.device.unplug()
    assert not find(idVendor=0x0483)
    probe.device.plug()
    with pytest.raises(usb.core.USBError) as caught:
        device.write(1, bytes([0xF5]).ljust(16, b"\0"), 100)
    assert caught.value.errno == errno.ENODEV
    assert len(find(idVendor=0x0483)) == 1


def test_other_devices_are_on_the_bus_too(bench: Bench) -> None:
    """They are on Linux's list, and not among pyOCD's probes."""
    bench.plug_serial_port(0x0483, 0x5740, "STM32 Virtual ComPort")
    probe = bench.plug("stlink-v2-1", F4)
    assert len(find(idVendor=0x0483)) == 2
    assert [p.info.unique_id for p in find_probes()[0] if not p.info.is_emulated] == [
        probe.device.serial
    ]
    assert [d.name for d in list_usb_devices()] == ["STM32 Virtual ComPort", "STM32 STLink"]
    probe.device.unplug()
    assert [d.name for d in list_usb_devices()] == ["STM32 Virtual ComPort"]
    probe.device.plug()
    assert len(list_usb_devices()) == 2


def test_permission_is_needed(bench: Bench) -> None:
    bench.plug("stlink-v2-1", F4).device.denied = True
    (device,) = find(idVendor=0x0483)
    with pytest.raises(usb.core.USBError) as caught:
        device.get_active_configuration()
    assert caught.value.errno == errno.EACCES


def enter(probe: Probe) -> None:
    probe.wires.line_reset()
    assert probe.wires.read(False, 0)[0] is Ack.OK
    assert probe.wires.write(False, 4, 0x50000000) is Ack.OK


def read_word(probe: Probe, address: int) -> tuple[Ack, int]:
    """Read one word as a probe does; return the first refusal, or what RDBUFF gives."""
    wires = probe.wires
    steps = [(False, 8, 0), (True, 0, 0x23000002), (True, 4, address)]
    for is_ap, register, value in steps:
        ack = wires.write(is_ap, register, value)
        if ack is not Ack.OK:
            return ack, 0
    ack, _ = wires.read(True, 0xC)
    return wires.read(False, 0xC) if ack is Ack.OK else (ack, 0)


def test_wires_answer_as_swd_does(bench: Bench) -> None:
    probe = bench.plug("stlink-v2-1", F4)
    wires = probe.wires
    assert wires.read(False, 0)[0] is Ack.NONE, "asleep until a line reset"
    wires.line_reset()
    assert wires.write(False, 4, 0x50000000) is Ack.NONE, "DPIDR has to be read first"
    enter(probe)
    assert read_word(probe, CPUID) == (Ack.OK, 0x410FC241)
    assert read_word(probe, 0x30000000)[0] is Ack.FAULT, "RDBUFF tells of the hole"
    assert wires.read(True, 0)[0] is Ack.FAULT
    assert wires.read(False, 4)[1] & 0x20, "STICKYERR can be read"
    assert wires.write(False, 0, 0x1E) is Ack.OK
    assert read_word(probe, CPUID) == (Ack.OK, 0x410FC241)


@pytest.mark.parametrize("ack", [Ack.WAIT, Ack.FAULT, Ack.NONE, Ack.PARITY])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_wire_fault_strikes_where_it_was_ordered(bench: Bench, ack: Ack, after: int) -> None:
    probe = bench.plug("stlink-v2-1", F4)
    enter(probe)
    probe.answer(ack, after, where="read")
    answers = [probe.wires.read(False, 0)[0] for _ in range(after + 2)]
    assert answers == [Ack.OK] * after + [ack, Ack.OK]


def test_states_of_the_target(bench: Bench) -> None:
    probe = bench.plug("stlink-v2-1", F4)
    wires = probe.wires
    enter(probe)
    wires.powered = False
    assert read_word(probe, CPUID)[0] is Ack.NONE
    wires.power_cycle()
    assert read_word(probe, CPUID)[0] is Ack.NONE, "it hears nothing before a line reset"
    enter(probe)
    wires.hold_nreset(True)
    assert read_word(probe, CPUID)[0] is Ack.OK
    assert read_word(probe, 0x20000000)[0] is Ack.FAULT
    wires.write(False, 0, 0x1E)
    wires.hold_nreset(False)
    wires.protection = Lock.RDP1
    assert read_word(probe, 0x20000000)[0] is Ack.OK
    assert read_word(probe, 0x08000000)[0] is Ack.FAULT
    wires.write(False, 0, 0x1E)
    probe.heal()
    assert read_word(probe, 0x08000000)[0] is Ack.OK


@pytest.mark.parametrize("kind", ["stlink-v2-1", "stlink-v3"])
def test_dbgmcu_outlives_a_reset_and_no_loss_of_power(bench: Bench, kind: str) -> None:
    probe = bench.plug(kind, BOARDS[kind])
    probe.board.write(probe.wires.dbgmcu, b"\7\0\0\0")
    probe.wires.drive_nreset(True)
    probe.wires.drive_nreset(False)
    assert probe.board.read(probe.wires.dbgmcu, 4) == b"\7\0\0\0"
    probe.wires.power_cycle()
    assert probe.board.read(probe.wires.dbgmcu, 4) == bytes(4)


def test_a_sleeping_core_without_its_debug_clock(bench: Bench) -> None:
    probe = bench.plug("stlink-v2-1", F4)
    wires = probe.wires
    enter(probe)
    probe.board.run_until(lambda: probe.board.is_sleeping, 1.0)
    wires.sleep = Sleep.SHUT
    answers = [wires.read(True, 0)[0] for _ in range(50)]
    assert answers.count(Ack.WAIT) > 25, "it is awake now and then"
    wires.sleep = Sleep.TICKS
    answers = [wires.read(True, 0)[0] for _ in range(200)]
    assert Ack.OK in answers
    assert Ack.WAIT in answers
    probe.board.write(wires.dbgmcu, b"\7\0\0\0")
    wires.sleep = Sleep.SHUT
    answers = [wires.read(True, 0)[0] for _ in range(50)]
    assert answers == [Ack.OK] * 50, "DBGMCU keeps the clock on"


def test_model_time_passes_for_the_board_and_not_for_us(bench: Bench) -> None:
    probe = bench.plug("stlink-v2-1", F4)
    before, board_s = bench.clock.modelled_s, probe.board.time_s
    for _ in range(200):
        ask(probe)
    assert 0.2 <= bench.clock.modelled_s - before < 0.3, "1 ms a round trip"
    enter(probe)
    read_word(probe, CPUID)
    assert probe.board.time_s - board_s > 0.19


def test_a_real_bench_takes_its_time() -> None:
    clock = ModelClock(is_real=True)
    begin = time.monotonic()
    clock.advance(0.02)
    assert time.monotonic() - begin >= 0.02


def test_the_command_prints_what_it_cost(bench: Bench) -> None:
    arguments = [
        sys.executable,
        "-P",
        "-m",
        "tests.bench",
        "daplink=lpcxpresso55s69",
        "--",
        "echo",
        "hello",
    ]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(arguments, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "hello\n"
    assert "BENCH0P" in done.stderr
    assert ": 0 round trips" in done.stderr
