"""`idoldbg gdb` with a real gdb: threads, stacks, breakpoints, steps, cores, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from idoldbg.build.debuginfo.elf import ElfFile
from idoldbg.build.load import open_build
from idoldbg.cli import run
from idoldbg.session import demo_archive
from idoldbg.target.emulated.server import BoardEntry, running_board
from idoldbg.target.emulated.socket import RemoteBoard, connect_board
from tests.conftest import wait_until
from tests.tools import need, need_localhost

Capture = pytest.CaptureFixture[str]
SOURCES = Path(__file__).parents[3] / "fixtures" / "firmware"
BOARDS = ("stm32f4-discovery", "lpcxpresso55s69", "nucleo-g031")
DHCSR, DEMCR = 0xE000EDF0, 0xE000EDFC
LIMIT_S = 120


def place(text: str, path: str = "task/jefe/src/main.rs") -> str:
    """Return `FILE:LINE` of the one line of a demo task's source that is this."""
    lines = (SOURCES / path).read_text().splitlines()
    (number,) = [n for n, line in enumerate(lines, 1) if line.strip() == text]
    return f"{path}:{number}"


HANDLER = "if bits.has_timer_fired(notifications::TIMER_MASK) {"
INSIDE = "self.handle_timer();"


@pytest.fixture(scope="module", autouse=True)
def _tools() -> None:
    need("gdb-multiarch", of="gdb-multiarch")
    need_localhost()


@pytest.fixture(scope="module")
def desk() -> Iterator[BoardEntry]:
    with running_board("gdb-desk", board="stm32f4-discovery", pyocd_port=0) as entry:
        yield entry


def idoldbg(*arguments: str, status: int = 0, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "idoldbg", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=LIMIT_S,
        env={**os.environ, **(env or {})},
        check=False,
    )
    assert "Traceback" not in done.stdout, done.stdout
    assert done.returncode == status, done.stdout
    return done.stdout


def gdb(*arguments: str, commands: tuple[str, ...] = (), status: int = 0) -> str:
    """Run `idoldbg gdb` in batch mode."""
    options = [option for command in commands for option in ("--ex", command)]
    return idoldbg("gdb", "--batch", *arguments, *options, status=status)


def read_word(board: BoardEntry, address: int) -> int:
    with connect_board(board.name) as remote:
        return int.from_bytes(remote.read(address, 4), "little")


def read_ticks(remote: RemoteBoard) -> int:
    """Return the kernel's clock, which goes on with every millisecond that the core runs."""
    kernel = open_build(str(demo_archive("stm32f4-discovery"))).archive.object_bytes("kernel")
    (symbol,) = [s for s in ElfFile("kernel", kernel).read_symbols() if "TICKS.0" in s.name]
    return int.from_bytes(remote.read(symbol.address, 4), "little")


def is_halted(board: BoardEntry) -> bool:
    return bool(read_word(board, DHCSR) >> 17 & 1)


@pytest.mark.parametrize("board", BOARDS)
def test_every_task_is_a_thread_whose_stack_begins_at_its_start(board: str) -> None:
    out = gdb("-b", board, "-p", "emu", commands=("info threads", "thread apply all bt"))
    rows = re.findall(r"^[* ] (\d+) +Thread (\d+) \"([^\"]+)\" \((.+?)\) +\S+", out, re.MULTILINE)
    assert "Thread 1 (Thread)" not in out, "there is no thread but those of tasks, and the kernel's"
    if rows[0][1] == "2":  # the core was halted in a handler
        del rows[0]
    assert [int(number) for _, number, *_ in rows] == list(range(16, 16 + len(rows)))
    assert (rows[0][2], rows[-1][2]) == ("jefe", "idle")
    assert next(state for _, _, name, state in rows if name == "spi") == "recv, gen 0"
    stacks = [stack for stack in out.split("\nThread ")[1:] if "(Thread 2 " not in stack]
    assert len(stacks) == len(rows)
    for stack in stacks:
        frames = re.findall(r"^#\d+ +(.*)", stack, re.MULTILINE)
        assert re.search(r"\b_start \(\)", frames[-1]), stack
        assert "corrupt" not in stack and "warning" not in stack
        if "idle" not in stack and "sleeper" not in stack:
            assert any("::main () at task/" in frame for frame in frames), stack


def test_a_breakpoint_in_a_task_by_name_with_source_lines_and_steps() -> None:
    out = gdb(
        "-p", "emu", "--source", str(SOURCES),
        commands=(
            f"break {place(HANDLER)}", "info breakpoints", "continue", "info threads",
            "bt", "next", "next", "step", "info source", "stepi", "up",
        ),
    )  # fmt: skip
    assert "automatically using hardware breakpoints" in out, "the image is read-only memory"
    assert re.search(r'^Thread \d+ "jefe" hit Breakpoint 1', out, re.MULTILINE)
    assert re.search(r'^\* \d+ +Thread 16 "jefe" \(RUNNING, gen 0\)', out, re.MULTILINE)
    assert re.search(r"^#0 .*handle_notification", out, re.MULTILINE)
    line = place(HANDLER).rpartition(":")[2]
    assert f"{line}\t        {HANDLER}" in out
    assert f"\t            {INSIDE}" in out
    by_name = gdb(
        "-p", "emu", "--source", str(SOURCES),
        commands=("break task_jefe::Server::handle_external", "continue", "bt 1"),
    )  # fmt: skip
    assert re.search(r'Thread \d+ "jefe" hit Breakpoint 1.*handle_external', by_name, re.DOTALL)


def test_a_system_call_is_stepped_over_and_into() -> None:
    out = gdb(
        "-p", "emu",
        commands=(
            f"break {place(HANDLER)}", "continue", "delete", "break SVCall", "continue",
            "info threads", "bt", "delete", f"break {place(INSIDE)}", "continue",
            "info threads",
        ),
    )  # fmt: skip
    assert re.search(r'^Thread \d+ "kernel \(SVCall\)" hit Breakpoint 2', out, re.MULTILINE)
    handler = out.split('"kernel (SVCall)" hit')[1].split("Breakpoint 3")[0]
    assert re.search(
        r'^\* 9 +Thread 2 "kernel \(SVCall\)" \(handles SVCall\)', handler, re.MULTILINE
    )
    assert re.search(r'^  \d+ +Thread 16 "jefe" \(RUNNING', handler, re.MULTILINE)
    stack = re.findall(r"^#\d+ +(.*)", handler, re.MULTILINE)
    assert "<signal handler called>" in stack[1]
    assert "task_jefe" in "".join(stack[2:]), "below the exception is the task"
    last = out.split("hit Breakpoint 3")[1]
    assert "kernel" not in last.split("Id ")[1]


def test_a_task_is_chosen_by_name(desk: BoardEntry) -> None:
    out = gdb("-p", desk.spec, "--task", "sensor", commands=("bt",))
    assert "task_sensor::main" in out
    near = idoldbg("-p", desk.spec, "gdb", "--task", "senso", status=2)
    assert "did you mean `sensor`?" in near


def test_an_overflowed_stack_is_a_guess_and_says_so(desk: BoardEntry) -> None:
    idoldbg("-p", desk.spec, "task", "hold", "victim")
    try:
        idoldbg(
            "-p", desk.spec, "call", "Victim.die", "--task", "victim", "--cause", "OverflowStack",
            "--timeout", "2", status=3,
        )  # fmt: skip
        out = gdb("-p", desk.spec, "--task", "victim", commands=("info threads", "bt"))
    finally:
        idoldbg("-p", desk.spec, "task", "release", "victim")
    row = next(line for line in out.splitlines() if '"victim"' in line)
    assert "FAULT: stack overflow" in row and "registers are a guess by frame pointers" in row
    assert "task_victim" in out.split("\n#0")[1]


@pytest.mark.parametrize("was_halted", [False, True])
@pytest.mark.parametrize("scheme", ["emu", "board", "pyocd", "remote"])
def test_the_target_is_left_as_it_was_found(
    desk: BoardEntry, scheme: str, was_halted: bool
) -> None:
    specs = {
        "emu": desk.spec,
        "board": f"board:{desk.name}",
        "pyocd": f"pyocd:board-{desk.name}",
        "remote": f"remote:127.0.0.1:{desk.pyocd_port}",
    }
    spec = specs[scheme]
    with connect_board(desk.name) as remote:
        remote.write(DEMCR, (0x01000000).to_bytes(4, "little"))
    if was_halted:
        assert run(["-p", desk.spec, "halt"]) == 0
        with connect_board(desk.name) as remote:
            pc, ticks = remote.read_register("pc"), read_ticks(remote)
    try:
        out = gdb("-p", spec, commands=("break SVCall", "info threads"))
        assert '"jefe"' in out
        assert is_halted(desk) is was_halted
        assert read_word(desk, DEMCR) & 0xFFFF0000 == 0x01000000
        if was_halted:
            with connect_board(desk.name) as remote:
                assert (remote.read_register("pc"), read_ticks(remote)) == (pc, ticks)
        else:
            idoldbg("-p", desk.spec, "call", "UserLeds.led_on", "--index", "0")
    finally:
        run(["-p", desk.spec, "resume"])


def test_halt_leaves_it_halted(desk: BoardEntry) -> None:
    gdb("-p", desk.spec, "--halt", commands=("bt",))
    assert is_halted(desk)
    assert run(["-p", desk.spec, "resume"]) == 0


class Server:
    """`idoldbg gdb --server-only` in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "idoldbg", *arguments, "gdb", "--server-only",
             "--format", "json"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], LIMIT_S)
        assert ready, "the server says nothing"
        lines = []
        while not lines or lines[-1].rstrip() != "}":
            line = self.process.stdout.readline()
            assert line, self.process.communicate()
            lines.append(line)
        self.facts = json.loads("".join(lines))

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=LIMIT_S)
        return self.process.returncode


def test_two_gdbs_share_a_server_that_ends_cleanly(desk: BoardEntry) -> None:
    server = Server("-p", desk.spec)
    try:
        assert server.facts["schema"] == "idoldbg.gdb/1"
        script = Path(server.facts["script"])
        assert not is_halted(desk), "it runs until a gdb comes"
        assert script.parent.stat().st_mode & 0o777 == 0o700
        command = ["gdb-multiarch", "-nx", "-q", "-iex", "set auto-load off", "-x", str(script)]
        first = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip
        try:
            wait_until(lambda: is_halted(desk), "the first gdb is there")
            second = subprocess.run(
                [*command, "--batch", "-ex", "info threads"], stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=LIMIT_S, check=True,
            )  # fmt: skip
            assert '"sensor" (recv' in second.stdout
            assert is_halted(desk), "the first one still looks at it"
            out, _ = first.communicate("info threads\nquit\n", timeout=LIMIT_S)
            assert '"sensor" (recv' in out
        finally:
            first.kill()
            first.wait()
        wait_until(lambda: not is_halted(desk), "it runs again")
    finally:
        status = server.end(signal.SIGINT)
    assert status == 0, "Ctrl-C is the way to end it"
    assert not script.parent.exists()
    assert read_word(desk, DHCSR) & 1 == 0, "debugging is off"


def test_a_gdb_that_is_killed_does_not_leave_the_target_halted(desk: BoardEntry) -> None:
    server = Server("-p", desk.spec)
    try:
        command = ["gdb-multiarch", "-nx", "-q", "-x", server.facts["script"]]
        first = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        try:
            wait_until(lambda: is_halted(desk), "gdb is there")
        finally:
            first.kill()
            first.communicate()
        wait_until(lambda: not is_halted(desk), "the target runs again")
    finally:
        status = server.end(signal.SIGTERM)
    assert status == 0


def test_a_port_that_is_taken_is_named(desk: BoardEntry) -> None:
    server = Server("-p", desk.spec)
    try:
        taken = str(server.facts["port"])
        out = idoldbg("-p", desk.spec, "gdb", "--port", taken, "--batch", status=4)
        assert f"cannot serve on port {taken}: Address already in use; give another one" in out
    finally:
        server.end(signal.SIGTERM)
    assert not is_halted(desk)


def test_a_board_that_goes_away_ends_the_server(desk: BoardEntry) -> None:
    with running_board("gdb-gone", board="stm32f4-discovery") as gone:
        server = Server("-p", gone.spec)
    try:
        _, err = server.process.communicate(timeout=LIMIT_S)
    finally:
        server.process.kill()
        server.process.communicate()
    assert server.process.returncode == 4
    *notes, last = err.splitlines()
    message = json.loads(last)["error"]["message"]
    assert message.startswith("emu:gdb-gone: the target was lost: "), err
    assert len(notes) < 10, "what pyOCD says again and again is said once"
    assert not Path(server.facts["script"]).exists()


def test_another_archive_is_refused_before_anything_is_touched(desk: BoardEntry) -> None:
    other = str(demo_archive("nucleo-g031"))
    before = read_word(desk, DHCSR)
    out = idoldbg("-p", desk.spec, "gdb", other, "--batch", status=3)
    assert "another image" in out
    assert read_word(desk, DHCSR) == before


# ---- core dumps ----------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=BOARDS)
def dump(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gdb-core") / "board.core"
    assert run(["-b", request.param, "-p", "emu", "dump", "-o", str(path)]) == 0
    return path


def test_a_core_dump_opens_with_a_named_thread_for_each_task(dump: Path) -> None:
    out = gdb(str(dump), "--task", "sensor", commands=("bt", "info threads", "thread apply all bt"))
    rows = re.findall(r'^[* ] \d+ +process (\d+) "(\w+)"', out, re.MULTILINE)
    assert rows[0][1] == "idle", "the one that ran comes first"
    assert sorted(int(number) for number, _ in rows) == list(range(16, 16 + len(rows)))
    assert re.search(r'^\* \d+ +process 19 "sensor"', out, re.MULTILINE)
    loop = "idol_runtime::dispatch(&mut incoming, &mut server);"
    assert f"task_sensor::main () at {place(loop, 'task/sensor/src/main.rs')}" in out
    assert out.count("_start ()") >= len(rows)
    assert "corrupt" not in out


def test_registers_in_the_core_are_those_of_the_dump(dump: Path, capsys: Capture) -> None:
    out = gdb(str(dump), "--task", "spi", commands=("info registers",))
    found = {
        name: int(value, 16)
        for name, value in re.findall(r"^(r\d+|sp|lr|pc) +0x(\w+)", out, re.MULTILINE)
    }
    capsys.readouterr()
    assert run(["-a", str(dump), "registers", "--task", "spi", "--format", "json"]) == 0
    expected = json.loads(capsys.readouterr().out)["registers"]
    assert found == {name: expected[name]["value"] for name in found}
    assert len(found) == 16


def test_a_core_is_written_and_overwrites_nothing(dump: Path, tmp_path: Path) -> None:
    path = tmp_path / "for-gdb.core"
    out = idoldbg("gdb", str(dump), "-o", str(path), "--format", "json")
    assert "idle" in json.loads(out)["threads"]
    assert path.read_bytes()[:4] == b"\x7fELF"
    assert "exists" in idoldbg("gdb", str(dump), "-o", str(path), status=4)


def test_a_dump_of_one_task_has_its_thread_alone(tmp_path: Path) -> None:
    path = tmp_path / "spi.core"
    assert run(["-p", "emu", "dump", "--task", "spi", "-o", str(path)]) == 0
    out = gdb(str(path), commands=("info threads", "bt"))
    assert re.findall(r'process \d+ "(\w+)"', out) == ["spi"]
    assert "drv_spi_server::main" in out
    missing = idoldbg("gdb", str(path), "--task", "idle", status=2)
    assert "the registers of `idle` are not in this dump" in missing


def test_a_core_dump_is_not_served(dump: Path) -> None:
    for option in ("--server-only", "--halt"):
        assert "a core dump is not served" in idoldbg("gdb", str(dump), option, status=2)


# ---- a terminal ----------------------------------------------------------------------------------


class Terminal:
    """`idoldbg gdb` on a terminal of its own, which sends Ctrl-C to all in the foreground."""

    def __init__(self, *arguments: str) -> None:
        self._file, inner = pty.openpty()
        take = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
        run_it = "os.execv(sys.executable, [sys.executable, '-P', '-m', 'idoldbg', *sys.argv[1:]])"
        self.process = subprocess.Popen(
            [sys.executable, "-c", take + run_it, *arguments],
            stdin=inner, stdout=inner, stderr=inner, start_new_session=True,
            env={**os.environ, "TERM": "dumb"},
        )  # fmt: skip
        os.close(inner)
        self._seen = b""

    def send(self, typed: str) -> None:
        os.write(self._file, typed.encode())

    def expect(self, text: str) -> str:
        """Return what comes up to a text."""
        while text.encode() not in self._seen:
            ready, _, _ = select.select([self._file], [], [], LIMIT_S)
            assert ready, self._seen
            self._seen += os.read(self._file, 1 << 16)
        before, _, self._seen = self._seen.partition(text.encode())
        return before.decode(errors="replace")

    def end(self) -> int:
        """Wait for the end; return the exit status."""
        try:
            while select.select([self._file], [], [], LIMIT_S)[0] and os.read(self._file, 1 << 16):
                pass
        except OSError:  # the other end is closed
            pass
        os.close(self._file)
        return self.process.wait(LIMIT_S)


def test_ctrl_c_stops_the_target_and_ends_nothing(desk: BoardEntry) -> None:
    terminal = Terminal("-p", desk.spec, "gdb")
    terminal.expect("(gdb) ")
    for _ in range(2):
        terminal.send("continue\n")
        terminal.expect("Continuing.")
        wait_until(lambda: not is_halted(desk), "it runs")
        terminal.send("\x03")
        terminal.expect("received signal SIGINT")
        terminal.expect("(gdb) ")
        assert is_halted(desk)
    terminal.send("\x03")
    terminal.expect("(gdb) ")
    terminal.send("reverse-step\n")
    terminal.expect("does not support this command")
    terminal.send("info threads\n")
    assert '"jefe"' in terminal.expect("(gdb) ") + terminal.expect("(gdb) ")
    terminal.send("set confirm off\nquit\n")
    assert terminal.end() == 0
    assert not is_halted(desk)
