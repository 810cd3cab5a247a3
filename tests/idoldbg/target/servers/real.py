"""Debug servers as a user starts them, each with the demo image of an STM32F4.

QEMU has it on a board of its own; pyOCD's GDB server and OpenOCD have the emulated board, the
latter behind an emulated ST-Link.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from idoldbg.build.load import open_build
from tests.bench.bench import Bench, Probe
from tests.bench.stlink_server import StLinkServer
from tests.conftest import ARCHIVES, free_port, wait_until
from tests.tools import need, need_localhost

__all__ = ["ARCHIVE", "SERVERS", "openocd", "openocd_on_bench", "pyocd", "qemu"]

ARCHIVE = str(ARCHIVES / "stm32f4-discovery.zip")


@contextmanager
def running(
    command: list[str], port: int, log: Path, *, mark: str = "", served: str = ""
) -> Iterator[None]:
    """Run a server until the block ends; begin when it has printed `mark`, or its port answers.

    `served` is what pyOCD offers as emulated probes.
    """
    with log.open("w") as output:
        server = subprocess.Popen(
            command,
            env={**os.environ, "IDOLDBG_EMULATED": served},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def is_ready() -> bool:
        assert server.poll() is None, log.read_text()
        if mark:
            return mark in log.read_text()
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 5):
            return True
        return False

    try:
        wait_until(is_ready, f"{command[0]} at port {port}")
        yield
    finally:
        server.terminate()
        server.wait(60)


def flash_file(folder: Path) -> Path:
    """Write the image as it lies in flash."""
    segments = open_build(ARCHIVE).archive.flash_segments()
    start = min(s.address for s in segments)
    data = bytearray(max(s.end for s in segments) - start)
    for segment in segments:
        data[segment.address - start : segment.end - start] = segment.data
    path = folder / "flash.bin"
    path.write_bytes(data)
    return path


@contextmanager
def qemu(folder: Path) -> Iterator[str]:
    """Run the image on QEMU's board with an STM32F405."""
    program = need("qemu-system-arm", of="qemu-system-arm")
    port = free_port()
    board = ["-M", "netduinoplus2", "-nographic", "-monitor", "none", "-serial", "none"]
    image = ["-kernel", str(flash_file(folder)), "-gdb", f"tcp:127.0.0.1:{port}"]
    with running([program, *board, *image], port, folder / "log"):
        yield f"gdb:127.0.0.1:{port}"


@contextmanager
def pyocd(folder: Path) -> Iterator[str]:
    """Run pyOCD's server on the emulated board."""
    need_localhost()
    port = free_port()
    served = f"served=stm32f4-discovery,{ARCHIVE}"
    ports = ["-p", str(port), "-T", str(free_port())]
    options = ["--uid", "served", "--target", "cortex_m", "--no-config", "--persist", *ports]
    command = [sys.executable, "-P", "-m", "pyocd", "gdbserver", *options]
    with running(command, port, folder / "log", served=served):
        yield f"gdb:127.0.0.1:{port}"


@contextmanager
def openocd(folder: Path, scheme: str = "gdb") -> Iterator[str]:
    """Run OpenOCD on an emulated ST-Link; give the SPEC of its GDB port or its Tcl port."""
    with openocd_on_bench(folder) as (_, specs):
        yield specs[scheme]


@contextmanager
def openocd_on_bench(folder: Path) -> Iterator[tuple[Probe, dict[str, str]]]:
    """Do as `openocd`, and give the probe as well; the SPECs are by their schemes."""
    program = need("openocd", of="openocd")
    with Bench(folder) as bench:
        probe = bench.plug("stlink-v2-1", "stm32f4-discovery", archive=ARCHIVE)
        server = StLinkServer(bench.bus)
        ports = {"gdb": free_port(), "openocd": free_port()}
        own = f"gdb_port {ports['gdb']}; tcl_port {ports['openocd']}; telnet_port disabled"
        setup = ["-c", f"st-link backend tcp {server.port}", "-c", "transport select dapdirect_swd"]
        files = ["interface/stlink-dap.cfg", *setup, "-f", "target/stm32f4x.cfg", "-c", own]
        try:
            mark = f"Listening on port {ports['gdb']} for gdb"
            with running([program, "-f", *files], ports["gdb"], folder / "log", mark=mark):
                yield probe, {name: f"{name}:127.0.0.1:{port}" for name, port in ports.items()}
        finally:
            server.close()


SERVERS = {"QEMU": qemu, "pyOCD": pyocd, "OpenOCD": openocd}
