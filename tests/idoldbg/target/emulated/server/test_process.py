"""Boards in processes of their own: starting, stopping, killing, and many clients at once."""

from __future__ import annotations

import errno
import json
import logging
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from idoldbg.cli import run
from idoldbg.errors import (
    ArchiveError,
    ArgumentError,
    LinkError,
    LinkTimeout,
    NotFound,
    ProbeNotFound,
)
from idoldbg.session import TargetOptions, demo_archive, open_session
from idoldbg.startup import settle
from idoldbg.target.emulated import protocol as board_protocol
from idoldbg.target.emulated.entries import boards_dir
from idoldbg.target.emulated.server import (
    BoardEntry,
    board_status,
    get_board,
    list_boards,
    running_board,
    start_board,
    stop_board,
)
from idoldbg.target.emulated.server import process as board_process
from idoldbg.target.emulated.server.operations import NamedImage
from idoldbg.target.emulated.socket import connect_board
from idoldbg.target.probe.remote import LOCK_CALLS
from tests.conftest import ARCHIVES, ROOT, free_port, wait_until
from tests.tools import lacking, need_localhost

Capture = pytest.CaptureFixture[str]
LIMIT_S = 300.0  # reached by no test, also on a machine that does other things


def files_of(name: str) -> set[str]:
    return {path.name for path in boards_dir().glob(f"{name}.*")}


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for_end(pid: int) -> None:
    wait_until(lambda: not is_running(pid), f"process {pid} ends")


@pytest.fixture(scope="module")
def board() -> Iterator[BoardEntry]:
    with running_board("shared", board="stm32f4-discovery", pyocd_port=0) as entry:
        yield entry


# ---------------------------------------------------------------------- life


def test_a_board_from_start_to_stop(tmp_path: Path, capsys: Capture) -> None:
    uart = tmp_path / "uart.txt"
    assert (
        run(["--uart", str(uart), "board", "start", "life", str(demo_archive("nucleo-g031"))]) == 0
    )
    assert "--probe emu:life" in capsys.readouterr().out
    try:
        assert run(["-p", "emu:life", "tasks"]) == 0
        assert "hiffy" in capsys.readouterr().out
        assert uart.stat().st_size
        assert run(["board", "list", "--format", "json"]) == 0
        found = json.loads(capsys.readouterr().out)
        (entry,) = (b for b in found["boards"] if b["name"] == "life")
        assert entry["board"] == "nucleo-g031"
        assert run(["board", "status", "life"]) == 0
        assert "running" in capsys.readouterr().out
        assert run(["board", "start", "life"]) == 4
        assert "running already: process" in capsys.readouterr().err
    finally:
        assert run(["board", "stop", "life"]) == 0
    wait_for_end(entry["pid"])
    assert files_of("life") == {"life.log"}
    capsys.readouterr()
    assert run(["board", "stop", "life"]) == 2
    assert "no running board named `life`" in capsys.readouterr().err
    assert run(["-p", "emu:life", "tasks"]) == 4
    assert "idoldbg board start life" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "archive", "error", "message"),
    [
        ("bad/name", None, ArgumentError, "cannot name a board"),
        ("", None, ArgumentError, "cannot name a board"),
        ("broken", "no-such-file.zip", ArchiveError, "no-such-file.zip"),
        ("broken", __file__, ArchiveError, "test_process.py"),
    ],
)
def test_boards_that_cannot_be_started(
    name: str, archive: str | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        start_board(name, archive)
    assert name not in [entry.name for entry in list_boards()]


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LinkError, match=f"cannot serve on port {port}"):
            start_board("port", board="stm32f4-discovery", pyocd_port=port)
    assert "port" not in [entry.name for entry in list_boards()]


def test_a_board_that_was_killed_is_gone_and_can_be_started_again(capsys: Capture) -> None:
    with running_board("killed", board="nucleo-g031") as entry:
        link = connect_board("killed")
        os.kill(entry.pid, signal.SIGKILL)
        with pytest.raises(LinkError):
            link.read(0x20000000, 4)
        wait_for_end(entry.pid)
        assert "killed.json" in files_of("killed"), "it could not clean up"
        assert "killed" not in [e.name for e in list_boards()]
        with pytest.raises(NotFound):
            get_board("killed")
        with pytest.raises(ProbeNotFound):
            connect_board("killed")
        with running_board("killed", board="nucleo-g031") as again:
            assert again.pid != entry.pid
            with connect_board("killed") as board:
                assert board.status()["pid"] == again.pid
    assert files_of("killed") == {"killed.log"}


def test_a_board_that_hangs_is_stopped_by_force() -> None:
    entry = start_board("hung", board="nucleo-g031")
    os.kill(entry.pid, signal.SIGSTOP)
    assert stop_board("hung", term_limit_s=0.5).pid == entry.pid
    wait_for_end(entry.pid)


OWNER = """
import sys, time
from idoldbg.target.emulated.server import running_board
with running_board("owned", board="nucleo-g031") as entry:
    print(entry.pid, flush=True)
    time.sleep(100)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_board_ends_with_its_owner_however_that_ends(number: signal.Signals) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    assert is_running(pid)
    owner.send_signal(number)
    owner.wait(LIMIT_S)
    owner.stdout.close()
    wait_for_end(pid)
    assert "owned" not in [entry.name for entry in list_boards()]


def test_serving_in_the_foreground_until_stdin_closes() -> None:
    argv = ["board", "serve", "front", "-b", "nucleo-g031", "--until-stdin-closes"]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "idoldbg", *argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    with process.stdout:
        assert "--probe emu:front" in process.stdout.readline()
        assert board_status("front")["pid"] == process.pid
        process.stdin.close()
        assert process.wait(LIMIT_S) == 0


def test_a_full_disk_does_not_keep_a_board_from_being_flashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_entry: BoardEntry) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(board_process, "write_board_entry", full)
    kept = board_process._Kept(BoardEntry("a", 1, "", "b", "c", "old.zip", "", 0.0, ""))
    kept.image_changed(NamedImage("build.zip", "0102", ()))
    assert kept.entry.archive == "build.zip"
    assert "No space left" in caplog.text


def test_a_build_that_is_gone_is_explained(tmp_path: Path, capsys: Capture) -> None:
    archive = tmp_path / "build.zip"
    archive.write_bytes(demo_archive("nucleo-g031").read_bytes())
    with running_board("orphan", str(archive)):
        archive.unlink()
        assert run(["-p", "emu:orphan", "tasks"]) == 4
        assert "what emu:orphan was started with; --archive says" in capsys.readouterr().err


def test_stop_all_where_none_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("IDOLDBG_RUNTIME_DIR", str(tmp_path / ("deep" * 40)))
    assert run(["board", "stop", "--all"]) == 0
    assert capsys.readouterr().out == "no board is running\n"
    assert run(["board", "stop"]) == 2
    # The path of the socket is longer than its address may be.
    with running_board("deep", board="nucleo-g031") as entry:
        assert len(entry.socket) > 108
        assert run(["-p", "emu:deep", "call", "Jefe.get_state"]) == 0
        assert (
            run(["-a", str(demo_archive("nucleo-g031")), "-p", f"emu:{entry.socket}", "tasks"]) == 0
        )
        assert run(["board", "stop", "--all"]) == 0


def test_probes_lists_it(board: BoardEntry, capsys: Capture) -> None:
    assert run(["probes", "--format", "json"]) == 0
    probes = {p["unique_id"]: p for p in json.loads(capsys.readouterr().out)["probes"]}
    assert probes[f"board-{board.name}"]["boards"] == ["stm32f4-discovery"]


# ---------------------------------------------------------------------- many clients

CALLER = """
import random, sys
from idoldbg.call.calls import prepare_call
from idoldbg.render.json import reply
from idoldbg.session import TargetOptions, open_session
spec, number, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = random.Random(number)
options = TargetOptions(board="stm32f4-discovery", probe=spec, timeout_s=300)
with open_session(options) as session:
    print("ready", flush=True)
    for _ in range(count):
        data = rng.randbytes(rng.randrange(1, 40))
        if rng.random() < 0.5:
            texts = {"device_index": "1", "source": "hex:" + data.hex(), "sink": str(len(data))}
            operation, ok, lease = "Spi.exchange", None, data.hex()
        else:
            texts = {"values": "hex:" + b"".join(bytes((n, 0, 0, 0)) for n in data).hex()}
            operation, ok, lease = "Sensor.sum", sum(data), None
        call = prepare_call(session.program.operation(operation), texts)
        found = reply(session.caller.call(call))
        assert found["ok"] == ok, (operation, texts, found)
        assert lease is None or found["leases"]["sink"]["hex"] == lease, (texts, found)
print("done", flush=True)
"""


def caller(spec: str, number: int, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CALLER, spec, str(number), str(count)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def open_descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def is_alone(board: BoardEntry) -> bool:
    """Whether the board has no client but the one that asks."""
    return bool(board_status(board.name)["clients"] == 1)


def resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


@pytest.mark.slow
def test_four_clients_call_at_once_and_get_their_own_replies(board: BoardEntry) -> None:
    before = open_descriptors(board.pid)
    through_pyocd = [f"remote:localhost:{board.pyocd_port}", f"pyocd:board-{board.name}"]
    specs = [board.spec, board.spec, *through_pyocd]
    callers = [caller(spec, number, 40) for number, spec in enumerate(specs)]
    for process in callers:
        out, _ = process.communicate(timeout=LIMIT_S)
        assert out.splitlines()[-1] == "done", out
    wait_until(lambda: is_alone(board), "all clients but ours are gone")
    wait_until(lambda: open_descriptors(board.pid) <= before, "their descriptors are closed")


@pytest.mark.slow
def test_clients_that_are_killed_do_no_harm(board: BoardEntry) -> None:
    """They die at random points of random calls; the others' replies stay right."""
    rng = random.Random(3)
    before, memory = open_descriptors(board.pid), resident_kib(board.pid)
    witness = caller(board.spec, 99, 150)
    for number in range(6):
        victim = caller(board.spec, number, 10_000)
        assert victim.stdout is not None
        assert victim.stdout.readline() == "ready\n"
        time.sleep(rng.random() * 0.3)
        victim.kill()
        victim.communicate(timeout=LIMIT_S)
    out, _ = witness.communicate(timeout=LIMIT_S)
    assert out.splitlines()[-1] == "done", out
    wait_until(lambda: is_alone(board), "all clients but ours are gone")
    wait_until(lambda: open_descriptors(board.pid) <= before, "their descriptors are closed")
    assert resident_kib(board.pid) < memory + 50_000  # of which 8 MiB may be translated code
    assert not board_status(board.name)["halted"]


def test_debuggers_that_are_killed_leave_the_core_running(board: BoardEntry) -> None:
    code = (
        "import sys, time\nfrom idoldbg.target.emulated.socket import open_board\n"
        "with open_board(sys.argv[1]) as link:\n"
        "    act = lambda: (print(link.read_register('pc'), flush=True), time.sleep(100))\n"
        "    link.halted(act)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, board.name], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip().isdigit()
    assert board_status(board.name)["held_by"] == 1
    process.kill()
    process.communicate(timeout=LIMIT_S)
    wait_until(lambda: not board_status(board.name)["halted"], "the core runs again")


# ---------------------------------------------------------------------- pyOCD's clients


def ask_probe_server(connection: socket.socket, request: str, *arguments: object) -> object:
    """Make a request of pyOCD's remote probe protocol; return the result."""
    line = json.dumps({"id": 1, "request": request, "arguments": arguments}).encode() + b"\n"
    connection.sendall(line)
    answer = json.loads(connection.recv(4096))
    assert answer["status"] == 0, answer
    return answer.get("result")


def test_a_pyocd_client_that_dies_releases_its_locks(board: BoardEntry) -> None:
    address = ("127.0.0.1", board.pyocd_port or 0)
    with socket.create_connection(address, timeout=LIMIT_S) as first:
        for request in ("open", "lock"):
            ask_probe_server(first, request)
        assert ask_probe_server(first, LOCK_CALLS, 1.0) is True
        with socket.create_connection(address, timeout=LIMIT_S) as second:
            ask_probe_server(second, "open")
            assert ask_probe_server(second, LOCK_CALLS, 0.0) is False
        with connect_board(board.name) as third, pytest.raises(LinkTimeout):
            third.lock(0.0)
    options = TargetOptions(
        board="stm32f4-discovery", probe=f"remote:localhost:{board.pyocd_port}", timeout_s=LIMIT_S
    )
    with open_session(options) as session:
        settle(session)


def test_gdb_through_pyocds_gdbserver(board: BoardEntry, tmp_path: Path) -> None:
    """The whole way: gdb, `pyocd gdbserver`, its probe server, the socket, the emulated core."""
    gdb = next((g for g in ("gdb-multiarch", "gdb") if _knows_arm(g)), None)
    if gdb is None:
        lacking("needs a gdb that knows Arm (Debian: apt install gdb-multiarch)")
    need_localhost()
    port, telnet = free_port(), free_port()
    argv = ["-m", "pyocd", "gdbserver", "--no-config", "-t", "cortex_m", "-p", str(port)]
    argv += ["-T", str(telnet), "-u", f"remote:127.0.0.1:{board.pyocd_port}", "--elf"]
    log = (tmp_path / "log").open("w")
    kernel = tmp_path / "kernel.elf"
    options = TargetOptions(archive=str(ARCHIVES / "stm32f4-discovery.zip"))
    with open_session(TargetOptions(archive=options.archive, probe=f"emu:{board.name}")) as session:
        kernel.write_bytes(session.program.archive.object_bytes("kernel"))
    server = subprocess.Popen(
        [sys.executable, *argv, str(kernel)], stdout=log, stderr=log, stdin=subprocess.DEVNULL
    )
    try:
        shown = tmp_path / "log"
        wait_until(
            lambda: server.poll() is not None or "GDB server listening" in shown.read_text(),
            "gdbserver listens",
        )
        assert server.poll() is None, shown.read_text()
        script = ["set confirm off", f"target remote localhost:{port}", "x/2xw 0x08000000"]
        script += ["info registers pc", "stepi", "info registers pc", "detach"]
        commands = [word for line in script for word in ("-ex", line)]
        done = subprocess.run(
            [gdb, "-nx", "-batch", *commands, str(kernel)],
            capture_output=True, text=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert "0x8000000" in done.stdout, done.stdout + done.stderr
        assert done.stdout.count("pc  ") == 2, done.stdout + done.stderr
    finally:
        server.terminate()
        server.wait(LIMIT_S)
        log.close()


def _knows_arm(gdb: str) -> bool:
    try:
        done = subprocess.run(
            [gdb, "-nx", "-batch", "-ex", "set architecture arm"],
            capture_output=True, text=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        return False
    return "Undefined item" not in done.stderr


def test_the_example_of_the_documentation(board: BoardEntry) -> None:
    text = (ROOT / "docs" / "board-protocol.md").read_text()
    _, _, rest = text.partition("```python\n")
    code, _, _ = rest.partition("```")
    done = subprocess.run(
        [sys.executable, "-c", code, board.socket], capture_output=True, text=True, timeout=LIMIT_S
    )
    assert done.stdout.startswith("410fc241 0x"), done.stdout + done.stderr


def test_every_operation_is_documented() -> None:
    text = (ROOT / "docs" / "board-protocol.md").read_text()
    for operation in board_protocol._FIELDS:
        assert f"`{operation}`" in text


def test_a_boards_log_is_bounded_and_its_lines_are_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    with board_process._logging(path, limit=8192):
        log = logging.getLogger("idoldbg.test")
        with path.open("a") as other:  # what libraries print
            for number in range(1000):
                log.info("%d is %s", number, "x\n::error::y\x1b[2J\u202e" * (number % 40))
                assert path.stat().st_size < 8192 + 4096 + 4 * board_process.LINE_LIMIT
            other.write("the end\n")
    *lines, last = path.read_text().splitlines()
    assert lines[-1].partition("test: ")[2].startswith("999 is x\\u{a}::error::y\\u{1b}[2J")
    assert last == "the end"
    assert all(re.match(r"\d{4}-\d\d-\d\d ", line) for line in lines)
