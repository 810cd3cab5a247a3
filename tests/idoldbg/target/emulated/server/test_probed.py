"""Real boards that a process keeps: shared, unplugged, plugged in again."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from idoldbg.call.calls import prepare_call
from idoldbg.cli import run
from idoldbg.errors import FaultError, LinkError, ProbeNotFound, Unsupported
from idoldbg.session import TargetOptions, open_session
from idoldbg.target.emulated.client import short_address
from idoldbg.target.emulated.entries import boards_dir, find_board_entry
from idoldbg.target.emulated.server import board_status, running_board, start_board, stop_board
from idoldbg.target.emulated.server import probed as probed_module
from idoldbg.target.emulated.server.probed import ProbedBoard, ProbedLoop, SharedProbe
from idoldbg.target.emulated.socket import ProbedLink, open_board
from idoldbg.target.link import BaseLink
from idoldbg.target.target import Target
from tests.bench.bench import Bench, FaultKind
from tests.conftest import ARCHIVES, ROOT, wait_for_idle, wait_until
from tests.idoldbg.target.conftest import DHCSR, FLASH, RAM, S_HALT, FakeChip
from tests.tools import need

ARCHIVE = str(ARCHIVES / "stm32f4-discovery.zip")
T = TypeVar("T")
Capture = pytest.CaptureFixture[str]


class ChipLink(BaseLink):
    """A link to a fake chip, whose probe may be unplugged."""

    kind = "fake probe"
    source = "probe"

    def __init__(self, bench: FakeBench) -> None:
        super().__init__("pyocd:FAKE", "a fake", ("as it was found",))
        self._bench, self._number = bench, bench.attached
        self._chip = bench.chip

    def _look(self) -> None:
        if self._bench.is_unplugged or self._number != self._bench.attached:
            raise LinkError("pyocd:FAKE: cannot read: the probe is gone", link="pyocd:FAKE")

    def read(self, address: int, size: int) -> bytes:
        self._look()
        return self._chip.read(address, size)

    def read_many(self, ranges: list[tuple[int, int]]) -> list[bytes]:
        self._bench.batches.append(len(ranges))
        return [self.read(*each) for each in ranges]

    def write(self, address: int, data: bytes) -> None:
        self._look()
        self._chip.write(address, data)

    def read_register(self, name: str) -> int:
        self._look()
        return self._chip.read_register(name)

    def halt(self) -> None:
        self._look()
        self._chip.halt()

    def resume(self) -> None:
        self._look()
        self._chip.resume()

    def reset(self) -> None:
        self.reset_with(halt=False, line=False)

    def check_reset(self, *, line: bool) -> None:
        self._look()
        if line and self._bench.has_no_line:
            raise Unsupported("pyocd:FAKE: no line", capability="reset")

    def reset_with(self, *, halt: bool, line: bool) -> None:
        self._look()
        self._bench.resets.append((halt, line))
        self._chip.reset()
        if halt:
            self._chip.halt()

    def wait(self, seconds: float) -> None:
        raise AssertionError("clients wait by themselves")

    def monotonic(self) -> float:
        raise AssertionError("clients have clocks of their own")

    def halted(self, action: Callable[[], T]) -> T:
        raise AssertionError("holds of clients are counted")

    def close(self) -> None:
        self._bench.closed += 1


class FakeBench:
    """A chip behind a probe, and what was done with it."""

    def __init__(self, chip: FakeChip) -> None:
        self.chip = chip
        self.is_unplugged = self.has_no_line = False
        self.attached = self.closed = 0
        self.batches: list[int] = []
        self.resets: list[tuple[bool, bool]] = []

    def open(self) -> Target:
        if self.is_unplugged:
            raise ProbeNotFound("pyocd:FAKE: no probe has that id")
        self.attached += 1
        return Target(ChipLink(self))


@pytest.fixture
def made(chip: FakeChip, monkeypatch: pytest.MonkeyPatch) -> FakeBench:
    monkeypatch.setattr(probed_module, "PAUSE_S", 0.0)
    return FakeBench(chip)


@pytest.fixture
def path(made: FakeBench, tmp_path: Path) -> Iterator[Path]:
    """The socket at which the chip is served."""
    facts = {"name": "fake", "board": "", "pid": 0, "probe": "pyocd:FAKE", "archive": ""}
    with socket.socket(socket.AF_UNIX) as listener:
        path = tmp_path / "board.sock"
        with short_address(path) as address:
            listener.bind(address)
        listener.listen()
        board = ProbedBoard(made.open)
        loop = ProbedLoop(SharedProbe(board, lambda: facts), listener)
        thread = threading.Thread(target=loop.run)
        thread.start()
        try:
            yield path
        finally:
            loop.stop()
            thread.join(60)
        board.close()
        assert not thread.is_alive()
        assert made.closed == made.attached


def connect(path: Path) -> ProbedLink:
    link = open_board(str(path), "board")
    assert isinstance(link, ProbedLink)
    return link


def test_a_link_does_what_the_probe_does(path: Path, made: FakeBench, chip: FakeChip) -> None:
    with connect(path) as link:
        assert link.notices == ("as it was found",)
        assert link.read(FLASH, 4) == bytes((0, 7, 14, 21))
        link.write(RAM, b"good")
        assert link.read_many([(RAM, 4), (FLASH, 2), (RAM, 0)]) == [b"good", b"\0\7", b""]
        assert link.read_many([(RAM, 4), (FLASH, 2)]) == [b"good", b"\0\7"]
        assert made.batches == [2], "reads in a row are one"
        assert link.read_register("pc") == chip.registers["pc"]
        with pytest.raises(FaultError) as caught:
            link.read_many([(RAM, 4), (0x90000000, 8)])
        assert caught.value.address == 0x90000000
        link.reset_with(halt=True, line=True)
        link.reset()
        assert made.resets == [(True, True), (False, False)]
    assert made.attached == 1
    assert made.closed == 0, "a fault leaves the link as it is"


def test_an_emulated_board_is_not_taken_for_a_real_one(path: Path) -> None:
    from idoldbg.errors import ArgumentError

    with pytest.raises(ArgumentError, match="is a real board behind pyocd:FAKE: use it as"):
        open_board(str(path))


def test_it_cannot_be_flashed_or_named(path: Path) -> None:
    with connect(path) as link:
        for action in (
            lambda: link.board.flash([(FLASH, b"1234")]),
            lambda: link.board.name_image([(FLASH, b"1234")], archive="a", image_id=""),
            lambda: link.board.uart_feed("console", b"x"),
            lambda: link.board.start_instrument("trace", {}),
            lambda: link.board.take_instrument("trace"),
        ):
            with pytest.raises(Unsupported, match="behind a probe"):
                action()


def test_resets_that_the_probe_cannot_do_are_known_before(path: Path, made: FakeBench) -> None:
    made.has_no_line = True
    with connect(path) as link:
        link.check_reset(line=False)
        with pytest.raises(Unsupported, match="no line"):
            link.check_reset(line=True)


def test_holds_of_two_clients_are_counted(path: Path, chip: FakeChip) -> None:
    with connect(path) as one, connect(path) as two:

        def within() -> None:
            two.halted(lambda: two.read_register("pc"))
            assert chip.is_halted, "the other one's end is not ours"
            assert one.read_register("pc") == chip.registers["pc"]

        one.halted(within)
        assert not chip.is_halted
        one.halt()
        two.halted(lambda: None)
        assert chip.is_halted, "it was halted before"
        two.resume()
        assert not chip.is_halted


def test_a_client_that_goes_lets_the_core_run(path: Path, chip: FakeChip) -> None:
    link = connect(path)
    link.board.hold()
    assert chip.is_halted
    link.close()
    wait_until(lambda: not chip.is_halted, "the core runs")


def test_a_probe_that_comes_back_is_attached_again(path: Path, made: FakeBench) -> None:
    with connect(path) as link:
        made.is_unplugged = True
        with pytest.raises(LinkError, match="the probe is gone"):
            link.read(RAM, 4)
        with pytest.raises(LinkError, match=r"the probe is lost: pyocd:FAKE: no probe has that"):
            link.read(RAM, 4)
        with pytest.raises(LinkError, match="its probe is lost: pyocd:FAKE: no probe has that id"):
            open_board(str(path), "board")
        made.is_unplugged = False
        assert link.read(RAM, 4) == bytes(4), "the same connection goes on"
        assert link.board.status()["problem"] == ""
    assert (made.attached, made.closed) == (2, 1)


def test_attempts_to_attach_are_rare(
    made: FakeBench, chip: FakeChip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    now, attempts = [100.0], [0]

    def open_target() -> Target:
        attempts[0] += 1
        return made.open()

    board = ProbedBoard(open_target, clock=lambda: now[0])
    made.is_unplugged = True
    for _ in range(5):
        with pytest.raises(LinkError):
            board.read(RAM, 4)
    assert attempts == [1], "the loss itself was just now"
    now[0] += probed_module.PAUSE_S
    for _ in range(5):
        with pytest.raises(LinkError, match="the probe is lost"):
            board.read(RAM, 4)
    assert attempts == [2]
    made.is_unplugged = False
    now[0] += probed_module.PAUSE_S
    assert board.read(RAM, 4) == bytes(4)
    board.close()


def test_a_hold_that_was_lost_is_not_taken_for_one(
    path: Path, made: FakeBench, chip: FakeChip
) -> None:
    """The core stands still while the probe is away, and runs on when nobody needs that."""
    with connect(path) as one, connect(path) as two:

        def within() -> None:
            made.is_unplugged = True
            with pytest.raises(LinkError, match="the probe is gone"):
                one.read(RAM, 4)
            made.is_unplugged = False
            assert two.read(RAM, 4) == bytes(4)
            assert not chip.is_halted, "the one who held it has been told"
            for action in (lambda: one.read(RAM, 4), lambda: one.read_register("pc")):
                with pytest.raises(LinkError, match="lost while the core was held still"):
                    action()

        one.halted(within)
        assert one.read(RAM, 4) == bytes(4)
        assert one.halted(lambda: one.read_register("sp")) == chip.registers["sp"]
        assert not chip.is_halted


def test_a_hold_may_end_while_the_probe_is_away(
    path: Path, made: FakeBench, chip: FakeChip
) -> None:
    with connect(path) as link:

        def within() -> str:
            made.is_unplugged = True
            with pytest.raises(LinkError, match="the probe is gone"):
                link.read(RAM, 4)
            return "done"

        assert link.halted(within) == "done"
        assert chip.is_halted
        made.is_unplugged = False
        assert link.read(RAM, 4) == bytes(4)
        assert not chip.is_halted


def test_a_core_left_halted_by_a_lost_probe_runs_on(
    path: Path, made: FakeBench, chip: FakeChip
) -> None:
    link = connect(path)
    link.board.hold()
    made.is_unplugged = True
    link.close()
    wait_until(lambda: made.closed == 1, "the loss is noticed")
    other: ProbedLink | None = None

    def is_back() -> bool:
        nonlocal other
        made.is_unplugged = False
        try:
            other = connect(path)
        except LinkError:
            return False
        return True

    wait_until(is_back, "the probe is back")
    assert other is not None
    other.read(RAM, 4)
    wait_until(lambda: not chip.is_halted, "the core runs")
    other.close()


def test_waits_of_clients_keep_nobody_waiting(path: Path) -> None:
    with connect(path) as one, connect(path) as two, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: one.board._do({"op": "wait", "seconds": 0.3}))
        for _ in range(20):
            assert two.read(FLASH, 1) == b"\0"
        (result,), _ = waiting.result(60)
        assert result["waited_s"] >= 0.3


def test_the_lock_is_one_clients_at_a_time(path: Path) -> None:
    inside, most = [0], [0]

    def call(_: int) -> None:
        with connect(path) as link:

            def act() -> None:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                link.read(FLASH, 64)
                inside[0] -= 1

            for _ in range(5):
                link.alone(act)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(call, range(6)))
    assert most == [1]


def test_the_core_is_looked_at_when_status_is_asked(path: Path, chip: FakeChip) -> None:
    with connect(path) as link:
        assert link.board.status()["halted"] is False
        chip.halt()  # by another debugger, or a breakpoint
        assert link.board.status()["halted"] is True
        assert int.from_bytes(link.read(DHCSR, 4), "little") & S_HALT


# ---------------------------------------------------------------------- processes


@pytest.fixture(scope="module")
def kept() -> Iterator[str]:
    """A board behind pyOCD and the emulated probe, kept by a process; its SPEC."""
    with running_board("kept", ARCHIVE, probe="pyocd:emu") as entry:
        yield entry.spec


def test_commands_run_and_say_nothing(kept: str, capsys: Capture) -> None:
    assert kept == "board:kept"

    def read_tasks() -> str:
        assert run(["-p", kept, "tasks"]) == 0
        said = capsys.readouterr()
        assert said.err == ""
        return said.out

    wait_for_idle(read_tasks)
    assert run(["-p", kept, "call", "Sensor.reading", "--id", "0", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"]["value"] == 21.5
    assert run(["-p", kept, "reset"]) == 0
    assert "board:kept: reset; up" in capsys.readouterr().out
    assert run(["-p", kept, "flash", ARCHIVE]) == 4
    assert "cannot be flashed" in capsys.readouterr().err


def test_a_client_imports_no_pyocd(kept: str) -> None:
    code = (
        f"import sys; from idoldbg.cli import run; run(['-p', '{kept}', 'tasks']);"
        "print([m for m in sys.modules if m.partition('.')[0] in ('pyocd', 'unicorn', 'usb')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_clients_of_all_kinds_at_once(kept: str) -> None:
    """Calls, registers of a core that is held, dumps of memory: each gets its own answers."""
    options = TargetOptions(probe=kept, timeout_s=120)

    def work(number: int) -> list[object]:
        found: list[object] = []
        with open_session(options) as session:
            for _ in range(4):
                if number % 3 == 0:
                    call = prepare_call(session.program.operation("Sensor.reading"), {"id": "0"})
                    found.append(session.caller.call(call).value)
                elif number % 3 == 1:
                    link = session.link
                    pairs = link.halted(
                        lambda link=link: [link.read_register("pc") for _ in range(3)]
                    )
                    found.append(len(set(pairs)))
                else:
                    segment = session.program.archive.flash_segments()[0]
                    data = session.link.read(segment.address, len(segment.data))
                    found.append(data == segment.data)
        return found

    with ThreadPoolExecutor(6) as pool:
        for number, found in enumerate(pool.map(work, range(6))):
            assert found == [found[0]] * 4
            if number % 3:
                assert found[0] == 1


def test_gdb_shares_the_board(kept: str, capfd: pytest.CaptureFixture[str]) -> None:
    need("gdb-multiarch", of="gdb-multiarch")

    def read_threads() -> str:
        assert run(["-p", kept, "gdb", "--batch", "--ex", "info threads", "--ex", "stepi"]) == 0
        return capfd.readouterr().out

    wait_for_idle(read_threads, r'"hiffy" \(notif: timer(.|\n)*"idle" \(RUNNING')
    assert board_status("kept")["halted"] is False
    assert run(["-p", kept, "call", "Sensor.reading", "--id", "0"]) == 0


def test_lists_and_status_show_both_kinds(kept: str, capsys: Capture) -> None:
    assert run(["board", "list"]) == 0
    assert re.search(r"kept +stm32f4-discovery +pyocd:emu ", capsys.readouterr().out)
    assert run(["board", "status", "kept"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"probe +pyocd:emu, attached", out)
    assert "lights" not in out
    assert board_status("kept")["probe"] == "pyocd:emu"


def test_an_idle_board_ends_by_itself() -> None:
    entry = start_board("idle", ARCHIVE, idle_s=0.3)
    wait_until(lambda: find_board_entry("idle") is None, "the idle board ends")
    assert "no client for 0.3 s" in Path(entry.log).read_text()
    assert not (boards_dir() / "idle.sock").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["-p", "emu:x"], 2, "`emu:x` is not a probe that could be kept"),
        (["-p", "board:x"], 2, "`board:x` is not a probe that could be kept"),
        (["-p", "dump:x"], 2, "is not a probe that could be kept"),
        (["-p", "pyocd:emu", "--uart", "x"], 2, "only an emulated board has one"),
        (["-p", "pyocd:emu", "--pyocd-port", "0"], 2, "only an emulated board has one"),
        (["-p", "pyocd:emu", "--idle", "-1"], 2, "give seconds"),
        (["-p", "pyocd:nosuch"], 4, "no probe has that id"),
        (["-p", "gdb:127.0.0.1:1"], 4, "nothing listens there"),
    ],
)
def test_other_specs_cannot_be_kept(
    arguments: list[str], code: int, said: str, capsys: Capture
) -> None:
    assert run(["board", "start", "never", *arguments]) == code
    assert said in capsys.readouterr().err
    assert find_board_entry("never") is None


def test_a_probe_of_the_environment_starts_an_emulated_board(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("IDOLDBG_PROBE", "pyocd:nosuch")
    assert run(["board", "start", "mine"]) == 0
    try:
        assert "use `--probe emu:mine`" in capsys.readouterr().out
    finally:
        stop_board("mine")


def test_a_board_behind_usb_survives_that_it_is_unplugged(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    probe = bench.plug("stlink-v2-1", "stm32f4-discovery", archive=ARCHIVE)
    for name, value in bench.env.items():
        monkeypatch.setenv(name, value)
    with running_board("usb", ARCHIVE, probe=probe.spec) as entry:
        assert run(["-p", entry.spec, "tasks"]) == 0
        assert run(["-p", probe.spec, "tasks"]) == 4
        assert "use it as `--probe board:usb`" in capsys.readouterr().err
        probe.clear()
        assert run(["-p", entry.spec, "call", "Sensor.reading", "--id", "0"]) == 0
        assert probe.counts.opens == 0, "no command attaches"
        assert probe.counts.round_trips < 40
        capsys.readouterr()
        probe.fail(FaultKind.UNPLUG, count=None)
        assert run(["-p", entry.spec, "tasks"]) == 4
        assert entry.spec in capsys.readouterr().err
        assert run(["board", "status", "usb"]) == 0
        assert "lost: " in capsys.readouterr().out
        probe.heal()

        def is_back() -> bool:
            return run(["-p", entry.spec, "tasks"]) == 0

        wait_until(is_back, "the probe is attached again")
