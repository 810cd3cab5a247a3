"""`idoldbg shell`: completion, programs, and a session on a terminal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import idoldbg
from idoldbg.cli.shell import make_banner, make_namespace
from idoldbg.device import Device
from idoldbg.device.completion import complete

BOARD = "lpcxpresso55s69"


@pytest.fixture(scope="module")
def dev() -> Iterator[Device]:
    with idoldbg.attach(board=BOARD) as device:
        yield device


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("dev.Sp", ["dev.Spi"]),
        ("x = Spi.ex", ["x = Spi.exchange"]),
        ("Spi.errors.BadD", ["Spi.errors.BadDevice"]),
        ('dev["vic', ['dev["victim"]']),
        ('dev["victim"].Vic', ['dev["victim"].Victim']),
        ('dev["victim"].Victim.pi', ['dev["victim"].Victim.ping']),
        ("dev.batch().Spi.ex", []),  # would call something
        ("Spi.exchange(", [f"Spi.exchange({n}=" for n in ("device_index", "source", "sink")]),
        ("Spi.exchange(device_index=0, s", [
            "Spi.exchange(device_index=0, source=", "Spi.exchange(device_index=0, sink="]),
        ("Spi.lock(0, cs_state=", [
            'Spi.lock(0, cs_state="NotAsserted"', 'Spi.lock(0, cs_state="Asserted"']),
        ("Spi.lock.try_(0, cs_state='As", ["Spi.lock.try_(0, cs_state='Asserted'"]),
        ("Sensor.set_alarm(alarm=", [
            "Sensor.set_alarm(alarm=None",
            'Sensor.set_alarm(alarm="Quiet"', 'Sensor.set_alarm(alarm="Loud"']),
        ("Sensor.set_enabled(enabled=T", ["Sensor.set_enabled(enabled=True"]),
        ("prin", ["print"]),
        ("nothing.here", []),
        ("1 +", []),
        ("dev.Spi.nope.deeper.", []),
        ("", []),
    ],
)  # fmt: skip
def test_completion(dev: Device, line: str, wanted: list[str]) -> None:
    names: dict[str, Any] = {"dev": dev, "Spi": dev.Spi, "Sensor": dev.Sensor}
    found = [line[: len(line) - c.length] + c.text for c in complete(line, names)]
    assert found == wanted


def test_completion_shows_the_parameters_of_operations(dev: Device) -> None:
    (found,) = complete("Spi.exch", {"Spi": dev.Spi})
    assert found.meta.startswith("Spi.exchange(device_index: u8, source: &[u8], ")


def shell(*argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "idoldbg", "shell", "-b", BOARD, *argv],
        input=stdin, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_code_from_the_command_line() -> None:
    done = shell("-c", "r = Spi.exchange(0, b'\\x9f\\0\\0\\0', 4)\nr.leases.sink.hex()")
    assert (done.returncode, done.stdout, done.stderr) == (0, "'ffef4018'\n", "")
    done = shell("-c", "Spi.release()")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: Spi.release answered with NothingToRelease\n"
    done = shell("-c", "x = 1\nx.nothing")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("AttributeError")
    assert "shell.py" not in done.stderr
    assert shell("-c", "dev.Spi.exchange").stdout.startswith("exchange(device_index: int, ")


def test_programs_from_standard_input_and_files(tmp_path: Path) -> None:
    text = "for i in range(2):\n    print(i, dev.Sensor.get(id=0).value)\nraise SystemExit(5)\n"
    done = shell(stdin=text)
    assert (done.returncode, done.stdout) == (5, "0 21.5\n1 21.5\n")
    (tmp_path / "script.py").write_text("print(Sensor.get(9))")
    done = shell(str(tmp_path / "script.py"))
    assert (done.returncode, done.stdout) == (1, "")
    assert shell("/no/such/script.py").returncode == 4


def test_a_script_is_as_it_is_for_python(tmp_path: Path) -> None:
    (tmp_path / "neighbour.py").write_text("x = 21.5")
    script = tmp_path / "script.py"
    script.write_bytes(
        b"# coding: latin-1\nimport sys\nfrom neighbour import x\nif __name__ == '__main__':\n"
        b"    print(sys.argv == [__file__], Sensor.get(0).value == x, ascii('\xe9'))\n"
    )
    done = shell(str(script))
    assert (done.returncode, done.stdout, done.stderr) == (0, "True True '\\xe9'\n", "")
    script.write_bytes(b"\xff\xfe")
    done = shell(str(script))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("SyntaxError")
    assert "ast.py" not in shell("-c", "x =").stderr
    assert shell(str(script), "-c", "1").returncode == 2


class Terminal:
    """A shell on a pseudo-terminal."""

    def __init__(self, state: Path) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            environment = os.environ | {
                "XDG_STATE_HOME": str(state),
                "TERM": "xterm",
                "PROMPT_TOOLKIT_NO_CPR": "1",
            }
            argv = [sys.executable, "-P", "-m", "idoldbg", "shell", "-b", BOARD]
            os.execve(sys.executable, argv, environment)
        self.seen = ""

    def expect(self, text: str, timeout_s: float = 120) -> None:
        end_s = time.monotonic() + timeout_s
        while text not in self.seen:
            left_s = end_s - time.monotonic()
            ready = select.select([self.fd], [], [], max(left_s, 0))[0]
            assert ready, f"{text!r} did not come: {self.seen!r}"
            self.seen += os.read(self.fd, 4096).decode(errors="replace")
        self.seen = self.seen.partition(text)[2]

    def expect_prompt(self) -> None:
        self.expect(">>>")
        self.expect("\x1b[?25h")  # the cursor is shown once all is drawn

    def send(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def wait(self) -> int:
        end_s = time.monotonic() + 120
        while time.monotonic() < end_s:
            try:
                os.read(self.fd, 4096)
            except OSError:
                break  # the other end is closed
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def test_a_session_on_a_terminal(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    terminal.expect("Ctrl-D leaves.")
    terminal.expect_prompt()
    terminal.send("Sensor.temper\t")
    terminal.expect("ature")
    terminal.send("()\r")
    terminal.expect("Reply(21.5)")
    terminal.expect_prompt()
    terminal.send("_.value + 1\r")
    terminal.expect("22.5")
    terminal.expect_prompt()
    terminal.send("Spi.release()\r")
    terminal.expect("NothingToRelease: Spi.release answered with NothingToRelease")
    terminal.expect_prompt()
    terminal.send("Spi.lock\r")
    terminal.expect("Raises SpiError: ")
    terminal.expect_prompt()
    terminal.send("1 +\x03")  # Ctrl-C drops the line
    terminal.expect("KeyboardInterrupt")
    terminal.expect_prompt()
    terminal.send("\x04")
    assert terminal.wait() == 0
    history = (tmp_path / "idoldbg" / "shell_history").read_text()
    assert "+Sensor.temperature()" in history
    assert (tmp_path / "idoldbg" / "shell_history").stat().st_mode & 0o077 == 0


def test_ctrl_c_in_a_call_is_one_line_and_the_board_goes_on(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    terminal.expect("Ctrl-D leaves.")
    terminal.expect_prompt()
    terminal.send("dev.timeout_s = 1000\r")
    terminal.expect_prompt()
    terminal.send("Victim = dev['victim'].Victim; Victim.hang(milliseconds=900000)\r")
    terminal.expect("waiting for the target: ")
    terminal.send("\x03")
    terminal.expect("interrupted")
    shown = terminal.seen
    terminal.expect_prompt()
    assert "Traceback" not in shown + terminal.seen
    terminal.send("dev.reset(); Sensor.get(0)\r")
    terminal.expect("Reply(21.5)")
    terminal.expect_prompt()
    terminal.send("print(dev.tasks())\r")
    terminal.expect("ID  TASK")
    terminal.expect_prompt()
    terminal.send("\x04")
    assert terminal.wait() == 0


def test_the_names_of_the_banner_exist(dev: Device) -> None:
    names = make_namespace(dev)
    (line,) = (n for n in make_banner(dev, names).split("\n") if "also here: " in n)
    shown = line.partition("also here: ")[2].removesuffix(".").split(", ")
    assert "Spi" in shown
    assert "Victim" not in shown  # two tasks serve it
    assert set(shown) <= set(names)
