"""Flashing and resetting: each kind of link, refusals, and failures at every point."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pyocd.core.exceptions import ProbeDisconnected

from idoldbg.call.calls import prepare_call
from idoldbg.cli import run
from idoldbg.errors import FlashError, LinkError, MismatchError, Unsupported
from idoldbg.flashing import flash_board
from idoldbg.model.memory import MemoryImage, Segment
from idoldbg.session import TargetOptions, demo_archive, emulated_board, find_build, open_session
from idoldbg.startup import settle, wait_until_up
from idoldbg.target.emulated.pyocd_probe.boards import register_board, unregister_board
from idoldbg.target.emulated.server import board_status, running_board
from idoldbg.target.emulated.socket import RemoteBoard, connect_board
from idoldbg.target.probe import flash as pyocd_flash
from tests.conftest import ARCHIVES, wait_until

FULL = str(ARCHIVES / "stm32f4-discovery.zip")
SMALL = str(ARCHIVES / "stm32f4-discovery-no-hiffy.zip")
Capture = pytest.CaptureFixture[str]
LIMIT_S = 120.0  # reached by no test
MARK = 0x20002410  # in HIFFY_DATA of the demo image


def image_id(archive: str) -> str:
    found = find_build(TargetOptions(archive=archive)).archive.image_id
    assert found is not None
    return found.hex()


def segments(archive: str) -> tuple[Segment, ...]:
    return find_build(TargetOptions(archive=archive)).archive.flash_segments()


def test_the_board_of_this_process(capsys: Capture) -> None:
    assert run(["-p", "emu", "flash", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "idoldbg.flash/1"
    assert (found["spec"], found["image_id"]) == ("emu", image_id(FULL))


@pytest.fixture(scope="module")
def desk() -> Iterator[str]:
    with running_board("flash-desk", board="stm32f4-discovery", pyocd_port=0) as entry:
        yield f"{entry.name} {entry.pyocd_port}"


@pytest.mark.parametrize("kind", ["emu:NAME", "pyocd:board-NAME", "remote:localhost:PORT"])
def test_a_board_that_is_kept_running_gets_another_image(desk: str, kind: str) -> None:
    name, port = desk.split()
    spec = kind.replace("NAME", name).replace("PORT", port)
    phases: dict[str, float] = {}

    def progress(phase: str, fraction: float) -> None:
        assert 0 <= fraction <= 1
        phases[phase] = fraction

    for archive in (SMALL, FULL):
        options = TargetOptions(archive=archive, probe=spec, timeout_s=LIMIT_S)
        done = flash_board(options, progress=progress)
        assert done.image_id == image_id(archive)
        assert phases["program"] == phases["verify"] == phases["boot"] == 1
        with open_session(TargetOptions(archive=archive, probe=f"emu:{name}")) as session:
            settle(session)
        assert board_status(name)["archive"] == archive


def test_a_board_flashed_by_another_program_is_a_mismatch(desk: str, capsys: Capture) -> None:
    name = desk.split()[0]
    assert run(["-p", f"emu:{name}", "flash", FULL]) == 0
    first = find_build(TargetOptions(archive=FULL)).archive.flash_segments()[0]
    with connect_board(name) as remote:
        remote.halt()
        remote.write(first.address, bytes(len(first.data)))
    capsys.readouterr()
    assert run(["-p", f"emu:{name}", "tasks"]) == 2
    assert f"`{name}` was flashed by another program" in capsys.readouterr().err
    assert run(["board", "list"]) == run(["board", "status", name]) == 0
    assert capsys.readouterr().out.count("not known: flashed by another program") == 2
    with connect_board(name) as remote:
        with pytest.raises(LinkError, match="holds another image"):
            remote.name_image([(first.address, first.data)], archive=FULL, image_id="")
        remote.write(first.address, first.data)
        remote.reset()
    assert board_status(name)["archive"] == FULL


@pytest.mark.parametrize("kind", ["emu:NAME", "pyocd:board-NAME"])
def test_comparing_writes_nothing(desk: str, kind: str, capsys: Capture) -> None:
    name = desk.split()[0]
    spec = kind.replace("NAME", name)
    with connect_board(name) as remote:
        remote.flash([(s.address, s.data) for s in segments(FULL)], archive=FULL, image_id="")
        assert run(["-p", spec, "flash", "--check", FULL]) == 0
        assert f"holds image id {image_id(FULL)}" in capsys.readouterr().out
        assert run(["-p", spec, "flash", "--check", SMALL, "--format", "json"]) == 1
        found = json.loads(capsys.readouterr().out)
        assert found["schema"] == "idoldbg.flash-check/1"
        size = sum(len(s.data) for s in segments(SMALL))
        assert 0 < found["different"] < found["size"] == size
        memory = MemoryImage(segments(SMALL))
        assert remote.read(found["first"], 1) != memory.read(found["first"], 1)
        # One bit of an image with the right id.
        last = segments(FULL)[-1]
        remote.halt()
        remote.write(last.end - 4, bytes(b ^ 1 for b in last.data[-4:]))
        remote.resume()
        assert run(["-p", spec, "flash", "--check", FULL]) == 1
        said = capsys.readouterr().out
        assert f": 4 of {sum(len(s.data) for s in segments(FULL))} bytes differ, " in said
        assert said.endswith(f"the first at 0x{last.end - 4:08x}\n")


def test_the_same_image_is_not_written_again(
    desk: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = desk.split()[0]
    writes: list[str] = []
    for kind in ("write", "flash", "reset", "halt", "hold"):
        real = getattr(RemoteBoard, kind)

        def logged(
            self: RemoteBoard, *args: Any, _real: Any = real, _kind: str = kind, **more: Any
        ) -> Any:
            writes.append(_kind)
            return _real(self, *args, **more)

        monkeypatch.setattr(RemoteBoard, kind, logged)
    flash = ["-p", f"emu:{name}", "flash", "--if-different", "--format", "json"]
    for archive, written in ((SMALL, True), (SMALL, False), (FULL, True), (FULL, False)):
        writes.clear()
        assert run([*flash, archive]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["written"], found["image_id"]) == (written, image_id(archive))
        assert writes == ["flash"] * written
    assert run(["-p", f"emu:{name}", "flash", "--if-different", FULL]) == 0
    assert "nothing was written" in capsys.readouterr().out
    assert run(["-p", f"emu:{name}", "flash", "--check", "--if-different", FULL]) == 2


def test_the_makers_algorithm_runs_on_the_emulated_core() -> None:
    """NXP's own flash algorithm, from pyOCD, against the model of the LPC55's controller."""
    board = "lpcxpresso55s69"
    with running_board("flash-rot", board=board) as entry:
        with connect_board(entry.name) as remote:
            before = remote.read(0x200, 4096)
            remote.halt()
            remote.write(0x200, bytes(4096))
        options = TargetOptions(
            archive=str(demo_archive(board)), probe="pyocd:board-flash-rot", timeout_s=LIMIT_S
        )
        flash_board(options)
        with connect_board(entry.name) as remote:
            assert remote.read(0x200, 4096) == before


def test_a_build_for_another_board_is_refused(desk: str, capsys: Capture) -> None:
    name = desk.split()[0]
    argv = ["-p", f"emu:{name}", "flash", str(ARCHIVES / "lpcxpresso55s69.zip")]
    assert run(argv) == 3
    assert "nothing was changed" in capsys.readouterr().err
    with open_session(TargetOptions(probe=f"emu:{name}")) as session:
        wait_until_up(session)
    # Flash is at address 0 as well on this chip, so that by force it can be written there.
    assert run([*argv, "--force", "--timeout", "0.5", "--format", "json"]) == 3
    notes, _, error = capsys.readouterr().err.rpartition("\n{")
    assert "all the same" in notes
    assert json.loads("{" + error)["error"]["state"] == "not-running"
    assert run(["-p", f"emu:{name}", "flash", FULL]) == 0


def test_another_processor_is_refused(capsys: Capture) -> None:
    argv = ["-p", "pyocd:emu-nucleo-g031", "flash", FULL]
    assert run(argv) == 3
    assert "the target is a cortex-m0plus, not a cortex-m4" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["-p", "pyocd", "flash"], ["-p", "remote:localhost:1", "flash"]])
def test_hardware_is_not_flashed_with_the_demo_by_accident(
    argv: list[str], capsys: Capture
) -> None:
    assert run(argv) == 2
    assert "give the build to flash" in capsys.readouterr().err


class Flaky:
    """An emulated board behind a probe, whose flash does what `write` says."""

    def __init__(self) -> None:
        self.board = emulated_board("stm32f4-discovery")
        self.flash_writes = 0
        self.fails_at = 10**9
        self.forgets = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.board, name)

    def write(self, address: int, data: bytes) -> None:
        if 0x08000000 <= address < 0x08100000:
            self.flash_writes += 1
            if self.flash_writes >= self.fails_at:
                raise ProbeDisconnected("gone")
            if self.forgets and self.flash_writes > 300:
                data = b"\xfe" * len(data)
        self.board.write(address, data)


@pytest.fixture
def flaky() -> Iterator[Flaky]:
    board = Flaky()
    register_board("flaky", lambda: board, board_name="stm32f4-discovery")
    yield board
    unregister_board("flaky")


OPTIONS = TargetOptions(archive=SMALL, probe="pyocd:flaky", timeout_s=LIMIT_S)


@pytest.mark.parametrize("writes", [1, 20, 80])
def test_a_probe_lost_half_way_reports_the_state_of_the_board(flaky: Flaky, writes: int) -> None:
    flaky.fails_at = writes
    with pytest.raises(FlashError, match="partly written") as caught:
        flash_board(OPTIONS)
    assert caught.value.state == "partly-written"
    flaky.fails_at = 10**9
    flash_board(OPTIONS)


Interrupt = Callable[[signal.Signals], Callable[[str, float], None]]


@pytest.fixture
def interrupting(monkeypatch: pytest.MonkeyPatch) -> Interrupt:
    """Make progress that sends this process a signal when programming has begun.

    It then keeps the programming thread until the main thread has heard of it.
    """
    states: list[pyocd_flash._State] = []
    make = pyocd_flash._State

    def note(progress: Any) -> pyocd_flash._State:
        states.append(make(progress))
        return states[-1]

    def make_progress(number: signal.Signals) -> Callable[[str, float], None]:
        def progress(phase: str, fraction: float) -> None:
            if phase == "program":
                os.kill(os.getpid(), number)
                wait_until(lambda: states[-1].is_given_up, "the interrupt is heard")

        return progress

    monkeypatch.setattr(pyocd_flash, "_State", note)
    return make_progress


def test_an_interrupt_while_programming_leaves_a_board_that_can_be_flashed(
    flaky: Flaky, interrupting: Interrupt
) -> None:
    with pytest.raises(KeyboardInterrupt) as interrupt:
        flash_board(OPTIONS, progress=interrupting(signal.SIGINT))
    assert "partly written" in interrupt.value.__notes__[0]
    written = flaky.flash_writes
    flash_board(OPTIONS)
    assert flaky.flash_writes > written


@pytest.mark.parametrize("kind", ["pyocd:board-NAME", "remote:localhost:PORT"])
def test_a_terminated_flash_reports_the_state_of_the_board(
    desk: str,
    kind: str,
    interrupting: Interrupt,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, port = desk.split()
    interruption = interrupting(signal.SIGTERM)

    def flash(options: TargetOptions, **named: Any) -> object:
        return flash_board(options, **{**named, "progress": interruption})

    monkeypatch.setattr("idoldbg.cli.flash.flash_board", flash)
    spec = kind.replace("NAME", name).replace("PORT", port)
    assert run(["-p", spec, "flash", FULL]) == 128 + signal.SIGTERM
    assert "interrupted; the flash is partly written" in capsys.readouterr().err
    assert board_status(name)["archive"] == ""
    monkeypatch.undo()
    assert run(["-p", f"emu:{name}", "flash", FULL]) == 0


def test_flash_that_loses_data_is_reported(flaky: Flaky) -> None:
    flaky.forgets, flaky.flash_writes = True, 300
    with pytest.raises(FlashError) as caught:
        flash_board(OPTIONS)
    assert caught.value.state in ("partly-written", "unverified")


def test_an_image_that_does_not_come_up(flaky: Flaky, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Flaky, "run", lambda self, seconds: None, raising=False)
    with pytest.raises(FlashError, match="did not come up") as caught:
        flash_board(TargetOptions(archive=SMALL, probe="pyocd:flaky", timeout_s=0.5))
    assert caught.value.state == "not-running"


def test_a_missing_pack_is_named_before_anything_is_changed(
    flaky: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyocd_flash, "EMULATED_VENDOR", "no such maker")
    with pytest.raises(Unsupported, match="pyocd pack install STM32F407VGTx"):
        flash_board(OPTIONS)
    assert flaky.flash_writes == 0


def test_the_board_that_a_probe_is_part_of_is_compared(
    flaky: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyocd  # noqa: F401  # before the plug-in's own modules, see there
    from pyocd.board.board_ids import BoardInfo

    from idoldbg.target.emulated.pyocd_probe._probe import EmulatedProbe

    info = BoardInfo(name="NUCLEO-H743ZI2", target="stm32h743zitx")
    monkeypatch.setattr(EmulatedProbe, "associated_board_info", property(lambda self: info))
    with pytest.raises(MismatchError, match="probe flaky is part of a NUCLEO-H743ZI2"):
        flash_board(OPTIONS)
    heard: list[str] = []
    flash_board(OPTIONS, force=True, notify=heard.append)
    assert any("all the same" in notice for notice in heard)


def test_a_dump_cannot_be_flashed_or_reset(tmp_path: Any) -> None:
    with pytest.raises(LinkError):
        flash_board(TargetOptions(archive=FULL, probe=f"dump:{tmp_path}"))


@pytest.mark.parametrize("spec", ["emu", "emu:NAME", "pyocd:emu", "remote:localhost:PORT"])
@pytest.mark.parametrize("hard", [[], ["--hard"]])
def test_reset(desk: str, spec: str, hard: list[str], capsys: Capture) -> None:
    name, port = desk.split()
    spec = spec.replace("NAME", name).replace("PORT", port)
    argv = ["-a", FULL, "-p", spec, "--timeout", f"{LIMIT_S:g}", "reset", *hard]
    assert run(argv) == 0
    assert f"up, image id {image_id(FULL)}" in capsys.readouterr().out
    assert run([*argv, "--halt"]) == 0
    assert "halted" in capsys.readouterr().out
    if spec not in ("emu", "pyocd:emu"):  # those two are gone with their process
        status = board_status(name)
        assert status["halted"] and status["held_by"] == 0
        assert run(argv) == 0
        assert not board_status(name)["halted"]


@pytest.mark.parametrize("kind", ["emu:NAME", "pyocd:board-NAME", "remote:localhost:PORT"])
@pytest.mark.parametrize("command", ["flash", "reset"])
def test_calls_of_others_end_first(desk: str, kind: str, command: str) -> None:
    """The holder of the call lock is not disturbed; a call of another build is a mismatch."""
    name, port = desk.split()
    spec = kind.replace("NAME", name).replace("PORT", port)
    argv = ["-p", spec, command] if command == "reset" else ["-p", spec, command, FULL]
    with connect_board(name) as other, ThreadPoolExecutor(1) as pool:
        other.lock()
        other.write(MARK, b"here")  # which the startup code does away with
        done = pool.submit(run, argv)
        time.sleep(0.5)  # enough for it to come in between, if it did
        assert not done.done()
        assert other.read(MARK, 4) == b"here"
        other.unlock()
        assert done.result(LIMIT_S) == 0


def test_a_call_after_another_process_has_flashed_is_a_mismatch() -> None:
    with running_board("flashed-by-another", board="stm32f4-discovery") as entry:
        spec = f"emu:{entry.name}"
        with open_session(TargetOptions(archive=FULL, probe=spec)) as session:
            call = prepare_call(session.program.operation("Sensor.get"), {"id": "0"})
            session.caller.call(call)
            flash_board(TargetOptions(archive=SMALL, probe=spec, timeout_s=LIMIT_S))
            with pytest.raises(MismatchError, match="runs another image"):
                session.caller.call(call)
            flash_board(TargetOptions(archive=FULL, probe=spec, timeout_s=LIMIT_S))
            session.caller.call(call)


def test_tasks_of_a_board_that_is_halted_in_its_reset(capsys: Capture) -> None:
    """RAM survives the reset, and is not shown as if it ran."""
    with running_board("halted-in-reset", board="stm32f4-discovery") as entry:
        spec = f"emu:{entry.name}"
        assert run(["-p", spec, "tasks"]) == 0
        assert "notif: timer" in capsys.readouterr().out
        assert run(["-p", spec, "reset", "--halt"]) == 0
        capsys.readouterr()
        assert run(["-p", spec, "--timeout", "1", "tasks"]) == 0
        shown = capsys.readouterr()
        assert "has not started its tasks" in shown.out
        assert "notif" not in shown.out
        assert "the core is halted" in shown.err


def test_a_reset_by_others_in_a_call_is_reported(capsys: Capture) -> None:
    for probe in ("emu", "pyocd:emu"):
        assert run(["-p", probe, "call", "Jefe.request_reset"]) == 3
        error = capsys.readouterr().err
        assert "the board was reset during the call; the call may have been made" in error
