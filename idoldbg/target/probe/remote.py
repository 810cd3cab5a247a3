"""A pyOCD probe server as a probe, with limits that pyOCD's own client lacks.

pyOCD 0.46's client (`pyocd/probe/tcp_client_probe.py`) reads for ever from a server that has died
or hangs. It reads lines through one small socket object, which is replaced here.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence
from typing import Any

from pyocd.core import exceptions
from pyocd.probe.tcp_client_probe import TCPClientProbe

from idoldbg.target.probe.memory import to_bytes

__all__ = ["LOCK_CALLS", "UNLOCK_CALLS", "BoundedSocket", "RemoteProbe"]

# Requests that only the server of a running board knows (`emulated.pyocd_probe.server`).
READ_BLOCK = "read_block32"  # of pyOCD's server
LOCK_CALLS, UNLOCK_CALLS = "idoldbg_lock_calls", "idoldbg_unlock_calls"

CONNECT_LIMIT_S = 5.0
LINE_LIMIT = 16 << 20  # bytes; a block of 64 KiB takes about 0.7 MiB as JSON
CHUNK_SIZE = 1 << 16


class BoundedSocket:
    """Sends and receives lines. After its first failure it stays failed: answers would be lost."""

    def __init__(self, host: str, port: int, limit_s: float) -> None:
        self._address = (host, port)
        self._limit_s = limit_s
        self._socket: socket.socket | None = None
        self._buffer = bytearray()
        self.is_answering = False
        """Whether requests are dropped, because they were sent ahead of their answers."""

    def connect(self) -> None:
        try:
            self._socket = socket.create_connection(self._address, CONNECT_LIMIT_S)
        except socket.gaierror:
            if self._address[0] != "localhost":
                raise
            # It is this host (RFC 6761), even where no /etc/hosts says so.
            loopback = ("127.0.0.1", self._address[1])
            self._socket = socket.create_connection(loopback, CONNECT_LIMIT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer.clear()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def set_timeout(self, timeout: float) -> None:
        """Ignore pyOCD's 0.1 s, which its client uses to look again for ever."""

    def write(self, data: bytes) -> None:
        if self.is_answering:
            return
        try:
            self._connected().sendall(data)
        except OSError:
            self.close()
            raise

    def readline(self) -> bytes:
        """Return one line with its end; raise `OSError` when none comes in time."""
        end = time.monotonic() + self._limit_s
        try:
            while (length := self._buffer.find(b"\n") + 1) == 0:
                connection = self._connected()
                connection.settimeout(max(0.001, end - time.monotonic()))
                data = connection.recv(CHUNK_SIZE)
                if not data:
                    raise ConnectionResetError("the probe server closed the connection")
                self._buffer += data
                if len(self._buffer) > LINE_LIMIT:
                    raise OSError(f"the probe server sent a line of over {LINE_LIMIT} bytes")
        except TimeoutError:
            self.close()
            raise TimeoutError(
                f"the probe server did not answer within {self._limit_s:g} s; another client may "
                "hold its probe"
            ) from None
        except OSError:
            self.close()
            raise
        line = bytes(self._buffer[:length])
        del self._buffer[:length]
        return line

    def _connected(self) -> socket.socket:
        if self._socket is None:
            raise ConnectionResetError("the connection to the probe server is lost")
        return self._socket


class RemoteProbe(TCPClientProbe):  # type: ignore[misc]  # pyOCD publishes no types
    """pyOCD's client over a `BoundedSocket`."""

    def __init__(self, host: str, port: int, limit_s: float) -> None:
        super().__init__(f"{host}:{port}")
        self._is_open: bool
        self._lock_count: int
        # Private, but the only seam there is; pyproject.toml pins the series it was seen in.
        self._socket = BoundedSocket(host, port, limit_s)
        self._handles: dict[int, int] = {}  # of the server's memory interfaces, by access port

    def get_memory_interface_for_ap(self, ap_address: Any) -> Any:
        found = super().get_memory_interface_for_ap(ap_address)
        if found is not None:
            self._handles[ap_address.address] = found._handle
        return found

    def read_ranges(self, ap_address: Any, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several ranges of whole words in one round trip: all requests, then all answers.

        Raises `NotImplementedError` where the server has no memory interface for the access port.
        """
        if ap_address.address not in self._handles:
            raise NotImplementedError
        handle = self._handles[ap_address.address]
        blocks = [(handle, address, size // 4) for address, size in ranges]
        requests = [
            {"id": self.request_id, "request": READ_BLOCK, "arguments": block} for block in blocks
        ]
        with self._lock:
            self._socket.write("".join(json.dumps(r) + "\n" for r in requests).encode())
            self._socket.is_answering = True
            try:
                answers = [self._perform_request_without_raise(READ_BLOCK, *b) for b in blocks]
            finally:
                self._socket.is_answering = False
        for _, error in answers:
            if error is not None:
                raise error
        return [
            to_bytes(values, 4, block[2])
            for (values, _), block in zip(answers, blocks, strict=True)
        ]

    def lock_calls(self, limit_s: float) -> bool:
        """Take the lock for calls through hiffy; return whether it came in time.

        `limit_s` is to be less than that of an answer. Raises `NotImplementedError` where the
        server knows of no such lock.
        """
        result, error = self._perform_request_without_raise(LOCK_CALLS, limit_s)
        if type(error) is exceptions.Error:  # "unknown request type" is one of no particular kind
            raise NotImplementedError
        if error is not None:
            raise error
        return bool(result)

    def unlock_calls(self) -> None:
        """Give back what `lock_calls` took."""
        self._perform_request(UNLOCK_CALLS)

    def close(self) -> None:
        # Dying with the server's lock would hang its other clients.
        try:
            while self._is_open and self._lock_count > 0:
                self.unlock()
            super().close()
        finally:
            self._lock_count = 0
            self._is_open = False
            self._socket.close()
