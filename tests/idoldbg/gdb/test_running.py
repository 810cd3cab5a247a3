"""The choice of a gdb; Ctrl-C and other signals while it runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from idoldbg.errors import ArgumentError, LinkError
from idoldbg.gdb.running import find_gdb, run_gdb
from tests.conftest import wait_until

GOOD = """#!/bin/sh
echo 'The target architecture is set to "armv7".'
"""
HOST_ONLY = """#!/bin/sh
echo 'The target architecture is set to "auto" (currently "i386").'
echo 'Undefined item: "armv7".' >&2
"""
Make = Callable[[str, str], Path]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return what puts a program into an otherwise empty PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(name: str, text: str) -> Path:
        path = folder / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    return put


def test_without_any_gdb_the_package_to_install_is_named(make: Make) -> None:
    with pytest.raises(
        LinkError,
        match=r"no gdb for Arm: `gdb-multiarch` is not installed.*apt install gdb-multiarch",
    ):
        find_gdb()


def test_a_gdb_of_the_host_alone_is_passed_over(make: Make) -> None:
    make("gdb", HOST_ONLY)
    with pytest.raises(LinkError, match="`gdb` does not know Arm"):
        find_gdb()
    good = make("arm-none-eabi-gdb", GOOD)
    assert find_gdb() == str(good)
    assert find_gdb("arm-none-eabi-gdb") == str(good)


def test_the_one_that_was_named_is_taken_or_refused(make: Make) -> None:
    make("gdb-multiarch", GOOD)
    with pytest.raises(ArgumentError, match="`missing` is not a program"):
        find_gdb("missing")
    make("other", HOST_ONLY)
    with pytest.raises(ArgumentError, match="`other` does not know Arm"):
        find_gdb("other")
    make("not-gdb", "#!/bin/sh\nexit 3\n")
    with pytest.raises(ArgumentError, match="`not-gdb` is not gdb"):
        find_gdb("not-gdb")
    make("damaged", "\x7fELF damaged")
    with pytest.raises(ArgumentError, match="`damaged` does not start"):
        find_gdb("damaged")


def program(tmp_path: Path, body: str) -> str:
    """Return a stand-in for gdb, in Python."""
    path = tmp_path / "stand-in"
    path.write_text(f"#!{sys.executable}\nimport os, signal, sys, time\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_its_exit_status_is_passed_on(tmp_path: Path) -> None:
    assert run_gdb(program(tmp_path, "sys.exit(7)"), []) == (7, "")
    assert run_gdb(program(tmp_path, "os.kill(os.getpid(), 9)"), []) == (128 + 9, "")


def test_it_gets_our_options_first_and_no_servers_of_debug_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEBUGINFOD_URLS", "https://debuginfod.example")
    told = tmp_path / "told"
    body = f"open({str(told)!r}, 'w').write(repr((sys.argv[1:], 'DEBUGINFOD_URLS' in os.environ)))"
    run_gdb(program(tmp_path, body), ["-x", "start.gdb"])
    first = ["-q", "-iex", "set auto-load off", "-iex", "set pagination off"]
    assert told.read_text() == repr(([*first, "-x", "start.gdb"], False))


def test_ctrl_c_is_for_gdb_alone(tmp_path: Path) -> None:
    """It comes to both, as on a terminal; the child has Python's own handler, not one ignored."""
    ready, heard = tmp_path / "ready", tmp_path / "heard"
    body = f"""
try:
    open({str(ready)!r}, "w").close()
    time.sleep(60)
except KeyboardInterrupt:
    open({str(heard)!r}, "w").close()
"""
    script = f"""
import sys
from idoldbg.gdb.running import run_gdb
status, _ = run_gdb({program(tmp_path, body)!r}, [])
print("still here", status)
"""
    ours = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        wait_until(ready.exists, "the stand-in runs")
        os.killpg(ours.pid, signal.SIGINT)
        out, _ = ours.communicate(timeout=60)
    finally:
        ours.kill()
        ours.wait()
    assert heard.exists()
    assert out == "still here 0\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_end_gdb_and_then_us(tmp_path: Path, number: signal.Signals) -> None:
    ready = tmp_path / "ready"
    body = f"open({str(ready)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"
    heard: list[int] = []
    before = signal.signal(number, lambda n, _: heard.append(n))
    try:
        sender = threading.Thread(target=_send_when, args=(ready, number))
        sender.start()
        status, _ = run_gdb(program(tmp_path, body), [])
        sender.join()
    finally:
        signal.signal(number, before)
    assert heard == [number]
    assert status == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(int(ready.read_text()), 0)


def _send_when(ready: Path, number: int) -> None:
    wait_until(lambda: ready.exists() and ready.read_text() != "", "the stand-in runs")
    os.kill(os.getpid(), number)


def test_one_that_ends_only_by_force_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idoldbg.gdb.running.END_LIMIT_S", 0.2)
    ready = tmp_path / "ready"
    body = f"""
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open({str(ready)!r}, "w").write("1")
time.sleep(60)
"""
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda n, _: heard.append(n))
    try:
        sender = threading.Thread(target=_send_when, args=(ready, signal.SIGTERM))
        sender.start()
        assert run_gdb(program(tmp_path, body), []) == (128 + signal.SIGKILL, "")
        sender.join()
    finally:
        signal.signal(signal.SIGTERM, before)


def test_the_end_of_the_server_has_its_reason(tmp_path: Path) -> None:
    began = time.monotonic()
    body = "time.sleep(0.6)"
    gone = lambda: "it was unplugged" if time.monotonic() > began else ""  # noqa: E731
    assert run_gdb(program(tmp_path, body), [], gone) == (0, "it was unplugged")
