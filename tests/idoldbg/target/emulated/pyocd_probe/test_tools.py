"""pyOCD's commands as a user runs them, on an emulated board named in the environment."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

from idoldbg.errors import LinkError, LinkTimeout
from idoldbg.target.probe.link import ProbeOptions, open_server
from tests.conftest import free_port, wait_until
from tests.tools import need_localhost

from .conftest import BOARDS, COUNTER, LOOP, RAM

FLASH = BOARDS["stm32f4-discovery"]
LIMIT_S = 120.0


@pytest.fixture
def environment(elf_file: Path) -> dict[str, str]:
    return {**os.environ, "IDOLDBG_EMULATED": f"counter=stm32f4-discovery,{elf_file}"}


def pyocd(environment: dict[str, str], *arguments: str, fails: bool = False) -> str:
    """Run pyOCD to its end; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pyocd", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
    )
    assert (done.returncode != 0) == fails, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout


def commander(environment: dict[str, str], *commands: str, fails: bool = False) -> str:
    arguments = [word for command in commands for word in ("-c", command)]
    return pyocd(environment, "commander", "-u", "counter", *arguments, fails=fails)


@contextmanager
def serving(environment: dict[str, str], *arguments: str, port: int) -> Iterator[subprocess.Popen]:  # type: ignore[type-arg]  # of bytes that nobody reads
    """Run pyOCD until the block ends; begin it when its port answers."""
    need_localhost()
    server = subprocess.Popen(
        [sys.executable, "-P", "-m", "pyocd", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(
            lambda: server.poll() is not None or is_listening(port), "the server listens", LIMIT_S
        )
        assert server.poll() is None, "the server ended"
        yield server
    finally:
        server.kill()
        server.wait()


def is_listening(port: int) -> bool:
    """Look into the kernel's table, since connecting would make us a client."""
    table = Path("/proc/net/tcp").read_text()
    return re.search(rf": \w+:{port:04X} \w+:\w+ 0A ", table) is not None


def test_list(environment: dict[str, str]) -> None:
    out = pyocd(environment, "list")
    assert "counter" in out
    assert "emulated stm32f4-discovery" in out


def test_commander(environment: dict[str, str]) -> None:
    out = commander(environment, "reset halt", "reg pc", "step", "step", "step", "reg r1")
    assert f"pc = 0x{FLASH + 0x100:08x}" in out
    assert "r1 = 0x00000001" in out
    commands = (f"write32 {RAM:#x} 0x12345678", f"read32 {RAM:#x}", "read32 0x60000000")
    out = commander(environment, *commands, fails=True)
    assert re.search(rf"{RAM:08x}:\s+12345678", out)
    assert "memory transfer failed" in out


class RemoteSerial:
    """GDB's remote protocol, as much as a look at a target needs."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
        self._buffer = b""

    def ask(self, packet: str) -> str:
        """Send a packet and return the next one that is not console output."""
        body = packet.encode()
        self._socket.sendall(b"$" + body + b"#%02x" % (sum(body) & 0xFF))
        while True:
            answer = self._packet()
            if not answer.startswith("O") or answer == "OK":
                return answer

    def interrupt(self) -> str:
        self._socket.sendall(b"\x03")
        return self._packet()

    def send(self, packet: str) -> None:
        self._socket.sendall(b"$%s#%02x" % (packet.encode(), sum(packet.encode()) & 0xFF))

    def read_pc(self) -> int:
        return int.from_bytes(bytes.fromhex(self.ask("g")[15 * 8 : 16 * 8]), "little")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _packet(self) -> str:
        while not (match := re.search(rb"\$([^#]*)#..", self._buffer)):
            data = self._socket.recv(4096)
            assert data, "gdbserver closed the connection"
            self._buffer += data
        self._buffer = self._buffer[match.end() :]
        self._socket.sendall(b"+")
        return match[1].decode()


def test_gdbserver(environment: dict[str, str]) -> None:
    port, telnet = free_port(), free_port()
    arguments = ("gdbserver", "-u", "counter", "-p", str(port), "-T", str(telnet))
    with serving(environment, *arguments, port=port), RemoteSerial(port) as gdb:
        assert "PacketSize" in gdb.ask("qSupported:multiprocess+;swbreak+;hwbreak+")
        assert gdb.ask("?").startswith("T")
        assert FLASH + 0x100 <= gdb.read_pc() <= FLASH + 0x10A
        assert gdb.ask(f"m{COUNTER:x},4") != "00000000"
        assert gdb.ask(f"M{COUNTER + 16:x},2:cafe") == "OK"
        assert gdb.ask(f"m{COUNTER + 16:x},4") == "cafe0000"
        assert gdb.ask(f"Z1,{FLASH + LOOP:x},2") == "OK"
        assert gdb.ask("c").startswith("T05")
        assert gdb.read_pc() == FLASH + LOOP
        assert gdb.ask("s").startswith("T05")
        assert gdb.read_pc() == FLASH + LOOP + 2
        assert gdb.ask(f"z1,{FLASH + LOOP:x},2") == "OK"
        gdb.send("c")
        time.sleep(0.1)
        assert gdb.interrupt().startswith("T")
        assert gdb.ask("m60000000,4").startswith("E")


def test_probe_server_and_its_sudden_end(environment: dict[str, str]) -> None:
    port = free_port()
    arguments = ("server", "-u", "counter", "-p", str(port))
    with (
        serving(environment, *arguments, port=port) as server,
        open_server("127.0.0.1", port, ProbeOptions(attempts=1, limit_s=LIMIT_S)) as link,
    ):
        first = link.read(COUNTER, 4)
        link.wait(0.05)
        assert link.read(COUNTER, 4) != first
        server.kill()
        server.wait()
        with pytest.raises(LinkError, match=r"server|connection|gone") as caught:
            link.read(COUNTER, 4)
    assert not isinstance(caught.value, LinkTimeout), "its end is noticed, not waited for"


def test_a_board_that_does_not_exist(environment: dict[str, str]) -> None:
    environment["IDOLDBG_EMULATED"] = "counter=no-such-board"
    out = commander(environment, "status", fails=True)
    assert "cannot start counter" in out
    assert "no-such-board" in out
