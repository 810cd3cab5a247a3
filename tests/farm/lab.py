"""A lab in this machine: labgrid's coordinator, and exporters on hosts that are network namespaces.

The hosts hang on one bridge, with addresses of their own; the coordinator and the clients are
outside, at the bridge. Needs root and `ip`; `skip_reason` says what is missing.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from idoldbg.farm.processes import start_time
from tests.conftest import wait_until

PREFIX = "idlab"  # of bridges and namespaces; each host's name begins with h
MARK = "IDOLDBG_TEST_LAB"  # in the environment of every process of a lab
LIMIT_S = 300.0  # reached by no test, also on a machine that does other things
PORT = 20408
POWER = "power"


def skip_reason() -> str | None:
    """Return why there can be no lab here."""
    if shutil.which("ip") is None:
        return "needs the program `ip` (iproute2)"
    if os.geteuid() != 0:
        return "needs root, for network namespaces"
    probe = f"idprobe{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True)
    if made.returncode:
        return f"needs network namespaces: {made.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", probe], check=True)
    return None


@dataclass
class Host:
    """One exporter in a namespace of its own; `boards` maps groups to BOARD or BOARD@ARCHIVE.

    POWER stands for something that is not a board of ours.
    """

    name: str
    namespace: str
    address: str
    boards: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None


@dataclass
class Lab:
    """Processes of one lab, told from all others by the environment variable MARK."""

    folder: Path
    token: str
    address: str
    hosts: list[Host] = field(default_factory=list)
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def coordinator(self) -> str:
        return f"{self.address}:{PORT}"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, MARK: self.token, "LG_COORDINATOR": self.coordinator}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `idoldbg` to its end."""
        command = [sys.executable, "-P", "-m", "idoldbg", *arguments]
        return subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True,
            timeout=LIMIT_S,
        )  # fmt: skip

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `idoldbg` and leave it running."""
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "idoldbg", *arguments],
            env=self.environment, cwd=self.folder, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def states(self) -> dict[str, str]:
        """Ask for the state of every place, by name."""
        from idoldbg.farm.coordinator import Coordinator

        return {place.name: place.state for place in Coordinator(self.coordinator).places()}

    def processes(self, *parts: str) -> list[int]:
        """Return the processes of this lab whose command line has all these words."""
        found = []
        mark = f"{MARK}={self.token}".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark not in (folder / "environ").read_bytes().split(b"\0"):
                    continue
                command = (folder / "cmdline").read_bytes().decode().split("\0")
                if all(part in command for part in parts):
                    found.append(int(folder.name))
        return found


@contextlib.contextmanager
def running_lab(folder: Path, hosts: Mapping[str, Mapping[str, str]]) -> Iterator[Lab]:
    """Run a lab; `hosts` maps each to its groups, and these to boards. Each group is a place."""
    clean_up_after_the_dead()
    number = _make_bridge()
    bridge = f"{PREFIX}{number}"
    lab = Lab(folder, f"{_owner()} {time.monotonic_ns()}", f"10.231.{number}.1")
    for index, (name, boards) in enumerate(hosts.items()):
        address = f"10.231.{number}.{index + 11}"
        lab.hosts.append(Host(name, f"{bridge}{name}", address, boards))
    try:
        _make_network(lab, bridge)
        _start_coordinator(lab)
        for host in lab.hosts:
            start_exporter(lab, host)
        _await_resources(lab)
        _make_places(lab)
        yield lab
    finally:
        for pid in lab.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for child in lab.children:
            child.wait()
        _drop_network(bridge)


def _ip(*arguments: str, check: bool = True) -> None:
    subprocess.run(["ip", *arguments], check=check, capture_output=not check)


def _owner() -> str:
    """Name this process so that no later one has the same name."""
    return f"{os.getpid()} {start_time(os.getpid())}"


def _is_dead(owner: str) -> bool:
    """Return whether the process that `owner` (or a token that begins with it) names is gone."""
    pid, started = owner.split()[:2]
    return start_time(int(pid)) != int(started)


def clean_up_after_the_dead() -> None:
    """Remove what test runs have left that were killed; labs of runs that live are left alone."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            for variable in (folder / "environ").read_bytes().decode(errors="replace").split("\0"):
                name, _, token = variable.partition("=")
                if name == MARK and _is_dead(token):
                    os.kill(int(folder.name), signal.SIGKILL)
    for link in _links("type", "bridge"):
        owner = link.get("ifalias")  # absent while its lab is being made
        if owner and _is_dead(owner):
            _drop_network(link["ifname"])


def _make_bridge() -> int:
    """Make a bridge under the first number that nobody has; it says whose it is."""
    for number in range(1, 251):
        bridge = f"{PREFIX}{number}"
        made = subprocess.run(
            ["ip", "link", "add", bridge, "type", "bridge"], capture_output=True, text=True
        )
        if made.returncode == 0:
            _ip("link", "set", bridge, "alias", _owner())
            return number
    raise RuntimeError(f"no bridge can be made: {made.stderr.strip()}")


def _make_network(lab: Lab, bridge: str) -> None:
    _ip("address", "add", f"{lab.address}/24", "dev", bridge)
    _ip("link", "set", bridge, "up")
    for index, host in enumerate(lab.hosts):
        outside, inside = f"{bridge}o{index}", f"{bridge}i{index}"
        _ip("netns", "add", host.namespace)
        _ip("link", "add", outside, "type", "veth", "peer", "name", inside)
        _ip("link", "set", outside, "master", bridge, "up")
        _ip("link", "set", inside, "netns", host.namespace)
        within = ("-n", host.namespace)
        _ip(*within, "address", "add", f"{host.address}/24", "dev", inside)
        _ip(*within, "link", "set", inside, "up")
        _ip(*within, "link", "set", "lo", "up")


def _drop_network(bridge: str) -> None:
    """Remove a lab's network: first the cables, which namespaces would remove later, when empty."""
    for link in _links("type", "veth"):
        if link["ifname"].startswith(f"{bridge}o"):
            _ip("link", "del", link["ifname"], check=False)
    listed = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        if line.startswith(f"{bridge}h"):
            _ip("netns", "del", line.split()[0], check=False)
    _ip("link", "del", bridge, check=False)


def _links(*selection: str) -> list[dict[str, Any]]:
    command = ["ip", "-json", "link", "show", *selection]
    links = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [link for link in json.loads(links or "[]") if link.get("ifname", "").startswith(PREFIX)]


def _start_coordinator(lab: Lab) -> None:
    lab.folder.mkdir(parents=True, exist_ok=True)
    with (lab.folder / "coordinator.log").open("wb") as log:
        coordinator = subprocess.Popen(
            [sys.executable, "-P", "-m", "labgrid.remote.coordinator", "-l", lab.coordinator],
            env=lab.environment, cwd=lab.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    lab.children.append(coordinator)
    wait_until(lambda: _listens(lab.address, PORT), "the coordinator listens", LIMIT_S)


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def start_exporter(lab: Lab, host: Host) -> None:
    """Start the exporter of one host, again if need be."""
    lines = []
    for group, text in host.boards.items():
        board, _, archive = text.partition("@")
        if text == POWER:
            lines += [f"{group}:", "  NetworkPowerPort:"]
            lines += ["    model: rest", "    host: http://127.0.0.1/", "    index: 1"]
            continue
        lines += [f"{group}:", "  IdoldbgEmulatedBoard:", f"    board: {board}"]
        lines += [f"    archive: {archive}"] if archive else []
    config = lab.folder / f"{host.name}.yaml"
    config.write_text("\n".join(lines) + "\n")
    command = ["ip", "netns", "exec", host.namespace, sys.executable, "-P", "-m", "idoldbg"]
    command += ["farm", "exporter", str(config), "--coordinator", lab.coordinator]
    command += ["--name", host.name, "--hostname", host.address]
    with (lab.folder / f"{host.name}.log").open("wb") as log:
        host.process = subprocess.Popen(
            command, env=lab.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    lab.children.append(host.process)


def _await_resources(lab: Lab) -> None:
    for host in lab.hosts:
        log = lab.folder / f"{host.name}.log"
        wait_until(
            lambda log=log: "Exporter ready" in log.read_text(),
            f"the exporter of {host.name} is ready",
            LIMIT_S,
        )


def _make_places(lab: Lab) -> None:
    """Make a place for each group, as a lab's keeper does once with labgrid-client."""
    from labgrid.remote.generated import labgrid_coordinator_pb2 as messages

    from idoldbg.farm.coordinator import Coordinator
    from idoldbg.target.board_files import load_board

    async def make(session: Any) -> None:
        for host in lab.hosts:
            for group, text in host.boards.items():
                board = text.partition("@")[0]
                await session.stub.AddPlace(messages.AddPlaceRequest(name=group))
                pattern = f"{host.name}/{group}/*"
                match = messages.AddPlaceMatchRequest(placename=group, pattern=pattern)
                await session.stub.AddPlaceMatch(match)
                chip = "none" if text == POWER else load_board(board).chip.name
                tags = {"board": board, "chip": chip}
                request = messages.SetPlaceTagsRequest(placename=group, tags=tags)
                await session.stub.SetPlaceTags(request)

    Coordinator(lab.coordinator)._run(make)
