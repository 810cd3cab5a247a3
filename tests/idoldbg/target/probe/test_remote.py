"""Through a pyOCD probe server, also one that hangs, dies or talks nonsense."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from pyocd.core.session import Session
from pyocd.probe.aggregator import DebugProbeAggregator
from pyocd.probe.tcp_probe_server import DebugProbeServer

from idoldbg.errors import FaultError, LinkError, LinkTimeout
from idoldbg.target.probe import remote as pyocd_remote
from idoldbg.target.probe.link import ProbeOptions, PyocdLink, open_probe, open_server
from idoldbg.target.probe.remote import BoundedSocket
from tests.conftest import wait_until
from tests.tools import need_localhost

from ..conftest import FLASH, RAM, FakeChip

PATIENT = ProbeOptions(attempts=1, limit_s=120.0, connect_limit_s=120.0)
QUICK = ProbeOptions(attempts=1, limit_s=1.0)  # where the other side never answers as it should


@pytest.fixture
def server_port(probe_id: str) -> Iterator[int]:
    """The port of pyOCD's own server, in threads of this process, on the fake chip's probe."""
    need_localhost()
    probe = DebugProbeAggregator.get_probe_with_id(probe_id)
    session = Session(None, no_config=True)
    server = DebugProbeServer(session, probe, port=0, serve_local_only=True)
    server.start()
    wait_until(lambda: bool(server.port), "the server listens")
    yield server.port
    server.stop()
    server._server.server_close()


class Relay:
    """Stands between client and server, and can stop passing answers on."""

    def __init__(self, server_port: int) -> None:
        self.frozen = threading.Event()
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Close all connections, as when the server's process is killed."""
        for one in [self._listener, *self._sockets]:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # not connected any more
            one.close()

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
            server = socket.create_connection(("127.0.0.1", self._server_port))
        except OSError:
            return  # the test is over
        self._sockets += [client, server]
        threading.Thread(target=self._pass_on, args=(client, server), daemon=True).start()
        threading.Thread(target=self._pass_on, args=(server, client), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                if not self.frozen.is_set():
                    sink.sendall(data)
        except OSError:
            pass  # cut


@pytest.fixture
def relay(server_port: int) -> Iterator[Relay]:
    relay = Relay(server_port)
    yield relay
    relay.cut()


@pytest.fixture
def link(relay: Relay) -> Iterator[PyocdLink]:
    with open_server("127.0.0.1", relay.port, PATIENT) as opened:
        yield opened


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what the client did about each line that it wanted from a server."""
    found: list[str] = []
    readline = BoundedSocket.readline

    def noting(self: BoundedSocket) -> bytes:
        found.append("asked")
        return readline(self)

    monkeypatch.setattr(BoundedSocket, "readline", noting)
    return found


def test_memory_and_registers(link: PyocdLink, chip: FakeChip) -> None:
    assert link.spec.startswith("remote:127.0.0.1:")
    data = bytes(range(256)) * 20
    link.write(RAM + 0x1001, data)
    assert link.read(RAM + 0x1001, len(data)) == data
    assert link.read(FLASH + 3, 2) == bytes((21, 28))
    assert link.read_register("r5") == 0x1005
    assert not chip.is_halted


def test_fault(link: PyocdLink) -> None:
    with pytest.raises(FaultError) as caught:
        link.read(0x30000000, 8)
    assert caught.value.address == 0x30000000, "the server loses it, the link knows what it asked"
    assert link.read(FLASH, 1) == b"\0"


def test_closing_leaves_the_server_usable(server_port: int, chip: FakeChip) -> None:
    for _ in range(2):
        with open_server("localhost", server_port, PATIENT) as link:
            assert link.read(FLASH + 1, 1) == b"\7"
    assert chip.debug_writes() == []


FEW = 10  # pyOCD's own client asks for ever


def test_server_that_hangs(link: PyocdLink, relay: Relay, asked: list[str]) -> None:
    relay.frozen.set()
    # Only now: a busy machine may need longer to attach.
    link._connection.session.probe._socket._limit_s = 0.5  # type: ignore[union-attr]  # attached
    with pytest.raises(LinkTimeout, match="did not answer within"):
        link.read(RAM, 4)
    with pytest.raises(LinkError, match="lost") as caught:
        link.write(RAM, b"kick")
    assert not isinstance(caught.value, LinkTimeout), "what has failed stays failed"
    link.close()
    assert 0 < len(asked) < FEW


def test_server_that_dies(link: PyocdLink, relay: Relay, asked: list[str]) -> None:
    """pyOCD's own client reads an ended connection for ever, at full speed."""
    link.read(RAM, 4)
    asked.clear()
    relay.cut()
    with pytest.raises(LinkError, match="server") as caught:
        link.read(RAM, 4)
    assert not isinstance(caught.value, LinkTimeout), "its end is noticed, not waited for"
    link.close()
    assert 0 < len(asked) < FEW


def test_a_socket_without_a_listener() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(LinkError, match="nothing listens there"):
        open_server("127.0.0.1", port, PATIENT)


def test_unknown_host() -> None:
    with pytest.raises(LinkError, match="cannot attach"):
        open_server("no-such-host.invalid", 5555, QUICK)


@contextmanager
def speaker(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that is none of pyOCD's: it answers a connection in its own way."""

    def serve() -> None:
        try:
            connection, _ = listener.accept()
            with connection:
                answer(connection)
        except OSError:
            pass  # the client went away first, as it should

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
    thread.join(60)


def repeating(line: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        while connection.recv(4096):
            connection.sendall(line)

    return answer


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\xff\xfe\n",
        b"{}\n",
        b"[]\n",
        b"7\n",
        b'{"id": 0, "status": 0}\n',
        b'{"id": 0, "status": 0, "result": "SWD"}\n',
        b'{"id": 0, "status": 99, "error": "whatever"}\n',
    ],
)
def test_a_server_that_talks_nonsense(line: bytes) -> None:
    with speaker(repeating(line)) as port, pytest.raises(LinkError):
        open_server("127.0.0.1", port, QUICK)


def test_a_line_without_end_takes_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyocd_remote, "LINE_LIMIT", 1 << 20)

    def flood(connection: socket.socket) -> None:
        while True:
            connection.sendall(bytes(1 << 16))

    with speaker(flood) as port, pytest.raises(LinkError, match="a line of over"):
        open_server("127.0.0.1", port, PATIENT)


def test_a_server_that_accepts_and_stays_silent() -> None:
    def listen(connection: socket.socket) -> None:
        while connection.recv(4096):
            pass

    with speaker(listen) as port, pytest.raises(LinkTimeout, match="did not answer"):
        open_server("127.0.0.1", port, QUICK)


def test_the_same_probe_locally_is_busy_meanwhile(link: PyocdLink, probe_id: str) -> None:
    with pytest.raises(LinkError, match="in use"):
        open_probe(probe_id, QUICK)
