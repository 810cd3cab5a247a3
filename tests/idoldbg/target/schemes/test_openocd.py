"""`openocd:HOST:PORT`: Debian's OpenOCD, on an emulated ST-Link and on commands of our own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from idoldbg.cli import run
from idoldbg.errors import FaultError, LinkError, Unsupported
from idoldbg.session import Session, TargetOptions, open_session
from idoldbg.startup import reset, reset_with
from idoldbg.target.servers.openocd import OpenocdLink
from idoldbg.views.tasks import is_halted
from tests.conftest import free_port, wait_for_idle, wait_until
from tests.idoldbg.target.servers.real import ARCHIVE, openocd, openocd_on_bench
from tests.tools import need

LIMIT_S = 60.0

# A target in Tcl: words of memory are their own address, a register is 4 for each letter.
TARGET = """
set state running
proc target {what} { return fake.cpu }
proc poll {} { return "background polling: on" }
proc halt {} { set ::state halted }
proc resume {} { set ::state running }
proc read_memory {address width count} {
    if {$address >= 0x90000000 && $address < 0xe0000000} { error "failed to read; \\"x\\" !" }
    if {$address == 0xe000edf0} { return [expr {$::state eq "halted" ? 0x20000 : 0}] }
    set found {}
    for {set n 0} {$n < $count} {incr n} {
        lappend found [format 0x%x [expr {($address + $n * $width / 8) & ((1 << $width) - 1)}]]
    }
    return $found
}
proc write_memory {address width data} { set ::written "$address $width $data" }
proc get_reg {names} {
    if {$::state ne "halted"} { error "the core runs" }
    return "$names [format 0x%x [expr {4 * [string length $names]}]]"
}
"""


@contextmanager
def running(folder: Path, script: str) -> Iterator[int]:
    """Run OpenOCD with no hardware until the block ends; give its Tcl port."""
    program = need("openocd", of="openocd")
    port, file = free_port(), folder / "fake.cfg"
    ports = f"gdb_port disabled; telnet_port disabled; tcl_port {port}"
    file.write_text(f"{ports}\nadapter driver dummy\nadapter speed 100\n{script}\n")
    with (folder / "log").open("w+") as log:
        server = subprocess.Popen(
            [program, "-f", str(file), "-c", "noinit"], stdin=subprocess.DEVNULL, stderr=log
        )

        def is_listening() -> bool:
            assert server.poll() is None, (folder / "log").read_text()
            return f"port {port} for tcl" in (folder / "log").read_text()

        try:
            wait_until(is_listening, "OpenOCD")
            yield port
        finally:
            server.terminate()
            server.wait(60)


@pytest.fixture
def link(tmp_path: Path) -> Iterator[OpenocdLink]:
    with running(tmp_path, TARGET) as port, OpenocdLink("openocd", "127.0.0.1", port) as link:
        yield link


def test_commands_are_good_tcl(link: OpenocdLink) -> None:
    assert link.description.startswith("target fake.cpu of Open On-Chip Debugger 0.")
    assert link.read(0x1000, 8) == b"\0\x10\0\0\x04\x10\0\0"
    assert link.read_many([(0x2001, 2), (0x3002, 1), (0x4000, 8192)])[:2] == [b"\x20\0", b"\x02"]
    assert link.read_register("faultmask") == 36
    assert link.halted(lambda: (link.read_register("r1"), link.read(0xE000EDF0, 4)[2])) == (8, 2)
    assert link.read(0xE000EDF0, 4) == bytes(4)
    link.write(0x1001, b"\x01\x02\x03\x04\x05\x06\x07")
    assert link._ask("set ::written") == "0x1004 32 0x7060504"


def test_errors_are_not_taken_for_results(link: OpenocdLink) -> None:
    with pytest.raises(FaultError, match='failed to read; "x" !') as caught:
        link.read_many([(0x1000, 4), (0x90000000, 4)])
    assert caught.value.address == 0x90000000
    with pytest.raises(LinkError, match="cannot reset the target: invalid command name"):
        link._command("nosuch", "reset the target")


def test_nothing_is_left_in_its_interpreter(link: OpenocdLink) -> None:
    link.read(0x1000, 4)
    assert link._ask("info exists ::r") == "0"
    assert link._ask("info exists ::read") == "0"


def test_an_openocd_that_is_not_ready_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(tmp_path, "") as port:
        assert run(["-p", f"openocd:127.0.0.1:{port}", "tasks"]) == 4
    assert "must be initialised (`init`), and of version 0.12" in capsys.readouterr().err


def test_malformed_addresses_are_usage_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-p", "openocd:localhost", "tasks"]) == 2
    assert "openocd:HOST:PORT" in capsys.readouterr().err


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An OpenOCD on an ST-Link with the demo image."""
    with openocd(tmp_path_factory.mktemp("openocd"), "openocd") as spec:
        yield spec


@pytest.fixture
def session(spec: str) -> Iterator[Session]:
    with open_session(TargetOptions(archive=ARCHIVE, probe=spec, timeout_s=LIMIT_S)) as session:
        yield session


def test_commands_run(spec: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = ["-p", spec, "-a", ARCHIVE, "--timeout", f"{LIMIT_S:g}"]
    exchange = [
        "call",
        "Spi.exchange",
        "--device-index",
        "0",
        "--source",
        "hex:9f000000",
        "--sink",
        "4",
    ]
    assert run([*target, *exchange]) == 0
    assert "ff ef 40 18" in capsys.readouterr().out

    def read_tasks() -> str:
        assert run([*target, "tasks"]) == 0
        out, err = capsys.readouterr()
        assert err == "", "nothing disturbs the target, so there is nothing to say"
        return out

    wait_for_idle(read_tasks)
    path = str(tmp_path / "core")
    assert run([*target, "dump", "-o", path]) == 0
    assert "23 registers" in capsys.readouterr().out


def test_memory_and_registers_agree_with_the_image(session: Session) -> None:
    for segment in session.program.archive.flash_segments():
        assert session.link.read(segment.address, len(segment.data)) == segment.data
    with pytest.raises(FaultError) as caught:
        session.link.read(0x90000000, 8)
    assert caught.value.address == 0x90000000
    assert not is_halted(session.link)
    names = ("pc", "sp", "s0", "s31", "fpscr", "control", "primask")

    def look() -> list[int]:
        return [session.link.read_register(name) for name in names]

    pc, sp, *_, control, primask = session.link.halted(look)
    assert not is_halted(session.link)
    assert 0x08000000 <= pc < 0x08100000
    assert 0x20000000 <= sp < 0x20020000
    assert (control & 3, primask) == (3, 0), "a task runs: unprivileged, on the process stack"


def test_halts_last_and_resets_are_resets(spec: str, session: Session) -> None:
    session.link.halt()
    session.close()
    options = TargetOptions(archive=ARCHIVE, probe=spec, timeout_s=LIMIT_S)
    with open_session(options) as other:
        assert "the core is halted" in other.target.notices[0]
        reset_with(other, halt=True, line=False)
        vector = int.from_bytes(other.link.read(0x08000004, 4), "little")
        assert other.link.read_register("pc") == vector & ~1
        with pytest.raises(Unsupported, match="without a reset line"):
            reset_with(other, halt=False, line=True)
        reset(other)
        other.caller.wait_until_ready()
        assert not is_halted(other.link)


@pytest.mark.parametrize("scheme", ["openocd", "gdb"])
def test_a_target_without_power_is_a_link_error(
    scheme: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No zeros, and no fault of the address: the target is gone, and comes back."""
    with openocd_on_bench(tmp_path) as (probe, specs):
        command = ["-p", specs[scheme], "-a", ARCHIVE, "readmem", "0x20000000", "4"]
        assert run(command) == 0
        probe.wires.powered = False
        assert run(command) == 4
        said = capsys.readouterr().err
        assert "whether the board is powered" in said
        assert specs[scheme] in said
        probe.wires.powered = True
        wait_until(lambda: run(command) == 0, "the target is back")
