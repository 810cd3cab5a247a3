"""`gdb:HOST:PORT`: commands on a Hubris image through the servers of QEMU, pyOCD and OpenOCD."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from idoldbg.cli import run
from idoldbg.errors import FaultError, LinkError
from idoldbg.session import Session, TargetOptions, open_session
from idoldbg.startup import reset, reset_with
from idoldbg.target.capability import Registers, RunControl
from idoldbg.views.tasks import is_halted
from tests.conftest import wait_for_idle, wait_until
from tests.idoldbg.target.servers.real import ARCHIVE, SERVERS

RAM = 0x20000000
EXCHANGE = [
    "call",
    "Spi.exchange",
    "--device-index",
    "0",
    "--source",
    "hex:9f000000",
    "--sink",
    "4",
]
LIMIT_S = 30.0


@pytest.fixture(scope="module", params=SERVERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def spec(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with SERVERS[kind](tmp_path_factory.mktemp(kind)) as spec:
        yield spec


@pytest.fixture
def session(spec: str) -> Iterator[Session]:
    options = TargetOptions(archive=ARCHIVE, probe=spec, timeout_s=LIMIT_S)
    with open_session(options) as session:
        yield session


def idoldbg(capsys: pytest.CaptureFixture[str], spec: str, *command: str) -> tuple[int, str, str]:
    """Run a command; return its exit code, what it printed, and what it said beside that."""
    code = run(["-p", spec, "-a", ARCHIVE, "--timeout", f"{LIMIT_S:g}", *command])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_tasks_run(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    def read_tasks() -> str:
        code, out, err = idoldbg(capsys, spec, "tasks")
        assert code == 0
        assert re.search(r"hiffy +0 +5 +", out)
        assert "reads memory of a halted core only" in err
        return out

    wait_for_idle(read_tasks)


def test_calls(spec: str, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = idoldbg(capsys, spec, "call", "Sensor.reading", "--id", "0")
    assert (code, "value: 21.5" in out) == (0, True)
    code, out, _ = idoldbg(capsys, spec, *EXCHANGE)
    assert code == 0
    assert "sink (4 bytes)" in out
    if kind != "QEMU":  # QEMU's board has no memory on its SPI bus
        assert "ff ef 40 18" in out


def test_the_core_runs_on_between_commands(session: Session) -> None:
    start = session.program.memory.read(RAM, 4)
    assert len(start) == 4
    assert not is_halted(session.link)
    ticks = session.program.kernel_address("TICKS")
    if ticks is None:
        pytest.skip("the kernel's clock has no name here")
    before = session.link.read(ticks, 8)
    wait_until(lambda: session.link.read(ticks, 8) != before, "the kernel's clock")


def test_memory_is_the_image_and_holes_are_faults(session: Session) -> None:
    for segment in session.program.archive.flash_segments():
        data = segment.data[:5000]
        assert session.link.read(segment.address, len(data)) == data
    for address in (0x90000000, 0x60000000):
        with pytest.raises(FaultError):
            session.link.read(address, 8)
        with pytest.raises(FaultError):
            session.link.write(address, bytes(8))
    end = RAM + 0x1C000  # of no task
    session.link.write(end + 1, b"idoldbg}#$*\x03")
    assert session.link.read(end, 13) == b"\0idoldbg}#$*\x03"
    session.link.write(end + 1, bytes(12))


def test_registers_are_of_one_moment(session: Session) -> None:
    registers = session.target.need(Registers)

    def look() -> list[int]:
        return [registers.read_register(name) for name in ("pc", "sp", "lr", "r7", "xpsr") * 2]

    found = session.link.halted(look)
    assert found[:5] == found[5:]
    image = session.program.archive.flash_segments()
    assert any(s.address <= found[0] < s.end for s in image)
    assert found[4] & 1 << 24  # Thumb


def test_halt_and_resume(session: Session) -> None:
    control = session.target.need(RunControl)
    control.halt()
    assert is_halted(session.link)
    first = session.link.read_register("pc")
    assert session.link.read_register("pc") == first
    control.resume()
    assert not is_halted(session.link)


def test_resets(session: Session) -> None:
    vector = session.link.read(0x08000004, 4)
    reset_with(session, halt=True, line=False)
    assert is_halted(session.link)
    assert session.link.read_register("pc") == int.from_bytes(vector, "little") & ~1
    reset(session)
    assert not is_halted(session.link)
    session.caller.wait_until_ready()


def test_a_dump_holds_registers_and_memory(
    spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "core.zip")
    code, out, _ = idoldbg(capsys, spec, "dump", "-o", path)
    assert code == 0
    assert re.search(r"1[57]|2\d registers", out)
    assert run(["-a", path, "--format", "json", "tasks"]) == 0
    tasks = json.loads(capsys.readouterr().out)["tasks"]
    assert [task["name"] for task in tasks][:2] == ["jefe", "hiffy"]


def test_a_server_that_ends_is_a_failure_of_the_link(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with SERVERS[kind](tmp_path) as spec:
        options = TargetOptions(archive=ARCHIVE, probe=spec, timeout_s=LIMIT_S)
        session = open_session(options)
        session.link.read(RAM, 4)
    with pytest.raises(LinkError, match=r"closed the connection|is lost|has gone"):
        for _ in range(100):
            session.link.read(RAM, 4)
    session.close()
    code, _, err = idoldbg(capsys, spec, "tasks")
    assert code == 4
    assert "nothing listens there; start the GDB server first" in err


@pytest.mark.parametrize("probe", ["gdb:localhost", "gdb:localhost:x", "gdb:"])
def test_malformed_addresses_are_usage_errors(
    probe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-p", probe, "tasks"]) == 2
    assert "gdb:HOST:PORT" in capsys.readouterr().err
